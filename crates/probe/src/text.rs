//! The text protocol: any datagram is answered with its ASCII letters in upper case, so an answer is as long as what was
//! asked. A ping is `PING <sequence> <time>`, its time in seconds. Absent: what other texts mean.

use std::fmt::Write as _;

use crate::time::Timestamp;

/// Turns the ASCII letters of a datagram into capitals; other octets stay.
pub fn capitalize(datagram: &mut [u8]) {
    datagram.make_ascii_uppercase();
}

/// The text of a ping.
#[must_use]
pub fn ping(sequence: u64, sent: Timestamp) -> String {
    let (seconds, nanos) = (sent.nanos() / 1_000_000_000, sent.nanos() % 1_000_000_000);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _written = write!(text, "PING {sequence} {seconds}.{nanos:09}");
    text
}

/// The sequence and time of a ping's answer, whatever stands behind them; `None` for other texts.
#[must_use]
pub fn parse(datagram: &[u8]) -> Option<(u64, Timestamp)> {
    let text = std::str::from_utf8(datagram).ok()?;
    let mut words = text.split_ascii_whitespace();
    if words.next()? != "PING" {
        return None;
    }
    let sequence = words.next()?.parse().ok()?;
    let (seconds, nanos) = words.next()?.split_once('.')?;
    if nanos.len() != 9 || !nanos.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let seconds: u64 = seconds.parse().ok()?;
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(nanos.parse().ok()?)?;
    Some((sequence, Timestamp::from_nanos(nanos)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_become_capitals_and_everything_else_stays() {
        let mut datagram = "ping 7 Straße\0\u{fe}".to_owned().into_bytes();
        capitalize(&mut datagram);
        assert_eq!(datagram, "PING 7 STRAßE\0\u{fe}".as_bytes());
    }

    #[test]
    fn a_ping_reads_as_the_report_has_it() {
        let text = ping(3, Timestamp::from_nanos(1_700_000_000_000_000_042));
        assert_eq!(text, "PING 3 1700000000.000000042");
    }

    proptest! {
        #[test]
        fn a_ping_survives_its_reflection(sequence: u64, nanos: u64) {
            let mut datagram = ping(sequence, Timestamp::from_nanos(nanos)).into_bytes();
            capitalize(&mut datagram);
            prop_assert_eq!(parse(&datagram), Some((sequence, Timestamp::from_nanos(nanos))));
        }

        #[test]
        fn any_datagram_is_read_or_refused(datagram: Vec<u8>, text in "PING [0-9. ]{0,40}") {
            let _read = parse(&datagram);
            let _read = parse(text.as_bytes());
        }
    }
}
