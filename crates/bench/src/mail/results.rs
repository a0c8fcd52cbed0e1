//! What is measured of mail clients.

use serde::{Deserialize, Serialize};

use crate::figure;

/// What one run gave.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// Processes that sent one message each.
    Whole {
        /// How many.
        runs: u64,
        /// From exec to exit, in milliseconds, median.
        milliseconds: f64,
        /// CPU time of one, in milliseconds, mean.
        cpu_milliseconds: f64,
        /// The largest resident set of any, in bytes; none where it was not looked at.
        peak_bytes: Option<u64>,
        /// Round trips of the connection; none where nobody counted.
        round_trips: Option<u64>,
    },
    /// Many messages.
    Load {
        /// That were accepted and counted by the server.
        messages: u64,
        /// Of their texts.
        bytes: u64,
        /// In so many seconds.
        seconds: f64,
        /// CPU time of the client for them, in seconds.
        cpu_seconds: f64,
        /// Round trips on all connections; none where nobody counted.
        round_trips: Option<u64>,
    },
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// From exec to exit, in milliseconds.
    Time,
    /// CPU time of the client for a message, in microseconds.
    Cpu,
    /// The largest resident set, in MiB.
    Memory,
    /// Round trips for a message.
    RoundTrips,
    /// Messages a second.
    Rate,
    /// Text in MB a second.
    Throughput,
}

impl Measured {
    /// A figure; none when the case has no such.
    #[must_use]
    pub fn figure(self, figure: Figure) -> Option<f64> {
        let number = figure::number;
        match self {
            Self::Whole { milliseconds, cpu_milliseconds, peak_bytes, round_trips, .. } => match figure {
                Figure::Time => Some(milliseconds),
                Figure::Cpu => Some(cpu_milliseconds * 1e3),
                Figure::Memory => peak_bytes.map(|bytes| number(bytes) / (1024.0 * 1024.0)),
                Figure::RoundTrips => round_trips.map(number),
                Figure::Rate | Figure::Throughput => None,
            },
            Self::Load { messages, bytes, seconds, cpu_seconds, round_trips } => match figure {
                Figure::Rate => Some(number(messages) / seconds),
                Figure::Throughput => Some(number(bytes) / 1e6 / seconds),
                Figure::Cpu => Some(cpu_seconds * 1e6 / number(messages)),
                Figure::RoundTrips => round_trips.map(|trips| number(trips) / number(messages)),
                Figure::Time | Figure::Memory => None,
            },
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::mail::Mail;
    use crate::mail::case::Case;
    use crate::mail::peers::Peer;
    use crate::statistics::Summary;
    use crate::subject::results::{Results, Sample};

    /// Two rounds on a machine that halves its speed in the second.
    pub(crate) fn two_rounds() -> Results<Mail> {
        let whole = |round, case, peer, milliseconds, peak_bytes| Sample {
            round,
            case,
            peer,
            measured: Measured::Whole {
                runs: 9,
                milliseconds,
                cpu_milliseconds: milliseconds / 2.0,
                peak_bytes,
                round_trips: None,
            },
        };
        let load = |round, case, peer, messages, round_trips| Sample {
            round,
            case,
            peer,
            measured: Measured::Load {
                messages,
                bytes: messages * 5120,
                seconds: 1.0,
                cpu_seconds: 0.5,
                round_trips,
            },
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
            command: "bench mail".into(),
            versions: vec!["Switchboard 1".into(), "curl 7".into()],
            skipped: vec!["swaks: swaks is not installed".into()],
            samples: vec![
                whole(1, Case::Short, Peer::Switchboard, 2.0, None),
                whole(1, Case::Short, Peer::Curl, 4.0, None),
                whole(2, Case::Short, Peer::Switchboard, 4.0, None),
                whole(2, Case::Short, Peer::Curl, 8.0, None),
                whole(1, Case::Huge, Peer::Switchboard, 4000.0, Some(12 << 20)),
                load(1, Case::Sink20, Peer::Switchboard, 30_000, None),
                load(1, Case::Sink20, Peer::SmtpSourceReused, 20_000, None),
                load(2, Case::Sink20, Peer::Switchboard, 15_000, None),
                load(2, Case::Sink20, Peer::SmtpSourceReused, 10_000, None),
                load(1, Case::FarBdat1, Peer::Switchboard, 3000, Some(50)),
                load(1, Case::FarBdat1, Peer::SmtpSourceReused, 12, Some(50)),
            ],
        }
    }

    #[test]
    fn figures_are_of_one_message_and_ratios_of_one_round() {
        let results = two_rounds();
        let ratio = results.ratio(Case::Sink20, Figure::Rate, Peer::SmtpSourceReused);
        assert_eq!(ratio, Some(Summary { median: 1.5, min: 1.5, max: 1.5 }));
        let trips = results.summary(Case::FarBdat1, Peer::Switchboard, Figure::RoundTrips).unwrap();
        assert!((trips.median - 50.0 / 3000.0).abs() < 1e-9, "{trips:?}");
        let cpu = results.summary(Case::Short, Peer::Curl, Figure::Cpu).unwrap();
        assert!((cpu.median - 3000.0).abs() < 1e-9, "{cpu:?}");
        assert_eq!(results.summary(Case::Short, Peer::Curl, Figure::Memory), None);
    }

    #[test]
    fn results_survive_being_written_and_read() {
        let text = serde_json::to_string(&two_rounds()).unwrap();
        let read: Results<Mail> = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(text.contains("\"far-bdat-1\"") && text.contains("\"smtp-source-reused\""), "{text}");
    }
}
