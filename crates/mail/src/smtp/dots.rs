//! A message as it goes over the wire: after DATA a dot is put before each line that begins with one (RFC 5321 section 4.5.2), in BDAT it
//! goes as it is (RFC 3030).
//!
//! *Promises* that the end of data cannot appear within a message: a CR or LF that is not part of a CRLF, or a NUL, is an error, since
//! servers disagree about where such lines end (that is how messages are smuggled).

/// A CR or LF stands alone, or there is a NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stray;

/// How the end of a message is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// By a line with a dot.
    Dotted,
    /// By a count of bytes.
    Counted,
}

/// Where in a line the message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Dots {
    /// At the begin of a line.
    #[default]
    Begin,
    /// Within a line.
    Within,
    /// After a CR, which has gone out.
    AfterReturn,
}

impl Dots {
    /// Appends `bytes` to `out` as they go over the wire.
    pub(super) fn write(&mut self, bytes: &[u8], framing: Framing, out: &mut Vec<u8>) -> Result<(), Stray> {
        out.reserve(bytes.len() + bytes.len() / 64);
        let mut rest = bytes;
        while let Some(&next) = rest.first() {
            match (*self, next) {
                (Self::AfterReturn, b'\n') => {
                    out.push(b'\n');
                    rest = &rest[1..];
                    *self = Self::Begin;
                    continue;
                }
                (Self::AfterReturn, _) | (Self::Begin | Self::Within, b'\n') => return Err(Stray),
                (Self::Begin, b'.') if framing == Framing::Dotted => out.push(b'.'),
                (Self::Begin | Self::Within, _) => {}
            }
            let stop = memchr::memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
            out.extend_from_slice(&rest[..stop]);
            rest = &rest[stop..];
            *self = Self::Within;
            match rest.first() {
                Some(b'\r') => {
                    out.push(b'\r');
                    rest = &rest[1..];
                    *self = Self::AfterReturn;
                }
                Some(_) => return Err(Stray),
                None => {}
            }
        }
        Ok(())
    }

    /// Appends what ends the message: the last line's end when it has none, and the dot where that is the end.
    pub(super) fn end(self, framing: Framing, out: &mut Vec<u8>) -> Result<(), Stray> {
        match self {
            Self::Begin => {}
            Self::Within => out.extend_from_slice(b"\r\n"),
            Self::AfterReturn => return Err(Stray),
        }
        match framing {
            Framing::Dotted => out.extend_from_slice(b".\r\n"),
            Framing::Counted => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(pieces: &[&[u8]]) -> Result<Vec<u8>, Stray> {
        let (mut dots, mut out) = (Dots::default(), Vec::new());
        for piece in pieces {
            dots.write(piece, Framing::Dotted, &mut out)?;
        }
        dots.end(Framing::Dotted, &mut out)?;
        Ok(out)
    }

    #[test]
    fn dots_are_stuffed_at_the_begin_of_lines_and_nowhere_else() {
        let rows: [(&[u8], &[u8]); 6] = [
            (b"", b".\r\n"),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b".\r\n..\r\na.\r\n", b"..\r\n...\r\na.\r\n.\r\n"),
            (b"\r\n.", b"\r\n..\r\n.\r\n"),
            (b".a", b"..a\r\n.\r\n"),
        ];
        for (message, expected) in rows {
            assert_eq!(wire(&[message]).unwrap(), expected);
        }
        for message in
            [b"a\nb".as_slice(), b"\n", b"a\rb", b"a\r", b"\r\r\n", b"a\0", b"a\n.\r\n", b"a\r.\r\n"]
        {
            assert_eq!(wire(&[message]), Err(Stray), "{message:?}");
        }
    }

    #[test]
    fn what_is_counted_goes_as_it_is() {
        let written = |message: &[u8]| {
            let (mut dots, mut out) = (Dots::default(), Vec::new());
            dots.write(message, Framing::Counted, &mut out)?;
            dots.end(Framing::Counted, &mut out)?;
            Ok(out)
        };
        assert_eq!(written(b".\r\n..\r\nend").unwrap(), b".\r\n..\r\nend\r\n");
        assert_eq!(written(b".\r\na\n"), Err(Stray));
    }

    proptest! {
        #[test]
        fn what_goes_out_has_one_end_and_is_the_message(text in "([ab.]|\r\n|\r|\n){0,24}", cut in 0usize..24) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let whole = wire(&[bytes]);
            prop_assert_eq!(&wire(&[&bytes[..cut], &bytes[cut..]]), &whole);
            if let Ok(whole) = whole {
                let whole = String::from_utf8(whole).unwrap();
                let ends = format!("\r\n{whole}").match_indices("\r\n.\r\n").count();
                prop_assert_eq!(ends, 1);
                let body = whole.strip_suffix(".\r\n").unwrap();
                let back: Vec<_> = body.split("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
                let back = back.join("\r\n");
                prop_assert_eq!(back.trim_end_matches("\r\n"), text.trim_end_matches("\r\n"));
            }
        }
    }
}
