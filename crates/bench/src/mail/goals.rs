//! The goals of mail, beside what was measured.

use super::Mail;
use super::case::Case;
use super::peers::Peer;
use super::results::Figure;
use crate::subject::results::Results;
use crate::verdict::{Bound, Verdict};

/// What is held against what.
#[derive(Clone, Copy, Debug)]
enum Measure {
    /// As it is, of one of ours.
    Own(Peer, Figure),
    /// Over that of a peer.
    Over(Figure, Peer),
    /// That of one of ours, the first, over that of a peer.
    Of(Figure, Peer, Peer),
}

/// What is to be reached.
#[derive(Clone, Copy, Debug)]
struct Goal {
    case: Case,
    measure: Measure,
    bound: Bound,
}

const fn own(case: Case, peer: Peer, figure: Figure, most: f64) -> Goal {
    Goal { case, measure: Measure::Own(peer, figure), bound: Bound::AtMost(most) }
}

const fn faster(case: Case, times: f64) -> Goal {
    let measure = Measure::Over(Figure::Rate, Peer::SmtpSourceReused);
    Goal { case, measure, bound: Bound::AtLeast(times) }
}

const fn faster_by_data(case: Case, times: f64) -> Goal {
    let measure = Measure::Of(Figure::Rate, Peer::SwitchboardData, Peer::SmtpSourceReused);
    Goal { case, measure, bound: Bound::AtLeast(times) }
}

/// All of them.
const GOALS: &[Goal] = &[
    own(Case::Short, Peer::Switchboard, Figure::Time, 2.5),
    Goal { case: Case::Short, measure: Measure::Over(Figure::Time, Peer::Curl), bound: Bound::AtMost(1.0) },
    Goal {
        case: Case::Attachment,
        measure: Measure::Over(Figure::Time, Peer::SNail),
        bound: Bound::AtMost(0.5),
    },
    own(Case::Huge, Peer::Switchboard, Figure::Memory, 16.0),
    own(Case::First, Peer::Switchboard, Figure::RoundTrips, 6.0),
    faster(Case::Sink1, 2.0),
    faster(Case::Sink20, 2.0),
    faster(Case::Bdat1, 2.0),
    faster(Case::Bdat20, 2.0),
    faster_by_data(Case::Bdat1, 2.0),
    faster_by_data(Case::Bdat20, 2.0),
    faster(Case::FarSink1, 40.0),
    faster(Case::FarSink20, 40.0),
    faster(Case::FarBdat1, 40.0),
    faster(Case::FarBdat20, 40.0),
    own(Case::FarSink1, Peer::SwitchboardOneByOne, Figure::RoundTrips, 2.1),
    own(Case::FarSink1, Peer::Switchboard, Figure::RoundTrips, 1.1),
    own(Case::FarBdat1, Peer::SwitchboardOneByOne, Figure::RoundTrips, 1.1),
    own(Case::FarBdat1, Peer::Switchboard, Figure::RoundTrips, 0.1),
    // A server that delays its acknowledgement by 40 ms must not hold up the next message.
    Goal {
        case: Case::Postfix1,
        measure: Measure::Own(Peer::SwitchboardOneByOne, Figure::Rate),
        bound: Bound::AtLeast(100.0),
    },
];

/// The goals whose figures were measured.
pub(super) fn verdicts(results: &Results<Mail>) -> Vec<Verdict> {
    GOALS.iter().filter_map(|goal| goal.verdict(results)).collect()
}

impl Goal {
    fn verdict(&self, results: &Results<Mail>) -> Option<Verdict> {
        let (unit, measured) = match self.measure {
            Measure::Own(peer, figure) => (unit(figure), results.summary(self.case, peer, figure)?),
            Measure::Over(figure, peer) => (" x", results.ratio(self.case, figure, peer)?),
            Measure::Of(figure, ours, theirs) => {
                (" x", results.ratio_between(self.case, figure, ours, theirs)?)
            }
        };
        Some(Verdict::new(self.title(), unit, self.bound, measured))
    }

    fn title(&self) -> String {
        let case = self.case;
        match self.measure {
            Measure::Own(peer, figure) => format!("`{case}` {}, {}", peer.title(), words(figure)),
            Measure::Over(figure, peer) => format!("`{case}` {} over {}", words(figure), peer.title()),
            Measure::Of(figure, ours, theirs) => {
                format!("`{case}` {}, {} over {}", ours.title(), words(figure), theirs.title())
            }
        }
    }
}

fn words(figure: Figure) -> &'static str {
    match figure {
        Figure::Time => "from exec to exit",
        Figure::Cpu => "CPU per message",
        Figure::Memory => "most resident memory",
        Figure::RoundTrips => "round trips per message",
        Figure::Rate => "messages/s",
        Figure::Throughput => "MB/s",
    }
}

fn unit(figure: Figure) -> &'static str {
    match figure {
        Figure::Time => " ms",
        Figure::Cpu => " µs",
        Figure::Memory => " MiB",
        Figure::RoundTrips => "",
        Figure::Rate => " /s",
        Figure::Throughput => " MB/s",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::results::tests::two_rounds;

    #[test]
    fn goals_are_judged_by_the_measurements_and_only_where_there_are_some() {
        let verdicts = verdicts(&two_rounds());
        let reached: Vec<bool> = verdicts.iter().map(Verdict::is_reached).collect();
        // 3 ms and half of curl's; 12 MiB; 1.5 times as fast near and 250 times far; 0.017 round trips.
        assert_eq!(reached, [false, true, true, false, true, true]);
    }

    #[test]
    fn titles_of_goals_are_unlike() {
        let mut titles: Vec<String> = GOALS.iter().map(Goal::title).collect();
        titles.sort();
        titles.dedup();
        assert_eq!(titles.len(), GOALS.len());
    }
}
