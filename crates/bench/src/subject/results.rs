//! Measurements: kept whole, so that a report can be made again from them.

use serde::{Deserialize, Serialize};

use super::Subject;
use crate::machine::Machine;
use crate::statistics::{self, Summary};

/// Everything that was measured, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "", deserialize = ""))]
pub(crate) struct Results<S: Subject> {
    /// On what.
    pub(crate) machine: Machine,
    /// What held for all of it.
    #[serde(flatten)]
    pub(crate) conditions: S::Conditions,
    /// By which command.
    pub(crate) command: String,
    /// Who took part, with versions.
    pub(crate) versions: Vec<String>,
    /// What did not take part, and why.
    pub(crate) skipped: Vec<String>,
    /// Every run.
    pub(crate) samples: Vec<Sample<S>>,
}

/// One run of a case on a peer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "", deserialize = ""))]
pub(crate) struct Sample<S: Subject> {
    /// From 1.
    pub(crate) round: u32,
    /// What was asked.
    pub(crate) case: S::Case,
    /// Whom.
    pub(crate) peer: S::Peer,
    /// What came of it.
    pub(crate) measured: S::Measured,
}

impl<S: Subject> Results<S> {
    /// A figure over all rounds; nothing when it was not measured.
    pub(crate) fn summary(&self, case: S::Case, peer: S::Peer, figure: S::Figure) -> Option<Summary> {
        Summary::of(self.of(case, peer, figure).into_iter().map(|(_, value)| value))
    }

    /// How many times as large Switchboard's figure is as a peer's, made within each round.
    pub(crate) fn ratio(&self, case: S::Case, figure: S::Figure, theirs: S::Peer) -> Option<Summary> {
        self.ratio_between(case, figure, S::OURS, theirs)
    }

    /// The same for `ours`, where there is more than one way.
    pub(crate) fn ratio_between(
        &self,
        case: S::Case,
        figure: S::Figure,
        ours: S::Peer,
        theirs: S::Peer,
    ) -> Option<Summary> {
        statistics::ratio(&self.of(case, ours, figure), &self.of(case, theirs, figure))
    }

    /// The same against the best of several, which is the one that is `better`, in each round.
    pub(crate) fn ratio_to_best(
        &self,
        case: S::Case,
        figure: S::Figure,
        theirs: &[S::Peer],
        better: fn(f64, f64) -> f64,
    ) -> Option<Summary> {
        let mut best: Vec<(u32, f64)> = Vec::new();
        for (round, value) in theirs.iter().flat_map(|peer| self.of(case, *peer, figure)) {
            match best.iter_mut().find(|(of, _)| *of == round) {
                Some((_, so_far)) => *so_far = better(*so_far, value),
                None => best.push((round, value)),
            }
        }
        statistics::ratio(&self.of(case, S::OURS, figure), &best)
    }

    /// How much larger a figure of `ours` is than that of `theirs`, made within each round.
    pub(crate) fn difference(
        &self,
        case: S::Case,
        figure: S::Figure,
        ours: S::Peer,
        theirs: S::Peer,
    ) -> Option<Summary> {
        let theirs = self.of(case, theirs, figure);
        Summary::of(self.of(case, ours, figure).into_iter().filter_map(|(round, own)| {
            let (_, other) = theirs.iter().find(|(of, _)| *of == round)?;
            Some(own - other)
        }))
    }

    /// Whether anybody was measured.
    pub(crate) fn has(&self, case: S::Case) -> bool {
        self.samples.iter().any(|sample| sample.case == case)
    }

    fn of(&self, case: S::Case, peer: S::Peer, figure: S::Figure) -> Vec<(u32, f64)> {
        let samples = self.samples.iter().filter(|sample| sample.case == case && sample.peer == peer);
        samples.filter_map(|sample| Some((sample.round, S::figure(sample.measured, figure)?))).collect()
    }
}
