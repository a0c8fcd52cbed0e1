//! The two times of a measurement: [`Timestamp`], what a wall clock shows, which travels in packets and may be set; and
//! [`Moment`], which only rises, never leaves the machine and drives every decision. Absent: a clock; drivers read it.

use std::time::Duration;

/// Nanoseconds since 1970-01-01 UTC as some clock shows them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A time by its nanoseconds since 1970.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Nanoseconds from `earlier` to this; negative when it is later. Saturates after 292 years.
    #[must_use]
    pub fn nanos_since(self, earlier: Self) -> i64 {
        match self.0.checked_sub(earlier.0) {
            Some(ahead) => i64::try_from(ahead).unwrap_or(i64::MAX),
            None => i64::try_from(earlier.0 - self.0).map_or(i64::MIN, |behind| -behind),
        }
    }
}

/// Nanoseconds of a clock that only rises, from a start of the driver's choice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Moment(u64);

impl Moment {
    /// A moment by its nanoseconds since the driver's start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the driver's start.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Nanoseconds since `earlier`; zero when that is later.
    #[must_use]
    pub const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This many nanoseconds later.
    #[must_use]
    pub const fn plus_nanos(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        self.plus_nanos(nanos_of(duration))
    }
}

/// The nanoseconds of a duration; saturates after 584 years.
#[must_use]
pub fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_a_sign_and_do_not_overflow() {
        let [early, late] = [5, 8].map(Timestamp::from_nanos);
        assert_eq!((late.nanos_since(early), early.nanos_since(late)), (3, -3));
        let end = Timestamp::from_nanos(u64::MAX);
        assert_eq!(end.nanos_since(Timestamp::default()), i64::MAX);
        assert_eq!(Timestamp::default().nanos_since(end), i64::MIN);
        assert_eq!(Moment::from_nanos(3).nanos_since(Moment::from_nanos(9)), 0);
        assert_eq!(Moment::from_nanos(u64::MAX).plus(Duration::from_secs(1)), Moment::from_nanos(u64::MAX));
    }
}
