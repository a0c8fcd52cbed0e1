//! The Range field (RFC 9110 section 14): which bytes of a file are meant.
//!
//! Absent: units other than bytes, and If-Range, which `conditional` judges.

use std::num::NonZeroU64;

use crate::limits::{RANGES_ASKED_MAX, RANGES_SENT_MAX};

/// Bytes of a file, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// Of the first byte.
    pub offset: u64,
    /// How many.
    pub len: NonZeroU64,
}

impl ByteRange {
    /// The position of the last byte.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.offset + (self.len.get() - 1)
    }
}

/// What a Range field comes to for a file of a certain length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ranges {
    /// The field is to be ignored: not of this grammar, another unit, or more ranges than are sent.
    Whole,
    /// One range.
    One(ByteRange),
    /// Two or more, ascending, with at least one byte between any two.
    Several(Vec<ByteRange>),
    /// No byte of any range exists.
    Unsatisfiable,
}

/// Resolves a Range field for a file of `len` bytes.
///
/// Overlapping and adjacent ranges become one (RFC 9110 section 14.2 allows it); what is then more than
/// [`RANGES_SENT_MAX`] is answered whole, and so is a field that names more than [`RANGES_ASKED_MAX`].
#[must_use]
pub fn resolve(field: &[u8], len: u64) -> Ranges {
    let Some(specs) = parse(field) else { return Ranges::Whole };
    if len == 0 && specs.iter().any(|spec| matches!(spec, Spec::Suffix(1..))) {
        // A suffix of an empty file is that file, which no Content-Range can describe.
        return Ranges::Whole;
    }
    let mut ranges: Vec<ByteRange> = specs.iter().filter_map(|spec| spec.within(len)).collect();
    ranges.sort_unstable_by_key(|range| (range.offset, range.len));
    let ranges = join(&ranges);
    match ranges.as_slice() {
        [] => Ranges::Unsatisfiable,
        [one] => Ranges::One(*one),
        several if several.len() > RANGES_SENT_MAX => Ranges::Whole,
        _ => Ranges::Several(ranges),
    }
}

/// One member of the field as sent. Numbers too large for 64 bits are the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    /// From the first position to the last, or to the end.
    Span(u64, Option<u64>),
    /// So many bytes from the end.
    Suffix(u64),
}

impl Spec {
    fn within(self, len: u64) -> Option<ByteRange> {
        let (offset, end) = match self {
            Self::Span(first, last) => (first, last.map_or(len, |last| len.min(last.saturating_add(1)))),
            Self::Suffix(count) => (len.saturating_sub(count), len),
        };
        let len = NonZeroU64::new(end.checked_sub(offset)?)?;
        Some(ByteRange { offset, len })
    }
}

/// None when the field is not `bytes=` and a list with at least one right member and no wrong one.
fn parse(field: &[u8]) -> Option<Vec<Spec>> {
    let (unit, set) = field.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") || set.starts_with(b" ") || set.starts_with(b"\t") {
        return None;
    }
    let mut specs = Vec::new();
    for member in set.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
    {
        if specs.len() == RANGES_ASKED_MAX {
            return None;
        }
        specs.push(spec(member)?);
    }
    (!specs.is_empty()).then_some(specs)
}

fn spec(member: &[u8]) -> Option<Spec> {
    let dash = member.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (&member[..dash], &member[dash + 1..]);
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Spec::Suffix(number(last)?)),
        (false, true) => Some(Spec::Span(number(first)?, None)),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::Span(first, Some(last)))
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
    })
}

fn join(sorted: &[ByteRange]) -> Vec<ByteRange> {
    let mut joined: Vec<ByteRange> = Vec::new();
    for range in sorted {
        match joined.last_mut() {
            Some(previous) if range.offset <= previous.last() + 1 => {
                let last = previous.last().max(range.last());
                previous.len = previous.len.saturating_add(last - previous.last());
            }
            _ => joined.push(*range),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
