//! The goals of web serving, beside what was measured.

use super::Web;
use super::case::Case;
use super::peers::Peer;
use super::results::Figure;
use crate::subject::results::Results;
use crate::verdict::{Bound, Verdict};

/// What Switchboard's figure is held against, in the same case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Against {
    Peer(Peer),
    /// Whoever of the others has the lowest, round by round.
    Lowest,
}

/// What is to be reached.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Goal {
    case: Case,
    figure: Figure,
    against: Against,
    bound: Bound,
}

/// All of them.
const GOALS: &[Goal] = &[
    cpu(Case::Small, Against::Peer(Peer::Lighttpd), 0.85),
    cpu(Case::Small, Against::Peer(Peer::Sws3), 0.85),
    cpu(Case::Small, Against::Peer(Peer::Nginx), 0.65),
    Goal {
        case: Case::Pipelined,
        figure: Figure::Rate,
        against: Against::Peer(Peer::Nginx),
        bound: Bound::AtLeast(5.0),
    },
    cpu(Case::NotModified, Against::Peer(Peer::Nginx), 0.65),
    cpu(Case::NotFound, Against::Peer(Peer::Nginx), 0.65),
    cpu(Case::Medium, Against::Lowest, 1.0),
    cpu(Case::Large, Against::Peer(Peer::Nginx), 1.05),
    latency(Figure::P50),
    latency(Figure::P99),
    cpu(Case::TlsSmall, Against::Peer(Peer::Nginx), 0.9),
    cpu(Case::TlsConnect, Against::Lowest, 1.0),
    cpu(Case::Http2, Against::Peer(Peer::Nginx), 1.0),
];

const fn cpu(case: Case, against: Against, bound: f64) -> Goal {
    Goal { case, figure: Figure::Cpu, against, bound: Bound::AtMost(bound) }
}

const fn latency(figure: Figure) -> Goal {
    Goal { case: Case::Steady, figure, against: Against::Peer(Peer::Lighttpd), bound: Bound::AtMost(1.0) }
}

/// The goals whose figures were measured.
pub(super) fn verdicts(results: &Results<Web>) -> Vec<Verdict> {
    GOALS.iter().filter_map(|goal| goal.verdict(results)).collect()
}

impl Goal {
    fn verdict(&self, results: &Results<Web>) -> Option<Verdict> {
        let measured = match self.against {
            Against::Peer(peer) => results.ratio(self.case, self.figure, peer),
            Against::Lowest => results.ratio_to_best(self.case, self.figure, Peer::OTHERS, f64::min),
        }?;
        Some(Verdict::new(self.title(), " x", self.bound, measured))
    }

    fn title(&self) -> String {
        let figure = match self.figure {
            Figure::Rate => "requests/s",
            Figure::Cpu => "CPU per request",
            Figure::P50 => "median latency",
            Figure::P99 => "latency of 99 %",
            Figure::Idle => "memory alone",
            Figure::Crowded => "memory with idle connections",
        };
        let against = match self.against {
            Against::Peer(peer) => peer.title(),
            Against::Lowest => "the lowest of the others",
        };
        format!("`{}` {figure} over {against}", self.case)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::results::tests::two_rounds;

    #[test]
    fn goals_are_judged_by_the_measurements_and_only_where_there_are_some() {
        // 1 KiB over lighttpd: 0.8 and 0.5; over nginx: 0.5 and 0.625.
        let verdicts = verdicts(&two_rounds());
        let reached: Vec<bool> = verdicts.iter().map(Verdict::is_reached).collect();
        assert_eq!(reached, [true, true]);
        let mut slower = two_rounds();
        for sample in &mut slower.samples {
            if let (Peer::Switchboard, super::super::results::Measured::Load { cpu_seconds, .. }) =
                (sample.peer, &mut sample.measured)
            {
                *cpu_seconds *= 2.0;
            }
        }
        assert!(super::verdicts(&slower).iter().all(|verdict| !verdict.is_reached()));
    }

    #[test]
    fn titles_of_goals_are_unlike() {
        let mut titles: Vec<String> = GOALS.iter().map(Goal::title).collect();
        titles.sort();
        titles.dedup();
        assert_eq!(titles.len(), GOALS.len());
    }
}
