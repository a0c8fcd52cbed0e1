//! How bytes reach the peer. One kind today; TLS joins as another, without touching what calls this.
//!
//! Absent: waiting. Every call does what it can at once.

use std::io::IoSlice;

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};

/// A connected socket, and what stands between it and HTTP.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Nothing.
    Plain(OwnedFd),
}

/// Whether the kernel may wait for more before it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// More of the same answer comes at once.
    More,
    /// It is complete.
    Nothing,
}

impl Transport {
    /// The descriptor to watch.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(socket) => socket.as_fd(),
        }
    }

    /// Reads; 0 is the end of what the peer sends.
    pub(crate) fn receive(&self, into: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Plain(socket) => rustix::net::recv(socket, into, RecvFlags::empty()).map(|(read, _)| read),
        }
    }

    /// Writes as much as there is room for.
    pub(crate) fn send(&self, bytes: &[u8], follows: Follows) -> Result<usize, Errno> {
        match self {
            Self::Plain(socket) => rustix::net::send(socket, bytes, flags(follows)),
        }
    }

    /// Writes one behind the other as much as there is room for.
    pub(crate) fn send_both(&self, first: &[u8], second: &[u8]) -> Result<usize, Errno> {
        match self {
            Self::Plain(socket) => rustix::net::sendmsg(
                socket,
                &[IoSlice::new(first), IoSlice::new(second)],
                &mut SendAncillaryBuffer::default(),
                flags(Follows::Nothing),
            ),
        }
    }

    /// Lets the kernel send up to `count` bytes of `file` from `offset` on.
    pub(crate) fn send_file(&self, file: BorrowedFd<'_>, offset: u64, count: usize) -> Result<usize, Errno> {
        match self {
            Self::Plain(socket) => rustix::fs::sendfile(socket, file, Some(&mut { offset }), count),
        }
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn finish(&self) {
        match self {
            // A peer that is gone does not need to be told.
            Self::Plain(socket) => drop(rustix::net::shutdown(socket, Shutdown::Write)),
        }
    }
}

fn flags(follows: Follows) -> SendFlags {
    match follows {
        Follows::More => SendFlags::NOSIGNAL | SendFlags::MORE,
        Follows::Nothing => SendFlags::NOSIGNAL,
    }
}
