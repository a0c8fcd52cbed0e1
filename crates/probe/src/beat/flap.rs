//! Flap damping as routers do it (RFC 2439 §4): each alarm adds to a penalty that halves every quarter of an hour; past the
//! cutoff a host's changes are not told one by one until the penalty has fallen below the reuse limit. That it flaps is told,
//! and how it stands when it is steady again. Absent: any effect on detection.

use super::limits::{FLAP_CUTOFF, FLAP_HALF_LIFE_S, FLAP_HELD_S_MAX, FLAP_PENALTY, FLAP_REUSE};
use super::{nanos, seconds};
use crate::time::Moment;

/// The penalty of a host.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Damping {
    penalty: f64,
    /// When the penalty was that.
    at: Moment,
    held: bool,
}

impl Damping {
    /// Whether changes are held back.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// The penalty now.
    #[must_use]
    pub fn penalty(&self, now: Moment) -> f64 {
        self.penalty * (-seconds(now.nanos_since(self.at)) / FLAP_HALF_LIFE_S).exp2()
    }

    /// Counts an alarm. From now on changes may be held back.
    pub fn alarm(&mut self, now: Moment) {
        let ceiling = FLAP_REUSE * (FLAP_HELD_S_MAX / FLAP_HALF_LIFE_S).exp2();
        self.penalty = (self.penalty(now) + FLAP_PENALTY).min(ceiling);
        self.at = now;
        self.held |= self.penalty >= FLAP_CUTOFF;
    }

    /// When changes are told again, unless another alarm comes; `None` while they are told.
    #[must_use]
    pub fn release_at(&self) -> Option<Moment> {
        self.held.then(|| {
            let half_lives = (self.penalty / FLAP_REUSE).log2().max(0.0);
            self.at.plus_nanos(nanos(half_lives * FLAP_HALF_LIFE_S))
        })
    }

    /// Lets changes be told again when the time has come; whether it has just come.
    pub fn release(&mut self, now: Moment) -> bool {
        let free = self.release_at().is_some_and(|at| at <= now);
        self.held &= !free;
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_s(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn one_alarm_is_told_and_three_in_a_row_are_flapping() {
        let mut damping = Damping::default();
        damping.alarm(at_s(1_000));
        damping.alarm(at_s(1_060));
        assert!(!damping.is_held(), "{damping:?}");
        damping.alarm(at_s(1_120));
        assert!(damping.is_held());
        // log2(2864/750) half lives.
        let free = damping.release_at().unwrap();
        assert!(free > at_s(2_800) && free < at_s(2_900), "{free:?}");
        assert!(!damping.release(at_s(2_800)));
        assert!(damping.release(free) && !damping.is_held() && !damping.release(free));
    }

    #[test]
    fn nothing_is_held_for_longer_than_an_hour() {
        let mut damping = Damping::default();
        (0..10_000).for_each(|second| damping.alarm(at_s(second)));
        assert!(damping.release_at().unwrap() <= at_s(9_999 + 3_601));
        let mut rare = Damping::default();
        (0..100).for_each(|hour| rare.alarm(at_s(hour * 3_600)));
        assert!(!rare.is_held(), "an alarm an hour is told each time");
    }
}
