//! What is measured of probes and reflectors.

use serde::{Deserialize, Serialize};

use crate::figure;

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
    /// A monitor of hosts that all beat.
    Watched {
        /// Hosts.
        hosts: u32,
        /// Beats that it took.
        beats: u64,
        /// In so many seconds.
        seconds: f64,
        /// Processor time of the monitor, in seconds.
        cpu_seconds: f64,
        /// Memory that each host takes.
        octets_per_host: u64,
        /// Alarms, all of them false.
        alarms: u64,
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
    /// Of a core's time, of 100.
    CoreShare,
    /// Memory of a host, in octets.
    Octets,
    /// Alarms without a reason.
    FalseAlarms,
}

impl Measured {
    /// A figure; none when the case has no such.
    #[must_use]
    pub fn figure(self, figure: Figure) -> Option<f64> {
        let percent = |part: u64, whole: u64| 100.0 * figure::number(part) / figure::number(whole.max(1));
        match self {
            Measured::Reflected { answered, lost, seconds, cpu_seconds } => match figure {
                Figure::Rate => Some(figure::number(answered) / seconds),
                Figure::Cpu => Some(cpu_seconds * 1e6 / figure::number(answered)),
                Figure::PerCore => Some(figure::number(answered) / cpu_seconds),
                Figure::Missing => Some(percent(lost, answered + lost)),
                Figure::P50
                | Figure::P99
                | Figure::Max
                | Figure::CoreShare
                | Figure::Octets
                | Figure::FalseAlarms => None,
            },
            Measured::RoundTrip { answered, lost, p50_us, p99_us } => match figure {
                Figure::P50 => Some(p50_us),
                Figure::P99 => Some(p99_us),
                Figure::Missing => Some(percent(lost, answered + lost)),
                Figure::Rate
                | Figure::Cpu
                | Figure::PerCore
                | Figure::Max
                | Figure::CoreShare
                | Figure::Octets
                | Figure::FalseAlarms => None,
            },
            Measured::Sent { asked, sent, p50_us, p99_us, max_us } => match figure {
                Figure::P50 => Some(p50_us),
                Figure::P99 => Some(p99_us),
                Figure::Max => Some(max_us),
                Figure::Missing => Some(percent(asked.saturating_sub(sent), asked)),
                Figure::Rate
                | Figure::Cpu
                | Figure::PerCore
                | Figure::CoreShare
                | Figure::Octets
                | Figure::FalseAlarms => None,
            },
            Measured::Watched { beats, seconds, cpu_seconds, octets_per_host, alarms, .. } => match figure {
                Figure::Rate => Some(figure::number(beats) / seconds),
                Figure::Cpu => Some(cpu_seconds * 1e6 / figure::number(beats.max(1))),
                Figure::CoreShare => Some(100.0 * cpu_seconds / seconds),
                Figure::Octets => Some(figure::number(octets_per_host)),
                Figure::FalseAlarms => Some(figure::number(alarms)),
                Figure::PerCore | Figure::P50 | Figure::P99 | Figure::Max | Figure::Missing => None,
            },
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::probe::Probe;
    use crate::probe::case::Case;
    use crate::probe::peers::Peer;
    use crate::statistics::Summary;
    use crate::subject::results::{Results, Sample};

    /// Two rounds on a machine that halves its speed in the second.
    pub(crate) fn two_rounds() -> Results<Probe> {
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
            conditions: (),
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
                Sample {
                    round: 1,
                    case: Case::Beats,
                    peer: Peer::Switchboard,
                    measured: Measured::Watched {
                        hosts: 100_000,
                        beats: 200_000,
                        seconds: 20.0,
                        cpu_seconds: 1.0,
                        octets_per_host: 420,
                        alarms: 1,
                    },
                },
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
        let read: Results<Probe> = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(text.contains("\"load-64\"") && text.contains("\"plain-batch\""), "{text}");
    }
}
