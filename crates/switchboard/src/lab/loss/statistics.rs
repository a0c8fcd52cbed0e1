//! Samples and what is told of many: mean with its confidence interval, quantiles. Absent: what was measured.

use serde::Serialize;

/// What one withdrawal took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sample {
    /// From the wish to the answer, in nominal microseconds.
    pub(crate) us: u64,
    /// The attempt that was answered.
    pub(crate) attempts: u32,
    /// Copies sent; more than attempts when some were sent while the answer was under way.
    pub(crate) copies: u32,
}

/// What is told of a set of samples.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(crate) struct Summary {
    /// Withdrawals measured.
    pub(crate) calls: usize,
    /// Times, in nominal seconds.
    pub(crate) seconds: Spread,
    /// Attempts, the answered one included.
    pub(crate) attempts: Spread,
    /// Mean number of copies sent.
    pub(crate) copies_mean: f64,
    /// The median time, in nominal microseconds.
    #[serde(skip)]
    pub(crate) median_us: u64,
}

/// Where a set of numbers lies.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(crate) struct Spread {
    /// Arithmetic mean.
    pub(crate) mean: f64,
    /// The true mean is within this of `mean` with a confidence of 95 % (normal approximation).
    pub(crate) mean_error: f64,
    /// A tenth is not larger.
    pub(crate) p10: f64,
    /// The median.
    pub(crate) p50: f64,
    /// Nine tenths are not larger.
    pub(crate) p90: f64,
    /// Of a hundred, one is larger.
    pub(crate) p99: f64,
}

/// Standard errors on either side that make 95 %.
const STANDARD_ERRORS_95: f64 = 1.959_964;

impl Summary {
    /// Of at least one sample; none of none.
    pub(crate) fn of(samples: &[Sample]) -> Option<Self> {
        let seconds = Spread::of(samples.iter().map(|sample| exact(sample.us) / 1e6).collect())?;
        let attempts = Spread::of(samples.iter().map(|sample| f64::from(sample.attempts)).collect())?;
        let copies: u64 = samples.iter().map(|sample| u64::from(sample.copies)).sum();
        let copies_mean = exact(copies) / exact(u64::try_from(samples.len()).ok()?);
        let mut times: Vec<u64> = samples.iter().map(|sample| sample.us).collect();
        times.sort_unstable();
        let median_us = quantile(&times, 50)?;
        Some(Self { calls: samples.len(), seconds, attempts, copies_mean, median_us })
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let count = exact(u64::try_from(values.len()).ok()?);
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        // One sample tells nothing about its error.
        let variance = if values.len() > 1 { squares / (count - 1.0) } else { 0.0 };
        Some(Self {
            mean,
            mean_error: STANDARD_ERRORS_95 * (variance / count).sqrt(),
            p10: quantile(&values, 10)?,
            p50: quantile(&values, 50)?,
            p90: quantile(&values, 90)?,
            p99: quantile(&values, 99)?,
        })
    }
}

/// The smallest value that at least `percent` of them do not exceed (nearest rank).
fn quantile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Counts and microseconds of an experiment are far below 2^53, where an f64 stops to be exact.
fn exact(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(us: u64, attempts: u32) -> Sample {
        Sample { us, attempts, copies: attempts + 1 }
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let samples: Vec<Sample> = (1..=200).rev().map(|n| sample(n * 1_000_000, 1)).collect();
        let seconds = Summary::of(&samples).unwrap().seconds;
        assert_eq!((seconds.p10, seconds.p50, seconds.p90, seconds.p99), (20.0, 100.0, 180.0, 198.0));
        assert!((seconds.mean - 100.5).abs() < 1e-9);
        // Standard deviation of 1..=200 is 57.88.
        assert!((seconds.mean_error - 1.96 * 57.88 / 200_f64.sqrt()).abs() < 0.01, "{}", seconds.mean_error);
    }

    #[test]
    fn few_samples_are_told_as_they_are_and_none_not_at_all() {
        assert_eq!(Summary::of(&[]), None);
        let one = Summary::of(&[sample(1500, 3)]).unwrap();
        assert_eq!((one.attempts.mean, one.attempts.mean_error, one.attempts.p99), (3.0, 0.0, 3.0));
        assert_eq!(one.copies_mean, 4.0);
    }
}
