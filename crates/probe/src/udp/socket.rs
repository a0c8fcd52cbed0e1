//! A UDP socket with kernel stamps, and the control messages around a datagram. Absent: what a datagram says.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use nix::sys::socket::sockopt;
use nix::sys::socket::{ControlMessageOwned, SockaddrStorage, TimestampingFlag, setsockopt};
use nix::sys::time::TimeSpec;

use crate::error::ProbeError;
use crate::time::Timestamp;

/// What came with a datagram.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around {
    pub(super) stamp: Option<Timestamp>,
    pub(super) ttl: Option<u8>,
    pub(super) traffic_class: Option<u8>,
    pub(super) destination: Option<IpAddr>,
    /// Of what the error queue says: its origin, its number, its error, who said it.
    pub(super) complaint: Option<Complaint>,
}

/// An entry of the error queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Complaint {
    pub(super) origin: u8,
    pub(super) number: u32,
    pub(super) errno: u32,
    pub(super) from: Option<IpAddr>,
}

/// `SO_EE_ORIGIN_TIMESTAMPING` of linux/errqueue.h: not a complaint, a stamp of something sent.
pub(super) const ORIGIN_STAMP: u8 = 4;

/// Room for the control messages of one datagram.
pub(super) fn control_space() -> Vec<u8> {
    // Three timespec, a packet info of IPv6, TTL and traffic class, and an error with the address of who reports it.
    nix::cmsg_space!([TimeSpec; 3], [u8; 20], i32, i32, [u8; 48])
}

/// A socket that listens.
#[expect(clippy::wildcard_enum_match_arm, reason = "the system's own list of errors grows")]
pub(super) fn listening(address: SocketAddr) -> Result<UdpSocket, ProbeError> {
    let socket = UdpSocket::bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ProbeError::PortInUse { address },
        io::ErrorKind::PermissionDenied => ProbeError::PortNotPermitted { address },
        io::ErrorKind::AddrNotAvailable => ProbeError::NoSuchAddress { address },
        _ => ProbeError::Socket { action: "open a socket", address, source },
    })?;
    let wildcard = address.ip().is_unspecified();
    let done = match address {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)
            .and_then(|()| setsockopt(&socket, sockopt::IpRecvTos, &true))
            .and_then(|()| setsockopt(&socket, sockopt::Ipv4PacketInfo, &wildcard)),
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)
            .and_then(|()| setsockopt(&socket, sockopt::Ipv6RecvTClass, &true))
            .and_then(|()| setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &wildcard)),
    };
    done.map_err(|error| refused("ask for the circumstances of packets", address, error))?;
    // Without stamps of the kernel the driver takes its own.
    let _without = setsockopt(&socket, sockopt::ReceiveTimestampns, &true);
    Ok(socket)
}

/// How a sending socket is to be set up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sending {
    pub(super) ttl: Option<u8>,
    pub(super) dscp: Option<u8>,
    pub(super) do_not_fragment: bool,
    pub(super) from: Option<IpAddr>,
}

/// A socket that is connected to `address`, and whether the kernel stamps what it sends.
#[expect(clippy::wildcard_enum_match_arm, reason = "the system's own list of errors grows")]
pub(super) fn connected(address: SocketAddr, sending: &Sending) -> Result<(UdpSocket, bool), ProbeError> {
    if let Some(from) = sending.from.filter(|from| from.is_ipv4() != address.is_ipv4()) {
        return Err(ProbeError::OtherFamily { address, from });
    }
    if !is_one_host(address.ip()) {
        return Err(ProbeError::NotOneHost { address });
    }
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let from = SocketAddr::new(sending.from.unwrap_or(any), 0);
    let socket = UdpSocket::bind(from).map_err(|source| match source.kind() {
        io::ErrorKind::AddrNotAvailable => ProbeError::NoSuchAddress { address: from },
        _ => ProbeError::Socket { action: "open a socket", address, source },
    })?;
    options(&socket, address, sending).map_err(|error| refused("set up the packets", address, error))?;
    if sending.do_not_fragment {
        keep_whole(&socket, address).map_err(|error| ProbeError::Socket {
            action: "forbid fragments",
            address,
            source: error.into(),
        })?;
    }
    socket.connect(address).map_err(|source| match source.kind() {
        // From the address that was asked for, there may be no way, or none at all.
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::InvalidInput => {
            ProbeError::NoRoute { address }
        }
        // The broadcast address of a network of this machine.
        io::ErrorKind::PermissionDenied => ProbeError::NotOneHost { address },
        _ => ProbeError::Socket { action: "aim a socket", address, source },
    })?;
    let stamps = receive_stamps()
        | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    let stamped = setsockopt(&socket, sockopt::Timestamping, &stamps).is_ok();
    Ok((socket, stamped))
}

fn is_one_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_broadcast() || v4.is_multicast() || v4.is_unspecified()),
        IpAddr::V6(v6) => !(v6.is_multicast() || v6.is_unspecified()),
    }
}

fn options(socket: &UdpSocket, address: SocketAddr, sending: &Sending) -> nix::Result<()> {
    let class = sending.dscp.map(|dscp| i32::from(dscp) << 2);
    let ttl = sending.ttl.map(i32::from);
    match address {
        SocketAddr::V4(_) => {
            setsockopt(socket, sockopt::Ipv4RecvTtl, &true)?;
            setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
            class.map_or(Ok(()), |class| setsockopt(socket, sockopt::Ipv4Tos, &class))?;
            ttl.map_or(Ok(()), |ttl| setsockopt(socket, sockopt::Ipv4Ttl, &ttl))
        }
        SocketAddr::V6(_) => {
            setsockopt(socket, sockopt::Ipv6RecvHopLimit, &true)?;
            setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
            class.map_or(Ok(()), |class| setsockopt(socket, sockopt::Ipv6TClass, &class))?;
            ttl.map_or(Ok(()), |ttl| setsockopt(socket, sockopt::Ipv6Ttl, &ttl))
        }
    }
}

fn keep_whole(socket: &UdpSocket, address: SocketAddr) -> rustix::io::Result<()> {
    use rustix::net::sockopt as options;
    match address {
        SocketAddr::V4(_) => options::set_ip_mtu_discover(socket, options::Ipv4PathMtuDiscovery::PROBE),
        SocketAddr::V6(_) => options::set_ipv6_mtu_discover(socket, options::Ipv6PathMtuDiscovery::PROBE),
    }
}

/// The kernel's stamps of what is received.
fn receive_stamps() -> TimestampingFlag {
    TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
}

fn refused(action: &'static str, address: SocketAddr, error: nix::Error) -> ProbeError {
    ProbeError::Socket { action, address, source: error.into() }
}

/// Reads the control messages of a datagram.
#[expect(clippy::wildcard_enum_match_arm, reason = "the kernel has more messages than were asked for")]
pub(super) fn around(messages: impl Iterator<Item = ControlMessageOwned>) -> Around {
    let mut around = Around::default();
    for message in messages {
        match message {
            ControlMessageOwned::ScmTimestampsns(stamps) => around.stamp = timestamp(stamps.system),
            ControlMessageOwned::ScmTimestampns(stamp) => around.stamp = timestamp(stamp),
            ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                around.ttl = u8::try_from(ttl).ok();
            }
            ControlMessageOwned::Ipv4Tos(class) => around.traffic_class = Some(class),
            ControlMessageOwned::Ipv6TClass(class) => around.traffic_class = u8::try_from(class).ok(),
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                let octets = info.ipi_addr.s_addr.to_ne_bytes();
                around.destination = Some(Ipv4Addr::from(octets).into());
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                around.destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
            }
            ControlMessageOwned::Ipv4RecvErr(error, from) => {
                let from = from.map(|from| Ipv4Addr::from(from.sin_addr.s_addr.to_ne_bytes()).into());
                around.complaint = Some(complaint(error.ee_origin, error.ee_data, error.ee_errno, from));
            }
            ControlMessageOwned::Ipv6RecvErr(error, from) => {
                let from = from.map(|from| Ipv6Addr::from(from.sin6_addr.s6_addr).into());
                around.complaint = Some(complaint(error.ee_origin, error.ee_data, error.ee_errno, from));
            }
            _ => {}
        }
    }
    around
}

fn complaint(origin: u8, number: u32, errno: u32, from: Option<IpAddr>) -> Complaint {
    Complaint { origin, number, errno, from: from.filter(|from| !from.is_unspecified()) }
}

/// The zero of a stamp that was not taken is no time.
fn timestamp(time: TimeSpec) -> Option<Timestamp> {
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    let nanos = u64::try_from(time.tv_nsec()).ok()?;
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?;
    (nanos > 0).then_some(Timestamp::from_nanos(nanos))
}

/// The address of a sender, where it is one of the internet.
pub(super) fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from(*v4));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::from(*v6)))
}
