//! Which beats are new: a host's runs in rising order, and in each run every sequence number once (as RFC 4303 §3.4.3 does
//! for packets). Absent: whether a beat is true; only true ones come here.

use super::limits::REPLAY_WINDOW_BEATS;

/// How a beat stands to those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// The first of a run: the very first, or of a greater epoch.
    NewRun,
    /// Newer than all before it; so many numbers between were not seen.
    Newer {
        /// Numbers left out.
        skipped: u64,
    },
    /// Seen for the first time, behind a newer one.
    Late,
    /// Seen before.
    Replayed,
    /// Further behind than is remembered; a replay, or very late.
    TooOld,
    /// Of a run that ended.
    OldRun,
}

/// What was seen of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Replay {
    epoch: u64,
    highest: u64,
    /// Bit n: highest - n was seen. Zero only before the first beat.
    seen: u64,
}

impl Replay {
    /// The newest run.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The highest number of it.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// How this beat stands to those before it. Nothing is remembered.
    #[must_use]
    pub fn judge(&self, epoch: u64, sequence: u64) -> Freshness {
        if self.seen == 0 || epoch > self.epoch {
            return Freshness::NewRun;
        }
        if epoch < self.epoch {
            return Freshness::OldRun;
        }
        if let Some(ahead) = sequence.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            return Freshness::Newer { skipped: ahead - 1 };
        }
        match self.highest - sequence {
            behind if behind >= REPLAY_WINDOW_BEATS => Freshness::TooOld,
            behind if self.seen >> behind & 1 == 1 => Freshness::Replayed,
            _ => Freshness::Late,
        }
    }

    /// Remembers a beat that is to be taken.
    pub fn remember(&mut self, epoch: u64, sequence: u64) {
        match self.judge(epoch, sequence) {
            Freshness::NewRun => *self = Self { epoch, highest: sequence, seen: 1 },
            Freshness::Newer { skipped } => {
                let shift = u32::try_from(skipped.saturating_add(1)).unwrap_or(u32::MAX);
                self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
                self.highest = sequence;
            }
            Freshness::Late => self.seen |= 1 << (self.highest - sequence),
            Freshness::Replayed | Freshness::TooOld | Freshness::OldRun => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a set that remembers everything.
        #[test]
        fn no_number_is_taken_twice(steps in prop::collection::vec((0..3_u64, 0..200_u64), 1..300)) {
            let mut replay = Replay::default();
            let mut taken = BTreeSet::new();
            let mut newest: Option<(u64, u64)> = None;
            for (epoch, sequence) in steps {
                let judged = replay.judge(epoch, sequence);
                let takes = matches!(judged, Freshness::NewRun | Freshness::Newer { .. } | Freshness::Late);
                replay.remember(epoch, sequence);
                if takes {
                    prop_assert!(taken.insert((epoch, sequence)), "{judged:?} {epoch} {sequence}");
                    newest = newest.max(Some((epoch, sequence)));
                } else if judged == Freshness::Replayed {
                    prop_assert!(taken.contains(&(epoch, sequence)));
                }
                prop_assert_eq!(newest, Some((replay.epoch(), replay.highest())));
                prop_assert_eq!(judged == Freshness::OldRun, newest.is_some_and(|(run, _)| epoch < run));
            }
        }
    }

    #[test]
    fn the_ends_of_the_numbers_hold() {
        let mut replay = Replay::default();
        replay.remember(0, 0);
        assert_eq!(replay.judge(0, 0), Freshness::Replayed);
        assert_eq!(replay.judge(0, u64::MAX), Freshness::Newer { skipped: u64::MAX - 1 });
        replay.remember(0, u64::MAX);
        assert_eq!(replay.judge(0, u64::MAX), Freshness::Replayed);
        assert_eq!(replay.judge(0, u64::MAX - 63), Freshness::Late);
        assert_eq!(replay.judge(0, u64::MAX - 64), Freshness::TooOld);
        assert_eq!(replay.judge(u64::MAX, 0), Freshness::NewRun);
    }
}
