//! The measurements of a run: kept whole, so that a report can be made again from them.

use serde::{Deserialize, Serialize};

use super::case::Case;
use crate::machine::{Machine, Probe};
use crate::peers::{Peer, Ran};
use crate::statistics::{self, Summary};

/// Everything that was measured, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// On what.
    pub machine: Machine,
    /// By which command.
    pub command: String,
    /// Who took part, with versions.
    pub versions: Vec<(Peer, String)>,
    /// Who did not, and why.
    pub skipped: Vec<String>,
    /// What the disk did, once a round.
    pub probes: Vec<Probe>,
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
    /// Calls that were answered.
    pub calls: u64,
    /// In so many seconds.
    pub seconds: f64,
    /// CPU time of the server for them, in seconds.
    pub cpu_seconds: f64,
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// Calls a second.
    Rate,
    /// CPU time of the server for a call, in microseconds.
    Cpu,
}

impl Sample {
    /// Of a run.
    #[must_use]
    pub fn of(round: u32, case: Case, peer: Peer, ran: &Ran) -> Self {
        let (seconds, cpu_seconds) = (ran.elapsed.as_secs_f64(), ran.cpu.as_secs_f64());
        Self { round, case, peer, calls: ran.calls, seconds, cpu_seconds }
    }

    /// Calls a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.calls_f64() / self.seconds
    }

    /// CPU time of the server for a call, in microseconds.
    #[must_use]
    pub fn cpu_us(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.calls_f64()
    }

    fn figure(&self, figure: Figure) -> f64 {
        match figure {
            Figure::Rate => self.rate(),
            Figure::Cpu => self.cpu_us(),
        }
    }

    /// Exact: no run has more calls than 32 bits hold.
    fn calls_f64(&self) -> f64 {
        u32::try_from(self.calls).map_or(f64::from(u32::MAX), f64::from)
    }
}

impl Results {
    /// A figure over all rounds; nothing when it was not measured.
    #[must_use]
    pub fn summary(&self, case: Case, peer: Peer, figure: Figure) -> Option<Summary> {
        Summary::of(self.of(case, peer).map(|sample| sample.figure(figure)))
    }

    /// How many times as large a figure is for `ours` as for `theirs`, made within each round.
    #[must_use]
    pub fn ratio(&self, figure: Figure, ours: (Case, Peer), theirs: (Case, Peer)) -> Option<Summary> {
        let of = |(case, peer)| -> Vec<(u32, f64)> {
            self.of(case, peer).map(|sample| (sample.round, sample.figure(figure))).collect()
        };
        statistics::ratio(&of(ours), &of(theirs))
    }

    fn of(&self, case: Case, peer: Peer) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.case == case && sample.peer == peer)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::calls::case::Task;

    /// Two rounds on a machine that halves its speed in the second.
    pub(crate) fn two_rounds() -> Results {
        let case = Case::new(Task::Withdraw, 64, 1);
        let sample =
            |round, peer, calls, cpu_seconds| Sample { round, case, peer, calls, seconds: 1.0, cpu_seconds };
        Results {
            machine: Machine {
                cores: 2,
                cpu: "a CPU".into(),
                kernel: "6.1".into(),
                memory_gib: 4,
                date: "2026-01-02".into(),
            },
            command: "bench calls".into(),
            versions: vec![(Peer::Switchboard, "Switchboard 1".into()), (Peer::Redis, "Redis 7".into())],
            skipped: vec!["MariaDB: mariadb-server is not installed".into()],
            probes: vec![Probe { fdatasync_us: 100.0 }; 2],
            samples: vec![
                sample(1, Peer::Switchboard, 80_000, 0.8),
                sample(1, Peer::Redis, 40_000, 0.8),
                sample(2, Peer::Switchboard, 40_000, 0.4),
                sample(2, Peer::Redis, 20_000, 0.5),
            ],
        }
    }

    #[test]
    fn ratios_are_made_within_a_round() {
        let (results, case) = (two_rounds(), Case::new(Task::Withdraw, 64, 1));
        let ratio = |figure| results.ratio(figure, (case, Peer::Switchboard), (case, Peer::Redis)).unwrap();
        // The rates lie a factor of two apart, their ratio does not.
        assert_eq!(ratio(Figure::Rate), Summary { median: 2.0, min: 2.0, max: 2.0 });
        assert!((ratio(Figure::Cpu).median - 0.45).abs() < 1e-9);
        assert_eq!(results.ratio(Figure::Rate, (case, Peer::Switchboard), (case, Peer::Postgres)), None);
    }

    #[test]
    fn results_survive_being_written_and_read() {
        let results = two_rounds();
        let text = serde_json::to_string(&results).unwrap();
        let read: Results = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(text.contains("\"withdraw-64x1\"") && text.contains("\"redis\""), "{text}");
    }
}
