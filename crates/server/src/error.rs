//! Why a server cannot listen. What goes wrong on one connection is told to its peer and to the log, and is
//! no error of the server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::limits::SOCKET_PATH_BYTES_MAX;

/// The errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Another program has the port.
    #[error(
        "cannot listen on {listen}: port {} of {} is in use by another program; stop that program \
         (ss -ltnp 'sport = :{}' names it) or choose another port",
        .address.port(), .address.ip(), .address.port()
    )]
    PortInUse {
        /// As configured.
        listen: String,
        /// The address and port.
        address: SocketAddr,
    },
    /// The address belongs to no interface of this machine.
    #[error("cannot listen on {listen}: this machine has no address {}; `ip address` lists those it has", .address.ip())]
    NoSuchAddress {
        /// As configured.
        listen: String,
        /// The address and port.
        address: SocketAddr,
    },
    /// Plain frames would cross a network.
    #[error(
        "will not listen on tcp://{0}: its frames, money and all, would cross the network in the clear; use \
         tls://{0}, listen on 127.0.0.1, or allow plaintext (--allow-plaintext)"
    )]
    PlaintextOffLoopback(SocketAddr),
    /// A `tls://` listener without an identity to show.
    #[error("cannot listen on {listen}: no TLS identity is configured")]
    NoIdentity {
        /// As configured.
        listen: String,
    },
    /// `sun_path` is too small.
    #[error(
        "cannot listen on unix:{}: the path has {} bytes and the system's limit is {SOCKET_PATH_BYTES_MAX} bytes; \
         choose a shorter one",
        .0.display(), .0.as_os_str().len()
    )]
    SocketPathTooLong(PathBuf),
    /// A server answers at the socket.
    #[error("cannot listen on unix:{}: a server is already running there; stop it or choose another path", .0.display())]
    SocketInUse(PathBuf),
    /// Something else lies where the socket should be.
    #[error(
        "cannot listen on unix:{}: there is a file of another kind there, which is left alone; move it away or \
         choose another path",
        .0.display()
    )]
    NotASocket(PathBuf),
    /// The store does not say which it is.
    #[error("cannot read the store's id")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Anything else that the system refuses.
    #[error("cannot listen on {listen}")]
    Listen {
        /// As configured.
        listen: String,
        /// What the system said.
        source: io::Error,
    },
}
