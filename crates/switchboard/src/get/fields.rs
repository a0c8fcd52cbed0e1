//! The header fields that a person adds: checked, hidden where they hold a secret, and left out towards any other host.
//! Absent: the fields that this client sends of itself.

use std::fmt;
use std::io::Read as _;

use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, PROXY_AUTHORIZATION, RANGE, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::error::GetError;
use super::limits::{FIELD_BYTES_MAX, FIELDS_MAX};

/// The added fields, in order.
#[derive(Clone, Default)]
pub struct Fields(HeaderMap);

impl Fields {
    /// Reads what `-H` was given: `Name: value`, or `@FILE` with one field a line, so that a secret is in no list of
    /// processes.
    ///
    /// # Errors
    /// When a field is malformed, is one that frames the message, or a file cannot be read.
    pub fn read(given: &[String]) -> Result<Self, GetError> {
        let mut fields = Self::default();
        for text in given {
            match text.strip_prefix('@') {
                Some(path) => fields.add_file(path)?,
                None => fields.add(text)?,
            }
        }
        Ok(fields)
    }

    /// Whether a field asks whether the file is still the same, which 304 answers (RFC 9110 section 15.4.5).
    pub(super) fn ask_for_changes(&self) -> bool {
        [IF_NONE_MATCH, IF_MODIFIED_SINCE].iter().any(|name| self.0.contains_key(name))
    }

    /// The fields as they are sent.
    pub(super) fn map(&self) -> &HeaderMap {
        &self.0
    }

    fn add_file(&mut self, path: &str) -> Result<(), GetError> {
        let bound = u64::try_from(FIELD_BYTES_MAX).unwrap_or(u64::MAX);
        let mut text = String::new();
        std::fs::File::open(path).and_then(|file| file.take(bound + 1).read_to_string(&mut text)).map_err(
            |source| GetError::File { action: "read the header fields in", path: path.into(), source },
        )?;
        if text.len() > FIELD_BYTES_MAX {
            let why = format!("its file is larger than {FIELD_BYTES_MAX} bytes");
            return Err(GetError::Field { name: format!("@{path}"), why });
        }
        text.lines().filter(|line| !line.trim().is_empty()).try_for_each(|line| self.add(line))
    }

    /// No error here repeats the value: it may be a secret.
    fn add(&mut self, text: &str) -> Result<(), GetError> {
        let name = text.split(':').next().unwrap_or_default().trim().chars().take(60).collect::<String>();
        let refused =
            |why: &str| GetError::Field { name: crate::screen::harmless(&name), why: why.to_owned() };
        if text.len() > FIELD_BYTES_MAX || self.0.len() >= FIELDS_MAX {
            return Err(refused(&format!(
                "at most {FIELDS_MAX} fields of {FIELD_BYTES_MAX} bytes can be added"
            )));
        }
        let (name, value) = text.split_once(':').ok_or_else(|| refused("write it as 'Name: value'"))?;
        let name: HeaderName =
            name.parse().map_err(|_bad| refused("its name holds a character that no field name has"))?;
        let value = HeaderValue::from_str(value.trim_matches([' ', '\t']))
            .map_err(|_bad| refused("its value holds a line end or another control character"))?;
        if let Some(why) = reserved(&name) {
            return Err(refused(why));
        }
        self.0.append(name, value);
        Ok(())
    }
}

/// Why a field cannot be set by hand.
fn reserved(name: &HeaderName) -> Option<&'static str> {
    if [RANGE, IF_RANGE].contains(name) {
        return Some("a part of a file is asked for with --continue");
    }
    if *name == ACCEPT_ENCODING {
        return Some("compression is asked for with --compressed");
    }
    if *name == HOST {
        return Some("the host is the one of the URL");
    }
    let framing = [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    framing.contains(name).then_some("it says where a message ends, which this client does itself")
}

/// Whether the value of this field is shown to nobody.
pub(super) fn is_secret(name: &HeaderName) -> bool {
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, SET_COOKIE].contains(name)
}

/// Names alone: a value may be a secret.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Fields, GetError> {
        Fields::read(&[text.to_owned()])
    }

    #[test]
    fn a_field_is_read_without_its_blanks() {
        assert_eq!(read("X-One:  two three \t").unwrap().map()["x-one"], "two three");
    }

    #[test]
    fn no_field_can_end_the_head_or_frame_the_body() {
        for text in [
            "X: a\r\nEvil: 1",
            "X: a\nb",
            "X: \0",
            "Bad Name: 1",
            "X\r\nEvil: 1",
            "",
            ": 1",
            "no colon",
            "Content-Length: 5",
            "transfer-encoding: chunked",
            "Connection: close",
            "Host: elsewhere",
            "Range: bytes=0-",
            "Accept-Encoding: gzip",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_in_no_error_and_in_no_debug_output() {
        let error = read("Authorization: hunter2\r\nX: 1").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(!format!("{:?}", read("Authorization: hunter2").unwrap()).contains("hunter2"));
    }
}
