//! The goals, beside what was measured.

use crate::calls::case::{Case, Task};
use crate::calls::results::{Figure, Results};
use crate::numbers::significant;
use crate::peers::Peer;
use crate::statistics::Summary;
use crate::verdict::{Bound, Verdict};

/// What a figure of ours is held against.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Against {
    /// The same figure of somebody, in the same case.
    Peer(Peer),
    /// The same figure of our own, in another case.
    Case(Case),
    /// A figure that was measured by hand and whose program is in no registry; another machine's, so a ratio to be read with care.
    ByHand { whose: &'static str, value: f64 },
    /// Nothing: the figure itself counts.
    Nothing,
}

/// What is to be reached.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Goal {
    pub(super) ours: Peer,
    pub(super) case: Case,
    pub(super) figure: Figure,
    pub(super) against: Against,
    pub(super) bound: Bound,
}

const SHALLOW: Case = Case::new(Task::Withdraw, 64, 1);
const SHALLOW_MANY: Case = Case::new(Task::Withdraw, 256, 1);
const DEEP: Case = Case::new(Task::Withdraw, 64, 16);
const HOT: Case = Case::new(Task::WithdrawHot, 64, 1);
const BULK: Case = Case::new(Task::Bulk(64), 64, 1);
const BULK_MOST: Case = Case::new(Task::Bulk(8190), 4, 1);
/// TigerBeetle 0.17, one replica, transfers a second in requests of 64 and of its default size.
const TIGER: Against = Against::ByHand { whose: "TigerBeetle", value: 96_000.0 };
const TIGER_MOST: Against = Against::ByHand { whose: "TigerBeetle", value: 618_000.0 };
const READS: Case = Case::new(Task::Balance, 64, 16);

/// All of them.
pub(super) const GOALS: &[Goal] = &[
    rate(Peer::Switchboard, SHALLOW, Against::Peer(Peer::Redis), 1.5),
    rate(Peer::Switchboard, SHALLOW, Against::Peer(Peer::Postgres), 3.0),
    rate(Peer::Switchboard, SHALLOW, Against::Peer(Peer::MariaDb), 4.0),
    cpu(Peer::Switchboard, SHALLOW, Against::Peer(Peer::Redis), 0.85),
    rate(Peer::SwitchboardTls, SHALLOW, Against::Peer(Peer::Redis), 1.5),
    rate(Peer::SwitchboardTls, SHALLOW, Against::Peer(Peer::Postgres), 3.0),
    rate(Peer::SwitchboardTls, SHALLOW, Against::Peer(Peer::MariaDb), 4.0),
    cpu(Peer::SwitchboardTls, SHALLOW, Against::Peer(Peer::Redis), 0.85),
    rate(Peer::Switchboard, SHALLOW_MANY, Against::Peer(Peer::Redis), 1.5),
    rate(Peer::Switchboard, SHALLOW_MANY, Against::Peer(Peer::Postgres), 3.0),
    rate(Peer::Switchboard, SHALLOW_MANY, Against::Peer(Peer::MariaDb), 4.0),
    cpu(Peer::Switchboard, SHALLOW_MANY, Against::Peer(Peer::Redis), 0.85),
    rate(Peer::SwitchboardTls, SHALLOW_MANY, Against::Peer(Peer::Redis), 1.5),
    rate(Peer::SwitchboardTls, SHALLOW_MANY, Against::Peer(Peer::Postgres), 3.0),
    rate(Peer::SwitchboardTls, SHALLOW_MANY, Against::Peer(Peer::MariaDb), 4.0),
    cpu(Peer::SwitchboardTls, SHALLOW_MANY, Against::Peer(Peer::Redis), 0.85),
    rate(Peer::Switchboard, DEEP, Against::Peer(Peer::Redis), 1.2),
    cpu(Peer::Switchboard, DEEP, Against::Peer(Peer::Redis), 0.85),
    rate(Peer::SwitchboardTls, DEEP, Against::Peer(Peer::Redis), 1.2),
    cpu(Peer::SwitchboardTls, DEEP, Against::Peer(Peer::Redis), 0.85),
    rate(Peer::SwitchboardTls, DEEP, Against::Peer(Peer::Switchboard), 0.85),
    rate(Peer::Switchboard, HOT, Against::Case(SHALLOW), 1.0),
    rate(Peer::Switchboard, HOT, Against::Peer(Peer::Postgres), 20.0),
    rate(Peer::Switchboard, BULK, TIGER, 1.5),
    rate(Peer::Switchboard, BULK_MOST, TIGER_MOST, 0.4),
    rate(Peer::Switchboard, READS, Against::Nothing, 150_000.0),
];

const fn rate(ours: Peer, case: Case, against: Against, bound: f64) -> Goal {
    Goal { ours, case, figure: Figure::Rate, against, bound: Bound::AtLeast(bound) }
}

const fn cpu(ours: Peer, case: Case, against: Against, bound: f64) -> Goal {
    Goal { ours, case, figure: Figure::Cpu, against, bound: Bound::AtMost(bound) }
}

/// The goals whose figures were measured.
pub(super) fn verdicts(results: &Results) -> Vec<Verdict> {
    GOALS.iter().filter_map(|goal| goal.verdict(results)).collect()
}

impl Goal {
    fn verdict(&self, results: &Results) -> Option<Verdict> {
        let ours = (self.case, self.ours);
        let measured = match self.against {
            Against::Peer(peer) => results.ratio(self.figure, ours, (self.case, peer)),
            Against::Case(case) => results.ratio(self.figure, ours, (case, self.ours)),
            Against::ByHand { value, .. } => {
                results.summary(self.case, self.ours, self.figure).map(|Summary { median, min, max }| {
                    Summary { median: median / value, min: min / value, max: max / value }
                })
            }
            Against::Nothing => results.summary(self.case, self.ours, self.figure),
        }?;
        Some(Verdict::new(self.title(), self.unit(), self.bound, measured))
    }

    /// Behind the numbers: how many times as large, unless the figure itself counts.
    fn unit(&self) -> &'static str {
        match self.against {
            Against::Peer(_) | Against::Case(_) | Against::ByHand { .. } => " x",
            Against::Nothing => "",
        }
    }

    /// For a reader.
    pub(super) fn title(&self) -> String {
        let figure = match self.figure {
            Figure::Cpu => "CPU per call",
            Figure::Rate => "calls/s",
        };
        let against = match self.against {
            Against::Peer(peer) => format!(" over {}", peer.title()),
            Against::Case(case) => format!(" over `{case}`"),
            Against::ByHand { whose, value } => format!(" over {whose}'s {} (by hand)", significant(value)),
            Against::Nothing => String::new(),
        };
        format!("`{}` {}: {figure}{against}", self.case, self.ours.title())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::results::tests::two_rounds;

    #[test]
    fn goals_are_judged_by_the_measurements_and_only_where_there_are_some() {
        let mut results = two_rounds();
        let verdicts_before = verdicts(&results);
        // 64 connections, plain, over Redis: rate and CPU.
        assert_eq!(verdicts_before.len(), 2);
        assert!(verdicts_before.iter().all(|verdict| verdict.is_reached()));
        for sample in &mut results.samples {
            if sample.peer == Peer::Redis {
                sample.calls *= 2;
            }
        }
        let reached: Vec<bool> = verdicts(&results).iter().map(|verdict| verdict.is_reached()).collect();
        assert_eq!(reached, [false, false]);
    }

    #[test]
    fn titles_of_goals_are_unlike() {
        let mut titles: Vec<String> = GOALS.iter().map(Goal::title).collect();
        titles.sort();
        titles.dedup();
        assert_eq!(titles.len(), GOALS.len());
    }
}
