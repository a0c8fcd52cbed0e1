//! irtt, and the server of irtt-rs, which speaks the same protocol. The server is asked for nothing that costs more than it
//! does by default; the least interval is lifted.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Asked, PROBE_OCTETS, Told, quantiles};
use crate::child::{self, Stop};
use crate::figure;
use crate::installed::Crate;

pub(super) const IRTT_RS: Crate = Crate { name: "irtt-rs", version: "0.10.2", program: "irtt-server" };

pub(super) fn version(stop: &Stop) -> Result<String> {
    let told = child::run(stop, "irtt", child::guarded("irtt").arg("version"))?;
    let number = told.split("irtt version: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    Ok(format!("irtt {}", number.with_context(|| format!("no version: {told}"))?))
}

pub(super) fn reflect(mut command: Command, address: SocketAddr) -> Command {
    command.args(["server", "-i", "0", "-b", &address.to_string()]);
    command
}

pub(super) fn reflect_rs(mut command: Command, address: SocketAddr) -> Command {
    command.args(["--min-interval", "0s", "--bind", &address.to_string()]);
    command
}

pub(super) fn ping(mut command: Command, asked: &Asked, spinning: bool) -> Command {
    let nanos = |time: std::time::Duration| format!("{}ns", time.as_nanos());
    command.args(["client", "-i", &nanos(asked.interval), "-d", &nanos(asked.lasts)]);
    command.args(["-l", &PROBE_OCTETS.to_string(), "-Q", "--wait=500ms", "-o", "-"]);
    if spinning {
        command.arg("--timer=busy");
    }
    command.arg(asked.target.to_string());
    command
}

/// JSON with the counts, and each round trip in nanoseconds.
pub(super) fn read(report: &str) -> Result<Told> {
    let report: Value = serde_json::from_str(report)?;
    let count = |name: &str| report["stats"][name].as_u64().with_context(|| format!("no {name}"));
    let (sent, answered) = (count("packets_sent")?, count("packets_received")?);
    let round_trips = report["round_trips"].as_array().context("no round trips")?;
    let micros = |of: &Value| of["delay"]["rtt"].as_u64().map(|nanos| figure::number(nanos) / 1e3);
    let (p50_us, p99_us) = quantiles(round_trips.iter().filter_map(micros).collect())?;
    Ok(Told { answered, lost: sent.saturating_sub(answered), p50_us, p99_us })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_read() {
        let report = r#"{"stats": {"packets_sent": 3, "packets_received": 2}, "round_trips": [
            {"seqno": 0, "lost": "false", "delay": {"rtt": 49217}}, {"seqno": 1, "lost": "true"},
            {"seqno": 2, "lost": "false", "delay": {"rtt": 51000}}]}"#;
        let told = Told { answered: 2, lost: 1, p50_us: 49.217, p99_us: 51.0 };
        assert_eq!(read(report).unwrap(), told);
        assert!(read("{}").is_err());
    }
}
