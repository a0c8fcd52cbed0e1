//! How bytes reach the peer: as they are, or under TLS.
//!
//! Absent: waiting. Every call does what it can at once.

use std::io::IoSlice;
use std::ops::Range;

use super::tls::Tls;
use crate::http1::Scheme;
use crate::limits;
use crate::tree::Snapshot;
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};
use socket2::SockRef;

/// A connected socket, and what stands between it and HTTP.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Nothing.
    Plain(Plain),
    /// TLS.
    Tls(Box<Tls>),
}

/// A socket on which bytes go out as they are.
#[derive(Debug)]
pub(crate) struct Plain {
    socket: OwnedFd,
    /// More may wait in the kernel than the listener, of which the socket has its bound, allows.
    is_wide: bool,
}

impl Plain {
    /// One that was just taken.
    pub(crate) const fn new(socket: OwnedFd) -> Self {
        Self { socket, is_wide: false }
    }

    /// Lets the kernel send from the front of `range`, which moves on. More may wait there than of other bytes: it is the same
    /// memory for all peers. [`Errno::IO`] when the snapshot does not have those bytes any more.
    pub(crate) fn send_snapshot(
        &mut self,
        snapshot: &Snapshot,
        range: &mut Range<u64>,
    ) -> Result<usize, Errno> {
        let left = range.end - range.start;
        if left > u64::from(limits::UNSENT_BYTES_MAX) {
            self.widen(true);
        }
        let wanted = usize::try_from(left.min(limits::SENDFILE_BYTES_MAX)).unwrap_or(usize::MAX);
        match rustix::fs::sendfile(&self.socket, snapshot.descriptor(), Some(&mut range.start), wanted) {
            // It ends before it should, or cannot be read.
            Ok(0) | Err(Errno::IO) if wanted > 0 => {
                snapshot.give_up();
                Err(Errno::IO)
            }
            sent => sent,
        }
    }

    /// Sets how much may wait in the kernel (tcp(7), `TCP_NOTSENT_LOWAT`). Unix sockets have another bound of their own.
    fn widen(&mut self, is_wide: bool) {
        if self.is_wide != is_wide {
            let bytes = if is_wide { limits::UNSENT_SNAPSHOT_BYTES_MAX } else { limits::UNSENT_BYTES_MAX };
            let _set = SockRef::from(&self.socket).set_tcp_notsent_lowat(bytes);
            self.is_wide = is_wide;
        }
    }
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

    /// Whether all that was taken is with the kernel.
    pub(crate) fn is_flushed(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Tls(tls) => tls.is_flushed(),
        }
    }

    /// Bytes that the kernel took from what was taken before.
    pub(crate) const fn moved(&self) -> u64 {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(tls) => tls.moved(),
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
    pub(crate) const fn plain(&mut self) -> Option<&mut Plain> {
        match self {
            Self::Plain(plain) => Some(plain),
            Self::Tls(_) => None,
        }
    }

    /// The descriptor to watch.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(plain) => plain.socket.as_fd(),
            Self::Tls(tls) => tls.socket.as_fd(),
        }
    }

    /// Reads; 0 is the end of what the peer sends.
    pub(crate) fn receive(&mut self, into: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Plain(plain) => {
                rustix::net::recv(&plain.socket, into, RecvFlags::empty()).map(|(read, _)| read)
            }
            Self::Tls(tls) => tls.receive(into),
        }
    }

    /// Writes as much as there is room for.
    pub(crate) fn send(&mut self, bytes: &[u8], follows: Follows) -> Result<usize, Errno> {
        match self {
            Self::Plain(plain) => {
                plain.widen(false);
                rustix::net::send(&plain.socket, bytes, flags(follows))
            }
            Self::Tls(tls) => tls.send(bytes, follows),
        }
    }

    /// Writes one behind the other as much as there is room for.
    pub(crate) fn send_both(&mut self, first: &[u8], second: &[u8]) -> Result<usize, Errno> {
        match self {
            Self::Plain(plain) => {
                plain.widen(false);
                rustix::net::sendmsg(
                    &plain.socket,
                    &[IoSlice::new(first), IoSlice::new(second)],
                    &mut SendAncillaryBuffer::default(),
                    flags(Follows::Nothing),
                )
            }
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    use super::*;
    use crate::tree::Scratch;

    #[test]
    fn a_snapshot_that_lost_bytes_is_given_up() {
        let snapshot = Scratch::at(Path::new(env!("CARGO_MANIFEST_DIR"))).of_bytes(&[7; 1000]).unwrap();
        rustix::fs::ftruncate(snapshot.descriptor(), 400).unwrap();
        let (own, _peer) = UnixStream::pair().unwrap();
        let (mut plain, mut range) = (Plain::new(own.into()), 0..1000);
        assert_eq!(plain.send_snapshot(&snapshot, &mut range), Ok(400));
        assert!(!snapshot.is_broken());
        assert_eq!(plain.send_snapshot(&snapshot, &mut range), Err(Errno::IO));
        assert!(snapshot.is_broken());
    }
}
