//! What keeps the probe from measuring at all. Absent: what happens to single packets; that is a result.

use std::io;
use std::net::{IpAddr, SocketAddr};

/// Why the driver could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Another program listens there.
    #[error("{address} is in use by another program")]
    PortInUse {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The port needs a right that this user lacks.
    #[error("this user may not listen on {address}: ports below 1024 need a right of their own")]
    PortNotPermitted {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// This machine has no such address.
    #[error("{address} is no address of this machine")]
    NoSuchAddress {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// There is no way to the target.
    #[error("no route to {address}")]
    NoRoute {
        /// The target.
        address: SocketAddr,
    },
    /// The target is no single host.
    #[error("{address} stands for many hosts or for none, not for a target")]
    NotOneHost {
        /// The target.
        address: SocketAddr,
    },
    /// Source and target are of different families.
    #[error("probes to {address} cannot come from {from}: one is IPv4, the other IPv6")]
    OtherFamily {
        /// The target.
        address: SocketAddr,
        /// Where probes were to come from.
        from: IpAddr,
    },
    /// The system refuses what was asked of a socket.
    #[error("cannot {action} for {address}")]
    Socket {
        /// What was being done.
        action: &'static str,
        /// For whom.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system refuses to wait.
    #[error("cannot {action}")]
    System {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
