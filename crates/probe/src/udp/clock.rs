//! The clocks of this machine: the one that only rises, the wall clock, and how far off that may be. Absent: setting any.

use std::time::{Duration, Instant, SystemTime};

use rtime_clock::adjtime::{Timex, adjtimex};

use crate::stamp::{ErrorEstimate, Format};
use crate::time::{Moment, Timestamp, nanos_of};

/// Set while the kernel's clock follows nothing (`STA_UNSYNC` of adjtimex(2)).
const UNSYNCHRONIZED: i32 = 0x40;

/// The clocks, both read from here.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

/// How good the wall clock is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockState {
    /// Whether a program or device keeps it at UTC.
    pub synchronized: bool,
    /// How far off it may be; `None` where nobody knows.
    pub error: Option<Duration>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// Moments are counted from now on.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the driver's clock")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// The moment now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the driver's clock")]
    pub fn now(&self) -> Moment {
        Moment::from_nanos(nanos_of(Instant::now().saturating_duration_since(self.start)))
    }

    /// The wall clock; 1970 when it shows an earlier time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the driver's clock")]
    pub fn wall(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp::from_nanos(since_1970.map_or(0, nanos_of))
    }

    /// What the kernel knows of the wall clock.
    #[must_use]
    pub fn state(&self) -> ClockState {
        // All zero asks and sets nothing.
        let mut asked = Timex::new();
        if adjtimex(&mut asked).is_err() {
            return ClockState { synchronized: false, error: None };
        }
        let synchronized = asked.0.status & UNSYNCHRONIZED == 0;
        let error = u64::try_from(asked.0.maxerror).ok().map(Duration::from_micros);
        ClockState { synchronized, error: error.filter(|_| synchronized) }
    }
}

impl ClockState {
    /// As it travels in packets.
    #[must_use]
    pub fn estimate(self, format: Format) -> ErrorEstimate {
        match self.error {
            Some(error) => ErrorEstimate::new(self.synchronized, format, error),
            None => ErrorEstimate::unknown(format),
        }
    }
}
