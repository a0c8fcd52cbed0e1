//! Where the bytes of a file go: counted, hashed, bounded, and never such to a terminal that would steer it. Absent: the
//! network, and the name under which a file is kept.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::error::GetError;
use super::limits::DECODED_PIECE_BYTES;
use super::part::Part;

/// What takes the bytes.
#[derive(Debug)]
pub(super) enum Taker {
    /// They are counted and hashed only.
    Nobody,
    /// Standard output, which is a terminal: text alone.
    Terminal(TextOnly),
    /// Standard output, whatever the bytes are.
    Output,
    /// A part file.
    Part(Part),
    /// A device or a pipe.
    Device(File, PathBuf),
}

/// Takes bytes until there are no more.
pub(super) struct Sink {
    pub(super) taker: Taker,
    hash: Sha256,
    written: u64,
    bytes_max: Option<u64>,
    /// Whoever read standard output has seen enough.
    is_left: bool,
}

impl Sink {
    /// `hash` and `written` tell what the taker holds already.
    pub(super) fn new(taker: Taker, hash: Sha256, written: u64, bytes_max: Option<u64>) -> Self {
        Self { taker, hash, written, bytes_max, is_left: false }
    }

    /// Takes all of `body`.
    pub(super) fn take_all(&mut self, mut body: impl Read, coding: &'static str) -> Result<(), GetError> {
        let mut piece = vec![0; DECODED_PIECE_BYTES];
        while !self.is_left {
            let count = match body.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(GetError::Decode { coding, source }),
            };
            self.take(&piece[..count])?;
        }
        Ok(())
    }

    /// The bytes of the file with these, when it may have so many.
    pub(super) fn expect(&self, coming: u64) -> Result<u64, GetError> {
        let total = self.written.saturating_add(coming);
        match self.bytes_max {
            Some(max) if total > max => Err(GetError::TooLarge { max }),
            Some(_) | None => Ok(total),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), GetError> {
        let total = self.expect(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        match &mut self.taker {
            Taker::Nobody => {}
            Taker::Terminal(text) => {
                text.check(bytes)?;
                self.is_left = print(bytes)?;
            }
            Taker::Output => self.is_left = print(bytes)?,
            Taker::Part(part) => part.write(bytes)?,
            Taker::Device(file, path) => {
                let failed = |source| GetError::File { action: "write", path: path.clone(), source };
                file.write_all(bytes).map_err(failed)?;
            }
        }
        self.hash.update(bytes);
        self.written = total;
        Ok(())
    }

    /// Whether the rest is wanted by nobody.
    pub(super) fn is_left(&self) -> bool {
        self.is_left
    }

    /// Bytes of the file so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// SHA-256 of them, in hexadecimal digits.
    pub(super) fn digest(&self) -> String {
        self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Writes to standard output; true when its reader is gone, which is no failure.
pub(super) fn print(bytes: &[u8]) -> Result<bool, GetError> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        Err(source) => Err(GetError::Output { source }),
    }
}

/// Lets text in UTF-8 pass that holds no control character but the blanks. Pieces may end inside a letter.
#[derive(Debug, Default)]
pub(super) struct TextOnly {
    begun: Vec<u8>,
}

impl TextOnly {
    fn check(&mut self, bytes: &[u8]) -> Result<(), GetError> {
        let joined = [self.begun.as_slice(), bytes].concat();
        let valid = match std::str::from_utf8(&joined) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() => {
                std::str::from_utf8(&joined[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return Err(GetError::Binary),
        };
        if valid.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t' | '\x0c')) {
            return Err(GetError::Binary);
        }
        self.begun = joined[valid.len()..].to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(pieces: &[&[u8]]) -> bool {
        let mut text = TextOnly::default();
        pieces.iter().all(|piece| text.check(piece).is_ok())
    }

    #[test]
    fn only_text_goes_to_a_terminal() {
        assert!(passes(&[b"plain\r\n\ttext\x0c"]));
        assert!(passes(&["h\u{e9}llo 漢".as_bytes()]));
        for piece in [&b"\x7fELF"[..], b"a\0", b"\x1b[31m", b"\xff\xfe", b"\xc2\x9b31m", b"\x89PNG", b"a\x08"]
        {
            assert!(!passes(&[piece]), "{piece:?}");
        }
    }

    #[test]
    fn a_letter_may_be_cut_between_pieces_but_not_damaged() {
        assert!(passes(&[b"\xe6", b"\xbc", b"\xa2 and on"]));
        assert!(!passes(&[b"\xe6", b"x"]));
        assert!(!passes(&[b"text first", b"\x1b]0;title"]));
    }

    #[test]
    fn a_body_is_counted_hashed_and_bounded() {
        let mut sink = Sink::new(Taker::Nobody, Sha256::new(), 0, Some(3));
        sink.take_all(&b"abc"[..], "identity").unwrap();
        assert_eq!(sink.written(), 3);
        assert!(sink.digest().starts_with("ba7816bf"), "{}", sink.digest());
        assert!(matches!(sink.take_all(&b"d"[..], "identity"), Err(GetError::TooLarge { max: 3 })));
    }
}
