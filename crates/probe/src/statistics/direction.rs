//! On which way packets were lost. A stateful reflector numbers its replies, so a gap in its numbers is a reply that was
//! lost, and what is missing beyond the gaps never reached it. Absent: guesses; where the numbers do not add up, or may be
//! mere copies of the probes' own, nothing is said.

use crate::prober::Sample;

/// Packets lost on each way, as far as the newest answer tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LossByDirection {
    /// Probes that did not reach the reflector.
    pub up: u64,
    /// Replies that did not come back; those that came damaged did.
    pub down: u64,
    /// Probes without an answer behind the newest answer: nobody knows on which way.
    pub unknown: u64,
    /// Probes that reached the reflector more than once.
    pub duplicated_up: u64,
    /// Replies that came more than once.
    pub duplicated_down: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Direction {
    /// Whether the reflector was seen to count for itself.
    counts: bool,
    /// Different replies received.
    replies: u64,
    /// Of them, those that a second copy of a probe caused.
    duplicated_up: u64,
    duplicated_down: u64,
    /// The numbers of the newest of these, since each may itself come more than once.
    second: [Option<u32>; SECOND_REMEMBERED],
    /// One more than the highest number of a reply, and of the probe that it answered.
    replied: u64,
    probed: u64,
    sent: u64,
    /// Replies that came damaged: to probes up to the newest that was answered, and behind it.
    damaged: u64,
    damaged_behind: u64,
}

impl Direction {
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    pub(super) fn arrived(&mut self, sample: &Sample) {
        self.replies += 1;
        self.note(sample);
    }

    /// A reply came, but what it says is not to be believed.
    pub(super) fn damaged(&mut self, sequence: u64) {
        let counter = if sequence < self.probed { &mut self.damaged } else { &mut self.damaged_behind };
        *counter += 1;
    }

    pub(super) fn not_damaged(&mut self, sequence: u64) {
        let counter = if sequence < self.probed { &mut self.damaged } else { &mut self.damaged_behind };
        *counter = counter.saturating_sub(1);
    }

    /// The same probe again: with another number the reflector got it twice, with the same number the reply came twice.
    pub(super) fn duplicate(&mut self, first: &Sample, again: &Sample) {
        let number = |sample: &Sample| sample.reflected.map(|reflected| reflected.sequence);
        if number(first) == number(again) || self.second.contains(&number(again)) {
            self.duplicated_down += 1;
        } else {
            self.second.rotate_right(1);
            self.second[0] = number(again);
            self.duplicated_up += 1;
            self.replies += 1;
            self.note(again);
        }
    }

    fn note(&mut self, sample: &Sample) {
        let Some(reflected) = sample.reflected else { return };
        let low = sample.sequence & u64::from(u32::MAX);
        self.counts |= reflected.counters.is_some() || u64::from(reflected.sequence) != low;
        let replied = self.whole_number(reflected.sequence) + 1;
        let newer = sample.sequence + 1 > self.probed;
        if newer && replied + OVERTAKEN_MAX < self.replied {
            // The reflector was started again, and counts anew.
            self.counts = false;
        }
        self.replied = self.replied.max(replied);
        if newer {
            self.probed = sample.sequence + 1;
            self.damaged += std::mem::take(&mut self.damaged_behind);
        }
    }

    /// The number near the highest one so far that ends with these 32 bits.
    fn whole_number(&self, low: u32) -> u64 {
        let next_low = u32::try_from(self.replied & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let ahead = i64::from(low.wrapping_sub(next_low).cast_signed());
        // Before the first number there is none: what seems to be below zero is a large one.
        self.replied.checked_add_signed(ahead).unwrap_or(u64::from(low))
    }

    pub(super) fn told(&self) -> Option<LossByDirection> {
        if !self.counts {
            return None;
        }
        let down = self.replied.checked_sub(self.replies)?.saturating_sub(self.damaged);
        let up = (self.probed + self.duplicated_up).checked_sub(self.replied)?;
        Some(LossByDirection {
            up,
            down,
            unknown: self.sent.saturating_sub(self.probed).saturating_sub(self.damaged_behind),
            duplicated_up: self.duplicated_up,
            duplicated_down: self.duplicated_down,
        })
    }
}

/// A reply with a lower number than this many others, to a newer probe, was not overtaken.
const OVERTAKEN_MAX: u64 = 1_000;
/// Copies of a reply come close together: so many others may come between two.
const SECOND_REMEMBERED: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_replies_go_on_behind_32_bits() {
        let mut direction = Direction { replied: u64::from(u32::MAX) - 1, ..Direction::default() };
        for (low, whole) in [(u32::MAX, u64::from(u32::MAX)), (0, 1 << 32), (1, (1 << 32) + 1)] {
            assert_eq!(direction.whole_number(low), whole);
            direction.replied = whole + 1;
        }
        assert_eq!(direction.whole_number(u32::MAX), u64::from(u32::MAX), "one that was overtaken");
        let first = Direction::default();
        assert_eq!([0, 7, u32::MAX].map(|low| first.whole_number(low)), [0, 7, u64::from(u32::MAX)]);
    }
}
