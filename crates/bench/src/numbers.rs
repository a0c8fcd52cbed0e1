//! How numbers are written: as many digits as a measurement is worth.

use crate::statistics::Summary;

/// A count, with commas between thousands: `1,234,567`.
pub(crate) fn whole(count: f64) -> String {
    with_commas(&format!("{count:.0}"))
}

/// Three significant digits, with commas between thousands: `48,600`, `16.8`, `0.85`, `0.0313`.
pub(crate) fn significant(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let magnitude = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    if magnitude < 3.0 {
        // Digits after the point, at least none.
        let digits = if magnitude >= 2.0 {
            0
        } else if magnitude >= 1.0 {
            1
        } else if magnitude >= -1.0 {
            2
        } else {
            4
        };
        return format!("{value:.digits$}");
    }
    let unit = 10_f64.powf(magnitude - 2.0);
    with_commas(&format!("{:.0}", (value / unit).round() * unit))
}

/// The median, and the extremes where they differ.
pub(crate) fn interval(summary: Summary) -> String {
    let (median, min, max) =
        (significant(summary.median), significant(summary.min), significant(summary.max));
    if min == max { median } else { format!("{median} ({min} to {max})") }
}

/// Microseconds.
pub(crate) fn micros(summary: Summary) -> String {
    format!("{} µs", interval(summary))
}

fn with_commas(digits: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_shown() {
        let shown =
            [0.0, 0.031_26, 0.854, 1.0, 7.04, 16.84, 99.96, 545.4, 2_399.0, 48_649.0, 144_499.0, 1_234_567.0]
                .map(significant);
        let expected = [
            "0.00",
            "0.0313",
            "0.85",
            "1.00",
            "7.04",
            "16.8",
            "100.0",
            "545",
            "2,400",
            "48,600",
            "144,000",
            "1,230,000",
        ];
        assert_eq!(shown, expected.map(str::to_owned));
        assert_eq!(significant(f64::INFINITY), "unknown");
        assert_eq!((whole(0.0), whole(1_234_567.0)), ("0".to_owned(), "1,234,567".to_owned()));
    }
}
