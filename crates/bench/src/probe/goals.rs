//! The goals of probing, beside what was measured.

use super::Probe;
use super::case::Case;
use super::peers::Peer;
use super::results::Figure;
use crate::subject::results::Results;
use crate::verdict::{Bound, Verdict};

const PLAIN: &[Peer] = &[Peer::PlainBatch, Peer::Plain];
const PROBES: &[Peer] = &[Peer::Irtt, Peer::IrttRs, Peer::StampSuite];

/// What is held against what.
#[derive(Clone, Copy, Debug)]
enum Measure {
    /// CPU for a datagram over that of the lower of the two plain reflectors.
    CpuOverPlain,
    /// Datagrams per second of CPU over those of the best measuring reflector.
    PerCoreOverProbes,
    /// The same over sockperf's server.
    PerCoreOverSockperf,
    /// How far the median round trip of the sleeping prober lies from that of the spinning one.
    SleepingFromSpinning,
    /// Behind the schedule in 99 of 100 cases.
    Behind(Peer),
    /// A figure of a monitor.
    Watched(Figure),
}

/// What is to be reached.
#[derive(Clone, Copy, Debug)]
struct Goal {
    case: Case,
    measure: Measure,
    bound: Bound,
}

/// All of them.
const GOALS: &[Goal] = &[
    Goal { case: Case::Load64, measure: Measure::CpuOverPlain, bound: Bound::AtMost(1.15) },
    Goal { case: Case::Load128, measure: Measure::CpuOverPlain, bound: Bound::AtMost(1.15) },
    Goal { case: Case::Load64, measure: Measure::PerCoreOverProbes, bound: Bound::AtLeast(2.0) },
    Goal { case: Case::Load128, measure: Measure::PerCoreOverProbes, bound: Bound::AtLeast(2.0) },
    Goal { case: Case::Load64, measure: Measure::PerCoreOverSockperf, bound: Bound::AtLeast(1.0) },
    Goal { case: Case::Load128, measure: Measure::PerCoreOverSockperf, bound: Bound::AtLeast(1.0) },
    Goal { case: Case::RoundTrip, measure: Measure::SleepingFromSpinning, bound: Bound::AtMost(2.0) },
    behind(Case::Send1ms, Peer::Switchboard, 60.0),
    behind(Case::Send100us, Peer::Switchboard, 60.0),
    behind(Case::Send1ms, Peer::SwitchboardSpin, 1.0),
    behind(Case::Send100us, Peer::SwitchboardSpin, 1.0),
    watched(Figure::CoreShare, 10.0),
    watched(Figure::Octets, 512.0),
    watched(Figure::FalseAlarms, 0.0),
];

const fn behind(case: Case, peer: Peer, microseconds: f64) -> Goal {
    Goal { case, measure: Measure::Behind(peer), bound: Bound::AtMost(microseconds) }
}

const fn watched(figure: Figure, most: f64) -> Goal {
    Goal { case: Case::Beats, measure: Measure::Watched(figure), bound: Bound::AtMost(most) }
}

/// The goals whose figures were measured.
pub(super) fn verdicts(results: &Results<Probe>) -> Vec<Verdict> {
    GOALS.iter().filter_map(|goal| goal.verdict(results)).collect()
}

impl Goal {
    fn verdict(&self, results: &Results<Probe>) -> Option<Verdict> {
        let case = self.case;
        let (title, unit, measured) = match self.measure {
            Measure::CpuOverPlain => (
                "CPU per packet over the lower of the plain C reflectors".to_owned(),
                " x",
                results.ratio_to_best(case, Figure::Cpu, PLAIN, f64::min),
            ),
            Measure::PerCoreOverProbes => (
                "packets per second of CPU over the best of irtt, irtt-rs and stamp-suite".to_owned(),
                " x",
                results.ratio_to_best(case, Figure::PerCore, PROBES, f64::max),
            ),
            Measure::PerCoreOverSockperf => (
                "packets per second of CPU over sockperf's server".to_owned(),
                " x",
                results.ratio(case, Figure::PerCore, Peer::Sockperf),
            ),
            Measure::SleepingFromSpinning => (
                "median asleep over median spinning".to_owned(),
                " µs",
                results.difference(case, Figure::P50, Peer::Switchboard, Peer::SwitchboardSpin),
            ),
            Measure::Behind(peer) => {
                let title = format!("{}, behind the schedule in 99 of 100 cases", peer.title());
                (title, " µs", results.summary(case, peer, Figure::P99))
            }
            Measure::Watched(figure) => {
                let (title, unit) = match figure {
                    Figure::CoreShare => ("processor time of the monitor", " % of a core"),
                    Figure::Octets => ("memory of a host", " octets"),
                    Figure::FalseAlarms => ("false alarms", ""),
                    Figure::Rate
                    | Figure::Cpu
                    | Figure::PerCore
                    | Figure::P50
                    | Figure::P99
                    | Figure::Max
                    | Figure::Missing => return None,
                };
                (title.to_owned(), unit, results.summary(case, Peer::Switchboard, figure))
            }
        };
        Some(Verdict::new(format!("`{case}` {title}"), unit, self.bound, measured?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::results::tests::two_rounds;

    #[test]
    fn goals_are_judged_by_the_measurements_and_only_where_there_are_some() {
        let verdicts = verdicts(&two_rounds());
        let reached: Vec<bool> = verdicts.iter().map(Verdict::is_reached).collect();
        // CPU 1.1 x, per core 4.5 x, 1.5 us apart, 58 us behind; spinning 1.5 us behind; 5 % of a core, 420 octets, an alarm.
        assert_eq!(reached, [true, true, true, true, false, true, true, false]);
    }
}
