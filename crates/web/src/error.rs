//! Why the web server does not start, or cannot do what it is told while it runs. What goes wrong with one request is an
//! answer, and never comes here.

use std::io;
use std::path::PathBuf;

/// What happened, why, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder to serve is not there.
    #[error("the folder to serve does not exist: {path}; make it, or name another one", path = .path.display())]
    RootMissing {
        /// The folder.
        path: PathBuf,
    },
    /// The folder to serve is something else.
    #[error("what is to be served is not a folder: {path}; name the folder that holds it", path = .path.display())]
    RootNotDirectory {
        /// The path.
        path: PathBuf,
    },
    /// The folder to serve may not be entered.
    #[error("this user may not enter the folder to serve: {path}; change its permissions, or run as a user who may", path = .path.display())]
    RootNotPermitted {
        /// The folder.
        path: PathBuf,
    },
    /// The folder to serve cannot be opened for another reason.
    #[error("the folder to serve cannot be opened: {path}", path = .path.display())]
    Root {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// After a reload the folder would be another one than the event loops may read.
    #[error("{path} is another folder now than the one that the event loops are confined to; start the server anew", path = .path.display())]
    RootMoved {
        /// The folder.
        path: PathBuf,
    },
    /// There is no such user or group.
    #[error("this machine has no user or group {name}; `getent passwd` and `getent group` list those it has")]
    UserUnknown {
        /// As it was given.
        name: String,
    },
    /// The server may not become that user.
    #[error("only root may become {name}; start the server as root, or as that user without naming it")]
    UserNotPermitted {
        /// As it was given.
        name: String,
    },
    /// Becoming that user fails for another reason.
    #[error("cannot become {name}")]
    User {
        /// As it was given.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// What is to stand for folders is no file name.
    #[error(
        "a file that stands for its folder is named by one plain file name without slashes or a leading dot, and {name:?} is none; \
         name one such as index.html"
    )]
    Index {
        /// As it was given.
        name: String,
    },
    /// Nothing to serve.
    #[error("no site is given; name at least one folder to serve")]
    NoSite,
    /// Nowhere to listen.
    #[error("no address is given to listen on; name at least one")]
    NoListener,
    /// Another program listens there.
    #[error("{address} is in use by another program; stop it, or listen elsewhere")]
    AddressInUse {
        /// The address.
        address: String,
    },
    /// Something else stands where a Unix socket is to be made.
    #[error(
        "{path} exists and is no socket, so nothing can listen there, and it is not removed; name another path, or remove it \
         yourself",
        path = .path.display()
    )]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The user may not listen there.
    #[error(
        "this user may not listen on {address}; ports below 1024 need CAP_NET_BIND_SERVICE, or take a higher one"
    )]
    AddressNotPermitted {
        /// The address.
        address: String,
    },
    /// This machine has no such address.
    #[error("this machine has no address {address}; `ip address` lists those it has")]
    AddressNotAvailable {
        /// The address.
        address: String,
    },
    /// Listening fails for another reason.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The access log cannot be written.
    #[error("the access log cannot be opened: {path}; {advice}", path = .path.display(), advice = advice_for_log(source))]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] switchboard_tls::TlsError),
    /// A thread, or what it waits with, cannot be made.
    #[error("the system has no room for the server's threads and descriptors; raise the limits of this user")]
    Resources {
        /// What the system said.
        source: io::Error,
    },
}

fn advice_for_log(source: &io::Error) -> &'static str {
    if rustix::io::Errno::from_io_error(source) == Some(rustix::io::Errno::NXIO) {
        // Sockets are refused in the same words as pipes.
        return "it is a pipe that nobody reads, or a socket; start what reads the pipe first, or name a file";
    }
    "its folder must exist and be writable"
}
