//! What this loop does not speak is given away with the bytes that were read.
//! Absent: who takes it.

use std::fmt::Debug;
use std::net::IpAddr;

use rustix::fd::OwnedFd;

use crate::admission::Permit;

/// Takes connections that begin with the preface of HTTP/2 (RFC 9113 section 3.4). Without one they are answered with 505.
pub trait Handover: Debug + Send + Sync {
    /// Takes one over. Called from an event loop: it must not wait.
    fn take(&self, connection: Handed);
}

/// A connection that is given away.
#[derive(Debug)]
pub struct Handed {
    /// The socket, which does not block.
    pub socket: OwnedFd,
    /// What was read from it.
    pub read: Vec<u8>,
    /// The other side; none on a Unix socket.
    pub peer: Option<IpAddr>,
    /// Its place among the connections of the server; to be dropped with the socket.
    pub place: Place,
}

/// See [`Handed::place`].
#[derive(Debug)]
pub struct Place {
    pub(crate) _permit: Permit,
}

/// How much of the preface's first line stands at the beginning of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preface {
    /// All of it.
    Whole,
    /// As much as there is.
    Begun,
    /// None.
    Other,
}

/// Looks for the preface.
pub(crate) fn preface(bytes: &[u8]) -> Preface {
    const LINE: &[u8] = b"PRI * HTTP/2.0\r\n";
    if bytes.starts_with(LINE) {
        Preface::Whole
    } else if LINE.starts_with(bytes) {
        Preface::Begun
    } else {
        Preface::Other
    }
}
