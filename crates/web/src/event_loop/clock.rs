//! The time of a turn: read once when the kernel has told what is ready, and once when all of it was answered.
//!
//! Absent: a clock anywhere else in this crate.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::date::{self, DATE_BYTES, UnixSeconds};
use crate::tree::FileTime;

/// What the loop believes the time to be.
#[derive(Debug)]
pub(crate) struct Clock {
    monotonic_ns: u64,
    realtime: Timespec,
    date: [u8; DATE_BYTES],
    date_of: UnixSeconds,
}

impl Clock {
    /// Reads the clocks.
    pub(crate) fn new() -> Self {
        let mut clock = Self {
            monotonic_ns: 0,
            realtime: Timespec { tv_sec: 0, tv_nsec: 0 },
            date: date::format(UnixSeconds(0)),
            date_of: UnixSeconds(0),
        };
        clock.read();
        clock
    }

    /// Reads the clocks again.
    pub(crate) fn read(&mut self) {
        self.monotonic_ns = monotonic_ns();
        self.realtime = clock_gettime(ClockId::Realtime);
        let now = self.unix();
        if now != self.date_of {
            self.date = date::format(now);
            self.date_of = now;
        }
    }

    /// Since some moment in the past, never running backwards.
    pub(crate) fn ns(&self) -> u64 {
        self.monotonic_ns
    }

    /// The same in milliseconds.
    pub(crate) fn ms(&self) -> u64 {
        self.monotonic_ns / 1_000_000
    }

    /// For the Date field.
    pub(crate) fn date(&self) -> &[u8; DATE_BYTES] {
        &self.date
    }

    /// The second of the Date field.
    pub(crate) fn unix(&self) -> UnixSeconds {
        UnixSeconds(u64::try_from(self.realtime.tv_sec).unwrap_or(0).min(UnixSeconds::MAX.0))
    }

    /// Microseconds since 1970, for the log.
    pub(crate) fn unix_us(&self) -> i64 {
        self.realtime.tv_sec.saturating_mul(1_000_000).saturating_add(self.realtime.tv_nsec / 1_000)
    }

    /// For comparison with the stamps of files.
    pub(crate) fn file_time(&self) -> FileTime {
        let nanoseconds = u32::try_from(self.realtime.tv_nsec).unwrap_or(0);
        FileTime { seconds: self.realtime.tv_sec, nanoseconds }
    }

    /// Microseconds from `start_ns` until this very moment.
    pub(crate) fn elapsed_us(start_ns: u64) -> u32 {
        u32::try_from(monotonic_ns().saturating_sub(start_ns) / 1_000).unwrap_or(u32::MAX)
    }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}
