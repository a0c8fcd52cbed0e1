//! Arguments of `ping` in words: seconds, classes of service, octets. Absent: what they are for.

use std::time::Duration;

/// Longest time that can be asked for.
const SECONDS_MAX: f64 = 86_400.0;

/// Octets written as hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Octets(pub(super) Vec<u8>);

/// Seconds, with a fraction.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds, such as 0.2".to_owned())?;
    if (0.000_001..=SECONDS_MAX).contains(&seconds) {
        return Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    }
    Err(format!("write a number of seconds from 0.000001 to {SECONDS_MAX}"))
}

/// A class of service by number or name (RFC 2474, 2597, 3246).
pub(super) fn dscp(text: &str) -> Result<u8, String> {
    let wrong = || "write 0 to 63, or a name: ef, cs0 to cs7, af11 to af43".to_owned();
    let lower = text.to_ascii_lowercase();
    let number = match lower.as_bytes() {
        b"ef" => 46,
        [b'c', b's', class @ b'0'..=b'7'] => (class - b'0') * 8,
        [b'a', b'f', class @ b'1'..=b'4', drop @ b'1'..=b'3'] => (class - b'0') * 8 + (drop - b'0') * 2,
        _ => lower.parse().map_err(|_| wrong())?,
    };
    if number < 64 { Ok(number) } else { Err(wrong()) }
}

/// Octets as pairs of hexadecimal digits.
pub(super) fn octets(text: &str) -> Result<Octets, String> {
    let wrong = || "write pairs of hexadecimal digits, such as 00ff".to_owned();
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = text.as_bytes().iter().map(digit).collect::<Option<_>>().ok_or_else(wrong)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return Err(wrong());
    }
    Ok(Octets(pairs.iter().map(|[high, low]| high << 4 | low).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_or_refused() {
        assert_eq!(seconds("0.02"), Ok(Duration::from_millis(20)));
        assert!(["", "0", "-1", "nan", "inf", "1e9", "1s"].iter().all(|wrong| seconds(wrong).is_err()));
        assert_eq!(["ef", "AF41", "cs5", "63"].map(dscp), [46, 34, 40, 63].map(Ok));
        assert!(["64", "-1", "af44", "cs8", ""].iter().all(|wrong| dscp(wrong).is_err()));
        assert_eq!(octets("00fF"), Ok(Octets(vec![0, 255])));
        assert!(["", "0", "0g", "00 ff"].iter().all(|wrong| octets(wrong).is_err()));
    }
}
