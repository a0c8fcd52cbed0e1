//! A socket, plain or under TLS, that never blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_tcp_quickack;
use rustls::ClientConnection;

use crate::limits::RECEIVE_CHUNK_BYTES;

/// The connection.
pub(super) struct Wire {
    pub(super) socket: TcpStream,
    pub(super) tls: Option<ClientConnection>,
    outgoing: Vec<u8>,
    /// How much of `outgoing` the network took.
    taken: usize,
    /// How much behind it is encrypted, and waits as the one record that is not out.
    encrypted: usize,
    /// Whether something came after what was sent last.
    heard: bool,
}

/// Bytes of one record of TLS (RFC 8446 section 5.1).
const RECORD_BYTES_MAX: usize = 16 << 10;

impl Wire {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, tls: None, outgoing: Vec::new(), taken: 0, encrypted: 0, heard: false }
    }

    /// Makes the socket ready and says which address this side has.
    pub(super) fn prepare(&self) -> io::Result<IpAddr> {
        self.socket.set_nonblocking(true)?;
        // What belongs together is written together, so nothing is gained by holding small packets back.
        self.socket.set_nodelay(true)?;
        Ok(self.socket.local_addr()?.ip())
    }

    /// Takes bytes to be sent by [`Self::flush`].
    pub(super) fn queue(&mut self, bytes: Vec<u8>) {
        if self.outgoing.is_empty() {
            self.outgoing = bytes;
            return;
        }
        // A slow network never takes all, and what it took must not be kept until it does.
        if self.taken > self.outgoing.len() / 2 {
            self.outgoing.drain(..self.taken);
            self.taken = 0;
        }
        self.outgoing.extend_from_slice(&bytes);
    }

    /// How many bytes the network has not taken. Encrypted ones count until their record is out: one that is not whole cannot be read.
    pub(super) fn waiting(&self) -> usize {
        self.outgoing.len() - self.taken
    }

    /// Sends as much as the network takes now.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.heard &= self.waiting() == 0;
        loop {
            if let Some(tls) = &mut self.tls {
                while tls.wants_write() {
                    match tls.write_tls(&mut self.socket) {
                        Ok(_) => {}
                        Err(error) if blocks(&error) => return Ok(()),
                        Err(error) => return Err(error),
                    }
                }
            }
            self.taken += std::mem::take(&mut self.encrypted);
            if self.taken == self.outgoing.len() {
                self.outgoing.clear();
                self.taken = 0;
                return Ok(());
            }
            let unsent = &self.outgoing[self.taken..];
            let written = match &mut self.tls {
                // One record at a time, so that it is known which bytes can have been read.
                Some(tls) => {
                    let record = &unsent[..unsent.len().min(RECORD_BYTES_MAX)];
                    tls.writer().write(record).map(|length| self.encrypted = length)
                }
                None => self.socket.write(unsent).and_then(|length| match length {
                    0 => Err(ErrorKind::WriteZero.into()),
                    _ => {
                        self.taken += length;
                        Ok(())
                    }
                }),
            };
            match written {
                Ok(()) => {}
                Err(error) if blocks(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until something can be read, or sent when something waits; whether it can be read.
    pub(super) fn wait(&mut self, patience_ms: u64) -> io::Result<bool> {
        // What came in one packet with the end of the handshake does not make the socket readable again.
        if let Some(tls) = &mut self.tls
            && tls.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() > 0)
        {
            return Ok(true);
        }
        // A server that answers in two writes keeps the second back until the first is acknowledged (Nagle), and the kernel would wait
        // 40 ms for something to acknowledge it with.
        if std::mem::take(&mut self.heard) && self.waiting() == 0 {
            let _only_a_hint = set_tcp_quickack(&self.socket, true);
        }
        let mut interest = PollFlags::IN;
        if self.waiting() > 0 || self.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
            interest |= PollFlags::OUT;
        }
        let mut sockets = [PollFd::new(&self.socket, interest)];
        let patience = Duration::from_millis(patience_ms.min(u64::from(u32::MAX)));
        let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
        match poll(&mut sockets, Some(&patience)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let happened = sockets[0].revents();
        Ok(happened.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR))
    }

    /// What came; empty when there is nothing yet, `None` at the end.
    pub(super) fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.heard = true;
        let mut bytes = vec![0; RECEIVE_CHUNK_BYTES];
        let read = match &mut self.tls {
            None => self.socket.read(&mut bytes),
            Some(tls) => {
                match tls.read_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if blocks(&error) => {}
                    Err(error) => return Err(error),
                }
                let state = tls.process_new_packets().map_err(io::Error::other)?;
                // All of it: what is left here does not make the socket readable again.
                bytes.resize(state.plaintext_bytes_to_read().max(1), 0);
                tls.reader().read(&mut bytes)
            }
        };
        match read {
            Ok(0) => Ok(None),
            Ok(length) => {
                bytes.truncate(length);
                Ok(Some(bytes))
            }
            Err(error) if blocks(&error) => Ok(Some(Vec::new())),
            Err(error) => Err(error),
        }
    }

    /// Ends the connection. When everything was sent, TLS is ended too; else nothing more leaves.
    pub(super) fn close(&mut self) {
        if self.waiting() > 0 {
            return;
        }
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // The server needs it no more than this side.
            let _sent = tls.write_tls(&mut self.socket);
        }
    }
}

pub(super) fn blocks(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
