//! The pure function at the centre: what is asked and what is found -> everything about the answer.
//!
//! *Promises* that HEAD has the fields of GET, that a validator never goes with other bytes than its own, that
//! preconditions are judged in the order of RFC 9110 section 13.2.2, and that equal arguments give equal plans.
//!
//! *Absent:* I/O, clocks and randomness (both come as [`Moment`]); the fields Date and Connection, which
//! `http1::respond` writes, since they belong to the message and not to the answer. Content-Location is never sent: a
//! file has one address here.

mod fields;

use std::borrow::Cow;

use crate::accept::{Accepted, Coding};
use crate::conditional::{self, EntityTag, Outcome};
use crate::date::UnixSeconds;
use crate::http1::{Method, Refusal, Scheme};
use crate::range::{self, ByteRange, Ranges};
use crate::status::Status;
use crate::target::{Path, Target};

pub use crate::conditional::Conditions;
pub use fields::{Field, Policy};

/// What a request asks for: the part of it on which the answer depends.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The method.
    pub method: Method,
    /// What about.
    pub target: &'a Target<'a>,
    /// The scheme that the request names, if it does: absolute form, or `:scheme` of HTTP/2.
    pub scheme: Option<Scheme>,
    /// The scheme of the connection.
    pub connection: Scheme,
    /// If-Match and its kin.
    pub conditions: Conditions<'a>,
    /// Range.
    pub range: Option<&'a [u8]>,
    /// Accept-Encoding, all lines joined.
    pub accept_encoding: Option<Cow<'a, [u8]>>,
}

/// What there is at the path.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// Nothing; also a path with a closing slash that is a file, and a folder without an index that is not listed.
    Missing,
    /// Something that is not shown: a dotfile, a link out of the root, a fifo. Told to nobody: it is answered as missing.
    Refused,
    /// A folder named without its closing slash.
    Directory,
    /// A regular file, or the index of a folder named with its closing slash.
    File(&'a Facts),
}

/// What is known about a file before a byte of it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Content-Type; [`crate::media::of_name`].
    pub media: Cow<'static, str>,
    /// When it was last modified; none before 1970.
    pub modified: Option<UnixSeconds>,
    /// The encodings there are, in any order, the file itself among them as [`Coding::Identity`].
    pub variants: Vec<Variant>,
    /// Whether there is, or could be by the next request, more than one encoding: the answer says Vary.
    pub negotiated: bool,
}

/// One encoding of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Which.
    pub coding: Coding,
    /// Its length in bytes.
    pub len: u64,
    /// Its own strong entity tag.
    pub etag: EntityTag,
}

/// What differs from answer to answer besides request and file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time, as the Date field will have it.
    pub now: UnixSeconds,
    /// A random number, fresh for each answer, from which the boundary of several ranges is made: whoever can write
    /// into the file must not be able to foresee it.
    pub boundary: u128,
}

/// An answer, but for the fields of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The status.
    pub status: Status,
    /// Fields in the order in which they are sent.
    pub fields: Vec<Field>,
    /// Content-Length; none where the status has no content (204, 304). Stands for HEAD too.
    pub content_length: Option<u64>,
    /// What follows the head.
    pub body: Body,
    /// The connection closes after this answer, whatever the request asked for.
    pub close: bool,
}

/// The content of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// None: HEAD, 204, 304.
    Nothing,
    /// These bytes.
    Text(&'static str),
    /// All of the file in this encoding.
    Whole(Coding),
    /// A part of the file in this encoding.
    One(Coding, ByteRange),
    /// Parts of the file as it is, each behind its own head.
    Several(Multipart),
}

/// `multipart/byteranges` (RFC 9110 section 14.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    /// In ascending order.
    pub parts: Vec<Part>,
    /// The bytes behind the last part.
    pub end: String,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The bytes before it: delimiter, fields, blank line.
    pub head: String,
    /// Its bytes of the file.
    pub range: ByteRange,
}

impl Multipart {
    /// The length of the whole body in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        let bytes = |text: &str| u64::try_from(text.len()).expect("a length fits in 64 bits");
        let parts = self.parts.iter().map(|part| bytes(&part.head) + part.range.len.get());
        parts.sum::<u64>() + bytes(&self.end)
    }

    /// There are always at least two parts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// Decides.
#[must_use]
pub fn plan(asked: &Asked<'_>, found: &Found<'_>, policy: &Policy, moment: Moment) -> Plan {
    // RFC 9110 section 7.4: what is meant for https is not answered on a plain connection, nor the other way round.
    if asked.scheme.is_some_and(|scheme| scheme != asked.connection) {
        return page(asked.method, Status::MisdirectedRequest, policy);
    }
    match asked.method {
        Method::Get | Method::Head => {}
        Method::Options => return options(asked, found, policy),
        Method::Post | Method::Put | Method::Delete | Method::Patch | Method::Trace => {
            let mut plan = page(asked.method, Status::MethodNotAllowed, policy);
            plan.fields.insert(0, fields::ALLOW);
            return plan;
        }
        Method::Unknown => return page(asked.method, Status::NotImplemented, policy),
    }
    match (asked.target, found) {
        (Target::Path(_), Found::File(facts)) => file(asked, facts, policy, moment),
        (Target::Path(path), Found::Directory) => moved(asked.method, path, policy),
        (Target::Server, _) | (Target::Path(_), Found::Missing | Found::Refused) => {
            page(asked.method, Status::NotFound, policy)
        }
    }
}

/// The answer to a request that was refused by the parser.
#[must_use]
pub fn refused(refusal: &Refusal, policy: &Policy) -> Plan {
    closing(refusal.status, policy)
}

/// An answer after which the connection closes, for what has no request: 408, 429, 500, 503. Who is to come back is told
/// when: within a second there is room again.
#[must_use]
pub fn closing(status: Status, policy: &Policy) -> Plan {
    let mut plan = Plan { close: true, ..page(Method::Get, status, policy) };
    if matches!(status, Status::TooManyRequests | Status::ServiceUnavailable) {
        plan.fields.insert(0, fields::RETRY_AFTER);
    }
    plan
}

fn page(method: Method, status: Status, policy: &Policy) -> Plan {
    let text = status.page();
    Plan {
        status,
        fields: fields::of_page(policy),
        content_length: u64::try_from(text.len()).ok(),
        body: if method == Method::Head { Body::Nothing } else { Body::Text(text) },
        close: false,
    }
}

fn options(asked: &Asked<'_>, found: &Found<'_>, policy: &Policy) -> Plan {
    match (asked.target, found) {
        (Target::Server, _) | (Target::Path(_), Found::File(_) | Found::Directory) => Plan {
            status: Status::NoContent,
            fields: fields::of_options(policy),
            content_length: None,
            body: Body::Nothing,
            close: false,
        },
        (Target::Path(_), Found::Missing | Found::Refused) => page(asked.method, Status::NotFound, policy),
    }
}

fn moved(method: Method, path: &Path<'_>, policy: &Policy) -> Plan {
    let mut plan = page(method, Status::PermanentRedirect, policy);
    plan.fields.insert(0, Field::new("Location", path.with_trailing_slash()));
    plan
}

fn file(asked: &Asked<'_>, facts: &Facts, policy: &Policy, moment: Moment) -> Plan {
    let accepted = Accepted::parse(asked.accept_encoding.as_deref());
    let Some(variant) = accepted.best(facts.variants.iter(), |variant| variant.coding) else {
        let mut plan = page(asked.method, Status::NotAcceptable, policy);
        plan.fields.push(fields::VARY);
        return plan;
    };
    match conditional::judge(&asked.conditions, &variant.etag, facts.modified, moment.now) {
        Outcome::Proceed => {}
        Outcome::NotModified => {
            return Plan {
                status: Status::NotModified,
                fields: fields::of_not_modified(facts, variant, policy),
                content_length: None,
                body: Body::Nothing,
                close: false,
            };
        }
        Outcome::Failed => return page(asked.method, Status::PreconditionFailed, policy),
    }
    let mut plan = match ranges(asked, facts, variant, moment) {
        Ranges::Whole => whole(facts, variant, policy, moment),
        Ranges::One(range) => one(facts, variant, range, policy, moment),
        Ranges::Several(ranges) => several(facts, variant, &ranges, policy, moment),
        Ranges::Unsatisfiable => unsatisfiable(variant, policy),
    };
    if asked.method == Method::Head {
        plan.body = Body::Nothing;
    }
    plan
}

/// Step 5 of RFC 9110 section 13.2.2. Range is for GET alone (section 14.2).
fn ranges(asked: &Asked<'_>, facts: &Facts, variant: &Variant, moment: Moment) -> Ranges {
    let Some(field) = asked.range.filter(|_| asked.method == Method::Get) else { return Ranges::Whole };
    if !conditional::range_applies(asked.conditions.if_range, &variant.etag, facts.modified, moment.now) {
        return Ranges::Whole;
    }
    match range::resolve(field, variant.len) {
        // Content-Encoding beside multipart/byteranges could be read as that of the parts or as that of the message.
        Ranges::Several(_) if variant.coding != Coding::Identity => Ranges::Whole,
        ranges @ (Ranges::Whole | Ranges::One(_) | Ranges::Several(_) | Ranges::Unsatisfiable) => ranges,
    }
}

fn whole(facts: &Facts, variant: &Variant, policy: &Policy, moment: Moment) -> Plan {
    Plan {
        status: Status::Ok,
        fields: fields::of_file(facts, variant, policy, moment.now, facts.media.clone()),
        content_length: Some(variant.len),
        body: Body::Whole(variant.coding),
        close: false,
    }
}

fn one(facts: &Facts, variant: &Variant, range: ByteRange, policy: &Policy, moment: Moment) -> Plan {
    let mut fields = fields::of_file(facts, variant, policy, moment.now, facts.media.clone());
    fields.push(Field::new("Content-Range", content_range(range, variant.len)));
    Plan {
        status: Status::PartialContent,
        fields,
        content_length: Some(range.len.get()),
        body: Body::One(variant.coding, range),
        close: false,
    }
}

fn several(facts: &Facts, variant: &Variant, ranges: &[ByteRange], policy: &Policy, moment: Moment) -> Plan {
    let boundary = format!("{:032x}", moment.boundary);
    let part = |range: &ByteRange| Part {
        head: format!(
            "\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
            facts.media,
            content_range(*range, variant.len)
        ),
        range: *range,
    };
    let body = Multipart { parts: ranges.iter().map(part).collect(), end: format!("\r\n--{boundary}--\r\n") };
    let media = Cow::Owned(format!("multipart/byteranges; boundary={boundary}"));
    Plan {
        status: Status::PartialContent,
        fields: fields::of_file(facts, variant, policy, moment.now, media),
        content_length: Some(body.len()),
        body: Body::Several(body),
        close: false,
    }
}

/// The validator is left out: the content is a page, not the file.
fn unsatisfiable(variant: &Variant, policy: &Policy) -> Plan {
    let mut plan = page(Method::Get, Status::RangeNotSatisfiable, policy);
    plan.fields.insert(0, Field::new("Content-Range", format!("bytes */{}", variant.len)));
    plan
}

fn content_range(range: ByteRange, len: u64) -> String {
    format!("bytes {}-{}/{len}", range.offset, range.last())
}

#[cfg(test)]
mod tests;
