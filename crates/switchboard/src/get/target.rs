//! What a person asks for, as a URL: written whole, or as host, port and file; and the name under which a URL is kept.
//! Absent: redirects, and any network.

use std::borrow::Cow;

use url::Url;

use super::error::GetError;
use super::limits::{NAME_BYTES_MAX, URL_BYTES_MAX};

/// A URL as written.
///
/// # Errors
/// When it is no http or https URL, or holds a password, which everybody could read in the list of processes.
pub fn url_target(text: &str) -> Result<Url, GetError> {
    let refused = |why: &str| GetError::Url { text: shortened(text), why: why.to_owned() };
    if text.len() > URL_BYTES_MAX {
        return Err(refused(&format!("it is longer than {URL_BYTES_MAX} bytes")));
    }
    if text.chars().any(|letter| letter.is_control() || letter == ' ') {
        return Err(refused("it holds a space or a control character; write a space as %20"));
    }
    if !text.contains("://") {
        return Err(refused("write http:// or https:// before it"));
    }
    let mut url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    check(&url).map_err(refused)?;
    url.set_fragment(None);
    Ok(url)
}

/// Host, port and file, where the host may carry its scheme: the form of the report's own client.
///
/// # Errors
/// When the three make no URL.
pub fn report_target(host: &str, port: &str, file: &str) -> Result<Url, GetError> {
    let (scheme, name) = match host.split_once("://") {
        Some((scheme, name)) => (scheme, name.trim_end_matches('/')),
        None => ("http", host),
    };
    let refused =
        |why: &str| GetError::Url { text: shortened(&format!("{host} {port} {file}")), why: why.to_owned() };
    if port.parse::<u16>().is_err() || port == "0" {
        return Err(refused("the port is a number from 1 to 65535"));
    }
    if name.is_empty() || name.contains(['/', '?', '#', '@', '\\']) {
        return Err(refused(
            "the host is a name or an address, with http:// or https:// before it or nothing",
        ));
    }
    let bracketed = match name.contains(':') && !name.starts_with('[') {
        true => Cow::Owned(format!("[{name}]")),
        false => Cow::Borrowed(name),
    };
    // In a file name these would begin a fragment or an escape that nobody wrote.
    let file = file.replace('#', "%23").replace(' ', "%20");
    url_target(&format!("{scheme}://{bracketed}:{port}/{}", file.trim_start_matches('/')))
}

/// Refuses what this client does not fetch.
pub(super) fn check(url: &Url) -> Result<(), &'static str> {
    match url.scheme() {
        "http" | "https" => {}
        _ => return Err("only http:// and https:// are fetched"),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it names no host");
    }
    match url.username().is_empty() && url.password().is_none() {
        true => Ok(()),
        false => Err(
            "it holds a user name or a password, which others can read in the list of processes; put a field \
                      Authorization into a file and name it with -H @FILE",
        ),
    }
}

/// The last part of the path as the name of a file in this folder: no slash, no leading dot, no control character.
///
/// # Errors
/// When nothing is left of it.
pub fn remote_name(url: &Url) -> Result<String, GetError> {
    let last = url.path().rsplit('/').next().unwrap_or_default();
    let decoded = decoded(last);
    let text = String::from_utf8_lossy(&decoded);
    let safe: String = crate::screen::harmless(&text)
        .chars()
        .map(|letter| if matches!(letter, '/' | '\\' | '\u{fffd}') { '_' } else { letter })
        .collect();
    let mut name = safe.trim().trim_start_matches('.').trim_start().trim_start_matches('-').to_owned();
    while name.len() > NAME_BYTES_MAX {
        name.pop();
    }
    match name.trim_start_matches('.') {
        "" => Err(GetError::NoName { url: url.to_string() }),
        name => Ok(name.to_owned()),
    }
}

/// Percent escapes resolved (RFC 3986 section 2.1); what is none stays.
fn decoded(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let escaped =
            digits.filter(|pair| first == b'%' && pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match escaped.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

fn shortened(text: &str) -> String {
    crate::screen::harmless(&text.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests;
