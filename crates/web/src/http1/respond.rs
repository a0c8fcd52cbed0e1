//! A [`Plan`] -> the bytes of a head.
//!
//! The Date stands right behind the status line and is always as long, so that a head that was written once can be
//! kept and sent again with another time in it.
//!
//! Absent: the content, and chunked framing: every length is known beforehand.

use std::io::Write as _;

use crate::date::DATE_BYTES;
use crate::plan::Plan;

use super::head::{Head, Version};

/// What the answer says about the connection (RFC 9112 section 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Connection {
    /// Nothing: it stays, as HTTP/1.1 expects.
    Stays,
    /// It stays, and a client of HTTP/1.0 has to be told.
    StaysForOld,
    /// It ends after this answer.
    Closes,
}

impl Connection {
    /// After the answer `plan` to the request `head`.
    #[must_use]
    pub const fn after(head: &Head<'_>, plan: &Plan) -> Self {
        match head.version {
            _ if plan.close || !head.persistent => Self::Closes,
            Version::Http10 => Self::StaysForOld,
            Version::Http11 => Self::Stays,
        }
    }
}

/// Appends the head of `plan`, its blank line included, and says where in `out` the date stands, for [`set_date`].
pub fn write_head(plan: &Plan, connection: Connection, date: &[u8; DATE_BYTES], out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(plan.status.line().as_bytes());
    out.extend_from_slice(b"\r\nDate: ");
    let date_at = out.len();
    out.extend_from_slice(date);
    match connection {
        Connection::Stays => {}
        Connection::StaysForOld => out.extend_from_slice(b"\r\nConnection: keep-alive"),
        Connection::Closes => out.extend_from_slice(b"\r\nConnection: close"),
    }
    for field in &plan.fields {
        for bytes in ["\r\n", field.name, ": ", &field.value] {
            out.extend_from_slice(bytes.as_bytes());
        }
    }
    if let Some(length) = plan.content_length {
        write!(out, "\r\nContent-Length: {length}").expect("memory takes every byte");
    }
    out.extend_from_slice(b"\r\n\r\n");
    date_at
}

/// Puts another date into a head that [`write_head`] wrote.
///
/// # Panics
/// When `date_at` is not what [`write_head`] said.
pub fn set_date(head: &mut [u8], date_at: usize, date: &[u8; DATE_BYTES]) {
    head[date_at..date_at + DATE_BYTES].copy_from_slice(date);
}

#[cfg(test)]
mod tests;
