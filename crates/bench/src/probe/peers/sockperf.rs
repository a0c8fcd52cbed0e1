//! sockperf: a server that answers whoever asks it, and ping-pong, one datagram after the other as fast as answers come, which its
//! makers publish latency by. Its figures are asked for as round trips.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Asked, PROBE_OCTETS, Told};
use crate::child::{self, Stop};

pub(super) fn version(stop: &Stop) -> Result<String> {
    let told = child::run(stop, "sockperf", child::guarded("sockperf").arg("--version"))?;
    let number = told.split("version ").nth(1).and_then(|rest| rest.split(['-', '\n']).next());
    Ok(format!("sockperf {}", number.with_context(|| format!("no version: {told}"))?))
}

pub(super) fn reflect(mut command: Command, address: SocketAddr, spinning: bool) -> Command {
    at(command.arg("server"), address, spinning);
    command
}

pub(super) fn ping(mut command: Command, asked: &Asked, spinning: bool) -> Command {
    let seconds = asked.lasts.as_secs_f64().ceil().max(1.0);
    at(command.arg("ping-pong"), asked.target, spinning);
    command.args(["--full-rtt", "--msg-size", &PROBE_OCTETS.to_string(), "--time", &format!("{seconds:.0}")]);
    command
}

fn at(command: &mut Command, address: SocketAddr, spinning: bool) {
    command.args(["--ip", &address.ip().to_string(), "--port", &address.port().to_string()]);
    if spinning {
        command.arg("--nonblocked");
    }
}

/// `... [Valid Duration] RunTime=0.2 sec; SentMessages=2; ReceivedMessages=2` and `---> percentile 99.000 = 32.026`.
pub(super) fn read(report: &str) -> Result<Told> {
    let valid = report.split("[Valid Duration]").nth(1).context("no valid duration")?;
    let count = |name: &str| -> Result<u64> {
        let rest = valid.split(name).nth(1).with_context(|| format!("no {name}"))?;
        let digits = rest.trim_start_matches('=').split(|c: char| !c.is_ascii_digit()).next();
        Ok(digits.unwrap_or_default().parse()?)
    };
    let percentile = |of: &str| -> Result<f64> {
        let rest = report.split(&format!("percentile {of} =")).nth(1).with_context(|| format!("no {of}"))?;
        Ok(rest.lines().next().unwrap_or_default().trim().parse()?)
    };
    let (sent, answered) = (count("SentMessages")?, count("ReceivedMessages")?);
    Ok(Told {
        answered,
        lost: sent.saturating_sub(answered),
        p50_us: percentile("50.000")?,
        p99_us: percentile("99.000")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "sockperf: [Total Run] RunTime=1.0 sec; SentMessages=6; ReceivedMessages=6
sockperf: [Valid Duration] RunTime=0.208 sec; SentMessages=3; ReceivedMessages=2
sockperf: Summary: Round trip is 1841.270 usec
sockperf: ---> percentile 99.000 = 3297.026
sockperf: ---> percentile 50.000 =  385.513
";

    #[test]
    fn the_report_is_read() {
        let told = Told { answered: 2, lost: 1, p50_us: 385.513, p99_us: 3297.026 };
        assert_eq!(read(REPORT).unwrap(), told);
        assert!(read("").is_err());
    }
}
