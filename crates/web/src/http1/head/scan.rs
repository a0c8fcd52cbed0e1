//! Which byte may stand where, and where a line ends.
//!
//! Absent: what a field means.

use super::{Refusal, Stop};

/// `tchar` of RFC 9110 section 5.6.2.
const TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");
/// What may stand in a request target: visible ASCII but `"`, `<`, `>` (which no client leaves unescaped) and `#`
/// (which no client sends). What a path may hold is decided where it is decoded.
const TARGET: [bool; 256] = table(b"!$%&'()*+,-./:;=?@[\\]^_`{|}~");

const fn table(marks: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
}

#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

#[inline]
pub(super) fn is_target(byte: u8) -> bool {
    TARGET[usize::from(byte)]
}

/// What a field value may hold: visible characters, space, tab, and opaque bytes above ASCII (RFC 9110 section 5.5).
#[inline]
pub(in crate::http1) const fn is_text(byte: u8) -> bool {
    (byte >= b' ' && byte != 0x7f) || byte == b'\t'
}

/// Name and value.
pub(super) type Line<'a> = (&'a [u8], &'a [u8]);

/// The field line at `at`, which moves behind it; none for the blank line that ends the section.
#[inline]
pub(super) fn field_line<'a>(bytes: &'a [u8], at: &mut usize) -> Result<Option<Line<'a>>, Stop> {
    let line = &bytes[*at..];
    let Some(colon) = line.iter().position(|&byte| !is_token(byte)) else {
        return Err(Stop::Short);
    };
    if colon == 0 || line[colon] != b':' {
        return match line {
            [b'\r', b'\n', ..] => {
                *at += 2;
                Ok(None)
            }
            [b'\r'] => Err(Stop::Short),
            _ => Err(wrong_name(line, colon).into()),
        };
    }
    let text = skip_blanks(line, colon + 1);
    let end = skip_text(line, text);
    match line.get(end..) {
        Some([b'\r', b'\n', ..]) => {
            *at += end + 2;
            Ok(Some((&line[..colon], trim_end(&line[text..end]))))
        }
        Some([] | [b'\r']) | None => Err(Stop::Short),
        Some([b'\r', ..]) => Err(Refusal::bad("bare CR (RFC 9112 section 2.2)").into()),
        Some([b'\n', ..]) => Err(Refusal::bad("line ended by a bare LF (RFC 9112 section 2.2)").into()),
        Some(_) => Err(Refusal::bad("control character in a field value (RFC 9110 section 5.5)").into()),
    }
}

#[cold]
fn wrong_name(line: &[u8], end: usize) -> Refusal {
    Refusal::bad(match line[end] {
        b' ' | b'\t' if end == 0 => "folded or indented field line (RFC 9112 section 5.2)",
        b' ' | b'\t' => "white space before the colon (RFC 9112 section 5.1)",
        b':' => "field without a name (RFC 9110 section 5.1)",
        b'\r' => "bare CR or field line without a colon (RFC 9112 section 5)",
        b'\n' => "bare LF or field line without a colon (RFC 9112 section 5)",
        _ => "character that a field name cannot have (RFC 9110 section 5.1)",
    })
}

#[inline]
fn skip_blanks(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(b' ' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The first byte from `from` on that no field value has, or the end. Eight bytes at a time.
#[inline]
fn skip_text(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let stops = control_lanes(u64::from_le_bytes(*word));
        if stops == 0 {
            at += 8;
            continue;
        }
        let lane = usize::try_from(stops.trailing_zeros() / 8).expect("below 8");
        at += lane;
        if word[lane] != b'\t' {
            return at;
        }
        at += 1;
    }
    while bytes.get(at).is_some_and(|&byte| is_text(byte)) {
        at += 1;
    }
    at
}

/// The top bit of the lowest lane whose byte is below a space or is DEL; lanes above that one may be wrong, since a
/// subtraction borrows from the next. Zero when there is no such byte.
#[inline]
const fn control_lanes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES * 0x80;
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let flipped = word ^ (ONES * 0x7f);
    let is_delete = flipped.wrapping_sub(ONES) & !flipped;
    (below_space | is_delete) & TOPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_at_the_first_control_character_wherever_it_stands() {
        for byte in 0..=255_u8 {
            for at in 0..19 {
                let mut bytes = *b"a\tvalue of\xff some text";
                bytes[at] = byte;
                let expected = bytes.iter().position(|&byte| !is_text(byte)).unwrap_or(bytes.len());
                assert_eq!(skip_text(&bytes, 0), expected, "{byte:#04x} at {at}");
            }
        }
    }
}
