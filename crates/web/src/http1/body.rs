//! The body of a request, which a file server throws away: how far it goes, and whether its framing is right.
//!
//! *Promises* that what follows a body is found exactly where RFC 9112 section 7.1 puts it, or that the connection
//! ends; a chunked body is counted byte by byte and every length in it is bounded.
//!
//! *Absent:* the content. Chunk extensions and trailer fields are checked and ignored.

use crate::limits::{
    BODY_BYTES_MAX, CHUNK_LINE_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX, FIELDS_MAX, HEAD_BYTES_MAX,
};
use crate::status::Status;

use super::Refusal;
use super::head::{is_text, is_token};

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body, or one of length 0.
    Nothing,
    /// After so many bytes, [`BODY_BYTES_MAX`] at most.
    Length(u64),
    /// After a chunk of size 0 and its trailer section.
    Chunked,
}

/// How far a body got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every byte belonged to the body, and there is more to come.
    More,
    /// The body ended after so many of the bytes; the next request begins there.
    Done {
        /// Bytes that belonged to the body.
        taken: usize,
    },
}

/// A body on its way out. Feed it what was read until it is done.
#[derive(Debug, Clone)]
pub struct Drain {
    at: At,
    /// Bytes of content in the chunks so far.
    content: u64,
    /// Bytes of the line that opens the present chunk, or of the trailer section.
    line: usize,
    trailers: usize,
}

/// Where the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// In content of which so many bytes are to come, and nothing after it.
    Length(u64),
    /// In the line that opens a chunk of so many bytes, as far as its digits have been read.
    Opening(u64, InOpening),
    /// In a chunk of which so many bytes are to come.
    Content(u64),
    /// Behind a chunk.
    ContentEnd,
    ContentEndLf,
    Trailer(InTrailer),
    Done,
}

/// `chunk-size *( BWS ";" BWS name [ BWS "=" BWS value ] ) CRLF`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InOpening {
    /// After so many digits.
    Size(u8),
    /// White space after a size or a value: only another extension may follow it.
    BeforeSemicolon,
    BeforeName,
    Name,
    BeforeEquals,
    BeforeValue,
    Value,
    Quoted,
    QuotedPair,
    AfterQuoted,
    Lf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InTrailer {
    Start,
    Name,
    Value,
    Lf,
    LastLf,
}

impl Drain {
    /// Begins behind the head.
    #[must_use]
    pub const fn new(framing: Framing) -> Self {
        let at = match framing {
            Framing::Nothing | Framing::Length(0) => At::Done,
            Framing::Length(length) => At::Length(length),
            Framing::Chunked => At::Opening(0, InOpening::Size(0)),
        };
        Self { at, content: 0, line: 0, trailers: 0 }
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// 400 at the first byte that is out of place, 413 when the content is longer than [`BODY_BYTES_MAX`], 431 when
    /// the trailer section is larger than a head may be.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Drained, Refusal> {
        let mut rest = bytes;
        loop {
            match self.at {
                At::Done => return Ok(Drained::Done { taken: bytes.len() - rest.len() }),
                At::Length(length) => {
                    let (behind, left) = skip(rest, length);
                    self.at = if left == 0 { At::Done } else { At::Length(left) };
                    rest = behind;
                    if left > 0 {
                        return Ok(Drained::More);
                    }
                }
                At::Content(size) => {
                    let (behind, left) = skip(rest, size);
                    self.at = if left == 0 { At::ContentEnd } else { At::Content(left) };
                    rest = behind;
                    if left > 0 {
                        return Ok(Drained::More);
                    }
                }
                At::Opening(..) | At::ContentEnd | At::ContentEndLf | At::Trailer(_) => {
                    let [byte, behind @ ..] = rest else { return Ok(Drained::More) };
                    self.at = self.step(*byte)?;
                    rest = behind;
                }
            }
        }
    }

    /// One byte of framing.
    fn step(&mut self, byte: u8) -> Result<At, Refusal> {
        self.line += 1;
        match self.at {
            At::Opening(..) if self.line > CHUNK_LINE_BYTES_MAX => {
                Err(Refusal::bad("chunk extensions longer than 256 bytes (RFC 9112 section 7.1.1)"))
            }
            At::Opening(size, InOpening::Lf) => self.opened(size, byte),
            At::Opening(size, InOpening::Size(digits)) => size_digit(size, digits, byte),
            At::Opening(size, at) => extension(at, byte).map(|at| At::Opening(size, at)),
            At::ContentEnd if byte == b'\r' => Ok(At::ContentEndLf),
            At::ContentEndLf if byte == b'\n' => {
                self.line = 0;
                Ok(At::Opening(0, InOpening::Size(0)))
            }
            At::Trailer(_) if self.line > HEAD_BYTES_MAX => Err(Refusal::new(
                Status::FieldsTooLarge,
                "trailer section longer than 16 KiB (RFC 6585 section 5)",
            )),
            At::Trailer(at) => self.trailer(at, byte),
            At::ContentEnd | At::ContentEndLf | At::Length(_) | At::Content(_) | At::Done => {
                Err(Refusal::bad("chunk without CRLF behind its content (RFC 9112 section 7.1)"))
            }
        }
    }

    /// The last byte of the line that opens a chunk.
    fn opened(&mut self, size: u64, byte: u8) -> Result<At, Refusal> {
        if byte != b'\n' {
            return Err(Refusal::bad("bare CR in a chunk's line (RFC 9112 section 7.1)"));
        }
        self.line = 0;
        self.content = self.content.saturating_add(size);
        if self.content > BODY_BYTES_MAX {
            return Err(Refusal::new(
                Status::ContentTooLarge,
                "body longer than is thrown away (RFC 9110 section 15.5.14)",
            ));
        }
        Ok(if size == 0 { At::Trailer(InTrailer::Start) } else { At::Content(size) })
    }

    fn trailer(&mut self, at: InTrailer, byte: u8) -> Result<At, Refusal> {
        let next = match (at, byte) {
            (InTrailer::Start, b'\r') => InTrailer::LastLf,
            (InTrailer::LastLf, b'\n') => return Ok(At::Done),
            (InTrailer::Lf, b'\n') => InTrailer::Start,
            (InTrailer::Start, _) if self.trailers == FIELDS_MAX => {
                return Err(Refusal::new(
                    Status::FieldsTooLarge,
                    "more than 100 trailer fields (RFC 6585 section 5)",
                ));
            }
            (InTrailer::Start, _) if is_token(byte) => {
                self.trailers += 1;
                InTrailer::Name
            }
            (InTrailer::Name, _) if is_token(byte) => InTrailer::Name,
            (InTrailer::Name, b':') => InTrailer::Value,
            (InTrailer::Value, b'\r') => InTrailer::Lf,
            (InTrailer::Value, _) if is_text(byte) => InTrailer::Value,
            _ => return Err(Refusal::bad("malformed trailer section (RFC 9112 section 7.1.2)")),
        };
        Ok(At::Trailer(next))
    }
}

fn size_digit(size: u64, digits: u8, byte: u8) -> Result<At, Refusal> {
    const WRONG: Refusal = Refusal::bad("chunk size that is no hexadecimal number (RFC 9112 section 7.1)");
    match char::from(byte).to_digit(16) {
        Some(digit) if digits < CHUNK_SIZE_DIGITS_MAX => {
            Ok(At::Opening(size << 4 | u64::from(digit), InOpening::Size(digits + 1)))
        }
        Some(_) => Err(WRONG),
        None if digits == 0 => Err(WRONG),
        None => end_or_extension(byte).map(|at| At::Opening(size, at)).ok_or(WRONG),
    }
}

/// What may follow a size or an extension.
const fn end_or_extension(byte: u8) -> Option<InOpening> {
    match byte {
        b'\r' => Some(InOpening::Lf),
        b';' => Some(InOpening::BeforeName),
        b' ' | b'\t' => Some(InOpening::BeforeSemicolon),
        _ => None,
    }
}

/// A byte of an extension. Bad white space is read, as RFC 9112 section 7.1.1 demands.
fn extension(at: InOpening, byte: u8) -> Result<InOpening, Refusal> {
    let blank = matches!(byte, b' ' | b'\t');
    let next = match (at, byte) {
        (
            InOpening::BeforeSemicolon
            | InOpening::BeforeName
            | InOpening::BeforeEquals
            | InOpening::BeforeValue,
            _,
        ) if blank => Some(at),
        (InOpening::BeforeSemicolon | InOpening::BeforeEquals, b';') => Some(InOpening::BeforeName),
        (InOpening::BeforeName | InOpening::Name, _) if is_token(byte) => Some(InOpening::Name),
        (InOpening::Name | InOpening::BeforeEquals, b'=') => Some(InOpening::BeforeValue),
        (InOpening::Name, _) if blank => Some(InOpening::BeforeEquals),
        (InOpening::BeforeValue, b'"') => Some(InOpening::Quoted),
        (InOpening::BeforeValue | InOpening::Value, _) if is_token(byte) => Some(InOpening::Value),
        (InOpening::Quoted, b'"') => Some(InOpening::AfterQuoted),
        (InOpening::Quoted, b'\\') => Some(InOpening::QuotedPair),
        (InOpening::Quoted | InOpening::QuotedPair, _) if is_text(byte) => Some(InOpening::Quoted),
        (InOpening::Name | InOpening::Value | InOpening::AfterQuoted, _) => end_or_extension(byte),
        _ => None,
    };
    next.ok_or(Refusal::bad("malformed chunk extension (RFC 9112 section 7.1.1)"))
}

/// What stands behind the next `count` bytes, and how many of them are still to come.
fn skip(bytes: &[u8], count: u64) -> (&[u8], u64) {
    let here = usize::try_from(count).map_or(bytes.len(), |count| count.min(bytes.len()));
    (&bytes[here..], count - u64::try_from(here).expect("a length fits in 64 bits"))
}

#[cfg(test)]
mod tests;
