//! Who is answered at all: no reflector, no broadcast, nobody who sends too fast. Absent: what an answer says.

use std::hash::RandomState;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::table::Table;
use super::{Arrival, Options};
use crate::limits::{BUCKETS_MAX, NETWORK_BITS_V4, NETWORK_BITS_V6, REPLY_STAMP_WINDOW_S};
use crate::stamp::{Format, Mode, PORT, Reply};
use crate::time::Moment;

/// A full bucket lets this much pass at once.
const BURST_NS: u64 = 1_000_000_000;
/// A bucket that was not used for this long is full.
const IDLE_NS: u64 = 2 * BURST_NS;

/// UDP services that answer whatever they get: a forged request from there would begin a loop.
const ANSWERING_PORTS: [u16; 6] = [7, 13, 17, 19, 37, PORT];

/// Why a packet got no answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Silence {
    /// It is shorter than a reply would be, or empty.
    TooShort,
    /// Its session has no key here.
    UnknownSession,
    /// Its HMAC is wrong.
    BadHmac,
    /// It comes from a port whose service would answer the answer, or from this reflector itself.
    FromReflector,
    /// It looks like a reply.
    IsReply,
    /// It comes from, or was sent to, an address that stands for many hosts or for none.
    NotUnicast,
    /// Its address or network sends faster than is answered.
    TooFast,
}

impl Silence {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::TooShort,
        Self::UnknownSession,
        Self::BadHmac,
        Self::FromReflector,
        Self::IsReply,
        Self::NotUnicast,
        Self::TooFast,
    ];

    /// Its place among the counters.
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// The word for it in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::UnknownSession => "unknown_session",
            Self::BadHmac => "bad_hmac",
            Self::FromReflector => "from_reflector",
            Self::IsReply => "is_reply",
            Self::NotUnicast => "not_unicast",
            Self::TooFast => "too_fast",
        }
    }

    /// A few words for a person.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::TooShort => "too short",
            Self::UnknownSession => "of a session without a key",
            Self::BadHmac => "with a wrong HMAC",
            Self::FromReflector => "from a reflector's port",
            Self::IsReply => "that are replies",
            Self::NotUnicast => "to or from many hosts or none",
            Self::TooFast => "too fast",
        }
    }
}

/// The checks that come before an answer.
#[derive(Debug)]
pub(super) struct Gate {
    ports: Vec<u16>,
    format: Format,
    addresses: Option<Buckets>,
    networks: Option<Buckets>,
}

impl Gate {
    pub(super) fn new(options: &Options, hashing: &RandomState) -> Self {
        let buckets = |rate: Option<u32>| rate.map(|rate| Buckets::new(rate, hashing));
        Self {
            ports: options.reflector_ports.clone(),
            format: options.format,
            addresses: buckets(options.address_rate),
            networks: buckets(options.network_rate),
        }
    }

    pub(super) fn check_addresses(&self, arrival: &Arrival) -> Result<(), Silence> {
        let port = arrival.source.port();
        if ANSWERING_PORTS.contains(&port) || port == arrival.port || self.ports.contains(&port) {
            return Err(Silence::FromReflector);
        }
        let unicast = is_unicast(arrival.source.ip()) && arrival.destination.is_none_or(is_unicast);
        if unicast && port != 0 { Ok(()) } else { Err(Silence::NotUnicast) }
    }

    /// A reply that comes back to a reflector would be answered for ever. Where a request has zeros, it has a receive time.
    pub(super) fn check_not_a_reply(&self, arrival: &Arrival, packet: &[u8]) -> Result<(), Silence> {
        let Some(reply) = Reply::parse(Mode::Unauthenticated, packet) else { return Ok(()) };
        let window = i64::try_from(REPLY_STAMP_WINDOW_S * 1_000_000_000).unwrap_or(i64::MAX);
        let stamped = |format| arrival.received.nanos_since(reply.received.timestamp(format)).abs() < window;
        if stamped(Format::Ntp) || stamped(Format::Ptp) || stamped(self.format) {
            return Err(Silence::IsReply);
        }
        Ok(())
    }

    pub(super) fn check_rate(&mut self, arrival: &Arrival) -> Result<(), Silence> {
        let address = arrival.source.ip();
        let within = |buckets: &mut Option<Buckets>, address| {
            buckets.as_mut().is_none_or(|buckets| buckets.take(address, arrival.at))
        };
        if within(&mut self.addresses, address) && within(&mut self.networks, network_of(address)) {
            Ok(())
        } else {
            Err(Silence::TooFast)
        }
    }
}

/// Token buckets by address, of one second's worth each. A bucket is kept as the moment when it will be full again.
#[derive(Debug)]
struct Buckets {
    token_ns: u64,
    full_at: Table<IpAddr, u64>,
}

impl Buckets {
    fn new(rate: u32, hashing: &RandomState) -> Self {
        let token_ns = BURST_NS / u64::from(rate.max(1));
        Self { token_ns, full_at: Table::new(BUCKETS_MAX, IDLE_NS, hashing.clone()) }
    }

    fn take(&mut self, address: IpAddr, now: Moment) -> bool {
        let full_at = self.full_at.entry(address, now);
        let filled = (*full_at).max(now.nanos());
        let after = filled + self.token_ns;
        if after - now.nanos() > BURST_NS {
            return false;
        }
        *full_at = after;
        true
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX << (32 - u32::from(NETWORK_BITS_V4));
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX << (128 - u32::from(NETWORK_BITS_V6));
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

/// A directed broadcast cannot be told from a host without the netmask; the kernel refuses to send to one.
fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_broadcast() || v4.is_multicast() || v4.is_unspecified()),
        IpAddr::V6(v6) => !(v6.is_multicast() || v6.is_unspecified()),
    }
}
