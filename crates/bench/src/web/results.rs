//! What is measured of web servers.

use serde::{Deserialize, Serialize};

use crate::figure;

/// What holds for all servers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Conditions {
    /// How TCP decides how fast to send, as the kernel calls it: some pace what stays on the machine, too.
    pub congestion_control: String,
    /// Workers that every server was given.
    pub workers: u16,
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

impl Measured {
    /// A figure; none when the case has no such.
    #[must_use]
    pub fn figure(self, figure: Figure) -> Option<f64> {
        let mebibytes = |bytes| figure::number(bytes) / (1024.0 * 1024.0);
        match (self, figure) {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::statistics::Summary;
    use crate::subject::results::{Results, Sample};
    use crate::web::Web;
    use crate::web::case::Case;
    use crate::web::peers::Peer;

    /// Two rounds on a machine that halves its speed in the second.
    pub(crate) fn two_rounds() -> Results<Web> {
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
            conditions: Conditions { congestion_control: "cubic".into(), workers: 2 },
            command: "bench web".into(),
            versions: vec!["Switchboard 1".into(), "nginx 1".into()],
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
        let lowest = results.ratio_to_best(Case::Small, Figure::Cpu, Peer::OTHERS, f64::min).unwrap();
        assert!((lowest.min - 0.625).abs() < 1e-9 && (lowest.max - 0.8).abs() < 1e-9, "{lowest:?}");
        assert_eq!(results.ratio(Case::Small, Figure::Rate, Peer::Caddy), None);
        assert_eq!(results.summary(Case::Small, Peer::Nginx, Figure::Idle), None);
    }

    #[test]
    fn results_survive_being_written_and_read() {
        let results = two_rounds();
        let text = serde_json::to_string(&results).unwrap();
        let read: Results<Web> = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(text.contains("\"1k\"") && text.contains("\"lighttpd\""), "{text}");
    }
}
