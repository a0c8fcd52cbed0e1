//! TLS over a socket that does not block.
//!
//! *Promises* one read for a request and one write for an answer, as without TLS: records are put together and leave in one
//! call of the kernel; that what is encrypted and not yet taken is bounded; that what a peer gets wrong is told to it in an
//! alert. *Absent:* keys and certificates, which the configuration holds; time, which the loop keeps.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};

use super::transport::Follows;
use crate::limits;

/// ALPN of HTTP/2 (RFC 9113 section 3.2).
pub(crate) const HTTP2: &[u8] = b"h2";

/// ALPN of HTTP/1.1 (RFC 7301 section 6).
pub(crate) const HTTP1: &[u8] = b"http/1.1";

/// A connection under TLS, from its handshake on.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(super) socket: OwnedFd,
    session: ServerConnection,
    /// The last read took all that the kernel had.
    is_drained: bool,
    /// Bytes that are decrypted and not yet taken.
    plaintext: usize,
    /// The peer has said that nothing more comes.
    is_ended: bool,
    /// What is encrypted is nothing but tickets, and an answer follows.
    holds_tickets: bool,
    /// Bytes that the kernel took.
    moved: u64,
}

impl Tls {
    /// Awaits the handshake of a peer.
    pub(crate) fn new(socket: OwnedFd, config: &Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let mut session = ServerConnection::new(Arc::clone(config))?;
        session.set_buffer_limit(Some(limits::TLS_BUFFER_BYTES_MAX));
        let (is_drained, is_ended, holds_tickets) = (false, false, false);
        Ok(Self { socket, session, is_drained, plaintext: 0, is_ended, holds_tickets, moved: 0 })
    }

    /// Whether the handshake is not over.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// Whether both sides agreed on HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.session.alpn_protocol() == Some(HTTP2)
    }

    /// Whether a read would find something, the end included, without the kernel telling so again.
    pub(crate) const fn has_more(&self) -> bool {
        self.plaintext > 0 || self.is_ended || !self.is_drained
    }

    /// Reads what is decrypted; 0 is the end.
    pub(crate) fn receive(&mut self, into: &mut [u8]) -> Result<usize, Errno> {
        self.is_drained = false;
        loop {
            match self.session.reader().read(into) {
                Ok(read) => {
                    self.plaintext -= read.min(self.plaintext);
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Without the alert that closes: whoever cut the connection, nothing more comes.
                Err(_) => return Ok(0),
            }
            if self.is_drained {
                return Err(Errno::AGAIN);
            }
            let mut source = Source { socket: &self.socket, is_drained: &mut self.is_drained };
            match self.session.read_tls(&mut source) {
                Ok(_) => self.understand()?,
                Err(error) => return Err(errno(&error)),
            }
        }
    }

    fn understand(&mut self) -> Result<(), Errno> {
        let was_handshaking = self.session.is_handshaking();
        let understood = self.session.process_new_packets();
        let is_tls13 = self.session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let has_ended = was_handshaking && !self.session.is_handshaking() && is_tls13;
        // All that is left to say of the handshake are tickets. When the first request has come already, they leave with its
        // answer instead of by themselves.
        self.holds_tickets =
            has_ended && understood.as_ref().is_ok_and(|state| state.plaintext_bytes_to_read() > 0);
        // Answers of the handshake, or the alert that says what was wrong.
        let flushed = if self.holds_tickets { Ok(()) } else { self.flush() };
        let state = understood.map_err(|_| Errno::PROTO)?;
        self.plaintext = state.plaintext_bytes_to_read();
        self.is_ended = state.peer_has_closed();
        match flushed {
            Ok(()) | Err(Errno::AGAIN) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Encrypts and sends as much as there is room for; behind the end of it, that nothing more comes.
    pub(crate) fn send(&mut self, bytes: &[u8], follows: Follows) -> Result<usize, Errno> {
        if !std::mem::take(&mut self.holds_tickets) {
            self.flush()?;
        }
        let taken = self.session.writer().write(bytes).map_err(|error| errno(&error))?;
        if taken == bytes.len() && follows == Follows::End {
            self.session.send_close_notify();
        }
        // What was taken must not be given again, whatever the kernel said.
        match self.flush() {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR) => Ok(taken),
            Err(errno) => Err(errno),
        }
    }

    /// Sends what is encrypted already; [`Errno::AGAIN`] when some of it is left.
    pub(crate) fn flush(&mut self) -> Result<(), Errno> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Sink { socket: &self.socket }) {
                Ok(moved) => self.moved += u64::try_from(moved).unwrap_or(0),
                Err(error) => return Err(errno(&error)),
            }
        }
        Ok(())
    }

    /// Whether everything that is encrypted is with the kernel.
    pub(crate) fn is_flushed(&self) -> bool {
        !self.session.wants_write()
    }

    /// Bytes that the kernel took so far.
    pub(crate) const fn moved(&self) -> u64 {
        self.moved
    }

    /// Tells the peer that nothing more comes, as far as there is room for that.
    pub(crate) fn close(&mut self) {
        self.session.send_close_notify();
        let _sent = self.flush();
    }
}

struct Source<'a> {
    socket: &'a OwnedFd,
    is_drained: &'a mut bool,
}

impl io::Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (read, _) = rustix::net::recv(self.socket, &mut *into, RecvFlags::empty())?;
        *self.is_drained = read < into.len();
        Ok(read)
    }
}

struct Sink<'a> {
    socket: &'a OwnedFd,
}

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let control = &mut SendAncillaryBuffer::default();
        Ok(rustix::net::sendmsg(self.socket, slices, control, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the system's own list of errors grows")]
fn errno(error: &io::Error) -> Errno {
    match error.kind() {
        io::ErrorKind::WouldBlock => Errno::AGAIN,
        io::ErrorKind::Interrupted => Errno::INTR,
        _ => Errno::from_io_error(error).unwrap_or(Errno::PROTO),
    }
}
