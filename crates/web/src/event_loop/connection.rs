//! One connection: what was read and not yet understood, what is still to be sent, and what it waits for.
//! Absent: reading, answering, sending; those are the loop's.

use std::net::IpAddr;

use super::http2::Http2;
use super::outgoing::Outgoing;
use super::transport::Transport;
use crate::admission::Permit;
use crate::http1::Drain;
use crate::limits;

/// A peer and its requests.
#[derive(Debug)]
pub(crate) struct Connection {
    /// How bytes reach it.
    pub(crate) transport: Transport,
    /// Who it is; none on a Unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// Its place among the connections.
    pub(crate) permit: Permit,
    /// Read, and not yet taken by a request.
    pub(crate) unread: Vec<u8>,
    /// `unread` begins with less than a request: more has to be read first.
    pub(crate) incomplete: bool,
    /// The kernel may have more to read.
    pub(crate) readable: bool,
    /// The peer sends nothing more.
    pub(crate) ended: bool,
    /// A request whose body is still coming.
    pub(crate) held: Option<Box<Held>>,
    /// An answer that did not fit into the kernel's buffer.
    pub(crate) outgoing: Option<Box<Outgoing>>,
    /// Its streams, when it is one of HTTP/2; what is said here about requests is then about none.
    pub(crate) http2: Option<Box<Http2>>,
    /// What follows when everything is sent.
    pub(crate) then: Then,
    /// What it waits for, and since when in milliseconds.
    pub(crate) waits: (Waits, u64),
    /// Pieces of the head that is still incomplete.
    pub(crate) head_pieces: u16,
    /// How its request waits for a file to settle.
    pub(crate) settling: Settling,
    /// When it is looked at again for the sake of such waits, in milliseconds; in the past when nothing waits.
    pub(crate) settles_ms: u64,
    /// Bytes thrown away since the connection was given up.
    pub(crate) lingered_bytes: usize,
    /// Whether a request was answered on it.
    pub(crate) served: bool,
}

/// A request that is answered when its body has come and was framed as it should be: nobody acts on half a request.
#[derive(Debug)]
pub(crate) struct Held {
    /// The head.
    pub(crate) bytes: Box<[u8]>,
    /// Where its body ends.
    pub(crate) drain: Drain,
}

/// What follows when everything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next request.
    Next,
    /// The end.
    Close,
    /// The end, after the peer had time to read the answer although it is still sending.
    Linger,
    /// That time is running.
    Lingering,
}

/// The waits of a request for a file that was changed just now. Before one is over the file is not looked at, whatever else
/// wakes the connection: its peer could make that happen as often as it likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settling {
    waits: u8,
    until_ms: u64,
}

impl Settling {
    /// Whether the request has not waited yet: it is new.
    pub(crate) const fn is_new(self) -> bool {
        self.waits == 0
    }

    /// Whether it has waited for long enough to ask less of the file.
    pub(crate) const fn is_hurried(self) -> bool {
        self.waits >= limits::SETTLE_WAITS_CALM
    }

    /// Whether it does not wait at this time.
    pub(crate) const fn is_due(self, now_ms: u64) -> bool {
        self.until_ms <= now_ms
    }

    /// Begins another wait; false when it has waited for as long as it may.
    pub(crate) fn waits_on(&mut self, now_ms: u64) -> bool {
        if self.waits == limits::SETTLE_WAITS_MAX {
            return false;
        }
        self.waits += 1;
        self.until_ms = now_ms + limits::SETTLE_HURRIED_MS;
        true
    }
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// The end of a handshake.
    Handshake,
    /// The first byte of a request.
    Idle,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
    /// Room to send.
    Write,
    /// The peer's end.
    Lingering,
    /// A file that was changed just now.
    Settling,
}

/// How fast a peer takes its answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// When sending began, in milliseconds.
    pub(crate) since_ms: u64,
    /// When it last took something.
    pub(crate) progress_ms: u64,
    /// Bytes that it took since sending began.
    pub(crate) taken: u64,
}

impl Connection {
    /// Just taken, at `now_ms`.
    pub(crate) fn new(transport: Transport, peer: Option<IpAddr>, permit: Permit, now_ms: u64) -> Self {
        Self {
            transport,
            peer,
            permit,
            unread: Vec::new(),
            incomplete: true,
            readable: true,
            ended: false,
            held: None,
            outgoing: None,
            http2: None,
            then: Then::Next,
            waits: (Waits::Idle, now_ms),
            head_pieces: 0,
            settling: Settling::default(),
            settles_ms: 0,
            lingered_bytes: 0,
            served: false,
        }
    }

    /// Nothing of a request is there, and nothing of an answer.
    pub(crate) fn is_idle(&self) -> bool {
        self.unread.is_empty()
            && self.outgoing.is_none()
            && self.held.is_none()
            && self.http2.as_ref().is_none_or(|http2| http2.is_idle())
    }

    /// How fast the peer takes what is being sent, if anything is.
    pub(crate) fn pace(&self) -> Option<Pace> {
        let of_output = self.outgoing.as_ref().map(|outgoing| Pace {
            since_ms: outgoing.since_ns / 1_000_000,
            progress_ms: outgoing.progress_ms,
            taken: outgoing.taken,
        });
        of_output.or_else(|| self.http2.as_ref().map(|http2| http2.pace()))
    }

    /// It waits for `what` from now on, or goes on doing so.
    pub(crate) fn wait(&mut self, what: Waits, now_ms: u64) {
        // A peer that drips is still waited for from the beginning; each request begins a new wait.
        // With HTTP/2 not everything that comes is a request.
        let goes_on = self.waits.0 == what && (what != Waits::Idle || self.http2.is_some());
        if !goes_on {
            self.waits = (what, now_ms);
        }
    }
}
