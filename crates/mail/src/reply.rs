//! Bytes of a server as SMTP replies (RFC 5321 section 4.2) with their enhanced codes (RFC 3463, RFC 2034).
//!
//! *Promises* that a stream means the same however it is cut, that memory is bounded, and that anything but the grammar is an
//! error and never a guess: lines end with CRLF, all lines of a reply have one code, the code is one of `[2-5][0-5][0-9]`.
//! *Absent:* what a reply is the answer to, which is the machine's.

use std::fmt;

use crate::limits::{AUTH_LINE_BYTES_MAX, REPLY_LINE_BYTES_MAX, REPLY_LINES_MAX};

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its code, 200 to 559.
    pub code: u16,
    /// Its lines without code and line end; at least one. What is not UTF-8 has become U+FFFD.
    pub lines: Vec<String>,
}

/// An enhanced status code such as 5.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Enhanced {
    /// 2, 4 or 5.
    pub class: u8,
    /// What it is about, at most 999.
    pub subject: u16,
    /// The detail, at most 999.
    pub detail: u16,
}

/// What a reply said, kept for a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The code.
    pub code: u16,
    /// The enhanced code, when there is one that agrees with the code.
    pub enhanced: Option<Enhanced>,
    /// The lines without enhanced codes, joined by spaces; no character in it steers a terminal.
    pub text: String,
}

/// Why bytes are not a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line does not begin with a code.
    #[error("a line of its reply does not begin with a three-digit code")]
    NoCode,
    /// The lines of one reply have different codes.
    #[error("the lines of one reply have different codes")]
    MixedCodes,
    /// A carriage return or line feed stands alone, or there is a NUL.
    #[error("its reply has a carriage return, a line feed or a NUL where none may be")]
    StrayControl,
    /// A line that does not end.
    #[error("a line of its reply is longer than {REPLY_LINE_BYTES_MAX} bytes")]
    LineTooLong,
    /// A reply that does not end.
    #[error("its reply has more than {REPLY_LINES_MAX} lines")]
    TooManyLines,
}

/// Takes bytes as they come and gives replies. After an error it gives nothing more.
#[derive(Debug, Default)]
pub struct ReplyReader {
    unread: Vec<u8>,
    /// How many bytes of `unread` are known to hold no line feed.
    searched: usize,
    begun: Option<Reply>,
    broken: bool,
}

impl Reply {
    /// Whether it says yes (2yz).
    #[must_use]
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether it says go on (3yz).
    #[must_use]
    pub fn is_intermediate(&self) -> bool {
        (300..400).contains(&self.code)
    }

    /// Whether it says no, for now or for good (4yz, 5yz).
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.code >= 400
    }

    /// What it said.
    #[must_use]
    pub fn said(&self) -> Said {
        let enhanced = self.lines.first().and_then(|line| Enhanced::leading(line, self.code));
        let without_code = self.lines.iter().map(|line| match Enhanced::leading(line, self.code) {
            Some(_) => line.split_once(' ').map_or("", |(_, rest)| rest),
            None => line,
        });
        let text = without_code.collect::<Vec<_>>().join(" ");
        Said { code: self.code, enhanced, text: printable(text.trim()) }
    }
}

impl Said {
    /// Whether the same may go well later (4yz).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        if !self.text.is_empty() {
            write!(f, " {}", self.text)?;
        }
        Ok(())
    }
}

impl Enhanced {
    /// The code that `line` begins with, if it is one whose class is that of `code` (RFC 2034 section 4).
    fn leading(line: &str, code: u16) -> Option<Self> {
        let word = line.split(' ').next()?;
        let mut numbers = word.split('.');
        let mut number = |digits_max: usize| {
            let text = numbers.next()?;
            let fits = (1..=digits_max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            if fits { text.parse::<u16>().ok() } else { None }
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        if numbers.next().is_some() || !matches!(class, 2 | 4 | 5) || class != code / 100 {
            return None;
        }
        Some(Self { class: u8::try_from(class).ok()?, subject, detail })
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl ReplyReader {
    /// Takes bytes of the server. What is kept stays below the bound of a line, since [`Self::next_reply`] is asked until it has none.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.unread.extend_from_slice(bytes);
        }
    }

    /// Whether bytes wait that belong to no reply given so far.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.unread.is_empty() || self.begun.is_some()
    }

    /// The next complete reply; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are not a reply. Nothing is read after it.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        if self.broken {
            return Ok(None);
        }
        let read = self.read();
        if read.is_err() {
            *self = Self { broken: true, ..Self::default() };
        }
        read
    }

    fn read(&mut self) -> Result<Option<Reply>, ReplyError> {
        while let Some(line) = self.take_line()? {
            let line = Line::parse(&line)?;
            let reply = self.begun.get_or_insert_with(|| Reply { code: line.code, lines: Vec::new() });
            if reply.code != line.code {
                return Err(ReplyError::MixedCodes);
            }
            if reply.lines.len() == REPLY_LINES_MAX {
                return Err(ReplyError::TooManyLines);
            }
            reply.lines.push(line.text);
            if line.is_last {
                return Ok(self.begun.take());
            }
        }
        Ok(None)
    }

    /// The next line without its CRLF.
    fn take_line(&mut self) -> Result<Option<Vec<u8>>, ReplyError> {
        let found = self.unread.iter().skip(self.searched).position(|&byte| byte == b'\n');
        let Some(length) = found.map(|at| self.searched + at + 1) else {
            self.searched = self.unread.len();
            return if self.unread.len() >= line_bytes_max(&self.unread) {
                Err(ReplyError::LineTooLong)
            } else {
                Ok(None)
            };
        };
        if length > line_bytes_max(&self.unread) {
            return Err(ReplyError::LineTooLong);
        }
        self.searched = 0;
        let mut line: Vec<u8> = self.unread.drain(..length).collect();
        line.pop();
        let ended = line.pop() == Some(b'\r');
        if !ended || line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return Err(ReplyError::StrayControl);
        }
        Ok(Some(line))
    }
}

/// Only challenges of AUTH, which have one code, may be long.
fn line_bytes_max(line: &[u8]) -> usize {
    if line.starts_with(b"334 ") { AUTH_LINE_BYTES_MAX } else { REPLY_LINE_BYTES_MAX }
}

/// One line of a reply.
struct Line {
    code: u16,
    is_last: bool,
    text: String,
}

impl Line {
    fn parse(line: &[u8]) -> Result<Self, ReplyError> {
        let (&[first @ b'2'..=b'5', second @ b'0'..=b'5', third @ b'0'..=b'9'], rest) =
            line.split_first_chunk::<3>().ok_or(ReplyError::NoCode)?
        else {
            return Err(ReplyError::NoCode);
        };
        let code = [first, second, third].iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        // A code alone is a whole line (RFC 5321 section 4.2.1).
        let (is_last, text) = match rest {
            [] => (true, rest),
            [b' ', text @ ..] => (true, text),
            [b'-', text @ ..] => (false, text),
            [_, ..] => return Err(ReplyError::NoCode),
        };
        Ok(Self { code, is_last, text: String::from_utf8_lossy(text).into_owned() })
    }
}

/// `text` without what could steer a terminal or reorder a line.
pub(crate) fn printable(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests;
