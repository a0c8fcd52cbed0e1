//! Base64 and quoted-printable (RFC 2045 sections 6.7 and 6.8), in lines that end with CRLF.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of one line of 76 characters.
const LINE_BYTES: usize = 57;
/// Characters of a line of quoted-printable, the `=` of a soft line break included.
const QUOTED_LINE_MAX: usize = 76;

/// Appends `bytes` as lines of base64. Pieces of a whole number of lines can be appended one after the other.
pub(super) fn base64_lines(bytes: &[u8], out: &mut Vec<u8>) {
    let mut at = out.len();
    out.resize(at + bytes.len().div_ceil(LINE_BYTES) * (QUOTED_LINE_MAX + 2), 0);
    for piece in bytes.chunks(LINE_BYTES) {
        at += STANDARD.encode_slice(piece, &mut out[at..]).expect("57 bytes are 76 characters");
        out[at..at + 2].copy_from_slice(b"\r\n");
        at += 2;
    }
    // The last line may be a short one.
    out.truncate(at);
}

/// How long [`base64_lines`] makes so many bytes.
pub(super) fn base64_bytes(bytes: u64) -> u64 {
    const LINE: u64 = LINE_BYTES as u64;
    let rest = bytes % LINE;
    let last = if rest == 0 { 0 } else { rest.div_ceil(3) * 4 + 2 };
    bytes / LINE * 78 + last
}

/// Appends lines as quoted-printable. Each of `lines` is without its line end, which is written as CRLF between lines and after the last.
pub(super) fn quoted_printable<'a>(lines: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for line in lines {
        let mut width = 0;
        for (at, &byte) in line.iter().enumerate() {
            let is_last = at + 1 == line.len();
            let literal =
                is_literal(byte) && !(is_last && matches!(byte, b' ' | b'\t')) && !begins_mbox(line, at);
            let needed = if literal { 1 } else { 3 };
            // Room for the soft line break, unless this is the end of the line.
            let reserve = usize::from(!is_last);
            if width + needed + reserve > QUOTED_LINE_MAX {
                out.extend_from_slice(b"=\r\n");
                width = 0;
            }
            if literal {
                out.push(byte);
            } else {
                out.extend_from_slice(format!("={byte:02X}").as_bytes());
            }
            width += needed;
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Mail stores put a `>` before a line that begins with `From `, and a lone dot is the end for careless servers.
fn begins_mbox(line: &[u8], at: usize) -> bool {
    at == 0 && (line.starts_with(b"From ") || line.starts_with(b"."))
}

/// Whether quoted-printable writes the byte as it is.
pub(super) fn is_literal(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'<' | b'>'..=b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_base64_is_known_before() {
        for length in [0, 1, 2, 3, 56, 57, 58, 59, 113, 114, 115, 5700, 5701] {
            let mut out = Vec::new();
            base64_lines(&vec![7; length], &mut out);
            assert_eq!(out.len() as u64, base64_bytes(length as u64), "{length}");
        }
    }

    #[test]
    fn quoted_printable_keeps_its_lines_short_and_its_ends_visible() {
        let check = |line: &str, expected: &str| {
            let mut out = Vec::new();
            quoted_printable(std::iter::once(line.as_bytes()), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{line:?}");
        };
        check("", "\r\n");
        check("a=b", "a=3Db\r\n");
        check("é", "=C3=A9\r\n");
        check("a ", "a=20\r\n");
        check("a\t", "a=09\r\n");
        check("a\rb", "a=0Db\r\n");
        check("From x", "=46rom x\r\n");
        check(".", "=2E\r\n");
        check(&"x".repeat(76), &format!("{}\r\n", "x".repeat(76)));
        check(&"x".repeat(77), &format!("{}=\r\nxx\r\n", "x".repeat(75)));
        check(&"é".repeat(13), &format!("{}=C3=\r\n=A9\r\n", "=C3=A9".repeat(12)));
    }
}
