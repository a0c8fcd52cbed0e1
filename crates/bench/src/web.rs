//! `bench web`: `switchboard web` beside the web servers that are usual, every case on every peer, alternating, and the
//! report. Absent: what is dynamic; all of them serve files.

pub mod case;
mod goals;
pub mod load;
pub mod peers;
mod report;
pub mod results;
mod served;

use anyhow::{Context as _, Result, ensure};

use crate::child::Stop;
use crate::machine::Machine;
use crate::matrix::{self, Only};
use case::{Case, MATRIX};
use peers::{Crates, Peer, Peers};
use results::{Figure, Measured, Results, Sample};

/// What `bench web` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    matrix: matrix::Rounds,
    /// Only this, several times if needed: CASE, PEER or CASE/PEER, such as 1k/nginx
    #[arg(long, value_name = "CASE/PEER")]
    only: Vec<Only<Case, Peer>>,
    /// Processes, threads or event loops of every server; static-web-server always has a thread for each core
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Builds static-web-server 2 and 3 from crates.io, which takes minutes the first time; otherwise they are left out
    #[arg(long)]
    with_sws: bool,
}

/// Measures and reports.
///
/// # Errors
/// When a peer fails, an answer is not what it has to be, or a file cannot be written.
#[expect(clippy::print_stdout, reason = "the report is what it is run for")]
pub fn run(options: &Options) -> Result<()> {
    let results = options.matrix.results(|| measure(options))?;
    print!("{}", report::text(&results));
    if options.matrix.write {
        report::write(&results, &xtask::workspace_root())?;
    }
    Ok(())
}

const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

fn measure(options: &Options) -> Result<Results> {
    let wanted = matrix::runs(MATRIX, Peer::ALL, &options.only, |_, _| true);
    let stop = Stop::on_signals()?;
    let crates = if options.with_sws { Crates::Install } else { Crates::LeaveOut };
    let peers = Peers::prepare(&wanted, crates, options.workers, &options.matrix.place, stop)?;
    let is_done = |run: &&(Case, Peer)| !peers.is_left_out(run.0, run.1);
    let runs: Vec<(Case, Peer)> = wanted.iter().filter(is_done).copied().collect();
    ensure!(!runs.is_empty(), "nothing is left to measure: {}", peers.left_out().join("; "));
    let takes_part = |peer: &&Peer| runs.iter().any(|(_, of)| of == *peer);
    let mut results = Results {
        machine: Machine::read(),
        congestion_control: std::fs::read_to_string(CONGESTION_CONTROL)
            .with_context(|| format!("cannot read {CONGESTION_CONTROL}"))?
            .trim()
            .to_owned(),
        command: command_line(options),
        workers: options.workers,
        versions: Peer::ALL
            .iter()
            .filter(takes_part)
            .map(|peer| Ok((*peer, peers.version(*peer)?)))
            .collect::<Result<_>>()?,
        skipped: peers.left_out(),
        samples: Vec::new(),
    };
    options.matrix.go_round(&runs, |round, case, peer, seconds| {
        let sample = Sample { round, case, peer, measured: peers.run(case, peer, seconds)? };
        results.samples.push(sample);
        Ok(told(&sample))
    })?;
    Ok(results)
}

fn told(sample: &Sample) -> String {
    let figure = |figure| sample.figure(figure).unwrap_or(f64::NAN);
    match sample.measured {
        Measured::Load { .. } => {
            format!("{:>12.0} requests/s {:>10.2} us CPU", figure(Figure::Rate), figure(Figure::Cpu))
        }
        Measured::Memory { .. } => {
            format!("{:>12.2} MiB {:>10.2} MiB crowded", figure(Figure::Idle), figure(Figure::Crowded))
        }
    }
}

/// How to do it again.
fn command_line(options: &Options) -> String {
    let mut line = options.matrix.command_line("web", &options.only);
    if options.workers != 2 {
        line.push_str(&format!(" --workers {}", options.workers));
    }
    if options.with_sws { format!("{line} --with-sws") } else { line }
}
