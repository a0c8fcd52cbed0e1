//! When calls are sent.

use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;
use rustix::event::Timespec;

use super::caller::Caller;

/// When calls are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many in all, each when an answer makes room.
    Count(u64),
    /// As fast as answers make room, until this time is over.
    Closed(Duration),
    /// At fixed times, so many a second over all connections: every call that is due before this time is over.
    Open {
        /// Calls a second.
        per_second: f64,
        /// For how long.
        lasts: Duration,
    },
}

/// A pace under way.
#[derive(Debug)]
pub(super) struct Paced {
    pace: Pace,
    begun: Instant,
    /// Calls handed out: allowed to go (closed), or due (open).
    handed_out: u64,
    callers: usize,
    over: bool,
}

impl Pace {
    pub(super) fn start(self, begun: Instant, callers: usize) -> Paced {
        Paced { pace: self, begun, handed_out: 0, callers, over: false }
    }
}

impl Paced {
    /// Lets go what may go now. Calls of an open loop note in `late_us` by how much this program was late for them.
    pub(super) fn tick(
        &mut self,
        now: Instant,
        callers: &mut [Caller],
        late_us: &mut Histogram<u64>,
    ) -> Result<()> {
        match self.pace {
            Pace::Count(count) => {
                if self.handed_out == 0 {
                    self.share_out(count, callers, now)?;
                }
                self.over = true;
            }
            Pace::Closed(lasts) => {
                if self.handed_out == 0 {
                    self.share_out(u64::MAX, callers, now)?;
                }
                if now.duration_since(self.begun) >= lasts && !self.over {
                    self.over = true;
                    callers.iter_mut().for_each(Caller::stop);
                }
            }
            Pace::Open { per_second, lasts } => {
                while let Some(due) = self.next_due(per_second, lasts).filter(|due| *due <= now) {
                    let number = usize::try_from(self.handed_out)? % self.callers;
                    callers[number].owe(due, now)?;
                    late_us.saturating_record(u64::try_from(now.duration_since(due).as_micros())?);
                    self.handed_out += 1;
                }
                self.over = self.next_due(per_second, lasts).is_none();
            }
        }
        Ok(())
    }

    fn share_out(&mut self, count: u64, callers: &mut [Caller], now: Instant) -> Result<()> {
        self.handed_out = count;
        let share = count / u64::try_from(self.callers)?;
        let rest = usize::try_from(count % u64::try_from(self.callers)?)?;
        for (number, caller) in callers.iter_mut().enumerate() {
            caller.allow(share + u64::from(number < rest), now)?;
        }
        Ok(())
    }

    /// When the next call of an open loop is due; none when no more are.
    fn next_due(&self, per_second: f64, lasts: Duration) -> Option<Instant> {
        let number = u32::try_from(self.handed_out).map_or(f64::from(u32::MAX), f64::from);
        let after = Duration::from_secs_f64(number / per_second);
        (after < lasts).then(|| self.begun + after)
    }

    /// How long to wait for an answer at most.
    pub(super) fn wait(&self, now: Instant, seconds_max: u64) -> Timespec {
        let until = match self.pace {
            Pace::Closed(lasts) if !self.over => Some(self.begun + lasts),
            Pace::Open { per_second, lasts } => self.next_due(per_second, lasts),
            Pace::Count(_) | Pace::Closed(_) => None,
        };
        let longest = Duration::from_secs(seconds_max);
        let wait = until.map_or(longest, |until| until.saturating_duration_since(now).min(longest));
        Timespec { tv_sec: i64::try_from(wait.as_secs()).unwrap_or(1), tv_nsec: wait.subsec_nanos().into() }
    }

    /// Nothing more will be let go.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Silence is no sign of a fault: the calls themselves are rare.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self.pace, Pace::Open { per_second, .. } if per_second < 1.0) && !self.over
    }
}
