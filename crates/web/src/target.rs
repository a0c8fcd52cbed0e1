//! The request target: its four forms (RFC 9112 section 3.2), its authority, and its path decoded into segments that
//! are safe to hand to the file system.
//!
//! *Promises* that no segment is empty, `.` or `..`, that none holds a slash, a backslash, a NUL or any other control
//! character, and that all are UTF-8: so the path cannot mean a place outside the folder it is looked up in.
//!
//! *Absent:* repair. A client sends a path in its normal form; dot segments, empty segments and escapes that hide a
//! separator are refused, for two programs that normalise differently disagree about who may see a file.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use crate::http1::{Method, Refusal, Scheme};
use crate::limits::{HOST_BYTES_MAX, PATH_BYTES_MAX};
use crate::status::Status;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target<'a> {
    /// `*`: the server itself. Only OPTIONS asks about it.
    Server,
    /// A file or folder.
    Path(Path<'a>),
}

/// A path below the root of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<'a> {
    decoded: Cow<'a, [u8]>,
    query: Option<&'a [u8]>,
    has_trailing_slash: bool,
}

impl<'a> Target<'a> {
    /// Judges `resource`: path and query in origin form as sent ([`crate::http1::Head::resource`], `:path` of HTTP/2), or `*`.
    ///
    /// # Errors
    /// 400 where the path is not in its normal form or could mean a place outside the root.
    pub fn parse(resource: &'a [u8]) -> Result<Self, Refusal> {
        if resource == b"*" { Ok(Self::Server) } else { Path::parse(resource).map(Self::Path) }
    }
}

impl<'a> Path<'a> {
    fn parse(resource: &'a [u8]) -> Result<Self, Refusal> {
        let (path, query) = match resource.iter().position(|&byte| byte == b'?') {
            Some(mark) => (&resource[..mark], Some(&resource[mark + 1..])),
            None => (resource, None),
        };
        if query.is_some_and(|query| query.iter().any(|byte| !byte.is_ascii_graphic())) {
            return Err(Refusal::bad("character that a query cannot have (RFC 3986 section 3.4)"));
        }
        // RFC 9110 section 4.2.3: an absolute form without a path means the root, with a query too.
        let path = if path.is_empty() && query.is_some() { b"/" } else { path };
        let [b'/', rest @ ..] = path else {
            return Err(Refusal::bad("path that does not begin with a slash (RFC 9112 section 3.2.1)"));
        };
        let inner = rest.strip_suffix(b"/").unwrap_or(rest);
        if rest == b"/" {
            return Err(Refusal::bad("empty path segment (this server's rule; RFC 3986 section 3.3)"));
        }
        let decoded = decode(inner)?;
        check_segments(&decoded)?;
        Ok(Self { decoded, query, has_trailing_slash: inner.len() < rest.len() || rest.is_empty() })
    }

    /// The decoded segments with `/` between them, without one at either end: a relative path for openat2. Empty for
    /// the root.
    #[must_use]
    pub fn relative(&self) -> &[u8] {
        &self.decoded
    }

    /// The decoded segments.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.decoded.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty())
    }

    /// What follows the first `?`, as sent.
    #[must_use]
    pub const fn query(&self) -> Option<&'a [u8]> {
        self.query
    }

    /// Whether a folder is named: the path ends in a slash, as the root's does.
    #[must_use]
    pub const fn has_trailing_slash(&self) -> bool {
        self.has_trailing_slash
    }

    /// The path with a slash at its end and the query as sent, in the characters of RFC 3986: where a folder that was
    /// named without its slash is found. Never begins with two slashes, so it cannot mean another host.
    #[must_use]
    pub fn with_trailing_slash(&self) -> String {
        let mut location = String::with_capacity(self.decoded.len() + 2);
        for segment in self.segments() {
            location.push('/');
            escape(segment, |byte| is_path_character(byte) && !BROWSERS_LEAVE.contains(&byte), &mut location);
        }
        location.push('/');
        if let Some(query) = self.query {
            location.push('?');
            escape(query, |byte| is_query_character(byte) || byte == b'%', &mut location);
        }
        location
    }
}

/// A target taken apart, nothing decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resource<'a> {
    pub(crate) scheme: Option<Scheme>,
    pub(crate) authority: Option<&'a [u8]>,
    pub(crate) path_and_query: &'a [u8],
}

/// Tells the forms of a request target apart. The authority form belongs to CONNECT, which is refused before.
pub(crate) fn resource(target: &[u8], method: Method) -> Result<Resource<'_>, Refusal> {
    match target {
        [b'/', ..] => Ok(Resource { scheme: None, authority: None, path_and_query: target }),
        b"*" if method == Method::Options => {
            Ok(Resource { scheme: None, authority: None, path_and_query: target })
        }
        b"*" => Err(Refusal::bad("asterisk form is for OPTIONS (RFC 9112 section 3.2.4)")),
        _ => absolute(target, method),
    }
}

fn absolute(target: &[u8], method: Method) -> Result<Resource<'_>, Refusal> {
    let (scheme, rest) = if let Some(rest) = without_prefix(target, b"http://") {
        (Scheme::Http, rest)
    } else if let Some(rest) = without_prefix(target, b"https://") {
        (Scheme::Https, rest)
    } else {
        return Err(Refusal::bad("target that is neither a path nor an http URI (RFC 9112 section 3.2)"));
    };
    let end = rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len());
    let (authority, path_and_query) = rest.split_at(end);
    check_authority(authority)?;
    let path_and_query = match path_and_query {
        // RFC 9112 section 3.2.4: OPTIONS on an authority alone is about the server.
        [] if method == Method::Options => b"*",
        [] => b"/",
        whole => whole,
    };
    Ok(Resource { scheme: Some(scheme), authority: Some(authority), path_and_query })
}

fn without_prefix<'a>(bytes: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = bytes.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A host with or without a port, as in Host, `:authority` and the absolute form: a name of letters, digits, `-` and
/// `_` with dots between its parts, or an IPv4 address, or an IPv6 address in brackets.
///
/// RFC 3986 lets a registered name hold escapes and marks too; no name of the DNS does, so they are refused.
///
/// # Errors
/// 400 for anything else: empty, with a user name, a list of two.
pub fn check_authority(authority: &[u8]) -> Result<(), Refusal> {
    const WRONG: Refusal = Refusal::bad("invalid host (RFC 9112 section 3.2, RFC 3986 section 3.2.2)");
    let port = if let [b'[', rest @ ..] = authority {
        let end = rest.iter().position(|&byte| byte == b']').ok_or(WRONG)?;
        let address = str::from_utf8(&rest[..end]).map_err(|_| WRONG)?;
        address.parse::<Ipv6Addr>().map_err(|_| WRONG)?;
        &rest[end + 1..]
    } else {
        &authority[host_name(authority).ok_or(WRONG)?..]
    };
    if is_port(port) { Ok(()) } else { Err(WRONG) }
}

/// Where the name at the start ends; none when no part of it is there, one is empty, or it is too long. A dot at the
/// end is that of the root of the DNS.
fn host_name(authority: &[u8]) -> Option<usize> {
    let mut previous = b'.';
    let mut len = 0;
    for &byte in authority {
        if !HOST_NAME[usize::from(byte)] {
            break;
        }
        if byte == b'.' && previous == b'.' {
            return None;
        }
        previous = byte;
        len += 1;
    }
    (1..=HOST_BYTES_MAX).contains(&len).then_some(len)
}

const HOST_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        byte += 1;
    }
    table
};

/// Nothing, or a colon and a number below 65536 or nothing (RFC 3986 section 3.2.3 lets the digits be absent).
fn is_port(bytes: &[u8]) -> bool {
    match bytes {
        [] | [b':'] => true,
        [b':', digits @ ..] => {
            digits.len() <= 5
                && digits
                    .iter()
                    .try_fold(0_u32, |port, byte| {
                        byte.is_ascii_digit().then(|| port * 10 + u32::from(byte - b'0'))
                    })
                    .is_some_and(|port| port <= u32::from(u16::MAX))
        }
        _ => false,
    }
}

fn decode(path: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    let decoded = match path.iter().position(|&byte| !is_path_character(byte)) {
        None => Cow::Borrowed(path),
        Some(first) => Cow::Owned(unescape(path, first)?),
    };
    if decoded.len() > PATH_BYTES_MAX {
        return Err(Refusal::new(
            Status::UriTooLong,
            "path longer than any file's (RFC 9110 section 15.5.15)",
        ));
    }
    Ok(decoded)
}

fn unescape(path: &[u8], first: usize) -> Result<Vec<u8>, Refusal> {
    let mut decoded = Vec::with_capacity(path.len());
    decoded.extend_from_slice(&path[..first]);
    let mut rest = &path[first..];
    while let [byte, behind @ ..] = rest {
        rest = behind;
        if *byte != b'%' {
            if !is_path_character(*byte) {
                return Err(Refusal::bad("character that a path cannot have (RFC 3986 section 3.3)"));
            }
            decoded.push(*byte);
            continue;
        }
        let (Some(high), Some(low)) = (rest.first().and_then(digit), rest.get(1).and_then(digit)) else {
            return Err(Refusal::bad("% without two hexadecimal digits (RFC 3986 section 2.1)"));
        };
        let byte = high * 16 + low;
        if byte.is_ascii_control() || byte == b'/' || byte == b'\\' {
            return Err(Refusal::bad("escaped separator or control character (RFC 3986 section 7.3)"));
        }
        decoded.push(byte);
        rest = &rest[2..];
    }
    let text =
        str::from_utf8(&decoded).map_err(|_| Refusal::bad("path that is not UTF-8 (RFC 3629 section 3)"))?;
    if text.chars().any(char::is_control) {
        return Err(Refusal::bad("escaped control character (RFC 3986 section 7.3)"));
    }
    Ok(decoded)
}

fn digit(byte: &u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn check_segments(decoded: &[u8]) -> Result<(), Refusal> {
    if decoded.is_empty() {
        return Ok(());
    }
    for segment in decoded.split(|&byte| byte == b'/') {
        match segment {
            b"" => return Err(Refusal::bad("empty path segment (this server's rule; RFC 3986 section 3.3)")),
            b"." | b".." => {
                return Err(Refusal::bad("dot segment (RFC 3986 section 5.2.4, RFC 9110 section 4.2.3)"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Characters that RFC 3986 wants escaped in a path and that browsers leave as they are (URL Standard, path
/// percent-encode set).
const BROWSERS_LEAVE: &[u8] = b"[]|^";

/// `pchar` of RFC 3986 section 3.3 without escapes, the slash, and [`BROWSERS_LEAVE`].
const fn is_path_character(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'
        | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' | b'[' | b']' | b'|' | b'^')
}

fn is_query_character(byte: u8) -> bool {
    byte == b'?' || (is_path_character(byte) && !BROWSERS_LEAVE.contains(&byte))
}

fn escape(bytes: &[u8], keeps: impl Fn(u8) -> bool, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if keeps(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests;
