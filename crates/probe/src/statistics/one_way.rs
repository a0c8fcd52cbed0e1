//! Delay each way between two clocks that do not agree. Every exchange bounds the difference of the clocks: it is at most
//! T2 - T1, and at least T3 - T4, for no packet arrives before it was sent. Two clocks that run evenly differ by a straight
//! line over time, and each line that passes between all bounds may be the true one. The line in the middle is taken for
//! the difference; how far the outermost lines are from it is the error that is stated with each delay.
//!
//! Absent: any belief that the two ways are alike; the error bound holds however unlike they are.

use super::Quantiles;
use super::distribution::as_f64;
use crate::fault::Random;
use crate::limits::{CLOCK_POINTS_MAX, ONE_WAY_SAMPLES_MAX, SKEW_PPM_MAX};
use crate::time::Timestamp;

/// Halvings of an interval of skews: the last is below a thousandth of a part per billion.
const HALVINGS: u32 = 60;

/// Delay each way, with what is known of the clocks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OneWay {
    /// The reflector's clock minus the sender's in the middle of the run, in nanoseconds.
    pub offset_ns: f64,
    /// How much faster the reflector's clock runs, in parts per million.
    pub skew_ppm: f64,
    /// No delay below is further from the truth than this, in nanoseconds, as long as both clocks run evenly. What is too
    /// much for one way is too little for the other.
    pub error_ns: f64,
    /// To the reflector.
    pub up: OneWayDelay,
    /// From the reflector.
    pub down: OneWayDelay,
}

/// Delay on one way; its error bound is beside it. Extremes and mean of all, quantiles of a fair choice.
pub type OneWayDelay = Quantiles;

#[derive(Debug)]
pub(super) struct Clocks {
    base: Option<Base>,
    buckets: Vec<Bucket>,
    bucket_s: f64,
    samples: Vec<Point>,
    random: Random,
    count: u64,
    mean: Point,
}

#[derive(Clone, Copy, Debug)]
struct Base {
    at: Timestamp,
    difference_ns: i64,
}

/// An exchange, relative to the first: seconds, and nanoseconds of both bounds.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    at_s: f64,
    most_ns: f64,
    least_ns: f64,
}

/// The tightest bounds of a stretch of time.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    number: f64,
    most: (f64, f64),
    least: (f64, f64),
}

impl Clocks {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            base: None,
            buckets: Vec::new(),
            bucket_s: 0.001,
            samples: Vec::new(),
            random: Random(seed),
            count: 0,
            mean: Point::default(),
        }
    }

    pub(super) fn record(&mut self, sent: Timestamp, up_ns: i64, down_ns: i64) {
        let least_ns = down_ns.saturating_neg();
        let base = *self.base.get_or_insert(Base { at: sent, difference_ns: i64::midpoint(up_ns, least_ns) });
        let point = Point {
            at_s: signed(sent.nanos_since(base.at)) / 1e9,
            most_ns: signed(up_ns.saturating_sub(base.difference_ns)),
            least_ns: signed(least_ns.saturating_sub(base.difference_ns)),
        };
        self.bound(point);
        self.choose(point);
        let weight = 1.0 / as_f64(self.count);
        self.mean.at_s += (point.at_s - self.mean.at_s) * weight;
        self.mean.most_ns += (point.most_ns - self.mean.most_ns) * weight;
        self.mean.least_ns += (point.least_ns - self.mean.least_ns) * weight;
    }

    /// Keeps the tightest bounds of each stretch; when there are too many stretches, each is made twice as long.
    fn bound(&mut self, point: Point) {
        let (most, least) = ((point.at_s, point.most_ns), (point.at_s, point.least_ns));
        let bucket = Bucket { number: (point.at_s / self.bucket_s).floor(), most, least };
        match self.buckets.iter_mut().rev().find(|known| known.number == bucket.number) {
            Some(known) => known.tighten(&bucket),
            None => self.buckets.push(bucket),
        }
        while self.buckets.len() > CLOCK_POINTS_MAX {
            self.bucket_s *= 2.0;
            // Answers that were overtaken may have begun a stretch out of turn.
            self.buckets.sort_by(|a, b| a.number.total_cmp(&b.number));
            let mut merged: Vec<Bucket> = Vec::with_capacity(CLOCK_POINTS_MAX);
            for bucket in self.buckets.drain(..) {
                let bucket = Bucket { number: (bucket.number / 2.0).floor(), ..bucket };
                match merged.last_mut().filter(|last| last.number == bucket.number) {
                    Some(last) => last.tighten(&bucket),
                    None => merged.push(bucket),
                }
            }
            self.buckets = merged;
        }
    }

    /// Of all exchanges so far each is among the samples with the same chance (Vitter 1985, algorithm R).
    fn choose(&mut self, point: Point) {
        self.count += 1;
        if self.samples.len() < ONE_WAY_SAMPLES_MAX {
            self.samples.push(point);
            return;
        }
        let below = u32::try_from(self.count).unwrap_or(u32::MAX);
        let place = usize::try_from(self.random.below(below)).unwrap_or(usize::MAX);
        if let Some(sample) = self.samples.get_mut(place) {
            *sample = point;
        }
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.buckets.len(), self.samples.len())
    }

    pub(super) fn one_way(&self) -> Option<OneWay> {
        let base = self.base?;
        let line = self.middle_line()?;
        let error_ns = self.error(&line);
        let span = self.span();
        let up = |point: &Point| point.most_ns - line.at(point.at_s);
        let down = |point: &Point| line.at(point.at_s) - point.least_ns;
        let least = |delays: &mut dyn Iterator<Item = f64>| delays.fold(f64::INFINITY, f64::min);
        let up_min = least(&mut self.buckets.iter().map(|bucket| bucket.most.1 - line.at(bucket.most.0)));
        let down_min = least(&mut self.buckets.iter().map(|bucket| line.at(bucket.least.0) - bucket.least.1));
        Some(OneWay {
            offset_ns: signed(base.difference_ns) + line.at((span.0 + span.1) / 2.0),
            skew_ppm: line.slope / 1e3,
            error_ns,
            up: self.quantiles(up(&self.mean), up_min, up)?,
            down: self.quantiles(down(&self.mean), down_min, down)?,
        })
    }

    fn quantiles(&self, mean_ns: f64, min_ns: f64, delay: impl Fn(&Point) -> f64) -> Option<Quantiles> {
        let mut delays: Vec<f64> = self.samples.iter().map(delay).collect();
        delays.sort_by(f64::total_cmp);
        let last = delays.len().checked_sub(1)?;
        let at =
            |thousandths: usize| delays[(delays.len() * thousandths).div_ceil(1_000).clamp(1, last + 1) - 1];
        let chosen = as_f64(u64::try_from(delays.len()).unwrap_or(u64::MAX));
        let centre = delays.iter().sum::<f64>() / chosen;
        let squares: f64 = delays.iter().map(|delay| (delay - centre) * (delay - centre)).sum();
        Some(Quantiles {
            count: self.count,
            min_ns: min_ns.min(delays[0]),
            mean_ns,
            median_ns: at(500),
            p90_ns: at(900),
            p99_ns: at(990),
            p999_ns: at(999),
            max_ns: delays[last],
            deviation_ns: (squares / chosen).sqrt(),
        })
    }

    /// First and last second of the run.
    fn span(&self) -> (f64, f64) {
        let times = || self.buckets.iter().flat_map(|bucket| [bucket.most.0, bucket.least.0]);
        (times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max))
    }

    /// Highest start of a line of this slope below all upper bounds, and lowest start of one above all lower bounds.
    fn starts(&self, slope: f64) -> (f64, f64) {
        let highest = self.buckets.iter().map(|bucket| bucket.most.1 - slope * bucket.most.0);
        let lowest = self.buckets.iter().map(|bucket| bucket.least.1 - slope * bucket.least.0);
        (highest.fold(f64::INFINITY, f64::min), lowest.fold(f64::NEG_INFINITY, f64::max))
    }

    /// How much room is between the bounds for lines of this slope; concave in the slope, negative when there is none.
    fn room(&self, slope: f64) -> f64 {
        let (highest, lowest) = self.starts(slope);
        highest - lowest
    }

    /// The line with the most room; `None` when no line fits, for then a clock did not run evenly.
    fn middle_line(&self) -> Option<Line> {
        let slope = greatest(-SLOPE_MAX, SLOPE_MAX, |slope| self.room(slope));
        let (highest, lowest) = self.starts(slope);
        // Stamps are whole nanoseconds, and so is what rounding may cost.
        (highest - lowest > -1.0).then_some(Line { start: f64::midpoint(highest, lowest), slope })
    }

    /// The greatest distance of the outermost lines from the middle one; it is greatest at an end of the run.
    fn error(&self, line: &Line) -> f64 {
        let slopes = (self.last_slope(line.slope, -SLOPE_MAX), self.last_slope(line.slope, SLOPE_MAX));
        let distance = |at_s: f64| {
            let above = |slope: f64| self.starts(slope).0 + slope * at_s - line.at(at_s);
            let below = |slope: f64| line.at(at_s) - (self.starts(slope).1 + slope * at_s);
            let most = |distance: &dyn Fn(f64) -> f64| distance(greatest(slopes.0, slopes.1, distance));
            most(&above).max(most(&below))
        };
        let (first, last) = self.span();
        distance(first).max(distance(last)).max(1.0)
    }

    /// The slope nearest to `end` that still has room, from one that has.
    fn last_slope(&self, from: f64, end: f64) -> f64 {
        if self.room(end) >= 0.0 {
            return end;
        }
        let (mut with, mut without) = (from, end);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(with, without);
            if self.room(middle) >= 0.0 { with = middle } else { without = middle }
        }
        // The side without room, so that the error is rather too great than too small.
        without
    }
}

/// Nanoseconds per second.
const SLOPE_MAX: f64 = SKEW_PPM_MAX * 1e3;

#[derive(Clone, Copy, Debug)]
struct Line {
    start: f64,
    slope: f64,
}

impl Line {
    fn at(&self, at_s: f64) -> f64 {
        self.start + self.slope * at_s
    }
}

impl Bucket {
    fn tighten(&mut self, other: &Self) {
        if other.most.1 < self.most.1 {
            self.most = other.most;
        }
        if other.least.1 > self.least.1 {
            self.least = other.least;
        }
    }
}

/// Where a concave function is greatest between two arguments.
fn greatest(from: f64, to: f64, value: impl Fn(f64) -> f64) -> f64 {
    let (mut from, mut to) = (from, to);
    for _ in 0..HALVINGS * 2 {
        let third = (to - from) / 3.0;
        let (left, right) = (from + third, to - third);
        if value(left) < value(right) { from = left } else { to = right }
    }
    f64::midpoint(from, to)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "beyond 104 days of nanoseconds the last digit does not matter"
)]
fn signed(number: i64) -> f64 {
    number as f64
}
