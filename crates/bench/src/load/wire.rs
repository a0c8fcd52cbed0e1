//! A stream that never blocks: TCP, or TLS over it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::ClientConnection;
use switchboard_tls::{CALL_PROTOCOL, Fingerprint, ServerAddress, Trust, client_config};

/// Where the server listens.
#[derive(Clone, Debug)]
pub enum Target {
    /// In the clear; the server takes us for the operator.
    Tcp(SocketAddr),
    /// Under TLS; the key is pinned, the credential makes us the operator.
    Tls(SocketAddr, Fingerprint, [u8; 32]),
}

/// Received bytes taken at a time.
const READ_BYTES: usize = 64 * 1024;

/// One connection's stream.
#[derive(Debug)]
pub(crate) struct Wire {
    tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// Bytes that the socket has not taken.
    out: Vec<u8>,
}

impl Target {
    /// What the hello presents.
    pub(super) fn credential(&self) -> Option<[u8; 32]> {
        match self {
            Self::Tcp(_) => None,
            Self::Tls(_, _, credential) => Some(*credential),
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Tcp(address) | Self::Tls(address, ..) => *address,
        }
    }
}

impl Wire {
    /// Connects, and shakes hands under TLS. Blocks.
    pub(super) fn connect(target: &Target) -> Result<Self> {
        let mut tcp = TcpStream::connect(target.address()).context("cannot connect")?;
        tcp.set_nodelay(true)?;
        let tls = match target {
            Target::Tcp(_) => None,
            Target::Tls(address, fingerprint, _) => {
                let name = ServerAddress::new(&address.ip().to_string(), address.port())?;
                let config = client_config(&Trust::Pin(*fingerprint), &name, &[CALL_PROTOCOL])?;
                let mut tls = ClientConnection::new(Arc::clone(&config.config()), config.server_name())?;
                while tls.is_handshaking() {
                    tls.complete_io(&mut tcp).context("the TLS handshake failed")?;
                }
                Some(Box::new(tls))
            }
        };
        Ok(Self::over(tcp, tls))
    }

    /// Over a connection; a handshake that is not complete goes on as bytes are sent and received.
    pub(crate) fn over(tcp: TcpStream, tls: Option<Box<ClientConnection>>) -> Self {
        Self { tcp, tls, out: Vec::new() }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.tcp
    }

    /// Sends what it can of `plain`, and of what was left over.
    pub(crate) fn send(&mut self, plain: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.tls {
            None if self.out.is_empty() => std::mem::swap(&mut self.out, plain),
            None => self.out.append(plain),
            Some(tls) => {
                tls.set_buffer_limit(None);
                tls.writer().write_all(plain)?;
                plain.clear();
                while tls.wants_write() {
                    tls.write_tls(&mut self.out)?;
                }
            }
        }
        while !self.out.is_empty() {
            match self.tcp.write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Hands received bytes to `take`; false when there are none now.
    pub(crate) fn receive(&mut self, scratch: &mut Vec<u8>, mut take: impl FnMut(&[u8])) -> io::Result<bool> {
        scratch.resize(READ_BYTES, 0);
        let count = match self.tcp.read(scratch) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let Some(tls) = &mut self.tls else {
            take(&scratch[..count]);
            return Ok(count == READ_BYTES);
        };
        let mut sealed = &scratch[..count];
        let mut opened = [0; 16 * 1024];
        while !sealed.is_empty() {
            tls.read_tls(&mut sealed)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            loop {
                match tls.reader().read(&mut opened) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(count) => take(&opened[..count]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(count == READ_BYTES)
    }
}
