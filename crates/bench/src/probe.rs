//! `bench probe`: `switchboard reflect` and `switchboard ping` beside the tools that are usual, every case on every peer,
//! alternating, and the report. Absent: a network; all of it is on loopback.

pub mod case;
mod cores;
mod goals;
mod load;
pub mod peers;
mod relay;
mod report;
pub mod results;
mod schedule;

use anyhow::{Result, ensure};

use crate::child::Stop;
use crate::machine::Machine;
use crate::matrix::{self, Only};
use case::{Case, MATRIX};
use peers::{Crates, Peer, Peers};
use results::{Measured, Results, Sample};

/// What `bench probe` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    matrix: matrix::Rounds,
    /// Only this, several times if needed: CASE, PEER or CASE/PEER, such as load-64/sockperf
    #[arg(long, value_name = "CASE/PEER")]
    only: Vec<Only<Case, Peer>>,
    /// Builds irtt-rs and stamp-suite from crates.io, which takes minutes the first time; otherwise they are left out
    #[arg(long)]
    with_crates: bool,
}

/// Measures and reports.
///
/// # Errors
/// When a peer fails, a reply is not what it has to be, or a file cannot be written.
#[expect(clippy::print_stdout, reason = "the report is what it is run for")]
pub fn run(options: &Options) -> Result<()> {
    let results = options.matrix.results(|| measure(options))?;
    print!("{}", report::text(&results));
    if options.matrix.write {
        report::write(&results, &xtask::workspace_root())?;
    }
    Ok(())
}

fn measure(options: &Options) -> Result<Results> {
    let wanted = matrix::runs(MATRIX, Peer::ALL, &options.only, |peer, case| peer.can(case.kind()));
    let stop = Stop::on_signals()?;
    let crates = if options.with_crates { Crates::Install } else { Crates::LeaveOut };
    let peers = Peers::prepare(&wanted, crates, &options.matrix.place, stop)?;
    let runs: Vec<(Case, Peer)> =
        wanted.iter().filter(|(_, peer)| !peers.is_left_out(*peer)).copied().collect();
    ensure!(!runs.is_empty(), "nothing is left to measure: {}", peers.left_out().join("; "));
    let mut versions = Vec::new();
    for peer in Peer::ALL.iter().filter(|peer| runs.iter().any(|(_, of)| of == *peer)) {
        let version = peers.version(*peer)?;
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    let mut results = Results {
        machine: Machine::read(),
        command: command_line(options),
        versions,
        skipped: peers.left_out(),
        samples: Vec::new(),
    };
    options.matrix.go_round(&runs, |round, case, peer, seconds| {
        let sample = Sample { round, case, peer, measured: peers.run(case, peer, seconds)? };
        results.samples.push(sample);
        Ok(told(sample.measured))
    })?;
    Ok(results)
}

fn told(measured: Measured) -> String {
    match measured {
        Measured::Reflected { answered, lost, seconds, cpu_seconds } => {
            let answered = crate::figure::number(answered);
            let (rate, cpu) = (answered / seconds, cpu_seconds * 1e6 / answered);
            format!("{rate:>12.0} replies/s {cpu:>8.2} us CPU, {lost} lost")
        }
        Measured::RoundTrip { answered, lost, p50_us, p99_us } => {
            format!("{p50_us:>10.2} us median {p99_us:>10.2} us 99 %, {answered} answered, {lost} lost")
        }
        Measured::Sent { asked, sent, p50_us, p99_us, max_us } => {
            format!(
                "{p50_us:>10.2} us median {p99_us:>10.2} us 99 % {max_us:>10.2} us most, {sent} of {asked}"
            )
        }
    }
}

/// How to do it again.
fn command_line(options: &Options) -> String {
    let line = options.matrix.command_line("probe", &options.only);
    if options.with_crates { format!("{line} --with-crates") } else { line }
}
