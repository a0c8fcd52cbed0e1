//! The fields that this server acts on, and the rules about how often each may come and what it may say.
//!
//! A field that may come once and comes twice is a 400 (RFC 9110 section 5.3: nobody may send it, and readers differ
//! in which one they believe). Lists may be spread over several lines.
//!
//! Absent: every other field; it is checked for its characters and passed over.

use std::borrow::Cow;

use crate::plan::{Asked, Conditions};
use crate::status::Status;
use crate::target::{self, Target};

use super::scan;
use super::{Framing, Head, Refusal, Scheme, Version};

/// Values as sent, without the white space around them. Of a list that is spread over several lines the first line;
/// [`Head::asked`] joins them.
#[derive(Debug, Clone, Default)]
pub struct Known<'a> {
    /// A name or address, with or without a port; its form has been checked.
    pub host: Option<&'a [u8]>,
    /// List.
    pub if_match: Option<&'a [u8]>,
    /// List.
    pub if_none_match: Option<&'a [u8]>,
    /// Unchecked.
    pub if_modified_since: Option<&'a [u8]>,
    /// Unchecked.
    pub if_unmodified_since: Option<&'a [u8]>,
    /// Unchecked.
    pub range: Option<&'a [u8]>,
    /// Unchecked.
    pub if_range: Option<&'a [u8]>,
    /// List.
    pub accept_encoding: Option<&'a [u8]>,
    /// For the log; the first, if there are several.
    pub user_agent: Option<&'a [u8]>,
    /// For the log; the first, if there are several.
    pub referer: Option<&'a [u8]>,
    several_lines: bool,
}

impl Known<'_> {
    /// Whether none of the fields is there on which an answer to GET depends besides target and Accept-Encoding: what
    /// a cache may answer without a look at any of them.
    #[must_use]
    pub const fn is_unconditional(&self) -> bool {
        self.if_match.is_none()
            && self.if_none_match.is_none()
            && self.if_modified_since.is_none()
            && self.if_unmodified_since.is_none()
            && self.range.is_none()
    }

    /// Whether a list field came in several lines, so that the values here are not the whole of it.
    #[must_use]
    pub const fn has_split_lists(&self) -> bool {
        self.several_lines
    }
}

impl<'a> Head<'a> {
    /// What planning needs of this head, which came over a connection of the scheme `connection`.
    #[must_use]
    pub fn asked<'b>(&'b self, target: &'b Target<'b>, connection: Scheme) -> Asked<'b> {
        let known = &self.known;
        Asked {
            method: self.method,
            target,
            scheme: self.scheme,
            connection,
            conditions: Conditions {
                if_match: self.list(known.if_match, b"if-match"),
                if_none_match: self.list(known.if_none_match, b"if-none-match"),
                if_modified_since: known.if_modified_since,
                if_unmodified_since: known.if_unmodified_since,
                if_range: known.if_range,
            },
            range: known.range,
            accept_encoding: self.list(known.accept_encoding, b"accept-encoding"),
        }
    }

    /// A list joined as RFC 9110 section 5.3 says.
    fn list(&self, first: Option<&'a [u8]>, name: &[u8]) -> Option<Cow<'a, [u8]>> {
        let first = first?;
        if !self.known.several_lines {
            return Some(Cow::Borrowed(first));
        }
        let lines = self.fields().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let values: Vec<&[u8]> = lines.map(|(_, value)| value).collect();
        Some(Cow::Owned(values.join(&b", "[..])))
    }
}

/// The field lines of a head in order; see [`Head::fields`].
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        scan::field_line(self.bytes, &mut self.at).ok().flatten()
    }
}

/// What the fields have said so far.
#[derive(Default)]
pub(super) struct Seen<'a> {
    pub(super) known: Known<'a>,
    pub(super) expects_continue: bool,
    content_length: Option<u64>,
    has_transfer: bool,
    chunked: bool,
    other_coding: bool,
    close: bool,
    keep_alive: bool,
}

impl<'a> Seen<'a> {
    #[inline]
    pub(super) fn take(&mut self, name: &'a [u8], value: &'a [u8]) -> Result<(), Refusal> {
        let known = &mut self.known;
        let Some(letter) = name.first() else { return Ok(()) };
        match (name.len(), letter.to_ascii_lowercase()) {
            (4, b'h') if is(name, b"Host") => self.host(value),
            (5, b'r') if is(name, b"Range") => {
                once(&mut known.range, value, "Range twice (RFC 9110 section 5.3)")
            }
            (6, b'e') if is(name, b"Expect") => self.expect(value),
            (7, b'r') if is(name, b"Referer") => first(&mut known.referer, value),
            (8, b'i') if is(name, b"If-Match") => list(&mut known.if_match, value, &mut known.several_lines),
            (8, b'i') if is(name, b"If-Range") => {
                once(&mut known.if_range, value, "If-Range twice (RFC 9110 section 5.3)")
            }
            (10, b'c') if is(name, b"Connection") => self.connection(value),
            (10, b'u') if is(name, b"User-Agent") => first(&mut known.user_agent, value),
            (13, b'i') if is(name, b"If-None-Match") => {
                list(&mut known.if_none_match, value, &mut known.several_lines)
            }
            (14, b'c') if is(name, b"Content-Length") => self.content_length(value),
            (15, b'a') if is(name, b"Accept-Encoding") => {
                list(&mut known.accept_encoding, value, &mut known.several_lines)
            }
            (17, b'i') if is(name, b"If-Modified-Since") => {
                once(&mut known.if_modified_since, value, "If-Modified-Since twice (RFC 9110 section 5.3)")
            }
            (17, b't') if is(name, b"Transfer-Encoding") => self.transfer_encoding(value),
            (19, b'i') if is(name, b"If-Unmodified-Since") => once(
                &mut known.if_unmodified_since,
                value,
                "If-Unmodified-Since twice (RFC 9110 section 5.3)",
            ),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &'a [u8]) -> Result<(), Refusal> {
        once(&mut self.known.host, value, "Host twice (RFC 9112 section 3.2)")?;
        target::check_authority(value)
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if members(value).any(|member| !member.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Refusal::new(
                Status::ExpectationFailed,
                "expectation other than 100-continue (RFC 9110 section 10.1.1)",
            ));
        }
        self.expects_continue = true;
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if value == b"keep-alive" {
            self.keep_alive = true;
            return Ok(());
        }
        for option in members(value) {
            if !is_token_word(option) {
                return Err(Refusal::bad("connection option that is no token (RFC 9110 section 7.6.1)"));
            }
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.content_length.is_some() {
            return Err(Refusal::bad("Content-Length twice (RFC 9112 section 6.3)"));
        }
        let length =
            decimal(value).ok_or(Refusal::bad("Content-Length that is no number (RFC 9112 section 6.3)"))?;
        self.content_length = Some(length);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.has_transfer = true;
        for coding in members(value) {
            if self.chunked {
                return Err(Refusal::bad("transfer coding after chunked (RFC 9112 section 6.1)"));
            }
            if coding.eq_ignore_ascii_case(b"chunked") {
                self.chunked = true;
            } else {
                self.other_coding = true;
            }
        }
        Ok(())
    }

    /// How the body ends: RFC 9112 section 6.3, with every choice that it leaves made for the refusal.
    pub(super) fn framing(&self, version: Version) -> Result<Framing, Refusal> {
        if !self.has_transfer {
            return Ok(match self.content_length {
                None | Some(0) => Framing::Nothing,
                Some(length) => Framing::Length(length),
            });
        }
        if version == Version::Http10 {
            return Err(Refusal::bad("Transfer-Encoding in HTTP/1.0 (RFC 9112 section 6.1)"));
        }
        if self.content_length.is_some() {
            return Err(Refusal::bad("Content-Length and Transfer-Encoding (RFC 9112 section 6.1)"));
        }
        if !self.chunked {
            return Err(Refusal::bad("last transfer coding is not chunked (RFC 9112 section 6.3)"));
        }
        if self.other_coding {
            return Err(Refusal::new(
                Status::NotImplemented,
                "transfer coding other than chunked (RFC 9112 section 6.1)",
            ));
        }
        Ok(Framing::Chunked)
    }

    /// RFC 9112 section 9.3.
    pub(super) const fn persistent(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.close,
            Version::Http10 => self.keep_alive && !self.close,
        }
    }
}

/// Whether a name of the same length is this one; as registered, which is how most clients write it, in a few
/// instructions.
#[inline]
fn is<const N: usize>(name: &[u8], known: &[u8; N]) -> bool {
    name.first_chunk::<N>().is_some_and(|name| name == known || name.eq_ignore_ascii_case(known))
}

fn once<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8], twice: &'static str) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::bad(twice)),
    }
}

/// No rule that could be broken: the log takes what came first.
#[expect(clippy::unnecessary_wraps, reason = "an arm of the table in `take`")]
fn first<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8]) -> Result<(), Refusal> {
    slot.get_or_insert(value);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "an arm of the table in `take`")]
fn list<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8], several: &mut bool) -> Result<(), Refusal> {
    *several |= slot.is_some();
    slot.get_or_insert(value);
    Ok(())
}

/// The members of a comma-separated list that are not empty (RFC 9110 section 5.6.1.2).
fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

fn is_token_word(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|&byte| scan::is_token(byte))
}

/// Digits and nothing else, at most 19 of them, so that none overflows.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })
}
