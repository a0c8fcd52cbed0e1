//! HTTP/1.0 and HTTP/1.1 (RFC 9112) as pure functions over bytes: heads and bodies of requests in, heads of answers out.
//!
//! One parser judges every request, whoever carries it out afterwards. It takes a prefix of the stream and refuses as
//! early as the bytes show the error; what it accepts has one reading only.
//!
//! Absent: sockets, clocks, chunked answers, 1xx answers (none is ever sent), upgrades (ignored, as RFC 9110 section
//! 7.8 allows).

pub mod body;
pub mod head;
pub mod respond;

use crate::status::Status;

pub use body::{Drain, Drained, Framing};
pub use head::{Head, Known, Method, Parsed, Scheme, Version, parse};
pub use respond::Connection;

pub(crate) use head::is_token;

/// Why a request is not served at all. The connection closes after the answer, since nobody knows where the next
/// request would begin, or whether the peer means what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// 400, 413, 414, 417, 431, 501 or 505.
    pub status: Status,
    /// For the log: what was wrong, and where that is written. Never holds bytes of the peer.
    pub reason: &'static str,
}

impl Refusal {
    pub(crate) const fn bad(reason: &'static str) -> Self {
        Self { status: Status::BadRequest, reason }
    }

    pub(crate) const fn new(status: Status, reason: &'static str) -> Self {
        Self { status, reason }
    }
}
