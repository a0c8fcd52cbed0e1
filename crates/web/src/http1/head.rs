//! The bytes of a request's head -> [`Head`], or [`Refusal`], or not enough yet.
//!
//! *Promises* one reading: the strictest that RFC 9110 and RFC 9112 let a server take. One pass from left to right,
//! so a prefix of the stream is refused exactly when the whole of it would be, for the same reason. Nothing is
//! allocated; a head borrows from the bytes that were read.
//!
//! *Absent:* recovery. A line that ends in a bare LF, a folded field, a second Host, a space before a colon: each is
//! a 400, where the RFCs allow a server to mend it, for two programs that mend differently are how requests are
//! smuggled.

mod fields;
mod scan;

use crate::limits::{BODY_BYTES_MAX, FIELDS_MAX, HEAD_BYTES_MAX, METHOD_BYTES_MAX, TARGET_BYTES_MAX};
use crate::status::Status;
use crate::target::{self, Resource};

use super::{Framing, Refusal};

pub use fields::{Fields, Known};
pub(super) use scan::is_text;
pub(crate) use scan::is_token;

/// What the bytes read so far amount to.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once a request and matched at once; a box would be an allocation"
)]
pub enum Parsed<'a> {
    /// A head; the next request, or its body, begins [`Head::len`] bytes further on.
    Whole(Head<'a>),
    /// Right as far as it goes. Read more.
    Incomplete,
}

/// A head without a fault.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// What is to be done.
    pub method: Method,
    /// The method's bytes: letters, digits and marks, for the log.
    pub method_name: &'a [u8],
    /// The request target as sent. Every byte is visible ASCII.
    pub target: &'a [u8],
    /// Path and query as sent, whatever the form of the target; `*` for the server itself. The key of a cache.
    pub resource: &'a [u8],
    /// The scheme, when the target is in absolute form.
    pub scheme: Option<Scheme>,
    /// Which site is meant, with its port if one was given: of the target in absolute form, else of the Host field
    /// (RFC 9112 section 3.2.2). None in HTTP/1.0 without Host.
    pub authority: Option<&'a [u8]>,
    /// The version of the request.
    pub version: Version,
    /// The fields that this server acts on.
    pub known: Known<'a>,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the connection may carry another request after the answer.
    pub persistent: bool,
    /// The client waits for a word before it sends the body. It is answered at once and the body is not read
    /// (RFC 9110 section 10.1.1), so `persistent` is false as well.
    pub expects_continue: bool,
    bytes: &'a [u8],
    fields_at: usize,
}

impl<'a> Head<'a> {
    /// Bytes that the head takes, its blank line included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// A head is never empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All fields, in order: name as sent, value without the white space around it.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        Fields::new(&self.bytes[self.fields_at..])
    }
}

/// A method of RFC 9110 section 9 or RFC 5789 (PATCH). Case matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Served.
    Get,
    /// Served.
    Head,
    /// Answered with what is offered.
    Options,
    /// Known, not offered.
    Post,
    /// Known, not offered.
    Put,
    /// Known, not offered.
    Delete,
    /// Known, not offered.
    Patch,
    /// Known, not offered.
    Trace,
    /// Any other word.
    Unknown,
}

impl Method {
    /// The method that these bytes name. CONNECT is among the unknown ones: the parser never lets it through.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"OPTIONS" => Self::Options,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"PATCH" => Self::Patch,
            b"TRACE" => Self::Trace,
            _ => Self::Unknown,
        }
    }
}

/// The versions that are served. An answer always says HTTP/1.1 (RFC 9110 section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// One request a connection unless it asks for more; no Host needed.
    Http10,
    /// RFC 9112.
    Http11,
}

/// The two schemes under which files are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Under TLS.
    Https,
}

/// Reads a head from the beginning of `bytes`, which may hold more than one request or less.
///
/// Takes time in proportion to the bytes it looks at, [`HEAD_BYTES_MAX`] at most. One empty line before the head is
/// passed over (RFC 9112 section 2.2).
///
/// # Errors
/// [`Refusal`] at the first byte that no correct head has at its place.
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Refusal> {
    let window = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
    match head(window) {
        Ok(head) => Ok(Parsed::Whole(head)),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::Short) if bytes.len() >= HEAD_BYTES_MAX => {
            Err(Refusal::new(Status::FieldsTooLarge, "head longer than 16 KiB (RFC 6585 section 5)"))
        }
        Err(Stop::Short) => Ok(Parsed::Incomplete),
    }
}

/// Why no head came of it.
enum Stop {
    /// The bytes end before the head does.
    Short,
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn head(bytes: &[u8]) -> Result<Head<'_>, Stop> {
    let line = request_line(bytes)?;
    let mut seen = fields::Seen::default();
    let mut at = line.end;
    let mut count = 0;
    loop {
        match scan::field_line(bytes, &mut at)? {
            None => break,
            Some(_) if count == FIELDS_MAX => {
                return Err(Refusal::new(
                    Status::FieldsTooLarge,
                    "more than 100 fields (RFC 6585 section 5)",
                )
                .into());
            }
            Some((name, value)) => {
                count += 1;
                seen.take(name, value)?;
            }
        }
    }
    finish(&bytes[..at], &line, seen).map_err(Stop::Refused)
}

/// What only the whole head can tell.
fn finish<'a>(bytes: &'a [u8], line: &RequestLine<'a>, seen: fields::Seen<'a>) -> Result<Head<'a>, Refusal> {
    if seen.known.host.is_none() && line.version == Version::Http11 {
        return Err(Refusal::bad("HTTP/1.1 without Host (RFC 9112 section 3.2)"));
    }
    let framing = seen.framing(line.version)?;
    let has_body = match framing {
        Framing::Nothing => false,
        Framing::Length(bytes) if bytes > BODY_BYTES_MAX => {
            return Err(Refusal::new(
                Status::ContentTooLarge,
                "body longer than is thrown away (RFC 9110 section 15.5.14)",
            ));
        }
        Framing::Length(_) | Framing::Chunked => true,
    };
    let expects_continue = seen.expects_continue && has_body && line.version == Version::Http11;
    Ok(Head {
        method: line.method,
        method_name: line.method_name,
        target: line.target,
        resource: line.resource.path_and_query,
        scheme: line.resource.scheme,
        authority: line.resource.authority.or(seen.known.host),
        version: line.version,
        framing,
        persistent: seen.persistent(line.version) && !expects_continue,
        expects_continue,
        known: seen.known,
        bytes,
        fields_at: line.end,
    })
}

struct RequestLine<'a> {
    method: Method,
    method_name: &'a [u8],
    target: &'a [u8],
    resource: Resource<'a>,
    version: Version,
    /// Where the fields begin.
    end: usize,
}

fn request_line(bytes: &[u8]) -> Result<RequestLine<'_>, Stop> {
    let start = empty_line(bytes)?;
    let (method, method_name) = method(&bytes[start..])?;
    let target_at = start + method_name.len() + 1;
    let target = target(&bytes[target_at..])?;
    let resource = target::resource(target, method)?;
    let version_at = target_at + target.len() + 1;
    let version = version(&bytes[version_at..])?;
    let end = version_at + VERSION_LINE.len();
    Ok(RequestLine { method, method_name, target, resource, version, end })
}

/// Where the request line begins: after one empty line, if there is one.
fn empty_line(bytes: &[u8]) -> Result<usize, Stop> {
    match bytes {
        [b'\r', b'\n', ..] => Ok(2),
        [b'\r'] => Err(Stop::Short),
        _ => Ok(0),
    }
}

fn method(bytes: &[u8]) -> Result<(Method, &[u8]), Stop> {
    if bytes.starts_with(b"GET ") {
        return Ok((Method::Get, &bytes[..3]));
    }
    let window = bytes.get(..=METHOD_BYTES_MAX).unwrap_or(bytes);
    match window.iter().position(|&byte| !is_token(byte)) {
        None if window.len() > METHOD_BYTES_MAX => {
            Err(Refusal::new(Status::NotImplemented, "method longer than any known (RFC 9112 section 3)")
                .into())
        }
        None => Err(Stop::Short),
        Some(end) if end == 0 || window[end] != b' ' => {
            Err(Refusal::bad("no method and space at the start (RFC 9112 section 3)").into())
        }
        // No resource of a file server is an authority, so there is none whose Allow a 405 could tell; and the bytes
        // behind it are a tunnel's, not HTTP, so the connection has to end.
        Some(end) if &window[..end] == b"CONNECT" => {
            Err(Refusal::new(Status::NotImplemented, "CONNECT is for proxies (RFC 9110 section 9.3.6)")
                .into())
        }
        Some(end) => Ok((Method::from_name(&window[..end]), &window[..end])),
    }
}

fn target(bytes: &[u8]) -> Result<&[u8], Stop> {
    let window = bytes.get(..=TARGET_BYTES_MAX).unwrap_or(bytes);
    match window.iter().position(|&byte| !scan::is_target(byte)) {
        None if window.len() > TARGET_BYTES_MAX => {
            Err(Refusal::new(Status::UriTooLong, "target longer than 8 KiB (RFC 9112 section 3)").into())
        }
        None => Err(Stop::Short),
        Some(0) => Err(Refusal::bad("empty or malformed request target (RFC 9112 section 3.2)").into()),
        Some(end) if window[end] != b' ' => Err(Refusal::bad(match window[end] {
            b'#' => "fragment in the request target (RFC 9112 section 3.2)",
            b'\r' | b'\n' => "request line without a version (RFC 9112 section 3)",
            _ => "character that a request target cannot have (RFC 3986 section 2)",
        })
        .into()),
        Some(end) => Ok(&window[..end]),
    }
}

const VERSION_LINE: &[u8; 10] = b"HTTP/1.1\r\n";

fn version(bytes: &[u8]) -> Result<Version, Stop> {
    if bytes.starts_with(VERSION_LINE) {
        return Ok(Version::Http11);
    }
    let window = bytes.get(..VERSION_LINE.len()).unwrap_or(bytes);
    for (at, (&byte, &model)) in window.iter().zip(VERSION_LINE).enumerate() {
        let right = if matches!(at, 5 | 7) { byte.is_ascii_digit() } else { byte == model };
        if !right {
            return Err(Refusal::bad(if at == 8 && byte == b'\n' {
                "line ended by a bare LF (RFC 9112 section 2.2)"
            } else {
                "request line does not end in an HTTP version and CRLF (RFC 9112 section 3)"
            })
            .into());
        }
        if at == 7 && !matches!(&window[5..8], b"1.1" | b"1.0") {
            return Err(Refusal::new(
                Status::VersionNotSupported,
                "neither HTTP/1.1 nor HTTP/1.0 (RFC 9110 section 15.6.6)",
            )
            .into());
        }
    }
    match window.get(7) {
        Some(_) if window.len() < VERSION_LINE.len() => Err(Stop::Short),
        Some(b'0') => Ok(Version::Http10),
        Some(_) => Ok(Version::Http11),
        None => Err(Stop::Short),
    }
}

#[cfg(test)]
mod tests;
