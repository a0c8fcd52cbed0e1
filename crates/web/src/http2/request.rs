//! The head of a request as HTTP/2 carries it -> what planning needs, under the same rules as HTTP/1's: what may come once
//! comes once, a host is right, the only expectation is 100-continue.
//!
//! Absent: what h2 refuses before, by ending the stream: unknown pseudo-fields, fields about a connection, upper case.

use std::borrow::Cow;

use http::{HeaderMap, Request, Uri};

use crate::http1::{Method, Refusal, Scheme};
use crate::limits;
use crate::plan::{Asked, Conditions};
use crate::status::Status;
use crate::target::{Target, check_authority};

/// A request, before its target is judged.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// What is to be done.
    pub(crate) method: Method,
    /// Path and query, or `*`.
    pub(crate) resource: &'a [u8],
    /// Which site is meant.
    pub(crate) authority: &'a [u8],
    scheme: Scheme,
    fields: Fields<'a>,
}

/// The fields that this server acts on.
#[derive(Debug, Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    if_match: Option<Cow<'a, [u8]>>,
    if_none_match: Option<Cow<'a, [u8]>>,
    if_modified_since: Option<&'a [u8]>,
    if_unmodified_since: Option<&'a [u8]>,
    if_range: Option<&'a [u8]>,
    range: Option<&'a [u8]>,
    accept_encoding: Option<Cow<'a, [u8]>>,
}

impl<'a> Question<'a> {
    /// Judges everything but the path (RFC 9113 section 8.3.1).
    ///
    /// # Errors
    /// 400, 414, 417, 431 or 501, as HTTP/1 has them.
    pub(crate) fn of<T>(request: &'a Request<T>) -> Result<Self, Refusal> {
        if *request.method() == http::Method::CONNECT {
            return Err(Refusal::new(
                Status::NotImplemented,
                "CONNECT is for proxies (RFC 9110 section 9.3.6)",
            ));
        }
        let uri = request.uri();
        let resource = resource(uri);
        if resource.len() > limits::TARGET_BYTES_MAX {
            return Err(Refusal::new(
                Status::UriTooLong,
                "target longer than 8 KiB (RFC 9110 section 15.5.15)",
            ));
        }
        let method = Method::from_name(request.method().as_str().as_bytes());
        if resource == b"*" && method != Method::Options {
            return Err(Refusal::bad("asterisk form is for OPTIONS (RFC 9113 section 8.3.1)"));
        }
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(_) | None => {
                return Err(Refusal::bad("scheme that is not of HTTP (RFC 9113 section 8.3.1)"));
            }
        };
        let fields = Fields::of(request.headers())?;
        let authority = authority(uri, fields.host)?;
        Ok(Self { method, resource, authority, scheme, fields })
    }

    /// With its target judged, and the scheme of the connection.
    pub(crate) fn asked(self, target: &'a Target<'a>, connection: Scheme) -> Asked<'a> {
        let fields = self.fields;
        Asked {
            method: self.method,
            target,
            scheme: Some(self.scheme),
            connection,
            conditions: Conditions {
                if_match: fields.if_match,
                if_none_match: fields.if_none_match,
                if_modified_since: fields.if_modified_since,
                if_unmodified_since: fields.if_unmodified_since,
                if_range: fields.if_range,
            },
            range: fields.range,
            accept_encoding: fields.accept_encoding,
        }
    }
}

/// Path and query as sent.
pub(crate) fn resource(uri: &Uri) -> &[u8] {
    uri.path_and_query().map_or(b"", |both| both.as_str().as_bytes())
}

fn authority<'a>(uri: &'a Uri, host: Option<&'a [u8]>) -> Result<&'a [u8], Refusal> {
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    let authority = match (authority, host) {
        (None, None) => {
            return Err(Refusal::bad("neither :authority nor Host (RFC 9113 section 8.3.1)"));
        }
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            return Err(Refusal::bad(":authority and Host differ (RFC 9113 section 8.3.1)"));
        }
        (Some(authority), _) | (None, Some(authority)) => authority,
    };
    check_authority(authority)?;
    Ok(authority)
}

impl<'a> Fields<'a> {
    fn of(fields: &'a HeaderMap) -> Result<Self, Refusal> {
        if fields.len() > limits::FIELDS_MAX {
            return Err(Refusal::new(Status::FieldsTooLarge, "more than 100 fields (RFC 6585 section 5)"));
        }
        let mut known = Self::default();
        for (name, value) in fields {
            let value = value.as_bytes();
            match name.as_str() {
                "accept-encoding" => list(&mut known.accept_encoding, value),
                "expect" => expectation(value)?,
                "host" => once(&mut known.host, value)?,
                "if-match" => list(&mut known.if_match, value),
                "if-modified-since" => once(&mut known.if_modified_since, value)?,
                "if-none-match" => list(&mut known.if_none_match, value),
                "if-range" => once(&mut known.if_range, value)?,
                "if-unmodified-since" => once(&mut known.if_unmodified_since, value)?,
                "range" => once(&mut known.range, value)?,
                _ => {}
            }
        }
        Ok(known)
    }
}

fn once<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8]) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::bad("field twice that comes once (RFC 9110 section 5.3)")),
    }
}

/// RFC 9110 section 5.3.
fn list<'a>(slot: &mut Option<Cow<'a, [u8]>>, value: &'a [u8]) {
    match slot {
        None => *slot = Some(Cow::Borrowed(value)),
        Some(first) => {
            let first = first.to_mut();
            first.extend_from_slice(b", ");
            first.extend_from_slice(value);
        }
    }
}

fn expectation(value: &[u8]) -> Result<(), Refusal> {
    let mut members = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    if members.all(|member| member.is_empty() || member.eq_ignore_ascii_case(b"100-continue")) {
        return Ok(());
    }
    Err(Refusal::new(
        Status::ExpectationFailed,
        "expectation other than 100-continue (RFC 9110 section 10.1.1)",
    ))
}
