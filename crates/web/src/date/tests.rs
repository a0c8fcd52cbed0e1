//! The three forms, what is none of them, and the way there and back.

use proptest::prelude::*;

use super::*;

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const EXAMPLE: UnixSeconds = UnixSeconds(784_111_777);

#[test]
fn the_examples_of_the_rfc() {
    assert_eq!(&format(EXAMPLE), b"Sun, 06 Nov 1994 08:49:37 GMT");
    for text in
        ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
    {
        assert_eq!(parse(text.as_bytes(), NOW), Some(EXAMPLE), "{text}");
    }
}

#[test]
fn the_ends_of_time() {
    assert_eq!(&format(UnixSeconds(0)), b"Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(&format(UnixSeconds(u64::MAX)), b"Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(parse(b"Fri, 31 Dec 9999 23:59:59 GMT", NOW), Some(UnixSeconds::MAX));
    assert_eq!(&format(UnixSeconds(951_782_400)), b"Tue, 29 Feb 2000 00:00:00 GMT");
}

#[test]
fn two_digits_that_seem_more_than_50_years_ahead_mean_the_past() {
    let year = |text: &[u8], now| parse(text, now).map(|time| format(time)[12..16].to_vec());
    assert_eq!(
        year(b"Thursday, 15-Nov-73 00:00:00 GMT", NOW),
        Some(b"1973".to_vec()),
        "2073 is 50 years and a day ahead"
    );
    assert_eq!(year(b"Tuesday, 14-Nov-73 00:00:00 GMT", NOW), Some(b"2073".to_vec()), "50 years ahead");
    assert_eq!(year(b"Sunday, 15-Nov-71 00:00:00 GMT", NOW), Some(b"2071".to_vec()), "48 years ahead");
}

#[test]
fn a_leap_second_is_the_next() {
    assert_eq!(parse(b"Sat, 31 Dec 2016 23:59:60 GMT", NOW), Some(UnixSeconds(1_483_228_800)));
}

#[test]
fn what_is_no_date() {
    for text in [
        "",
        "Sun",
        "Sun,",
        "now",
        "784111777",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Mon, 31 Feb 2020 00:00:00 GMT",
        "Sat, 29 Feb 1900 00:00:00 GMT",
        "Wed, 00 Jan 2020 00:00:00 GMT",
        "Wed, 01 Jan 1969 00:00:00 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun Nov 06 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
    ] {
        assert_eq!(parse(text.as_bytes(), NOW), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(seconds in 0..=UnixSeconds::MAX.0) {
        let time = UnixSeconds(seconds);
        prop_assert_eq!(parse(&format(time), NOW), Some(time));
    }

    #[test]
    fn what_is_read_is_written(text in "(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] (Jan|Feb|Apr|Dec) [12][09][0-9]{2} [0-2][0-9]:[0-5][0-9]:[0-5][0-9] GMT") {
        if let Some(time) = parse(text.as_bytes(), NOW) {
            prop_assert_eq!(&format(time)[..], text.as_bytes());
        }
    }

    #[test]
    fn noise_is_no_date(text in prop::collection::vec(any::<u8>(), 0..40), now in any::<u64>()) {
        prop_assert!(parse(&text, UnixSeconds(now)).is_none());
        prop_assert!(format(UnixSeconds(now)).is_ascii());
    }

    #[test]
    fn days_and_dates_are_inverse(day in 0_u64..3_000_000) {
        let (year, month, date) = civil(day);
        prop_assert_eq!(days(year, month, date), day);
    }
}
