//! The text and the HTML of a message: line ends made canonical, and the encoding that suits what is in it.

use super::encoding::{base64_lines, is_literal, quoted_printable};
use crate::limits::BODY_LINE_BYTES_MAX;

/// How text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is: ASCII, short lines, nothing that anybody on the way would change.
    SevenBit,
    /// Mostly as it is.
    QuotedPrintable,
    /// Where that is shorter.
    Base64,
}

impl Encoding {
    /// The one that suits `text`.
    pub(super) fn of(text: &str) -> Self {
        if lines(text).all(is_plain) {
            return Self::SevenBit;
        }
        // Three characters for each that is not literal, against four for three bytes.
        let escaped = lines(text).flatten().filter(|&&byte| !is_literal(byte)).count();
        if escaped * 6 <= text.len() { Self::QuotedPrintable } else { Self::Base64 }
    }

    /// The value of Content-Transfer-Encoding.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
        }
    }

    /// Appends `text` as it goes over the wire; ends with CRLF.
    pub(super) fn write(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::SevenBit => {
                out.reserve(text.len() + text.len() / 32);
                for line in lines(text) {
                    out.extend_from_slice(line);
                    out.extend_from_slice(b"\r\n");
                }
            }
            Self::QuotedPrintable => quoted_printable(lines(text), out),
            Self::Base64 => {
                let mut canonical = Vec::with_capacity(text.len() + text.len() / 32);
                for line in lines(text) {
                    canonical.extend_from_slice(line);
                    canonical.extend_from_slice(b"\r\n");
                }
                base64_lines(&canonical, out);
            }
        }
    }
}

/// The lines of a text without their ends, LF or CRLF. A bare CR is part of its line.
fn lines(text: &str) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line).as_bytes())
}

/// Whether a line can go as it is.
fn is_plain(line: &[u8]) -> bool {
    // Every byte is looked at, so that many are looked at in one instruction.
    let strange = |any: bool, byte: &u8| any | !matches!(byte, b'\t' | b' '..=b'~');
    line.len() <= BODY_LINE_BYTES_MAX
        && !line.iter().fold(false, strange)
        && !line.starts_with(b"From ")
        && !line.ends_with(b" ")
        && !line.ends_with(b"\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_suits_the_text() {
        let long = "x".repeat(BODY_LINE_BYTES_MAX + 1);
        let rows = [
            ("", Encoding::SevenBit),
            ("hello\nworld\n", Encoding::SevenBit),
            ("hello\r\nworld\r\n.\r\n", Encoding::SevenBit),
            ("one\rtwo, and much more that is quite plain", Encoding::QuotedPrintable),
            ("From here on", Encoding::QuotedPrintable),
            ("trailing, and seen \nas such", Encoding::QuotedPrintable),
            ("ein schöner Tag im Grünen", Encoding::QuotedPrintable),
            ("Καλημέρα κόσμε", Encoding::Base64),
            ("你好，世界", Encoding::Base64),
            (&long, Encoding::QuotedPrintable),
        ];
        for (text, expected) in rows {
            assert_eq!(Encoding::of(text), expected, "{text:?}");
        }
    }

    #[test]
    fn line_ends_become_crlf_and_the_last_line_has_one() {
        let written = |text: &str| {
            let mut out = Vec::new();
            Encoding::of(text).write(text, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written("a\nb"), "a\r\nb\r\n");
        assert_eq!(written("a\r\nb\r\n"), "a\r\nb\r\n");
        assert_eq!(written("a\n\n"), "a\r\n\r\n");
        assert_eq!(written("one\rtwo three four\n"), "one=0Dtwo three four\r\n");
    }
}
