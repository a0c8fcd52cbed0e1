//! The load over HTTP/2: nghttp2's own tool. It counts the bytes of the bodies; what they are was compared before, over
//! HTTP/1.1 of the same server.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};

use super::super::case::{CONNECTIONS, STREAMS};
use super::super::results::Measured;
use super::super::served::{SMALL_BYTES, SMALL_PATH};
use super::WARM_SECONDS;
use crate::child::{self, Stop};
use crate::cpu;

/// Requests of the first load, whose speed tells how many fill the time: ten on each stream.
const REQUESTS_FIRST: u64 = 10 * CONNECTIONS as u64 * STREAMS as u64;

/// What the tool says.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Told {
    per_second: f64,
    succeeded: u64,
    body_bytes: u64,
}

/// Warms up and measures a server for about so many seconds.
pub(super) fn run(stop: &Stop, pid: u32, address: SocketAddr, seconds: f64) -> Result<Measured> {
    let first = load(stop, address, REQUESTS_FIRST)?;
    let warm = load(stop, address, requests_for(first.per_second, WARM_SECONDS.min(seconds))?)?;
    let requests = requests_for(warm.per_second, seconds)?;
    let before = cpu::spent(pid);
    let told = load(stop, address, requests)?;
    let cpu = cpu::spent(pid).saturating_sub(before);
    let lasted = crate::figure::number(requests) / told.per_second;
    Ok(Measured::Load { requests, seconds: lasted, cpu_seconds: cpu.as_secs_f64(), latency_us: None })
}

fn load(stop: &Stop, address: SocketAddr, requests: u64) -> Result<Told> {
    let mut tool = child::guarded("h2load");
    tool.args(["-t", "1", "-n", &requests.to_string(), "-c", &CONNECTIONS.to_string()]);
    tool.args(["-m", &STREAMS.to_string(), &format!("https://{address}{SMALL_PATH}")]);
    let report = child::run(stop, "h2load", &mut tool)?;
    let told = read_report(&report)?;
    ensure!(
        told.succeeded == requests && told.body_bytes == requests * SMALL_BYTES,
        "of {requests} requests over HTTP/2 not all were answered in full: {report}"
    );
    Ok(told)
}

/// Requests that fill so many seconds at a speed seen before, the same number on each stream.
fn requests_for(per_second: f64, seconds: f64) -> Result<u64> {
    // Through a decimal: floats have no checked way to whole numbers.
    let requests: u64 =
        format!("{:.0}", (per_second * seconds).max(1.0)).parse().context("too many requests")?;
    Ok(requests.next_multiple_of(u64::from(CONNECTIONS) * u64::from(STREAMS)))
}

/// `finished in 1.00s, 2 req/s, ...`, `status codes: 2 2xx, ...`, `traffic: ... (2048) data`, and the protocol.
fn read_report(report: &str) -> Result<Told> {
    let unread = || format!("h2load reported something else: {report}");
    let line = |begin: &str| report.lines().find_map(|line| line.strip_prefix(begin)).with_context(unread);
    ensure!(line("Application protocol: ")?.trim() == "h2", "h2load did not speak HTTP/2: {report}");
    let finished = line("finished in ")?.split(", ").nth(1).and_then(|part| part.strip_suffix(" req/s"));
    let per_second: f64 = finished.with_context(unread)?.parse().with_context(unread)?;
    let succeeded = line("status codes: ")?.split_once(" 2xx").with_context(unread)?.0;
    let body = line("traffic: ")?.rsplit('(').next().and_then(|rest| rest.strip_suffix(") data"));
    ensure!(per_second > 0.0, unread());
    Ok(Told {
        per_second,
        succeeded: succeeded.parse().with_context(unread)?,
        body_bytes: body.with_context(unread)?.parse().with_context(unread)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "starting benchmark...
TLS Protocol: TLSv1.3
Application protocol: h2
progress: 100% done

finished in 515.92ms, 39695.90 req/s, 40.24MB/s
requests: 20480 total, 20480 started, 20480 done, 20480 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 20480 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 20.76MB (21772288) total, 280.00KB (286720) headers (space savings 93.17%), 20.00MB (20971520) data
";

    #[test]
    fn the_report_is_read() {
        let told = Told { per_second: 39_695.9, succeeded: 20_480, body_bytes: 20_971_520 };
        assert_eq!(read_report(REPORT).unwrap(), told);
    }

    #[test]
    fn another_protocol_or_report_is_noticed() {
        let told = read_report(&REPORT.replace(": h2", ": http/1.1")).unwrap_err().to_string();
        assert!(told.contains("did not speak HTTP/2"), "{told}");
        read_report("").unwrap_err();
        read_report(&REPORT.replace(" req/s", "")).unwrap_err();
    }

    #[test]
    fn every_stream_has_as_many_requests() {
        assert_eq!(requests_for(100_000.0, 1.0).unwrap(), 100_352);
        assert_eq!(requests_for(0.1, 0.1).unwrap(), 2048);
    }
}
