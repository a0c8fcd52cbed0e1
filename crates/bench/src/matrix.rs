//! A matrix of cases and peers: what is asked for on the command line, and going through it round after round.
//!
//! The peers take turns within each round, so that a machine that grows slower meanwhile does so for all of them, and
//! ratios are made within a round before they are summarised. Absent: what the cases are and who the peers.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::progress;

/// How often and how long, and where it is kept: what every matrix takes beside the part of it that is wanted (`only`).
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Rounds {
    /// Rounds over all cases and peers
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Seconds of each measured load; some peers' own tools take whole ones
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// One round of a second: whether everything works, no figures to keep
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub(crate) quick: bool,
    /// Write every measurement here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure nothing, report what an earlier run wrote with --json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rounds", "seconds", "only", "quick", "json"])]
    from: Option<PathBuf>,
    /// Write the report into BENCHMARKS.md and docs/benchmarks
    #[arg(long)]
    pub(crate) write: bool,
    /// Folder on the disk that is measured
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    pub(crate) place: PathBuf,
}

/// Some of a matrix: a case, a peer or both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Only<C, P> {
    case: Option<C>,
    peer: Option<P>,
}

/// The wanted part of the matrix, peers within cases.
pub(crate) fn runs<C: Copy + PartialEq, P: Copy + PartialEq>(
    cases: &[C],
    peers: &[P],
    only: &[Only<C, P>],
    can: impl Fn(P, C) -> bool,
) -> Vec<(C, P)> {
    let is_named = |case: C, peer: P| {
        only.is_empty()
            || only.iter().any(|only| {
                only.case.is_none_or(|named| named == case) && only.peer.is_none_or(|named| named == peer)
            })
    };
    let all = cases.iter().flat_map(|case| peers.iter().map(|peer| (*case, *peer)));
    all.filter(|(case, peer)| can(*peer, *case) && is_named(*case, *peer)).collect()
}

impl Rounds {
    /// What an earlier run measured, or else what is measured now, and written where it was asked for.
    ///
    /// # Errors
    /// When it cannot be read, measured or written.
    pub(crate) fn results<R: Serialize + DeserializeOwned>(
        &self,
        measure: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        let results = match &self.from {
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read {}", file.display()))?;
                serde_json::from_str(&text).with_context(|| format!("{} is no report", file.display()))?
            }
            None => measure()?,
        };
        if let Some(file) = &self.json {
            let text = serde_json::to_string_pretty(&results)?;
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(results)
    }

    /// Goes through `runs` in every round; `measure` is given the round from 1, the case, the peer and the seconds, and
    /// returns what is told of it in a line.
    ///
    /// # Errors
    /// When one of them fails.
    #[expect(
        clippy::print_stderr,
        reason = "each figure is told as it comes; the report goes to standard output"
    )]
    pub(crate) fn go_round<C: Copy + Display, P: Copy + Display>(
        &self,
        runs: &[(C, P)],
        mut measure: impl FnMut(u32, C, P, f64) -> Result<String>,
    ) -> Result<()> {
        let (rounds, seconds) = if self.quick { (1, 1.0) } else { (self.rounds, self.seconds) };
        ensure!(seconds > 0.0 && seconds <= 3600.0, "--seconds takes up to 3600, and more than none");
        let bar = progress::runs(u64::from(rounds) * u64::try_from(runs.len())?);
        for round in 1..=rounds {
            for (case, peer) in runs {
                bar.set_message(format!("round {round} of {rounds}, {case}, {peer}"));
                let told = measure(round, *case, *peer, seconds)?;
                bar.suspend(|| eprintln!("{:<16} {:<16} {told}", case.to_string(), peer.to_string()));
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// How to do it again.
    pub(crate) fn command_line<C: Display, P: Display>(&self, name: &str, only: &[Only<C, P>]) -> String {
        let mut line = format!("cargo run --release -p bench -- {name}");
        if self.quick {
            line.push_str(" --quick");
        } else {
            line.push_str(&format!(" --rounds {} --seconds {}", self.rounds, self.seconds));
        }
        for only in only {
            let case = only.case.as_ref().map(ToString::to_string);
            let peer = only.peer.as_ref().map(ToString::to_string);
            line.push_str(" --only ");
            line.push_str(&[case, peer].into_iter().flatten().collect::<Vec<_>>().join("/"));
        }
        line
    }
}

impl<C: FromStr<Err = String>, P: FromStr<Err = String>> FromStr for Only<C, P> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (case, peer) = match text.split_once('/') {
            Some((case, peer)) => (Some(case), Some(peer)),
            None if text.parse::<P>().is_ok() => (None, Some(text)),
            None => (Some(text), None),
        };
        let case = case.filter(|name| !name.is_empty()).map(str::parse).transpose()?;
        let peer = peer.filter(|name| !name.is_empty()).map(str::parse).transpose()?;
        Ok(Self { case, peer })
    }
}
