//! A record -> a line. Absent: files, and any byte of a request that is not printable ASCII.

use std::io::Write as _;
use std::net::IpAddr;

use super::{Record, Texts};
use crate::settings::LogFormat;

/// What was written last and is likely to be written again: the second, in the form of the common log format and in that
/// of RFC 3339, and the peer.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: i64,
    common: String,
    rfc3339: String,
    peer: Option<IpAddr>,
    peer_text: String,
}

/// Appends the line of `record`.
pub(super) fn write(
    format: LogFormat,
    record: &Record,
    texts: &Texts<'_>,
    clock: &mut Clock,
    lines: &mut Vec<u8>,
) {
    clock.set(record.at_us.div_euclid(1_000_000));
    clock.set_peer(record.peer);
    match format {
        LogFormat::Common => common(record, texts, clock, lines),
        LogFormat::Combined => {
            common(record, texts, clock, lines);
            lines.extend_from_slice(b" \"");
            escape_or_dash(texts.referer, lines);
            lines.extend_from_slice(b"\" \"");
            escape_or_dash(texts.agent, lines);
            lines.push(b'"');
        }
        LogFormat::Json => json(record, texts, clock, lines),
    }
    lines.push(b'\n');
}

fn common(record: &Record, texts: &Texts<'_>, clock: &Clock, lines: &mut Vec<u8>) {
    lines.extend_from_slice(clock.peer_text.as_bytes());
    lines.extend_from_slice(b" - - [");
    lines.extend_from_slice(clock.common.as_bytes());
    lines.extend_from_slice(b"] \"");
    if texts.method.is_empty() {
        lines.push(b'-');
    } else {
        escape(texts.method, lines);
        lines.push(b' ');
        escape(texts.target, lines);
        lines.extend_from_slice(b" HTTP/");
        lines.extend_from_slice(record.version.number().as_bytes());
    }
    lines.extend_from_slice(b"\" ");
    decimal(u64::from(record.status), lines);
    lines.push(b' ');
    decimal(record.body_bytes, lines);
}

fn json(record: &Record, texts: &Texts<'_>, clock: &Clock, lines: &mut Vec<u8>) {
    let micros = record.at_us.rem_euclid(1_000_000);
    written(write!(lines, "{{\"time\":\"{}.{micros:06}Z\",\"peer\":\"{}\"", clock.rfc3339, clock.peer_text));
    for (name, text) in [
        ("method", Some(texts.method)),
        ("target", Some(texts.target)),
        ("referer", texts.referer),
        ("user_agent", texts.agent),
    ] {
        let Some(text) = text else { continue };
        written(write!(lines, ",\"{name}\":\""));
        escape_json(text, lines);
        lines.push(b'"');
    }
    written(write!(
        lines,
        ",\"version\":\"{}\",\"status\":{},\"bytes\":{},\"duration_us\":{}}}",
        record.version.number(),
        record.status,
        record.body_bytes,
        record.duration_us
    ));
}

fn escape_or_dash(text: Option<&[u8]>, lines: &mut Vec<u8>) {
    match text {
        Some(text) => escape(text, lines),
        None => lines.push(b'-'),
    }
}

/// As Apache does: `\"`, `\\`, and `\xHH` for whatever is not printable ASCII.
fn escape(text: &[u8], lines: &mut Vec<u8>) {
    clean_runs(text, lines, |byte, lines| match byte {
        b'"' | b'\\' => lines.extend_from_slice(&[b'\\', byte]),
        other => written(write!(lines, "\\x{other:02x}")),
    });
}

/// Bytes beyond ASCII are written as the characters of the same number, so that any bytes make valid JSON.
fn escape_json(text: &[u8], lines: &mut Vec<u8>) {
    clean_runs(text, lines, |byte, lines| match byte {
        b'"' | b'\\' => lines.extend_from_slice(&[b'\\', byte]),
        other => written(write!(lines, "\\u{:04x}", u16::from(other))),
    });
}

/// Copies what may stand as it is in long runs, and leaves the rest to `escaped`.
fn clean_runs(mut text: &[u8], lines: &mut Vec<u8>, escaped: impl Fn(u8, &mut Vec<u8>)) {
    let is_clean = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    while let Some(end) = text.iter().position(|byte| !is_clean(*byte)) {
        lines.extend_from_slice(&text[..end]);
        escaped(text[end], lines);
        text = &text[end + 1..];
    }
    lines.extend_from_slice(text);
}

fn decimal(mut number: u64, lines: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    lines.extend_from_slice(&digits[at..]);
}

fn written(written: std::io::Result<()>) {
    written.expect("a Vec takes whatever is written");
}

impl Clock {
    fn set_peer(&mut self, peer: Option<IpAddr>) {
        if peer != self.peer || self.peer_text.is_empty() {
            self.peer = peer;
            self.peer_text = peer.map_or_else(|| "unix:".to_owned(), |peer| peer.to_string());
        }
    }

    fn set(&mut self, second: i64) {
        if second == self.second && !self.common.is_empty() {
            return;
        }
        self.second = second;
        let civil = Civil::from_seconds(second);
        let Civil { year, month, day, hour, minute, second } = civil;
        let name = MONTHS[month - 1];
        self.common = format!("{day:02}/{name}/{year}:{hour:02}:{minute:02}:{second:02} +0000");
        self.rfc3339 = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

struct Civil {
    year: i64,
    month: usize,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    /// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    fn from_seconds(seconds: i64) -> Self {
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let shifted = days + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: usize::try_from(month).expect("a month is from 1 to 12"),
            day: of_year - (153 * from_march + 2) / 5 + 1,
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::{Facts, Lines, Records, Spoken};
    use super::*;

    fn lines(format: LogFormat, target: &[u8], agent: Option<&[u8]>) -> String {
        let mut records = Records::default();
        let facts = Facts {
            at_us: 1_709_208_000_000_042,
            status: 200,
            body_bytes: 1024,
            peer: Some(Ipv4Addr::new(192, 0, 2, 7).into()),
            version: Spoken::Http11,
        };
        records.push(facts, Texts { method: b"GET", target, referer: None, agent });
        let mut lines = Lines::default();
        records.write(format, 57, &mut Clock::default(), &mut lines);
        assert_eq!((lines.count, records.records.len()), (1, 0));
        String::from_utf8(lines.bytes).unwrap()
    }

    #[test]
    fn the_three_forms() {
        let agent: Option<&[u8]> = Some(b"curl/8");
        assert_eq!(
            lines(LogFormat::Common, b"/a?b", agent),
            "192.0.2.7 - - [29/Feb/2024:12:00:00 +0000] \"GET /a?b HTTP/1.1\" 200 1024\n"
        );
        assert_eq!(
            lines(LogFormat::Combined, b"/a?b", agent),
            "192.0.2.7 - - [29/Feb/2024:12:00:00 +0000] \"GET /a?b HTTP/1.1\" 200 1024 \"-\" \"curl/8\"\n"
        );
        assert_eq!(
            lines(LogFormat::Json, b"/a?b", agent),
            "{\"time\":\"2024-02-29T12:00:00.000042Z\",\"peer\":\"192.0.2.7\",\"method\":\"GET\",\
             \"target\":\"/a?b\",\"user_agent\":\"curl/8\",\"version\":\"1.1\",\"status\":200,\"bytes\":1024,\
             \"duration_us\":57}\n"
        );
    }

    #[test]
    fn no_request_forges_a_line_or_a_field() {
        let hostile: &[u8] = b"a\" 200 5\r\n127.0.0.1 - \\ \x1b[2J\x00\xff";
        for format in [LogFormat::Common, LogFormat::Combined, LogFormat::Json] {
            let line = lines(format, b"/", Some(hostile));
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(line.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{line}");
        }
        assert!(
            lines(LogFormat::Combined, b"/", Some(hostile))
                .ends_with("\"a\\\" 200 5\\x0d\\x0a127.0.0.1 - \\\\ \\x1b[2J\\x00\\xff\"\n")
        );
    }
}
