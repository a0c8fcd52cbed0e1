//! Sockets that listen.
//!
//! *Promises* that an address in use by anybody is refused, also by another server of ours: TCP sockets share their port
//! among the event loops (SO_REUSEPORT), and that sharing must not reach beyond this process, so the address is first taken
//! without it. The kernel spreads new connections over the loops by a hash of the addresses: evenly in number over many
//! clients, not by load. A Unix socket is one for all loops.
//!
//! A Unix socket is removed at the end by who made it, and by nobody else: a server that ends leaves that of its successor.
//!
//! *Absent:* TLS, which is a matter of each connection.

use std::net::{Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getsockname,
    listen, socket_with, sockopt,
};

use rustls::ServerConfig;
use socket2::SockRef;

use crate::error::Error;
use crate::limits;
use crate::settings::Listener;

/// Where a server can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// By TCP; the port is the one that was found, when 0 was asked for.
    Tcp(SocketAddr),
    /// By TCP, under TLS.
    Tls(SocketAddr),
    /// By a Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}/"),
            Self::Tls(address) => write!(f, "https://{address}/"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that listens, in one event loop.
#[derive(Debug)]
pub(crate) struct Listening {
    /// The socket.
    pub(crate) socket: OwnedFd,
    /// How its connections are encrypted; none are not.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// A listener, with a socket for each event loop.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Where.
    pub(crate) address: Address,
    /// One a loop.
    pub(crate) sockets: Vec<OwnedFd>,
    /// What is to be removed at the end.
    pub(crate) file: Option<SocketFile>,
}

/// The name of a Unix socket in the file system. Dropping it removes the name, if it is still that of the same socket.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// While it is open nothing else can have its number.
    inode: OwnedFd,
}

impl SocketFile {
    fn at(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inode = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Ok(Self { path: path.to_owned(), inode })
    }

    fn is_there(&self) -> bool {
        let identity = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
        let own = rustix::fs::fstat(&self.inode).map(identity);
        let there = rustix::fs::statat(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW).map(identity);
        own.is_ok() && own == there
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_there() {
            // Where this user may not, who listens there next replaces it.
            let _removed = rustix::fs::unlink(&self.path);
        }
    }
}

/// Listens.
///
/// # Errors
/// When the address is in use, not permitted, or not one of this machine.
pub(crate) fn bound(listener: &Listener, loops: usize) -> Result<Bound, Error> {
    match listener {
        Listener::Tcp(address) | Listener::Tls(address) => {
            let (found, sockets) =
                tcp(*address, loops).map_err(|errno| failure(address.to_string(), errno))?;
            let address = match listener {
                Listener::Tls(_) => Address::Tls(found),
                Listener::Tcp(_) | Listener::Unix(_) => Address::Tcp(found),
            };
            Ok(Bound { address, sockets, file: None })
        }
        Listener::Unix(path) => unix(path, loops).map_err(|errno| unix_failure(path, errno)),
    }
}

fn tcp(wanted: SocketAddr, loops: usize) -> Result<(SocketAddr, Vec<OwnedFd>), Errno> {
    let alone = tcp_socket(wanted)?;
    bind(&alone, &wanted)?;
    let address = SocketAddr::try_from(getsockname(&alone)?).map_err(|_| Errno::AFNOSUPPORT)?;
    if loops == 1 {
        listen(&alone, limits::LISTEN_BACKLOG)?;
        return Ok((address, vec![alone]));
    }
    drop(alone);
    let sockets = (0..loops).map(|_| {
        let shared = tcp_socket(address)?;
        sockopt::set_socket_reuseport(&shared, true)?;
        bind(&shared, &address)?;
        listen(&shared, limits::LISTEN_BACKLOG)?;
        Ok(shared)
    });
    Ok((address, sockets.collect::<Result<_, Errno>>()?))
}

fn tcp_socket(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, FLAGS, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // Connections inherit both. Every answer leaves in one piece, so there is nothing to wait for.
    sockopt::set_tcp_nodelay(&socket, true)?;
    // A slow peer's answer waits here, where it is bounded, or on disk. Without the bound much of it waits in the kernel.
    let _bounded = SockRef::from(&socket).set_tcp_notsent_lowat(limits::UNSENT_BYTES_MAX);
    if let SocketAddr::V6(v6) = address {
        // [::] means both, as people expect; a certain IPv6 address means itself.
        sockopt::set_ipv6_v6only(&socket, *v6.ip() != Ipv6Addr::UNSPECIFIED)?;
    }
    Ok(socket)
}

fn unix(path: &Path, loops: usize) -> Result<Bound, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
    match bind(&socket, &address) {
        Err(Errno::ADDRINUSE) if is_abandoned(path, &address) => {
            rustix::fs::unlink(path)?;
            bind(&socket, &address)?;
        }
        other => other?,
    }
    let file = SocketFile::at(path)?;
    listen(&socket, limits::LISTEN_BACKLOG)?;
    let mut sockets = Vec::with_capacity(loops);
    for _ in 1..loops {
        sockets.push(rustix::io::fcntl_dupfd_cloexec(&socket, 0)?);
    }
    sockets.push(socket);
    Ok(Bound { address: Address::Unix(path.to_owned()), sockets, file: Some(file) })
}

/// Whether `path` is a socket on which nobody listens any more, left behind by a process that was killed.
fn is_abandoned(path: &Path, address: &SocketAddrUnix) -> bool {
    let is_socket = is_socket(path) == Some(true);
    let Ok(probe) = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None) else { return false };
    is_socket && connect(&probe, address) == Err(Errno::CONNREFUSED)
}

/// Whether what stands at `path` is a socket; none when nothing does.
fn is_socket(path: &Path) -> Option<bool> {
    std::fs::symlink_metadata(path).ok().map(|about| about.file_type().is_socket())
}

fn unix_failure(path: &Path, errno: Errno) -> Error {
    match errno {
        Errno::ADDRINUSE if is_socket(path) == Some(false) => Error::NotASocket { path: path.to_owned() },
        other => failure(path.display().to_string(), other),
    }
}

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// What it means that an address cannot be listened on.
pub(crate) fn failure(address: String, errno: Errno) -> Error {
    match errno {
        Errno::ADDRINUSE => Error::AddressInUse { address },
        Errno::ACCESS | Errno::PERM => Error::AddressNotPermitted { address },
        Errno::ADDRNOTAVAIL => Error::AddressNotAvailable { address },
        other => Error::Listen { address, source: other.into() },
    }
}

/// The address of the other side, when it has one.
pub(crate) fn peer(address: Option<SocketAddrAny>) -> Option<std::net::IpAddr> {
    SocketAddr::try_from(address?).ok().map(|address| address.ip().to_canonical())
}
