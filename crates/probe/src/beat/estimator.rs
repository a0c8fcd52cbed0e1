//! When the next beat is due, by three methods, each with one number that trades detection time for false alarms.
//!
//! | method | next deadline | its margin is |
//! |---|---|---|
//! | time-out | last arrival + margin | seconds |
//! | NFD-E | expected arrival of the next number + margin | seconds, the α of Chen, Toueg, Aguilera 2002 §6.3 |
//! | phi-accrual | last arrival + mean + margin * deviation of intervals | standard deviations; [`normal`](super::normal) gives φ |
//!
//! NFD-E expects beat l+1 at the mean of (arrival - interval * number) over the last [`WINDOW_BEATS`] beats, plus
//! interval * (l+1): so neither a lost beat nor a late one moves the deadline of those to come. Phi-accrual remembers the
//! moments of the last thousand intervals with exponential forgetting, where the paper keeps all of them: the same to a few
//! per cent in a thousandth of the memory. Absent: what happens at the deadline.

use super::limits::{
    ACCRUAL_DEVIATION_SHARE_FIRST, ACCRUAL_DEVIATION_SHARE_MIN, ACCRUAL_INTERVALS, MEASURED_BEATS,
    SEQUENCE_JUMP_MAX, WINDOW_BEATS,
};
use super::{nanos, seconds};
use crate::time::Moment;

/// How the next deadline is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// So long after the last arrival.
    TimeOut,
    /// So long after the expected arrival of the next number (NFD-E).
    Expected,
    /// So many deviations of the intervals after the last arrival (phi-accrual).
    Accrual,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TimeOut, Self::Expected, Self::Accrual];

    /// Its name on the command line and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TimeOut => "fixed",
            Self::Expected => "nfd-e",
            Self::Accrual => "phi",
        }
    }
}

/// What the arrivals of one run of a host teach.
#[derive(Clone, Debug)]
pub struct Estimator {
    window: Window,
    intervals: Intervals,
    last: Option<Moment>,
}

impl Estimator {
    /// Nothing is known so far.
    #[must_use]
    pub fn new() -> Self {
        Self { window: Window::default(), intervals: Intervals::default(), last: None }
    }

    /// A beat newer than all before it arrived.
    pub fn heard(&mut self, sequence: u64, at: Moment, interval_ns: u64) {
        if let Some(last) = self.last {
            self.intervals.record(seconds(at.nanos_since(last)), seconds(interval_ns));
        }
        self.window.record(sequence, at, interval_ns);
        self.last = Some(at);
    }

    /// What follows has nothing to do with what was: the host was silent, paused, or began a new run. The moments of the
    /// intervals stay; the pause is none of them.
    pub fn interrupted(&mut self) {
        self.window.count = 0;
        self.last = None;
    }

    /// The last arrival since the last interruption.
    #[must_use]
    pub fn last(&self) -> Option<Moment> {
        self.last
    }

    /// When silence becomes suspicious; `None` before the first beat.
    #[must_use]
    pub fn deadline(&self, method: Method, interval_ns: u64, margin: f64) -> Option<Moment> {
        let last = self.last?;
        Some(match method {
            Method::TimeOut => last.plus_nanos(nanos(margin)),
            Method::Expected => self.window.expected(interval_ns)?.plus_nanos(nanos(margin)),
            Method::Accrual => {
                let (mean, deviation) = self.intervals.moments(seconds(interval_ns));
                last.plus_nanos(nanos(mean + margin * deviation))
            }
        })
    }

    /// The margin whose deadline is now: with a smaller one silence is already suspicious.
    #[must_use]
    pub fn margin_at(&self, method: Method, interval_ns: u64, now: Moment) -> Option<f64> {
        let silence = seconds(now.nanos_since(self.last?));
        Some(match method {
            Method::TimeOut => silence,
            Method::Expected => {
                let expected = self.window.expected(interval_ns)?;
                seconds(now.nanos_since(expected)) - seconds(expected.nanos_since(now))
            }
            Method::Accrual => {
                let (mean, deviation) = self.intervals.moments(seconds(interval_ns));
                (silence - mean) / deviation
            }
        })
    }

    /// Standard deviation of delay in seconds, from how arrivals scatter about where they were expected: no clock but the
    /// monitor's has a part in it. `None` before two beats.
    #[must_use]
    pub fn deviation_s(&self) -> Option<f64> {
        (self.window.judged > 0.0).then(|| self.window.variance.sqrt())
    }
}

impl Default for Estimator {
    fn default() -> Self {
        Self::new()
    }
}

/// The last arrivals, each as its distance from a strict schedule.
#[derive(Clone, Debug)]
struct Window {
    /// Where the schedule begins: a number and when it came.
    first: (u64, Moment),
    highest: u64,
    /// Microseconds that each arrival was behind the schedule.
    behind_us: [i32; WINDOW_BEATS],
    sum_us: i64,
    /// Arrivals since the schedule began; those beyond the window were replaced.
    count: usize,
    /// Mean square of (behind - mean behind), in square seconds, over about [`MEASURED_BEATS`].
    variance: f64,
    /// How many arrivals that was taken from, as far as it matters.
    judged: f64,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            first: (0, Moment::default()),
            highest: 0,
            behind_us: [0; WINDOW_BEATS],
            sum_us: 0,
            count: 0,
            variance: 0.0,
            judged: 0.0,
        }
    }
}

impl Window {
    fn record(&mut self, sequence: u64, at: Moment, interval_ns: u64) {
        let jump = sequence.saturating_sub(self.highest);
        self.highest = sequence;
        let behind = (self.count > 0 && jump <= SEQUENCE_JUMP_MAX)
            .then(|| self.behind_us(sequence, at, interval_ns))
            .flatten();
        // Further off than an interval is no delay: a clock jumped, or the host was held up.
        let near = behind
            .filter(|behind| (i64::from(*behind) - self.mean_us()).unsigned_abs() <= interval_ns / 1_000);
        let Some(behind) = near else {
            self.first = (sequence, at);
            (self.behind_us[0], self.sum_us, self.count) = (0, 0, 1);
            return;
        };
        let off = f64::from(behind) - self.mean_exact_us();
        self.judged = (self.judged + 1.0).min(MEASURED_BEATS);
        self.variance += (off * off * 1e-12 - self.variance) / self.judged;
        let place = self.count % WINDOW_BEATS;
        if self.count >= WINDOW_BEATS {
            self.sum_us -= i64::from(self.behind_us[place]);
        }
        self.behind_us[place] = behind;
        self.sum_us += i64::from(behind);
        self.count += 1;
        if self.count == 2 * WINDOW_BEATS {
            self.count = WINDOW_BEATS;
        }
    }

    /// `None` when it does not fit, after weeks of clocks that drift apart.
    fn behind_us(&self, sequence: u64, at: Moment, interval_ns: u64) -> Option<i32> {
        let due = i128::from(sequence - self.first.0) * i128::from(interval_ns);
        let came = i128::from(at.nanos()) - i128::from(self.first.1.nanos());
        i32::try_from((came - due) / 1_000).ok()
    }

    fn filled(&self) -> i64 {
        i64::try_from(self.count.min(WINDOW_BEATS)).expect("the window is short")
    }

    fn mean_us(&self) -> i64 {
        self.sum_us / self.filled().max(1)
    }

    fn mean_exact_us(&self) -> f64 {
        let filled = self.behind_us.iter().take(self.count);
        let (sum, count) =
            filled.fold((0.0, 0.0), |(sum, count), behind| (sum + f64::from(*behind), count + 1.0));
        sum / f64::max(count, 1.0)
    }

    /// When the number after the highest is expected.
    fn expected(&self, interval_ns: u64) -> Option<Moment> {
        if self.count == 0 {
            return None;
        }
        let next = i128::from(self.highest - self.first.0) + 1;
        let due = i128::from(self.first.1.nanos()) + next * i128::from(interval_ns);
        let expected = due + i128::from(self.mean_us()) * 1_000;
        Some(Moment::from_nanos(u64::try_from(expected.max(0)).unwrap_or(u64::MAX)))
    }
}

/// Mean and variance of the intervals between arrivals.
#[derive(Clone, Copy, Debug, Default)]
struct Intervals {
    mean: f64,
    variance: f64,
    count: u32,
}

impl Intervals {
    fn record(&mut self, interval_s: f64, nominal_s: f64) {
        let (mean, variance) = self.raw(nominal_s);
        // What is assumed at first counts as one interval.
        self.count = (self.count + 1).min(ACCRUAL_INTERVALS);
        let weight = 1.0 / (f64::from(self.count) + 1.0);
        let off = interval_s - mean;
        self.mean = mean + weight * off;
        self.variance = (1.0 - weight) * (variance + weight * off * off);
    }

    fn raw(&self, nominal_s: f64) -> (f64, f64) {
        if self.count > 0 {
            return (self.mean, self.variance);
        }
        (nominal_s, (nominal_s * ACCRUAL_DEVIATION_SHARE_FIRST).powi(2))
    }

    /// Mean and standard deviation, in seconds.
    fn moments(&self, nominal_s: f64) -> (f64, f64) {
        let (mean, variance) = self.raw(nominal_s);
        (mean, variance.sqrt().max(nominal_s * ACCRUAL_DEVIATION_SHARE_MIN))
    }
}

#[cfg(test)]
mod tests;
