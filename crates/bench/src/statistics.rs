//! What a few runs say together: the median, and how far they lie apart.
//!
//! Absent: a mean or a standard deviation. Runs on a shared machine are not normally distributed, and with three or
//! five of them the whole interval can be shown.

use serde::{Deserialize, Serialize};

/// Median and extremes of some measurements.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// The middle one; between the two in the middle when there is an even number.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

impl Summary {
    /// Summarises; nothing when there are no measurements, or one that is not a number.
    #[must_use]
    pub fn of(measurements: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = measurements.into_iter().collect();
        if sorted.iter().any(|value| value.is_nan()) {
            return None;
        }
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { median, min, max })
    }
}

/// How many times as large `ours` is as `theirs`, made within each round: pairs of a round and what was measured in it.
#[must_use]
pub fn ratio(ours: &[(u32, f64)], theirs: &[(u32, f64)]) -> Option<Summary> {
    Summary::of(ours.iter().filter_map(|(round, own)| {
        let (_, other) = theirs.iter().find(|(of, _)| of == round)?;
        Some(own / other)
    }))
}

/// The middle one of some measurements; not a number when there are none.
#[must_use]
pub fn median(measurements: &[f64]) -> f64 {
    Summary::of(measurements.iter().copied()).map_or(f64::NAN, |summary| summary.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle_whatever_the_order() {
        assert_eq!(Summary::of([9.0, 1.0, 4.0]), Some(Summary { median: 4.0, min: 1.0, max: 9.0 }));
        assert_eq!(Summary::of([4.0, 1.0, 9.0, 2.0]), Some(Summary { median: 3.0, min: 1.0, max: 9.0 }));
        assert_eq!(Summary::of([7.0]), Some(Summary { median: 7.0, min: 7.0, max: 7.0 }));
    }

    #[test]
    fn one_wild_run_does_not_move_the_median() {
        let calm = Summary::of([10.0, 11.0, 12.0, 13.0, 14.0]).unwrap();
        let wild = Summary::of([10.0, 11.0, 12.0, 13.0, 9000.0]).unwrap();
        assert!((calm.median - wild.median).abs() < f64::EPSILON);
    }

    #[test]
    fn nothing_and_not_a_number_have_no_summary() {
        assert_eq!(Summary::of([]), None);
        assert_eq!(Summary::of([1.0, f64::NAN]), None);
    }
}
