//! Numbers of nanoseconds in bounded memory: exact moments and extremes, quantiles to three digits. Absent: order and time.

use hdrhistogram::Histogram;

/// The quantiles that are told.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quantiles {
    /// How many numbers.
    pub count: u64,
    /// The least.
    pub min_ns: f64,
    /// The mean.
    pub mean_ns: f64,
    /// Half are not above it.
    pub median_ns: f64,
    /// 90 of 100 are not above it.
    pub p90_ns: f64,
    /// 99 of 100 are not above it.
    pub p99_ns: f64,
    /// 999 of 1,000 are not above it.
    pub p999_ns: f64,
    /// The greatest.
    pub max_ns: f64,
    /// Standard deviation.
    pub deviation_ns: f64,
}

/// A distribution of nanoseconds.
#[derive(Clone, Debug)]
pub struct Distribution {
    histogram: Histogram<u64>,
    count: u64,
    mean: f64,
    /// Sum of squared distances from the mean (Welford 1962).
    squares: f64,
    min: u64,
    max: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        let mut histogram = Histogram::new(3).expect("three digits are within the histogram's limits");
        histogram.auto(true);
        Self { histogram, count: 0, mean: 0.0, squares: 0.0, min: u64::MAX, max: 0 }
    }
}

impl Distribution {
    /// Adds a number. Past an hour its place among the quantiles is that of an hour.
    pub fn record(&mut self, ns: u64) {
        const HOUR_NS: u64 = 3_600_000_000_000;
        self.histogram.record(ns.min(HOUR_NS)).expect("the histogram grows to an hour");
        self.count += 1;
        let number = as_f64(ns);
        let distance = number - self.mean;
        self.mean += distance / as_f64(self.count);
        self.squares += distance * (number - self.mean);
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
    }

    /// For each number that occurs, as nearly as three digits tell it, the share of all that are not above it.
    #[must_use]
    pub fn shares(&self) -> Vec<(f64, f64)> {
        let mut seen = 0;
        let buckets = self.histogram.iter_recorded().map(|bucket| {
            seen += bucket.count_since_last_iteration();
            let number = bucket.value_iterated_to().clamp(self.min, self.max);
            (as_f64(number), as_f64(seen) / as_f64(self.count))
        });
        buckets.collect()
    }

    /// What it comes to; `None` while it is empty.
    #[must_use]
    pub fn quantiles(&self) -> Option<Quantiles> {
        if self.count == 0 {
            return None;
        }
        // A bucket's number can lie outside of what was recorded.
        let at = |share| as_f64(self.histogram.value_at_quantile(share).clamp(self.min, self.max));
        Some(Quantiles {
            count: self.count,
            min_ns: as_f64(self.min),
            mean_ns: self.mean,
            median_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: as_f64(self.max),
            deviation_ns: (self.squares / as_f64(self.count)).sqrt(),
        })
    }
}

/// Interarrival jitter: a running mean of changes, each with the weight of a sixteenth (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct Jitter {
    mean: f64,
    changes: u64,
}

impl Jitter {
    pub(super) fn record(&mut self, change_ns: u64) {
        self.mean += (as_f64(change_ns) - self.mean) / 16.0;
        self.changes += 1;
    }

    /// In nanoseconds; `None` before two answers.
    #[must_use]
    pub fn nanos(&self) -> Option<f64> {
        (self.changes > 0).then_some(self.mean)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "beyond 104 days of nanoseconds the last digit does not matter"
)]
pub(super) fn as_f64(number: u64) -> f64 {
    number as f64
}
