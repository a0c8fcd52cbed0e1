//! Preconditions (RFC 9110 section 13): whether the client's copy is the present file.
//!
//! *Promises* the order of section 13.2.2 and the comparison that each field asks for. What cannot be read never makes
//! an old copy look new: a malformed If-None-Match matches nothing, a malformed If-Match fails, a malformed date is
//! as good as absent.
//!
//! Absent: which methods and statuses preconditions apply to; `plan` knows.

use std::borrow::Cow;
use std::fmt;

use crate::accept::Coding;
use crate::date::{self, UnixSeconds};
use crate::limits::LIST_MEMBERS_MAX;

/// The fields of a request that make it conditional, as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions<'a> {
    /// RFC 9110 section 13.1.1, all lines joined.
    pub if_match: Option<Cow<'a, [u8]>>,
    /// RFC 9110 section 13.1.2, all lines joined.
    pub if_none_match: Option<Cow<'a, [u8]>>,
    /// RFC 9110 section 13.1.3.
    pub if_modified_since: Option<&'a [u8]>,
    /// RFC 9110 section 13.1.4.
    pub if_unmodified_since: Option<&'a [u8]>,
    /// RFC 9110 section 13.1.5.
    pub if_range: Option<&'a [u8]>,
}

/// A strong entity tag as it stands in a field, quotes included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntityTag(Box<str>);

impl EntityTag {
    /// The tag of one encoding of a file, from what changes when the file does: its inode (a file renamed over
    /// another), length, and time of modification in nanoseconds since 1970.
    #[must_use]
    pub fn of_file(inode: u64, len: u64, modified_ns: i128, coding: Coding) -> Self {
        let suffix = match coding {
            Coding::Identity => "",
            Coding::Br => "-br",
            Coding::Zstd => "-zstd",
            Coding::Gzip => "-gzip",
        };
        Self(format!("\"{inode:x}-{len:x}-{modified_ns:x}{suffix}\"").into())
    }

    /// The tag of what this server makes itself from the file whose tag this is.
    #[must_use]
    pub fn of_compressed(&self, coding: Coding) -> Self {
        // To be raised when another encoder, or another level, makes other bytes of the same file.
        const MADE: &str = "made-1";
        let name = coding.name().unwrap_or_default();
        Self(format!("{}-{name}-{MADE}\"", self.0.trim_end_matches('"')).into())
    }

    /// With its quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What became of the preconditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All hold: do what the method says.
    Proceed,
    /// 304: the client has this.
    NotModified,
    /// 412: the client means another.
    Failed,
}

/// RFC 9110 section 13.2.2, steps 1 to 4, for GET and HEAD of a file that exists.
///
/// `modified` is none when the file's time cannot be told; conditions about it are then ignored (sections 13.1.3, 13.1.4).
#[must_use]
pub fn judge(
    conditions: &Conditions<'_>,
    tag: &EntityTag,
    modified: Option<UnixSeconds>,
    now: UnixSeconds,
) -> Outcome {
    if let Some(list) = &conditions.if_match {
        if !lists(list, tag, Comparison::Strong) {
            return Outcome::Failed;
        }
    } else if let Some(since) = both(conditions.if_unmodified_since, modified, now)
        && since.modified > since.given
    {
        return Outcome::Failed;
    }
    if let Some(list) = &conditions.if_none_match {
        if lists(list, tag, Comparison::Weak) {
            return Outcome::NotModified;
        }
    } else if let Some(since) = both(conditions.if_modified_since, modified, now)
        && since.modified <= since.given
    {
        return Outcome::NotModified;
    }
    Outcome::Proceed
}

/// Step 5: whether a Range field is to be looked at.
///
/// An entity tag has to match strongly. A date has to be exactly that of the file, and the second that it names has to
/// be over: a client that was told it within that second may hold an earlier state (RFC 9110 sections 8.8.2.2, 13.1.5).
#[must_use]
pub fn range_applies(
    if_range: Option<&[u8]>,
    tag: &EntityTag,
    modified: Option<UnixSeconds>,
    now: UnixSeconds,
) -> bool {
    let Some(validator) = if_range else { return true };
    if validator.starts_with(b"\"") || validator.starts_with(b"W/") {
        return validator == tag.as_str().as_bytes();
    }
    both(Some(validator), modified, now).is_some_and(|since| {
        since.given == since.modified && now > UnixSeconds(since.modified.0.saturating_add(1))
    })
}

/// A date that the client gave, beside the file's.
struct Since {
    given: UnixSeconds,
    modified: UnixSeconds,
}

fn both(field: Option<&[u8]>, modified: Option<UnixSeconds>, now: UnixSeconds) -> Option<Since> {
    Some(Since { given: date::parse(field?, now)?, modified: modified? })
}

/// RFC 9110 section 8.8.3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether `*` or a list of entity tags names `tag`. What is no such list names nothing from its first fault on.
fn lists(list: &[u8], tag: &EntityTag, comparison: Comparison) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    for _ in 0..LIST_MEMBERS_MAX {
        rest = rest.trim_ascii_start();
        let weak = rest.starts_with(b"W/");
        let opaque = if weak { &rest[2..] } else { rest };
        if let [b',', behind @ ..] = rest {
            rest = behind;
            continue;
        }
        let Some(len) = quoted(opaque) else { return false };
        if &opaque[..len] == tag.as_str().as_bytes() && (!weak || comparison == Comparison::Weak) {
            return true;
        }
        rest = opaque[len..].trim_ascii_start();
        match rest {
            [b',', behind @ ..] => rest = behind,
            _ => return false,
        }
    }
    false
}

/// The length of the `opaque-tag` at the start, its quotes included.
fn quoted(bytes: &[u8]) -> Option<usize> {
    let [b'"', inner @ ..] = bytes else { return None };
    let end = inner.iter().position(|&byte| byte == b'"')?;
    let right = inner[..end].iter().all(|&byte| byte > b' ' && byte != 0x7f);
    right.then_some(end + 2)
}

#[cfg(test)]
mod tests;
