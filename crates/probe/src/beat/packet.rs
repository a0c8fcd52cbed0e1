//! The datagram of a heartbeat: 64 octets, every field at a fixed place, drawn octet by octet in docs/beat.md.
//!
//! ```text
//!  0 "SB" | 2 version | 3 kind | 4 interval ms | 8 host | 16 epoch | 24 sequence | 32 stamp ns | 40 pause s | 44 zero | 48 HMAC
//! ```
//!
//! What is read has exactly one encoding, so two datagrams that differ never say the same. Absent: whether the HMAC is
//! right; that is the key's.

use super::limits::{INTERVAL_MS_MAX, INTERVAL_MS_MIN, PAUSE_S_MAX};
use crate::time::Timestamp;

/// Octets of a datagram.
pub const PACKET_BYTES: usize = 64;
/// Where the HMAC begins; it covers everything before it.
pub const HMAC_OFFSET: usize = 48;
/// The first two octets.
pub const MAGIC: [u8; 2] = *b"SB";
/// The only version so far.
pub const VERSION: u8 = 1;

/// What a host says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It lives.
    Beat,
    /// It will be silent on purpose, and back within so many seconds (1 to [`PAUSE_S_MAX`]).
    Pause {
        /// For how long, in seconds.
        seconds: u32,
    },
    /// It stops on purpose and is not to be missed.
    Goodbye,
}

/// What a datagram says, its HMAC apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Beat {
    /// What it says.
    pub kind: Kind,
    /// Milliseconds from one beat to the next, [`INTERVAL_MS_MIN`] to [`INTERVAL_MS_MAX`].
    pub interval_ms: u32,
    /// Who says it.
    pub host: u64,
    /// Which run of the host's program; a later run has a greater one.
    pub epoch: u64,
    /// The number of the interval since the start of that run.
    pub sequence: u64,
    /// When it was sent, by the host's clock.
    pub stamp: Timestamp,
}

impl Beat {
    /// Reads the fields of a datagram; `None` when it is none, whatever its HMAC.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let packet: &[u8; PACKET_BYTES] = datagram.try_into().ok()?;
        let reserved = word(packet, 44);
        if packet[..2] != MAGIC || packet[2] != VERSION || reserved != 0 {
            return None;
        }
        let kind = match (packet[3], word(packet, 40)) {
            (1, 0) => Kind::Beat,
            (2, seconds @ 1..=PAUSE_S_MAX) => Kind::Pause { seconds },
            (3, 0) => Kind::Goodbye,
            _ => return None,
        };
        let interval_ms = word(packet, 4);
        if !(INTERVAL_MS_MIN..=INTERVAL_MS_MAX).contains(&interval_ms) {
            return None;
        }
        Some(Self {
            kind,
            interval_ms,
            host: long(packet, 8),
            epoch: long(packet, 16),
            sequence: long(packet, 24),
            stamp: Timestamp::from_nanos(long(packet, 32)),
        })
    }

    /// The datagram with an HMAC of zeros. Lengths and intervals beyond their bounds are brought to the nearest bound.
    #[must_use]
    pub fn write(&self) -> [u8; PACKET_BYTES] {
        let (kind, pause) = match self.kind {
            Kind::Beat => (1, 0),
            Kind::Pause { seconds } => (2, seconds.clamp(1, PAUSE_S_MAX)),
            Kind::Goodbye => (3, 0),
        };
        let interval = self.interval_ms.clamp(INTERVAL_MS_MIN, INTERVAL_MS_MAX);
        let mut packet = [0; PACKET_BYTES];
        packet[..2].copy_from_slice(&MAGIC);
        packet[2] = VERSION;
        packet[3] = kind;
        packet[4..8].copy_from_slice(&interval.to_be_bytes());
        packet[8..16].copy_from_slice(&self.host.to_be_bytes());
        packet[16..24].copy_from_slice(&self.epoch.to_be_bytes());
        packet[24..32].copy_from_slice(&self.sequence.to_be_bytes());
        packet[32..40].copy_from_slice(&self.stamp.nanos().to_be_bytes());
        packet[40..44].copy_from_slice(&pause.to_be_bytes());
        packet
    }
}

fn word(packet: &[u8; PACKET_BYTES], at: usize) -> u32 {
    u32::from_be_bytes(*packet[at..].first_chunk().expect("every field lies within the packet"))
}

fn long(packet: &[u8; PACKET_BYTES], at: usize) -> u64 {
    u64::from_be_bytes(*packet[at..].first_chunk().expect("every field lies within the packet"))
}

#[cfg(test)]
mod tests;
