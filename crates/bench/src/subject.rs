//! A subject that is measured beside peers, and what all such measurements share: the peers take turns within each round, every run
//! is kept, and one report is made of them. Absent: what a case asks of whom, which the subject says.

pub(crate) mod report;
pub(crate) mod results;

use std::fmt::{Debug, Display};

use anyhow::{Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::machine::Machine;
use crate::matrix::Rounds;
use crate::table::Table;
use crate::verdict::Verdict;
use report::Part;
use results::{Results, Sample};

/// What is measured: its cases, its peers and its figures.
pub(crate) trait Subject: Copy + Debug + 'static {
    /// Its word on the command line, and its marks in BENCHMARKS.md.
    const NAME: &'static str;
    /// What its goals are goals of.
    const GOALS_OF: &'static str;
    /// Everything that is asked, in the order in which it is run and shown.
    const CASES: &'static [Self::Case];
    /// Everybody who is asked, in the order in which they are run and shown.
    const PEERS: &'static [Self::Peer];
    /// Whose figures are held against those of the others where nothing else is said.
    const OURS: Self::Peer;
    /// The cases as they are drawn and told together.
    const PARTS: &'static [Part<Self>];

    /// A measurement that is taken of the peers one after the other.
    type Case: Copy + PartialEq + Debug + Display + Serialize + DeserializeOwned;
    /// Who is measured.
    type Peer: Copy + PartialEq + Debug + Display + Serialize + DeserializeOwned;
    /// What is compared.
    type Figure: Copy + PartialEq + Debug;
    /// What one run gave.
    type Measured: Copy + Debug + Serialize + DeserializeOwned;
    /// What holds for all runs beside the machine.
    type Conditions: Clone + Debug + Serialize + DeserializeOwned;

    /// A case, for a reader.
    fn title(case: Self::Case) -> String;
    /// A peer, for a reader.
    fn peer_title(peer: Self::Peer) -> &'static str;
    /// Whether it is Switchboard itself.
    fn is_ours(peer: Self::Peer) -> bool;
    /// A figure of a run; none when it has no such.
    fn figure(measured: Self::Measured, figure: Self::Figure) -> Option<f64>;
    /// What a bar of this figure says.
    fn panel(figure: Self::Figure) -> &'static str;
    /// The conditions, as a part of a sentence.
    fn conditions(conditions: &Self::Conditions) -> String;
    /// A run in a line, told as it ends.
    fn told(measured: Self::Measured) -> String;
    /// A case: every peer's figures.
    fn table(results: &Results<Self>, case: Self::Case) -> Table;
    /// The goals whose figures were measured.
    fn verdicts(results: &Results<Self>) -> Vec<Verdict>;
}

/// The peers of a subject with their programs found; they run only during a run.
pub(crate) trait Peers<S: Subject> {
    /// Whether a run is left out.
    fn is_left_out(&self, case: S::Case, peer: S::Peer) -> bool;
    /// What is left out, and why, for a reader.
    fn left_out(&self) -> Vec<String>;
    /// What runs, with its version. Peers of one program say the same.
    fn version(&self, peer: S::Peer) -> Result<String>;
    /// One run of about so many seconds.
    fn run(&self, case: S::Case, peer: S::Peer, seconds: f64) -> Result<S::Measured>;
}

/// Goes through those of the `wanted` runs that can be done, round after round. `command` does it again.
///
/// # Errors
/// When nothing can be done, or a run fails.
pub(crate) fn measure<S: Subject>(
    rounds: &Rounds,
    wanted: &[(S::Case, S::Peer)],
    peers: &impl Peers<S>,
    command: String,
    conditions: S::Conditions,
) -> Result<Results<S>> {
    let is_done = |run: &&(S::Case, S::Peer)| !peers.is_left_out(run.0, run.1);
    let runs: Vec<_> = wanted.iter().filter(is_done).copied().collect();
    ensure!(!runs.is_empty(), "nothing is left to measure: {}", peers.left_out().join("; "));
    let mut versions = Vec::new();
    for peer in S::PEERS.iter().filter(|peer| runs.iter().any(|(_, of)| of == *peer)) {
        let version = peers.version(*peer)?;
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    let skipped = peers.left_out();
    let machine = Machine::read();
    let mut results = Results { machine, conditions, command, versions, skipped, samples: Vec::new() };
    rounds.go_round(&runs, |round, case, peer, seconds| {
        let measured = peers.run(case, peer, seconds)?;
        results.samples.push(Sample { round, case, peer, measured });
        Ok(S::told(measured))
    })?;
    Ok(results)
}

/// Measures, or takes what an earlier run measured, and reports.
///
/// # Errors
/// When a run fails or a file cannot be read or written.
#[expect(clippy::print_stdout, reason = "the report is what it is run for")]
pub(crate) fn run<S: Subject>(rounds: &Rounds, measure: impl FnOnce() -> Result<Results<S>>) -> Result<()> {
    let results = rounds.results(measure)?;
    print!("{}", report::text(&results));
    if rounds.write {
        report::write(&results, &xtask::workspace_root())?;
    }
    Ok(())
}
