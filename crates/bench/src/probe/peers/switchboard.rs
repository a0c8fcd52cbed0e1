//! Switchboard itself: `switchboard reflect`, stateful as it is by default, without limits on rates, and `switchboard ping`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Asked, PROBE_OCTETS, Told};
use crate::child::{self, Stop};
use crate::probe::case::{BEAT_INTERVAL, HOSTS};
use crate::probe::results::Measured;

pub(super) fn version(stop: &Stop, program: &Path) -> Result<String> {
    let told = child::run(stop, "switchboard", child::guarded(program).arg("--version"))?;
    Ok(told.trim().replace("switchboard", "Switchboard"))
}

pub(super) fn reflect(mut command: Command, address: SocketAddr) -> Command {
    command.args(["reflect", "--json", "--rate", "0", "--network-rate", "0", "--listen"]);
    command.arg(address.to_string());
    command
}

pub(super) fn ping(mut command: Command, asked: &Asked, spinning: bool) -> Command {
    command.args(["ping", "--json", "--quiet", "--size", &PROBE_OCTETS.to_string()]);
    command.args(["--count", &asked.count().to_string()]);
    command.args(["--interval", &format!("{:.9}", asked.interval.as_secs_f64())]);
    if spinning {
        command.arg("--spin");
    }
    command.arg(asked.target.to_string());
    command
}

/// The last line is the summary, with times in nanoseconds.
pub(super) fn read(report: &str) -> Result<Told> {
    let summary = summary(report)?;
    let target = &summary["targets"][0];
    let count = |name: &str| target[name].as_u64().with_context(|| format!("no {name}"));
    let micros = |name: &str| {
        let nanos = target["rtt"][name].as_f64();
        nanos.map(|nanos| nanos / 1e3).with_context(|| format!("no {name}"))
    };
    let (answered, lost) = (count("answered")?, count("no_answer")?);
    Ok(Told { answered, lost, p50_us: micros("median_ns")?, p99_us: micros("p99_ns")? })
}

/// A monitor of many hosts, which beat from another thread of the same process; only the monitor's is measured.
pub(super) fn watch(stop: &Stop, program: &Path, lasts: Duration) -> Result<Measured> {
    let mut command = child::guarded(program);
    command.args(["lab", "beat", "--json", "--hosts", &HOSTS.to_string()]);
    command.args(["--interval", &format!("{}s", BEAT_INTERVAL.as_secs())]);
    command.args(["--length", &format!("{}s", lasts.as_secs().max(1))]);
    watched(&child::run(stop, "switchboard", &mut command)?)
}

fn watched(report: &str) -> Result<Measured> {
    let told: Value = serde_json::from_str(report)?;
    let count = |name: &str| told[name].as_u64().with_context(|| format!("no {name}"));
    let seconds = |name: &str| told[name].as_f64().with_context(|| format!("no {name}"));
    Ok(Measured::Watched {
        hosts: u32::try_from(count("hosts")?)?,
        beats: count("beats")?,
        seconds: seconds("seconds")?,
        cpu_seconds: seconds("processor_s")?,
        octets_per_host: count("octets_per_host")?,
        alarms: count("alarms")?,
    })
}

/// How many probes a reflector that has ended says it answered.
pub(super) fn answered(log: &str) -> Result<u64> {
    summary(log)?["answered"].as_u64().context("the reflector tells no count of answers")
}

fn summary(report: &str) -> Result<Value> {
    let line = report.lines().last().context("nothing was told")?;
    let summary: Value = serde_json::from_str(line)?;
    (summary["event"] == "summary").then_some(summary).context("the last line is no summary")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_monitor_costs_is_read() {
        let report = r#"{"hosts":100000,"seconds":20.0,"beats":200000,"processor_s":0.5,"octets_per_host":420,"alarms":0}"#;
        let (hosts, beats, octets_per_host, alarms) = (100_000, 200_000, 420, 0);
        let (seconds, cpu_seconds) = (20.0, 0.5);
        let told = Measured::Watched { hosts, beats, seconds, cpu_seconds, octets_per_host, alarms };
        assert_eq!(watched(report).unwrap(), told);
        assert!(watched("{}").is_err());
    }

    #[test]
    fn the_last_line_is_read() {
        let report = r#"{"event":"answer","sequence":0}
{"event":"summary","targets":[{"answered":9,"no_answer":1,"rtt":{"median_ns":21000.0,"p99_ns":30500.0}}]}
"#;
        let told = Told { answered: 9, lost: 1, p50_us: 21.0, p99_us: 30.5 };
        assert_eq!(read(report).unwrap(), told);
        assert_eq!(answered(r#"{"event":"summary","received":4,"answered":3}"#).unwrap(), 3);
        assert!(read(r#"{"event":"answer"}"#).is_err());
    }
}
