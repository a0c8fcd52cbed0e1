//! A TLS connection for a thread that waits to the microsecond: reads and writes what is there, and waits for either or for a
//! time. Absent: what is said on it, and when to give up.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use switchboard_tls::{CALL_PROTOCOL, check_protocol};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection};

use crate::lab::loss::limits::{HANDSHAKE_MS_MAX, READ_BYTES};

/// A connection.
pub(super) struct Wire {
    socket: TcpStream,
    tls: ClientConnection,
}

impl Wire {
    /// Connects and shakes hands.
    pub(super) fn connect(
        address: SocketAddr,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let patience = Some(Duration::from_millis(HANDSHAKE_MS_MAX));
        socket.set_read_timeout(patience)?;
        socket.set_write_timeout(patience)?;
        let mut tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        check_protocol(&tls, CALL_PROTOCOL, &address.to_string()).map_err(io::Error::other)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, tls })
    }

    /// Sends these bytes, as far as the socket takes them now; the rest follows when [`Self::wait`] says so.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(bytes)?;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until bytes can be read, bytes that wait can be written, or the time is over; writes them.
    pub(super) fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        let mut events = PollFlags::IN;
        if self.tls.wants_write() {
            events |= PollFlags::OUT;
        }
        let time = Timespec::try_from(at_most).map_err(io::Error::other)?;
        let mut watched = [PollFd::new(&self.socket, events)];
        match poll(&mut watched, Some(&time)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => self.flush(),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes that came; none when nothing came so far.
    pub(super) fn receive(&mut self) -> io::Result<Vec<u8>> {
        match self.tls.read_tls(&mut self.socket) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
        self.tls.process_new_packets().map_err(io::Error::other)?;
        let mut received = Vec::new();
        let mut piece = [0; READ_BYTES];
        loop {
            match self.tls.reader().read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => received.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(received),
                Err(error) => return Err(error),
            }
        }
    }
}
