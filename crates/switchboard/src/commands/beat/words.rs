//! Lengths of time in words: read with their unit, written as a person says them. Absent: what they are for.

use std::time::Duration;

/// Longest length that is read.
const LENGTH_S_MAX: f64 = 30.0 * 86_400.0;

/// A number and its unit; seconds without one.
pub(in crate::commands) fn length(text: &str) -> Result<Duration, String> {
    let wrong =
        || "write a number and a unit (ms, s, m, h, d), such as 500ms, 1s or 10m, up to 30d".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    let number: f64 = digits.trim().parse().map_err(|_| wrong())?;
    let seconds = number * factor;
    if !(0.0..=LENGTH_S_MAX).contains(&seconds) {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// A length that beats can be apart.
pub(in crate::commands) fn interval(text: &str) -> Result<Duration, String> {
    let length = length(text)?;
    let possible = switchboard_probe::beat::sender::interval_ms(length).is_some();
    if possible { Ok(length) } else { Err("an interval lasts from 10 ms to a day".to_owned()) }
}

/// A length in two units at most.
pub(in crate::commands) fn spoken(length: Duration) -> String {
    let seconds = length.as_secs();
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => {
            let milliseconds = length.as_millis();
            match milliseconds {
                0..1_000 => format!("{milliseconds} ms"),
                _ => {
                    let tenths = (milliseconds + 50) / 100;
                    let rest = tenths % 10;
                    if rest == 0 { format!("{} s", tenths / 10) } else { format!("{}.{rest} s", tenths / 10) }
                }
            }
        }
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_or_refused() {
        let ms = Duration::from_millis;
        let read = ["500ms", "1s", "2", "0.5m", "1.5 h", "30d", "0"].map(length);
        assert_eq!(read, [500, 1_000, 2_000, 30_000, 5_400_000, 2_592_000_000, 0].map(|n| Ok(ms(n))));
        for wrong in ["", "s", "-1s", "1y", "31d", "nan", "inf", "1e99", "1s1s", "é"] {
            assert!(length(wrong).is_err(), "{wrong}");
        }
        assert!(interval("10ms").is_ok() && interval("9ms").is_err() && interval("2d").is_err());
    }

    #[test]
    fn lengths_are_written_as_they_are_said() {
        let said = [0, 250, 1_000, 6_450, 59_990, 61_000, 7_200_000, 90_000_000];
        assert_eq!(
            said.map(|ms| spoken(Duration::from_millis(ms))),
            ["0 ms", "250 ms", "1 s", "6.5 s", "60 s", "1 min 1 s", "2 h", "1 d 1 h"]
        );
    }
}
