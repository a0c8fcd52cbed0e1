//! How bytes reach the peer: as they are, or under TLS.
//!
//! Absent: waiting. Every call does what it can at once.

use std::io::IoSlice;

use super::tls::Tls;
use crate::http1::Scheme;
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};

/// A connected socket, and what stands between it and HTTP.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Nothing.
    Plain(OwnedFd),
    /// TLS.
    Tls(Box<Tls>),
}

/// Whether the kernel may wait for more before it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// More of the same answer comes at once.
    More,
    /// It is complete.
    Nothing,
    /// It is complete, and the connection with it.
    End,
}

impl Transport {
    /// The scheme of what is asked here.
    pub(crate) const fn scheme(&self) -> Scheme {
        match self {
            Self::Plain(_) => Scheme::Http,
            Self::Tls(_) => Scheme::Https,
        }
    }

    /// Whether both sides agreed on HTTP/2 before the first byte of it.
    pub(crate) fn is_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.is_http2(),
        }
    }

    /// Whether nothing but a handshake was exchanged yet.
    pub(crate) fn is_handshaking(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.is_handshaking(),
        }
    }

    /// Whether a read that took less than there was room for may be followed by another.
    pub(crate) const fn has_more(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.has_more(),
        }
    }

    /// Sends what was taken and is not with the kernel yet; [`Errno::AGAIN`] when it has no room for all of it.
    pub(crate) fn flush(&mut self) -> Result<(), Errno> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.flush(),
        }
    }

    /// The last act before the socket is closed.
    pub(crate) fn part(&mut self) {
        match self {
            Self::Plain(_) => {}
            Self::Tls(tls) => tls.close(),
        }
    }

    /// The socket, where bytes go out as they are.
    pub(crate) fn plain(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Plain(socket) => Some(socket.as_fd()),
            Self::Tls(_) => None,
        }
    }

    /// The descriptor to watch.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(socket) => socket.as_fd(),
            Self::Tls(tls) => tls.socket.as_fd(),
        }
    }

    /// Reads; 0 is the end of what the peer sends.
    pub(crate) fn receive(&mut self, into: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Plain(socket) => rustix::net::recv(socket, into, RecvFlags::empty()).map(|(read, _)| read),
            Self::Tls(tls) => tls.receive(into),
        }
    }

    /// Writes as much as there is room for.
    pub(crate) fn send(&mut self, bytes: &[u8], follows: Follows) -> Result<usize, Errno> {
        match self {
            Self::Plain(socket) => rustix::net::send(socket, bytes, flags(follows)),
            Self::Tls(tls) => tls.send(bytes, follows),
        }
    }

    /// Writes one behind the other as much as there is room for.
    pub(crate) fn send_both(&mut self, first: &[u8], second: &[u8]) -> Result<usize, Errno> {
        match self {
            Self::Plain(socket) => rustix::net::sendmsg(
                socket,
                &[IoSlice::new(first), IoSlice::new(second)],
                &mut SendAncillaryBuffer::default(),
                flags(Follows::Nothing),
            ),
            Self::Tls(tls) if first.is_empty() => tls.send(second, Follows::Nothing),
            Self::Tls(tls) => tls.send(first, Follows::Nothing),
        }
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn finish(&mut self) {
        match self {
            Self::Plain(_) => {}
            Self::Tls(tls) => tls.close(),
        }
        // A peer that is gone does not need to be told.
        let _told = rustix::net::shutdown(self.socket(), Shutdown::Write);
    }
}

fn flags(follows: Follows) -> SendFlags {
    match follows {
        Follows::More => SendFlags::NOSIGNAL | SendFlags::MORE,
        Follows::Nothing | Follows::End => SendFlags::NOSIGNAL,
    }
}
