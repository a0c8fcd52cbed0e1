//! Bound listeners of every kind, and accepting from them. A server is given listeners, not addresses, so that
//! whoever starts it learns the port before the first client comes.

use std::io;
use std::net::SocketAddr;

use rustix::process::Uid;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::address::ListenAddress;
use crate::error::ServerError;
use crate::unix_socket::{self, SocketFile};

/// Where plain `tcp://` may listen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plaintext {
    /// On this machine's loopback addresses.
    LoopbackOnly,
    /// Anywhere: the operator said that the network is his.
    Anywhere,
}

/// Bound listeners; not accepting yet.
#[derive(Debug)]
pub struct Listeners {
    pub(crate) all: Vec<Listener>,
}

#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Tls(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

/// One accepted connection.
#[derive(Debug)]
pub(crate) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Tls(TcpStream, SocketAddr),
    Unix(UnixStream, Option<Uid>),
}

impl Listeners {
    /// Binds every address, or none. Port 0 takes a free port, which [`Self::addresses`] tells. Needs the
    /// tokio runtime it will be used in.
    ///
    /// # Errors
    /// The first address that cannot be had, with the reason; what was bound before it is released.
    pub fn bind(addresses: &[ListenAddress], plaintext: Plaintext) -> Result<Self, ServerError> {
        let all = addresses.iter().map(|address| bind(address, plaintext)).collect::<Result<_, _>>()?;
        Ok(Self { all })
    }

    /// The addresses bound, each with its true port, in the order given.
    #[must_use]
    pub fn addresses(&self) -> Vec<ListenAddress> {
        self.all.iter().map(Listener::address).collect()
    }
}

fn bind(address: &ListenAddress, plaintext: Plaintext) -> Result<Listener, ServerError> {
    match address {
        ListenAddress::Tcp(at) => {
            if plaintext == Plaintext::LoopbackOnly && !at.ip().to_canonical().is_loopback() {
                return Err(ServerError::PlaintextOffLoopback(*at));
            }
            bind_tcp(*at, address).map(|(listener, at)| Listener::Tcp(listener, at))
        }
        ListenAddress::Tls(at) => bind_tcp(*at, address).map(|(listener, at)| Listener::Tls(listener, at)),
        ListenAddress::Unix(path) => {
            unix_socket::bind(path).map(|(listener, file)| Listener::Unix(listener, file))
        }
    }
}

fn bind_tcp(at: SocketAddr, listen: &ListenAddress) -> Result<(TcpListener, SocketAddr), ServerError> {
    let listen = listen.to_string();
    let bound = std::net::TcpListener::bind(at).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let at = listener.local_addr()?;
        Ok((TcpListener::from_std(listener)?, at))
    });
    bound.map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            ServerError::PortInUse { listen, address: at }
        } else if source.kind() == io::ErrorKind::AddrNotAvailable {
            ServerError::NoSuchAddress { listen, address: at }
        } else {
            ServerError::Listen { listen, source }
        }
    })
}

impl Listener {
    pub(crate) fn address(&self) -> ListenAddress {
        match self {
            Self::Tcp(_, at) => ListenAddress::Tcp(*at),
            Self::Tls(_, at) => ListenAddress::Tls(*at),
            Self::Unix(_, file) => ListenAddress::Unix(file.path().to_owned()),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener, _) => accept_tcp(listener).await.map(|(s, peer)| Accepted::Tcp(s, peer)),
            Self::Tls(listener, _) => accept_tcp(listener).await.map(|(s, peer)| Accepted::Tls(s, peer)),
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred().ok().map(|credentials| Uid::from_raw(credentials.uid()));
                Ok(Accepted::Unix(stream, uid))
            }
        }
    }
}

async fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // Replies leave whole, in one write; waiting for more would only delay them.
    stream.set_nodelay(true)?;
    Ok((stream, peer))
}
