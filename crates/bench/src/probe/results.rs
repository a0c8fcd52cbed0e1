//! The measurements of probes and reflectors: kept whole, so that a report can be made again from them.

use serde::{Deserialize, Serialize};

use super::case::Case;
use super::peers::Peer;
use crate::figure;
use crate::machine::Machine;
use crate::statistics::{self, Summary};

/// Everything that was measured, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// On what.
    pub machine: Machine,
    /// By which command.
    pub command: String,
    /// Who took part, with versions.
    pub versions: Vec<String>,
    /// What did not take part, and why.
    pub skipped: Vec<String>,
    /// Every run.
    pub samples: Vec<Sample>,
}

/// One run of a case on a peer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// From 1.
    pub round: u32,
    /// What was asked.
    pub case: Case,
    /// Whom.
    pub peer: Peer,
    /// What came of it.
    pub measured: Measured,
}

/// What one run gave.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// A reflector under load.
    Reflected {
        /// Datagrams that came back, once each.
        answered: u64,
        /// Datagrams that did not.
        lost: u64,
        /// In so many seconds.
        seconds: f64,
        /// CPU time of the reflector for them, in seconds.
        cpu_seconds: f64,
    },
    /// What a prober told of its round trips.
    RoundTrip {
        /// Round trips.
        answered: u64,
        /// Probes without one.
        lost: u64,
        /// Median, in microseconds.
        p50_us: f64,
        /// What 99 of 100 do not exceed, in microseconds.
        p99_us: f64,
    },
    /// When a prober sent.
    Sent {
        /// Probes that it was asked for.
        asked: u64,
        /// Those that were heard.
        sent: u64,
        /// Behind the schedule, in microseconds: median.
        p50_us: f64,
        /// What 99 of 100 do not exceed.
        p99_us: f64,
        /// The most.
        max_us: f64,
    },
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// Replies a second.
    Rate,
    /// CPU time of the reflector for a datagram, in microseconds.
    Cpu,
    /// Datagrams for each second of CPU time.
    PerCore,
    /// Median time, in microseconds.
    P50,
    /// Time that 99 of 100 do not exceed, in microseconds.
    P99,
    /// The longest time, in microseconds.
    Max,
    /// Probes that got no answer, or places of the schedule that were left out: of 100.
    Missing,
}

impl Sample {
    /// A figure; none when the case has no such.
    #[must_use]
    pub fn figure(&self, figure: Figure) -> Option<f64> {
        let percent = |part: u64, whole: u64| 100.0 * figure::number(part) / figure::number(whole.max(1));
        match self.measured {
            Measured::Reflected { answered, lost, seconds, cpu_seconds } => match figure {
                Figure::Rate => Some(figure::number(answered) / seconds),
                Figure::Cpu => Some(cpu_seconds * 1e6 / figure::number(answered)),
                Figure::PerCore => Some(figure::number(answered) / cpu_seconds),
                Figure::Missing => Some(percent(lost, answered + lost)),
                Figure::P50 | Figure::P99 | Figure::Max => None,
            },
            Measured::RoundTrip { answered, lost, p50_us, p99_us } => match figure {
                Figure::P50 => Some(p50_us),
                Figure::P99 => Some(p99_us),
                Figure::Missing => Some(percent(lost, answered + lost)),
                Figure::Rate | Figure::Cpu | Figure::PerCore | Figure::Max => None,
            },
            Measured::Sent { asked, sent, p50_us, p99_us, max_us } => match figure {
                Figure::P50 => Some(p50_us),
                Figure::P99 => Some(p99_us),
                Figure::Max => Some(max_us),
                Figure::Missing => Some(percent(asked.saturating_sub(sent), asked)),
                Figure::Rate | Figure::Cpu | Figure::PerCore => None,
            },
        }
    }
}

impl Results {
    /// A figure over all rounds; nothing when it was not measured.
    #[must_use]
    pub fn summary(&self, case: Case, peer: Peer, figure: Figure) -> Option<Summary> {
        Summary::of(self.of(case, peer, figure).into_iter().map(|(_, value)| value))
    }

    /// How many times as large Switchboard's figure is as a peer's, made within each round.
    #[must_use]
    pub fn ratio(&self, case: Case, figure: Figure, theirs: Peer) -> Option<Summary> {
        statistics::ratio(&self.of(case, Peer::Switchboard, figure), &self.of(case, theirs, figure))
    }

    /// The same against the best of several, which is the one that is `better`, in each round.
    #[must_use]
    pub fn ratio_to_best(
        &self,
        case: Case,
        figure: Figure,
        theirs: &[Peer],
        better: fn(f64, f64) -> f64,
    ) -> Option<Summary> {
        let mut best: Vec<(u32, f64)> = Vec::new();
        for (round, value) in theirs.iter().flat_map(|peer| self.of(case, *peer, figure)) {
            match best.iter_mut().find(|(of, _)| *of == round) {
                Some((_, so_far)) => *so_far = better(*so_far, value),
                None => best.push((round, value)),
            }
        }
        statistics::ratio(&self.of(case, Peer::Switchboard, figure), &best)
    }

    /// How much larger a figure of `ours` is than that of `theirs`, made within each round.
    #[must_use]
    pub fn difference(&self, case: Case, figure: Figure, ours: Peer, theirs: Peer) -> Option<Summary> {
        let theirs = self.of(case, theirs, figure);
        Summary::of(self.of(case, ours, figure).into_iter().filter_map(|(round, own)| {
            let (_, other) = theirs.iter().find(|(of, _)| *of == round)?;
            Some(own - other)
        }))
    }

    fn of(&self, case: Case, peer: Peer, figure: Figure) -> Vec<(u32, f64)> {
        let samples = self.samples.iter().filter(|sample| sample.case == case && sample.peer == peer);
        samples.filter_map(|sample| Some((sample.round, sample.figure(figure)?))).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two rounds on a machine that halves its speed in the second.
    pub(crate) fn two_rounds() -> Results {
        let reflected = |round, peer, answered, cpu_seconds| Sample {
            round,
            case: Case::Load64,
            peer,
            measured: Measured::Reflected { answered, lost: 0, seconds: 1.0, cpu_seconds },
        };
        let round_trip = |peer, p50_us| Sample {
            round: 1,
            case: Case::RoundTrip,
            peer,
            measured: Measured::RoundTrip { answered: 999, lost: 1, p50_us, p99_us: 80.0 },
        };
        let sent = |peer, sent, p99_us| Sample {
            round: 1,
            case: Case::Send1ms,
            peer,
            measured: Measured::Sent { asked: 1000, sent, p50_us: 0.5, p99_us, max_us: 300.0 },
        };
        Results {
            machine: Machine {
                cores: 2,
                cpu: "a CPU".into(),
                kernel: "6.1".into(),
                memory_gib: 4,
                date: "2026-01-02".into(),
            },
            command: "bench probe".into(),
            versions: vec!["Switchboard 1".into(), "irtt 0.9".into()],
            skipped: vec!["fping: fping is not installed".into()],
            samples: vec![
                reflected(1, Peer::Switchboard, 200_000, 0.66),
                reflected(1, Peer::PlainBatch, 200_000, 0.6),
                reflected(1, Peer::Plain, 200_000, 0.8),
                reflected(1, Peer::Irtt, 50_000, 0.75),
                reflected(2, Peer::Switchboard, 100_000, 0.66),
                reflected(2, Peer::PlainBatch, 100_000, 0.6),
                reflected(2, Peer::Irtt, 25_000, 0.75),
                round_trip(Peer::Switchboard, 21.5),
                round_trip(Peer::SwitchboardSpin, 20.0),
                round_trip(Peer::Irtt, 55.0),
                sent(Peer::Switchboard, 1000, 58.0),
                sent(Peer::SwitchboardSpin, 1000, 1.5),
                sent(Peer::Irtt, 920, 400.0),
            ],
        }
    }

    #[test]
    fn ratios_are_made_within_a_round() {
        let results = two_rounds();
        // The rates lie a factor of two apart, their ratio does not.
        let rate = results.ratio(Case::Load64, Figure::Rate, Peer::Irtt).unwrap();
        assert_eq!(rate, Summary { median: 4.0, min: 4.0, max: 4.0 });
        let plain = [Peer::PlainBatch, Peer::Plain];
        let lowest = results.ratio_to_best(Case::Load64, Figure::Cpu, &plain, f64::min).unwrap();
        assert!((lowest.median - 1.1).abs() < 1e-9, "{lowest:?}");
        let per_core = results.ratio_to_best(Case::Load64, Figure::PerCore, &[Peer::Irtt], f64::max).unwrap();
        assert!((per_core.median - 4.545_454).abs() < 1e-3, "{per_core:?}");
        let later =
            results.difference(Case::RoundTrip, Figure::P50, Peer::Switchboard, Peer::SwitchboardSpin);
        assert_eq!(later, Some(Summary { median: 1.5, min: 1.5, max: 1.5 }));
        assert_eq!(results.ratio(Case::Load64, Figure::Rate, Peer::Fping), None);
    }

    #[test]
    fn results_survive_being_written_and_read() {
        let results = two_rounds();
        let text = serde_json::to_string(&results).unwrap();
        let read: Results = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(text.contains("\"load-64\"") && text.contains("\"plain-batch\""), "{text}");
    }
}
