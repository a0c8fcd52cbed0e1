//! Dates as HTTP writes them (RFC 9110 section 5.6.7): one form to write, three to read.
//!
//! Absent: clocks and time zones. A day of the week that does not belong to the date makes it invalid, which a
//! condition treats as absent.

use std::ops::RangeInclusive;

/// Seconds since the beginning of 1970 in UTC, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// The last second of the year 9999: no later one has four digits of year.
    pub const MAX: Self = Self(253_402_300_799);
}

/// Bytes of a date as written.
pub const DATE_BYTES: usize = 29;

const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const LONG_DAYS: [&[u8]; 7] =
    [b"Thursday", b"Friday", b"Saturday", b"Sunday", b"Monday", b"Tuesday", b"Wednesday"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAY_SECONDS: u64 = 86_400;

/// `Sun, 06 Nov 1994 08:49:37 GMT`. A time behind [`UnixSeconds::MAX`] is written as that.
#[must_use]
pub fn format(time: UnixSeconds) -> [u8; DATE_BYTES] {
    let seconds = time.min(UnixSeconds::MAX).0;
    let (day, second) = (seconds / DAY_SECONDS, seconds % DAY_SECONDS);
    let (year, month, date) = civil(day);
    let mut text = *b"Thu, 00 Jan 0000 00:00:00 GMT";
    text[..3].copy_from_slice(DAYS[index(day % 7)]);
    text[8..11].copy_from_slice(MONTHS[index(month - 1)]);
    for (at, number) in [
        (5, date),
        (12, year / 100),
        (14, year % 100),
        (17, second / 3600),
        (20, second / 60 % 60),
        (23, second % 60),
    ] {
        text[at] = digit(number / 10);
        text[at + 1] = digit(number % 10);
    }
    text
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("a day or month")
}

fn digit(number: u64) -> u8 {
    b'0' + u8::try_from(number % 10).expect("below 10")
}

/// Reads any of the three forms; `now` settles the century of the obsolete one with two digits (RFC 9110 section
/// 5.6.7: a year that seems more than 50 years ahead is the past one).
///
/// None for anything else, and for dates before 1970, which no file here is asked about.
#[must_use]
pub fn parse(text: &[u8], now: UnixSeconds) -> Option<UnixSeconds> {
    match text.get(3)? {
        b',' => fixed(text),
        b' ' => asctime(text),
        _ => rfc850(text, now),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn fixed(text: &[u8]) -> Option<UnixSeconds> {
    let [n1, n2, n3, b',', b' ', d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ', clock @ ..] = text
    else {
        return None;
    };
    let year = number(&[*y1, *y2, *y3, *y4], 1970..=9999)?;
    let date = Date { year, month: month(&[*m1, *m2, *m3])?, day: number(&[*d1, *d2], 1..=31)? };
    date.at(&DAYS.map(<[u8; 3]>::as_slice), &[*n1, *n2, *n3], time_of_day(clock.strip_suffix(b" GMT")?)?)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(text: &[u8], now: UnixSeconds) -> Option<UnixSeconds> {
    let comma = text.iter().position(|&byte| byte == b',')?;
    let (name, rest) = text.split_at(comma);
    let [b',', b' ', d1, d2, b'-', m1, m2, m3, b'-', y1, y2, b' ', clock @ ..] = rest else { return None };
    let (month, day) = (month(&[*m1, *m2, *m3])?, number(&[*d1, *d2], 1..=31)?);
    let (this_year, this_month, today) = civil(now.min(UnixSeconds::MAX).0 / DAY_SECONDS);
    let mut year = this_year / 100 * 100 + number(&[*y1, *y2], 0..=99)?;
    if (year, month, day) > (this_year + 50, this_month, today) {
        year -= 100;
    }
    let date = Date { year, month, day };
    date.at(&LONG_DAYS, name, time_of_day(clock.strip_suffix(b" GMT")?)?)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<UnixSeconds> {
    let [n1, n2, n3, b' ', m1, m2, m3, b' ', d1, d2, b' ', clock @ .., b' ', y1, y2, y3, y4] = text else {
        return None;
    };
    let year = number(&[*y1, *y2, *y3, *y4], 1970..=9999)?;
    let day = if *d1 == b' ' { number(&[*d2], 1..=9)? } else { number(&[*d1, *d2], 10..=31)? };
    let date = Date { year, month: month(&[*m1, *m2, *m3])?, day };
    date.at(&DAYS.map(<[u8; 3]>::as_slice), &[*n1, *n2, *n3], time_of_day(clock)?)
}

/// A day of the calendar, its month from 1; whether there is such a day is not yet known.
struct Date {
    year: u64,
    month: u64,
    day: u64,
}

impl Date {
    /// The time, if the date exists and falls on the day of the week that `name` says.
    fn at(&self, names: &[&[u8]; 7], name: &[u8], second: u64) -> Option<UnixSeconds> {
        if self.year < 1970 {
            return None;
        }
        let day = days(self.year, self.month, self.day);
        let exists = civil(day) == (self.year, self.month, self.day);
        (exists && names[index(day % 7)] == name).then_some(UnixSeconds(day * DAY_SECONDS + second))
    }
}

/// `08:49:37` in seconds. A leap second (`:60`) is the second after it.
fn time_of_day(text: &[u8]) -> Option<u64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = text else { return None };
    Some(
        number(&[*h1, *h2], 0..=23)? * 3600
            + number(&[*m1, *m2], 0..=59)? * 60
            + number(&[*s1, *s2], 0..=60)?,
    )
}

fn month(name: &[u8; 3]) -> Option<u64> {
    let at = MONTHS.iter().position(|month| *month == name)?;
    u64::try_from(at + 1).ok()
}

fn number(digits: &[u8], range: RangeInclusive<u64>) -> Option<u64> {
    let number = digits.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0'))
    })?;
    range.contains(&number).then_some(number)
}

/// Year, month from 1 and day from 1 of a day counted from 1970. Years of 400 begin in March, so that the leap day is
/// the last of its year (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, date)
}

/// The inverse of [`civil`] for years from 1970; a day that its month does not have is one of the next month.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests;
