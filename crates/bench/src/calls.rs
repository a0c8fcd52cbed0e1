//! `bench calls`: every case on every peer, alternating, round after round, and the report.
//!
//! The peers take turns within each round, so that a machine that grows slower meanwhile does so for all of them, and
//! ratios are made within a round before they are summarised.

pub mod case;
pub mod results;

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::machine::{Machine, Probe};
use crate::peers::{Peer, Peers, Stop};
use crate::report;
use case::{Case, MATRIX};
use results::{Results, Sample};

/// What `bench calls` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Rounds over all cases and peers
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measured load; the tools of PostgreSQL and MariaDB take whole ones
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Only this, several times if needed: CASE, PEER or CASE/PEER, such as withdraw-64x1/redis
    #[arg(long, value_name = "CASE/PEER")]
    only: Vec<Only>,
    /// One round of a second: whether everything works, no figures to keep
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
    /// Write every measurement here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure nothing, report what an earlier run wrote with --json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rounds", "seconds", "only", "quick", "json"])]
    from: Option<PathBuf>,
    /// Write the report into BENCHMARKS.md and docs/benchmarks
    #[arg(long)]
    write: bool,
    /// Folder on the disk that is measured
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    place: PathBuf,
}

/// Some of the matrix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Only {
    case: Option<Case>,
    peer: Option<Peer>,
}

/// Measures and reports.
///
/// # Errors
/// When a peer fails, its books do not hold, or a file cannot be written.
#[expect(clippy::print_stdout, reason = "the report is what it is run for")]
pub fn run(options: &Options) -> Result<()> {
    let results = match &options.from {
        Some(file) => {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{} is no report", file.display()))?
        }
        None => measure(options)?,
    };
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&results)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    print!("{}", report::text(&results));
    if options.write {
        report::write(&results, &xtask::workspace_root())?;
    }
    Ok(())
}

fn measure(options: &Options) -> Result<Results> {
    let (rounds, seconds) = if options.quick { (1, 1.0) } else { (options.rounds, options.seconds) };
    ensure!(seconds > 0.0 && seconds <= 3600.0, "--seconds takes up to 3600, and more than none");
    let wanted = runs(&options.only);
    ensure!(!wanted.is_empty(), "no peer does the cases that were named");
    let stop = Stop::on_signals()?;
    let of_runs: Vec<Peer> =
        Peer::ALL.iter().copied().filter(|peer| wanted.iter().any(|(_, wanted)| wanted == peer)).collect();
    let peers = Peers::prepare(&of_runs, &options.place, stop)?;
    let left_out = |peer| peers.skipped().iter().any(|(skipped, _)| *skipped == peer);
    let runs: Vec<_> = wanted.into_iter().filter(|(_, peer)| !left_out(*peer)).collect();
    let mut results = Results {
        machine: Machine::read(),
        command: command_line(options),
        versions: of_runs
            .iter()
            .filter(|peer| !left_out(**peer))
            .map(|peer| Ok((*peer, peers.version(*peer)?)))
            .collect::<Result<_>>()?,
        skipped: peers.skipped().iter().map(|(peer, why)| format!("{}: {why}", peer.title())).collect(),
        probes: Vec::new(),
        samples: Vec::new(),
    };
    let bar = progress(u64::from(rounds) * u64::try_from(runs.len())?)?;
    for round in 1..=rounds {
        results.probes.push(Probe::take(peers.place())?);
        for (case, peer) in &runs {
            bar.set_message(format!("round {round} of {rounds}, {case}, {peer}"));
            let sample = Sample::of(round, *case, *peer, &peers.run(*peer, *case, seconds)?);
            bar.suspend(|| tell(&sample));
            results.samples.push(sample);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(results)
}

/// The matrix, peers within cases.
fn runs(only: &[Only]) -> Vec<(Case, Peer)> {
    let is_named = |case: Case, peer: Peer| {
        only.is_empty()
            || only.iter().any(|only| {
                only.case.is_none_or(|named| named == case) && only.peer.is_none_or(|named| named == peer)
            })
    };
    let all = MATRIX.iter().flat_map(|case| Peer::ALL.iter().map(|peer| (*case, *peer)));
    all.filter(|(case, peer)| peer.can(*case) && is_named(*case, *peer)).collect()
}

fn progress(runs: u64) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {eta} left")?;
    let bar = ProgressBar::new(runs).with_style(style);
    bar.enable_steady_tick(std::time::Duration::from_millis(500));
    Ok(bar)
}

#[expect(
    clippy::print_stderr,
    reason = "each figure is told as it comes; the report goes to standard output"
)]
fn tell(sample: &Sample) {
    eprintln!(
        "{:<16} {:<16} {:>12.0} calls/s {:>10.2} us CPU",
        sample.case.to_string(),
        sample.peer.to_string(),
        sample.rate(),
        sample.cpu_us()
    );
}

/// How to do it again.
fn command_line(options: &Options) -> String {
    let mut line = "cargo run --release -p bench -- calls".to_owned();
    if options.quick {
        line.push_str(" --quick");
    } else {
        line.push_str(&format!(" --rounds {} --seconds {}", options.rounds, options.seconds));
    }
    for only in &options.only {
        let case = only.case.map(|case| case.to_string());
        let peer = only.peer.map(|peer| peer.to_string());
        line.push_str(" --only ");
        line.push_str(&[case, peer].into_iter().flatten().collect::<Vec<_>>().join("/"));
    }
    line
}

impl FromStr for Only {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (case, peer) = match text.split_once('/') {
            Some((case, peer)) => (Some(case), Some(peer)),
            None if text.parse::<Peer>().is_ok() => (None, Some(text)),
            None => (Some(text), None),
        };
        let case = case.filter(|name| !name.is_empty()).map(str::parse).transpose()?;
        let peer = peer.filter(|name| !name.is_empty()).map(str::parse).transpose()?;
        Ok(Self { case, peer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::case::Task;

    #[test]
    fn a_part_of_the_matrix_is_named_by_case_by_peer_or_by_both() {
        let of = |names: &[&str]| {
            let only: Vec<Only> = names.iter().map(|name| name.parse().unwrap()).collect();
            runs(&only)
        };
        let case = Case::new(Task::Withdraw, 64, 1);
        assert_eq!(of(&["withdraw-64x1/redis"]), [(case, Peer::Redis)]);
        assert!(of(&["redis"]).iter().all(|(_, peer)| *peer == Peer::Redis));
        assert!(of(&["withdraw-64x1"]).iter().all(|(found, _)| *found == case));
        assert_eq!(of(&["/redis"]), of(&["redis"]));
        assert_eq!(of(&["withdraw-64x1/redis", "withdraw-64x1/postgres"]).len(), 2);
        assert_eq!(of(&["withdraw-64x16/mariadb"]), []);
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let told = "withdraw-63x1".parse::<Only>().unwrap_err();
        assert!(told.contains("withdraw-64x1"), "{told}");
        let told = "withdraw-64x1/oracle".parse::<Only>().unwrap_err();
        assert!(told.contains("postgres"), "{told}");
    }

    #[test]
    fn the_whole_matrix_alternates_between_peers() {
        let runs = runs(&[]);
        assert!(runs.windows(2).all(|pair| pair[0].1 != pair[1].1));
        assert!(runs.iter().any(|(_, peer)| *peer == Peer::MariaDbBinlog));
    }
}
