//! The measurements of web servers: kept whole, so that a report can be made again from them.

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
    /// How TCP decides how fast to send, as the kernel calls it: some pace what stays on the machine, too.
    pub congestion_control: String,
    /// By which command.
    pub command: String,
    /// Workers that every server was given.
    pub workers: u16,
    /// Who took part, with versions.
    pub versions: Vec<(Peer, String)>,
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
    /// A load.
    Load {
        /// Requests that were answered as they had to be.
        requests: u64,
        /// In so many seconds.
        seconds: f64,
        /// CPU time of the server for them, in seconds.
        cpu_seconds: f64,
        /// Latency in microseconds, median and 99 of 100; none where the tool does not tell.
        latency_us: Option<(u64, u64)>,
    },
    /// Proportional set of all its processes.
    Memory {
        /// After a short load, without a connection, in bytes.
        idle: u64,
        /// With idle connections, in bytes.
        crowded: u64,
    },
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// Requests a second.
    Rate,
    /// CPU time of the server for a request, in microseconds.
    Cpu,
    /// Median latency, in microseconds.
    P50,
    /// Latency that 99 of 100 requests do not exceed, in microseconds.
    P99,
    /// Memory without a connection, in MiB.
    Idle,
    /// Memory with idle connections, in MiB.
    Crowded,
}

impl Sample {
    /// A figure; none when the case has no such.
    #[must_use]
    pub fn figure(&self, figure: Figure) -> Option<f64> {
        let mebibytes = |bytes| figure::number(bytes) / (1024.0 * 1024.0);
        match (self.measured, figure) {
            (Measured::Load { requests, seconds, .. }, Figure::Rate) => {
                Some(figure::number(requests) / seconds)
            }
            (Measured::Load { requests, cpu_seconds, .. }, Figure::Cpu) => {
                Some(cpu_seconds * 1e6 / figure::number(requests))
            }
            (Measured::Load { latency_us, .. }, Figure::P50) => {
                latency_us.map(|(p50, _)| figure::number(p50))
            }
            (Measured::Load { latency_us, .. }, Figure::P99) => {
                latency_us.map(|(_, p99)| figure::number(p99))
            }
            (Measured::Memory { idle, .. }, Figure::Idle) => Some(mebibytes(idle)),
            (Measured::Memory { crowded, .. }, Figure::Crowded) => Some(mebibytes(crowded)),
            (Measured::Load { .. }, Figure::Idle | Figure::Crowded)
            | (Measured::Memory { .. }, Figure::Rate | Figure::Cpu | Figure::P50 | Figure::P99) => None,
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

    /// The same against the lowest of all others in each round.
    #[must_use]
    pub fn ratio_to_lowest(&self, case: Case, figure: Figure) -> Option<Summary> {
        let others = || Peer::ALL.iter().filter(|peer| !peer.is_ours());
        let mut lowest: Vec<(u32, f64)> = Vec::new();
        for (round, value) in others().flat_map(|peer| self.of(case, *peer, figure)) {
            match lowest.iter_mut().find(|(of, _)| *of == round) {
                Some((_, least)) => *least = least.min(value),
                None => lowest.push((round, value)),
            }
        }
        statistics::ratio(&self.of(case, Peer::Switchboard, figure), &lowest)
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
        let load = |round, peer, requests, cpu_seconds| Sample {
            round,
            case: Case::Small,
            peer,
            measured: Measured::Load { requests, seconds: 1.0, cpu_seconds, latency_us: Some((400, 900)) },
        };
        let memory = |peer, idle: u64, crowded: u64| Sample {
            round: 1,
            case: Case::Memory,
            peer,
            measured: Measured::Memory { idle: idle << 20, crowded: crowded << 20 },
        };
        Results {
            machine: Machine {
                cores: 2,
                cpu: "a CPU".into(),
                kernel: "6.1".into(),
                memory_gib: 4,
                date: "2026-01-02".into(),
            },
            congestion_control: "cubic".into(),
            command: "bench web".into(),
            workers: 2,
            versions: vec![(Peer::Switchboard, "Switchboard 1".into()), (Peer::Nginx, "nginx 1".into())],
            skipped: vec!["Caddy: caddy is not installed".into()],
            samples: vec![
                load(1, Peer::Switchboard, 200_000, 1.0),
                load(1, Peer::Lighttpd, 100_000, 0.625),
                load(1, Peer::Nginx, 100_000, 1.0),
                load(2, Peer::Switchboard, 100_000, 1.0),
                load(2, Peer::Lighttpd, 50_000, 1.0),
                load(2, Peer::Nginx, 50_000, 0.8),
                memory(Peer::Switchboard, 4, 8),
                memory(Peer::Nginx, 10, 12),
            ],
        }
    }

    #[test]
    fn ratios_are_made_within_a_round() {
        let results = two_rounds();
        let ratio = |figure| results.ratio(Case::Small, figure, Peer::Nginx).unwrap();
        // The rates lie a factor of two apart, their ratio does not.
        assert_eq!(ratio(Figure::Rate), Summary { median: 2.0, min: 2.0, max: 2.0 });
        assert!((ratio(Figure::Cpu).median - 0.5625).abs() < 1e-9);
        // 5 over 6.25 of lighttpd, 10 over 16 of nginx.
        let lowest = results.ratio_to_lowest(Case::Small, Figure::Cpu).unwrap();
        assert!((lowest.min - 0.625).abs() < 1e-9 && (lowest.max - 0.8).abs() < 1e-9, "{lowest:?}");
        assert_eq!(results.ratio(Case::Small, Figure::Rate, Peer::Caddy), None);
        assert_eq!(results.summary(Case::Small, Peer::Nginx, Figure::Idle), None);
    }

    #[test]
    fn results_survive_being_written_and_read() {
        let results = two_rounds();
        let text = serde_json::to_string(&results).unwrap();
        let read: Results = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(text.contains("\"1k\"") && text.contains("\"lighttpd\""), "{text}");
    }
}
