//! The fixed part of test packets: what a Session-Sender asks and what a Session-Reflector answers (RFC 8762 §4.2, §4.3,
//! with the session id of RFC 8972 §3). What follows the fixed part are TLVs.
//!
//! ```text
//!                  unauthenticated, 44 octets          authenticated, 112 octets
//!  request  0 sequence                                 0 sequence
//!           4 timestamp        T1                     16 timestamp        T1
//!          12 error estimate, 14 session id           24 error estimate, 26 session id
//!          16 zero                                    28 zero                            96 HMAC of octets 0 to 95
//!  reply    0 sequence of the reflector                0 sequence of the reflector
//!           4 timestamp        T3                     16 timestamp        T3
//!          12 error estimate, 14 session id           24 error estimate, 26 session id
//!          16 receive time     T2                     32 receive time     T2
//!          24 sequence of the request                 48 sequence of the request
//!          28 timestamp of it  T1                     64 timestamp of it  T1
//!          36 error estimate of it                    72 error estimate of it
//!          40 TTL or hop limit of it                  80 TTL or hop limit of it          96 HMAC of octets 0 to 95
//! ```
//! What is not named is zero when sent and ignored when received.

use super::clock::{ErrorEstimate, WireTime};

/// Fixed octets of an unauthenticated packet.
pub const UNAUTHENTICATED_BYTES: usize = 44;
/// Fixed octets of an authenticated packet, its HMAC included.
pub const AUTHENTICATED_BYTES: usize = 112;
/// Where the HMAC of an authenticated packet begins: it covers what stands before it.
pub const HMAC_OFFSET: usize = 96;
/// What a sender of TWAMP Light (RFC 5357 appendix I) may send at the least: sequence, timestamp, error estimate.
pub const TWAMP_LIGHT_BYTES: usize = 14;

/// Whether packets carry an HMAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// No HMAC, 44 fixed octets.
    Unauthenticated,
    /// HMAC-SHA-256-128, 112 fixed octets.
    Authenticated,
}

impl Mode {
    /// Octets of the fixed part.
    #[must_use]
    pub const fn fixed_bytes(self) -> usize {
        match self {
            Self::Unauthenticated => UNAUTHENTICATED_BYTES,
            Self::Authenticated => AUTHENTICATED_BYTES,
        }
    }

    const fn layout(self) -> &'static Layout {
        match self {
            Self::Unauthenticated => &UNAUTHENTICATED,
            Self::Authenticated => &AUTHENTICATED,
        }
    }
}

/// Where each field begins; the sequence begins at zero.
struct Layout {
    timestamp: usize,
    error: usize,
    session: usize,
    received: usize,
    request_sequence: usize,
    request_timestamp: usize,
    request_error: usize,
    request_ttl: usize,
}

const UNAUTHENTICATED: Layout = Layout {
    timestamp: 4,
    error: 12,
    session: 14,
    received: 16,
    request_sequence: 24,
    request_timestamp: 28,
    request_error: 36,
    request_ttl: 40,
};

const AUTHENTICATED: Layout = Layout {
    timestamp: 16,
    error: 24,
    session: 26,
    received: 32,
    request_sequence: 48,
    request_timestamp: 64,
    request_error: 72,
    request_ttl: 80,
};

/// Where a request has its timestamp.
pub(crate) const fn sent_offset(mode: Mode) -> usize {
    mode.layout().timestamp
}

/// Where a reply has the timestamp of its request.
pub(crate) const fn request_sent_offset(mode: Mode) -> usize {
    mode.layout().request_timestamp
}

/// The fixed part of a Session-Sender's packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Rises by one with each packet.
    pub sequence: u32,
    /// T1, as the sender wrote it.
    pub sent: WireTime,
    /// Of the sender's clock, with the format of T1.
    pub error: ErrorEstimate,
    /// The session of the sender (SSID); zero where the sender knows no sessions.
    pub session: u16,
}

impl Request {
    /// Writes the fixed part over the start of `packet`; an HMAC is left to be made. False, and nothing written, when the
    /// fixed part does not fit.
    #[must_use]
    pub fn write(&self, mode: Mode, packet: &mut [u8]) -> bool {
        let Some(fixed) = packet.get_mut(..mode.fixed_bytes()) else { return false };
        let layout = mode.layout();
        fixed.fill(0);
        put(fixed, 0, self.sequence.to_be_bytes());
        put(fixed, layout.timestamp, self.sent.0.to_be_bytes());
        put(fixed, layout.error, self.error.to_bytes());
        put(fixed, layout.session, self.session.to_be_bytes());
        true
    }

    /// Reads the fixed part; `None` when it is shorter. An HMAC is not looked at.
    #[must_use]
    pub fn parse(mode: Mode, packet: &[u8]) -> Option<Self> {
        let fixed = packet.get(..mode.fixed_bytes())?;
        let layout = mode.layout();
        Some(Self {
            sequence: u32::from_be_bytes(take(fixed, 0)?),
            sent: WireTime(u64::from_be_bytes(take(fixed, layout.timestamp)?)),
            error: ErrorEstimate::from_bytes(take(fixed, layout.error)?),
            session: u16::from_be_bytes(take(fixed, layout.session)?),
        })
    }

    /// Reads a packet of TWAMP Light, which has no session and may be as short as [`TWAMP_LIGHT_BYTES`].
    #[must_use]
    pub fn parse_short(packet: &[u8]) -> Option<Self> {
        Some(Self {
            sequence: u32::from_be_bytes(take(packet, 0)?),
            sent: WireTime(u64::from_be_bytes(take(packet, UNAUTHENTICATED.timestamp)?)),
            error: ErrorEstimate::from_bytes(take(packet, UNAUTHENTICATED.error)?),
            session: 0,
        })
    }
}

/// The fixed part of a Session-Reflector's packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The reflector's own count of a stateful session, else that of the request.
    pub sequence: u32,
    /// T3, in the format that `error` tells.
    pub sent: WireTime,
    /// Of the reflector's clock, with the format of T2 and T3.
    pub error: ErrorEstimate,
    /// The session of the request; zero from a reflector that knows no sessions.
    pub session: u16,
    /// T2, in the format that `error` tells.
    pub received: WireTime,
    /// The request's sequence.
    pub request_sequence: u32,
    /// T1 as it stood in the request.
    pub request_sent: WireTime,
    /// The error estimate as it stood in the request.
    pub request_error: ErrorEstimate,
    /// With which TTL or hop limit the request came; 255 where the reflector could not know.
    pub request_ttl: u8,
}

impl Reply {
    /// Writes the fixed part over the start of `packet`; an HMAC is left to be made. False, and nothing written, when the
    /// fixed part does not fit.
    #[must_use]
    pub fn write(&self, mode: Mode, packet: &mut [u8]) -> bool {
        let Some(fixed) = packet.get_mut(..mode.fixed_bytes()) else { return false };
        let layout = mode.layout();
        fixed.fill(0);
        put(fixed, 0, self.sequence.to_be_bytes());
        put(fixed, layout.timestamp, self.sent.0.to_be_bytes());
        put(fixed, layout.error, self.error.to_bytes());
        put(fixed, layout.session, self.session.to_be_bytes());
        put(fixed, layout.received, self.received.0.to_be_bytes());
        put(fixed, layout.request_sequence, self.request_sequence.to_be_bytes());
        put(fixed, layout.request_timestamp, self.request_sent.0.to_be_bytes());
        put(fixed, layout.request_error, self.request_error.to_bytes());
        put(fixed, layout.request_ttl, [self.request_ttl]);
        true
    }

    /// Writes T3 into a reply that is otherwise finished, as late as can be.
    pub fn set_sent(mode: Mode, packet: &mut [u8], sent: WireTime) {
        put(packet, mode.layout().timestamp, sent.0.to_be_bytes());
    }

    /// Reads the fixed part; `None` when it is shorter. An HMAC is not looked at.
    #[must_use]
    pub fn parse(mode: Mode, packet: &[u8]) -> Option<Self> {
        let fixed = packet.get(..mode.fixed_bytes())?;
        let layout = mode.layout();
        let [request_ttl] = take(fixed, layout.request_ttl)?;
        Some(Self {
            sequence: u32::from_be_bytes(take(fixed, 0)?),
            sent: WireTime(u64::from_be_bytes(take(fixed, layout.timestamp)?)),
            error: ErrorEstimate::from_bytes(take(fixed, layout.error)?),
            session: u16::from_be_bytes(take(fixed, layout.session)?),
            received: WireTime(u64::from_be_bytes(take(fixed, layout.received)?)),
            request_sequence: u32::from_be_bytes(take(fixed, layout.request_sequence)?),
            request_sent: WireTime(u64::from_be_bytes(take(fixed, layout.request_timestamp)?)),
            request_error: ErrorEstimate::from_bytes(take(fixed, layout.request_error)?),
            request_ttl,
        })
    }
}

fn put<const N: usize>(packet: &mut [u8], at: usize, bytes: [u8; N]) {
    if let Some(place) = packet.get_mut(at..at + N) {
        place.copy_from_slice(&bytes);
    }
}

fn take<const N: usize>(packet: &[u8], at: usize) -> Option<[u8; N]> {
    packet.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests;
