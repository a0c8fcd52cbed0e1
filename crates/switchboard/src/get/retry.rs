//! When another attempt is made, as pure functions: which answers may pass, how long the pause is, what a server's Retry-After
//! asks for. Absent: the clock and the waiting.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};
use jiff::Timestamp;

use super::limits::PAUSE_MAX;

/// Whether the same request may fare better later: RFC 9110 sections 15.5.9 (408), 15.6; RFC 6585 section 4 (429).
pub(super) fn may_pass(status: StatusCode) -> bool {
    let lasting = [StatusCode::NOT_IMPLEMENTED, StatusCode::HTTP_VERSION_NOT_SUPPORTED];
    let client = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    client.contains(&status) || (status.is_server_error() && !lasting.contains(&status))
}

/// What Retry-After asks for (RFC 9110 section 10.2.3): seconds, or a date, which is held against the answer's own Date
/// where there is one, so that this machine's clock need not be right.
pub(super) fn asked_pause(fields: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = fields.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let until = date(text)?;
    let now = fields.get(hyper::header::DATE).and_then(|value| date(value.to_str().ok()?)).unwrap_or(now);
    Some(u64::try_from(until.as_second() - now.as_second()).map_or(Duration::ZERO, Duration::from_secs))
}

/// The pause before attempt `number` (counted from 1) after the first: doubled each time, or what the server asked for.
/// `None` when it asked for more than anybody would wait.
pub(super) fn pause(first: Duration, number: u32, asked: Option<Duration>) -> Option<Duration> {
    let factor = 1_u32.checked_shl(number.saturating_sub(1)).unwrap_or(u32::MAX);
    let ours = first.saturating_mul(factor).min(PAUSE_MAX);
    match asked {
        Some(asked) if asked > PAUSE_MAX => None,
        Some(asked) => Some(asked),
        None => Some(ours),
    }
}

/// A date of HTTP (RFC 9110 section 5.6.7), in the one form that is sent today.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = date("Fri, 06 Nov 2026 08:49:37 GMT").unwrap();
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Fri, 06 Nov 2026 08:50:37 GMT", Some(60)),
            ("Fri, 06 Nov 2026 08:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let asked = asked_pause(&fields(&[("retry-after", text)]), now);
            assert_eq!(asked, seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(asked_pause(&fields(&[("retry-after", &"9".repeat(40))]), now), Some(Duration::MAX));
        let by_its_clock =
            [("retry-after", "Fri, 06 Nov 2026 08:50:37 GMT"), ("date", "Fri, 06 Nov 2026 08:50:30 GMT")];
        assert_eq!(asked_pause(&fields(&by_its_clock), now), Some(Duration::from_secs(7)));
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_a_server_is_heard_within_it() {
        let second = Duration::from_secs(1);
        let pauses: Vec<_> = (1..=10).map(|number| pause(second, number, None).unwrap().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(pause(second, 90, None), Some(PAUSE_MAX));
        assert_eq!(pause(second, 5, Some(Duration::ZERO)), Some(Duration::ZERO));
        assert_eq!(pause(second, 1, Some(second * 7)), Some(second * 7));
        assert_eq!(pause(second, 1, Some(PAUSE_MAX + second)), None);
    }

    #[test]
    fn what_may_pass() {
        let passing: Vec<_> =
            (400..600).filter(|&code| may_pass(StatusCode::from_u16(code).unwrap())).collect();
        let expected = [408, 429].into_iter().chain(500..600).filter(|code| ![501, 505].contains(code));
        assert_eq!(passing, expected.collect::<Vec<_>>());
    }
}
