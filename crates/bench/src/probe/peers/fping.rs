//! fping: ICMP echo, which the kernel answers. Its times have three significant digits.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Asked, Told, quantiles};
use crate::child::{self, Stop};

pub(super) fn version(stop: &Stop) -> Result<String> {
    let told = child::run(stop, "fping", child::guarded("fping").arg("--version"))?;
    let number = told.split("Version ").nth(1).and_then(|rest| rest.split_whitespace().next());
    Ok(format!("fping {}", number.with_context(|| format!("no version: {told}"))?))
}

pub(super) fn ping(mut command: Command, asked: &Asked) -> Command {
    let period = asked.interval.as_millis().to_string();
    // With the header of ICMP 64 octets.
    command.args(["--size", "56", "--period", &period, "--count", &asked.count().to_string()]);
    command.arg(asked.target.ip().to_string());
    command
}

/// A line for each reply, `127.0.0.1 : [0], 64 bytes, 0.118 ms (...)`, and at the end `... : xmt/rcv/%loss = 3/3/0%, ...`.
pub(super) fn read(report: &str) -> Result<Told> {
    let milliseconds = |line: &str| line.split(" bytes, ").nth(1)?.split(" ms").next()?.parse::<f64>().ok();
    let round_trips: Vec<f64> =
        report.lines().filter_map(milliseconds).map(|milliseconds| milliseconds * 1e3).collect();
    let counts = report.split("xmt/rcv/%loss = ").nth(1).context("no counts")?;
    let mut counts = counts.split('/').map(str::parse::<u64>);
    let mut next = || -> Result<u64> { Ok(counts.next().context("no counts")??) };
    let (sent, answered) = (next()?, next()?);
    let (p50_us, p99_us) = quantiles(round_trips)?;
    Ok(Told { answered, lost: sent.saturating_sub(answered), p50_us, p99_us })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "127.0.0.1 : [0], 64 bytes, 0.118 ms (0.118 avg, 0% loss)
127.0.0.1 : [1], 64 bytes, 0.048 ms (0.083 avg, 0% loss)
127.0.0.1 : [3], 64 bytes, 0.036 ms (0.067 avg, 25% loss)

127.0.0.1 : xmt/rcv/%loss = 4/3/25%, min/avg/max = 0.036/0.067/0.118
";

    #[test]
    fn the_report_is_read() {
        let told = read(REPORT).unwrap();
        assert_eq!((told.answered, told.lost), (3, 1));
        assert!((told.p50_us - 48.0).abs() < 1e-6 && (told.p99_us - 118.0).abs() < 1e-6, "{told:?}");
        assert!(read("").is_err());
    }
}
