//! When which process is killed: after so many withdrawals, chosen by the seed. Absent: the killing.

use std::collections::VecDeque;

use crate::lab::chance::Chance;

/// Who is killed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Victim {
    Server,
    Client,
}

/// One kill.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Kill {
    /// Withdrawals that the client has noted by then.
    pub(super) after: u64,
    pub(super) victim: Victim,
    /// Wait after that, so that the blow falls anywhere between two steps, in milliseconds.
    pub(super) pause_ms: u64,
}

/// Longest such wait.
const PAUSE_MS_MAX: u64 = 25;

/// `kills` of each side, in order, spread over `calls` withdrawals.
pub(super) fn kills(seed: u64, kills: u32, calls: u32) -> VecDeque<Kill> {
    let mut chance = Chance::new(seed, u64::MAX);
    let mut schedule = Vec::new();
    for number in 0..u64::from(kills) {
        for victim in [Victim::Server, Victim::Client] {
            let stretch = |part: u64| u64::from(calls) * part / u64::from(kills);
            let after = chance.between(stretch(number)..=stretch(number + 1).saturating_sub(1));
            schedule.push(Kill { after, victim, pause_ms: chance.between(0..=PAUSE_MS_MAX) });
        }
    }
    schedule.sort();
    schedule.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_killed_in_every_stretch() {
        let schedule = kills(7, 4, 400);
        assert_eq!(schedule.len(), 8);
        for victim in [Victim::Server, Victim::Client] {
            let after: Vec<_> =
                schedule.iter().filter(|kill| kill.victim == victim).map(|kill| kill.after).collect();
            let stretches: Vec<_> = after.iter().map(|after| after / 100).collect();
            assert_eq!(stretches, [0, 1, 2, 3]);
        }
        assert_eq!(schedule, kills(7, 4, 400));
        assert_ne!(schedule, kills(8, 4, 400));
    }

    #[test]
    fn more_kills_than_calls_all_fall_before_the_end() {
        assert!(kills(1, 10, 3).iter().all(|kill| kill.after < 3));
        assert!(kills(1, 0, 3).is_empty());
    }
}
