//! Extensions of test packets (RFC 8972 §4): flags, type, length, value, one behind the other after the fixed part.
//!
//! A sender sets the U flag of each; a reflector clears it on those that it understood, sets M on the one whose length is
//! wrong and stops there, sets I on all when their HMAC is wrong. Absent: access reports, which are for mobile
//! networks; a reflector here leaves their U flag set.

use super::auth::{HMAC_BYTES, Key};
use super::clock::WireTime;

/// Octets before a value.
pub const HEADER_BYTES: usize = 4;
/// The reflector did not understand this TLV.
pub const UNRECOGNIZED: u8 = 0x80;
/// The length of this TLV is wrong.
pub const MALFORMED: u8 = 0x40;
/// The HMAC of the TLVs is wrong.
pub const INTEGRITY: u8 = 0x20;

/// The types that are understood here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Octets without a meaning, to reach a length.
    ExtraPadding,
    /// Ports and addresses as the reflector saw them.
    Location,
    /// How each side takes its stamps.
    TimestampInformation,
    /// DSCP asked for and seen.
    ClassOfService,
    /// Counters of packets.
    DirectMeasurement,
    /// When the reflector's previous reply really left.
    FollowUpTelemetry,
    /// The HMAC of the TLVs before it.
    Hmac,
}

impl Kind {
    /// The type of this number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::ExtraPadding),
            2 => Some(Self::Location),
            3 => Some(Self::TimestampInformation),
            4 => Some(Self::ClassOfService),
            5 => Some(Self::DirectMeasurement),
            7 => Some(Self::FollowUpTelemetry),
            8 => Some(Self::Hmac),
            _ => None,
        }
    }

    /// Its number in the registry of IANA.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::ExtraPadding => 1,
            Self::Location => 2,
            Self::TimestampInformation => 3,
            Self::ClassOfService => 4,
            Self::DirectMeasurement => 5,
            Self::FollowUpTelemetry => 7,
            Self::Hmac => 8,
        }
    }

    /// Whether a value of this many octets can be one of this type.
    #[must_use]
    pub const fn fits(self, value_bytes: usize) -> bool {
        match self {
            Self::ExtraPadding => true,
            Self::Location => value_bytes >= 4,
            Self::TimestampInformation | Self::ClassOfService => value_bytes == 4,
            Self::DirectMeasurement => value_bytes == 12,
            Self::FollowUpTelemetry => value_bytes == 16,
            Self::Hmac => value_bytes == HMAC_BYTES,
        }
    }
}

/// One TLV as it stands in a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tlv<'a> {
    /// Where it begins among the TLVs.
    pub at: usize,
    /// Its flags.
    pub flags: u8,
    /// Its type, known or not.
    pub code: u8,
    /// Its value.
    pub value: &'a [u8],
}

impl Tlv<'_> {
    /// Its type when that is known and its length can be right.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_code(self.code).filter(|kind| kind.fits(self.value.len()))
    }
}

/// What is left of the octets is too short for the TLV that begins here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CutShort {
    /// Where it begins among the TLVs.
    pub at: usize,
}

/// The TLVs of these octets in order; ends behind the first that is cut short.
#[must_use]
pub fn parse(bytes: &[u8]) -> Tlvs<'_> {
    Tlvs { bytes, at: 0 }
}

/// Iterator of [`parse`].
#[derive(Clone, Debug)]
pub struct Tlvs<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<Tlv<'a>, CutShort>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let at = self.at;
        let tlv = rest.split_first_chunk::<HEADER_BYTES>().and_then(|([flags, code, high, low], behind)| {
            let value = behind.get(..usize::from(u16::from_be_bytes([*high, *low])))?;
            Some(Tlv { at, flags: *flags, code: *code, value })
        });
        match tlv {
            Some(tlv) => {
                self.at += HEADER_BYTES + tlv.value.len();
                Some(Ok(tlv))
            }
            None => {
                self.at = self.bytes.len();
                Some(Err(CutShort { at }))
            }
        }
    }
}

/// Appends a TLV of a sender: the U flag set, as senders do. A value past 65,535 octets is cut there.
pub fn push(tlvs: &mut Vec<u8>, kind: Kind, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    tlvs.extend_from_slice(&[UNRECOGNIZED, kind.code()]);
    tlvs.extend_from_slice(&length.to_be_bytes());
    tlvs.extend_from_slice(value.get(..usize::from(length)).unwrap_or(value));
}

/// Appends the HMAC of everything in `tlvs`. Only padding may follow it.
pub fn push_hmac(tlvs: &mut Vec<u8>, sequence: u32, key: &Key) {
    let hmac = key.of_tlvs(sequence.to_be_bytes(), tlvs);
    push(tlvs, Kind::Hmac, &hmac);
}

/// Class of service (RFC 8972 §4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClassOfService {
    /// DSCP1: with which the reply is to travel.
    pub wanted_dscp: u8,
    /// DSCP2: with which the request came.
    pub seen_dscp: u8,
    /// ECN: with which the request came.
    pub seen_ecn: u8,
    /// RP: whether the reflector's rules kept it from using the wanted DSCP.
    pub kept: u8,
}

impl ClassOfService {
    /// Its four octets.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 4] {
        let low = (self.seen_dscp & 0x0f) << 4 | (self.seen_ecn & 3) << 2 | self.kept & 3;
        [(self.wanted_dscp & 0x3f) << 2 | (self.seen_dscp & 0x3f) >> 4, low, 0, 0]
    }

    /// Reads four octets.
    #[must_use]
    pub fn from_bytes([first, second, _, _]: [u8; 4]) -> Self {
        Self {
            wanted_dscp: first >> 2,
            seen_dscp: (first & 3) << 4 | second >> 4,
            seen_ecn: second >> 2 & 3,
            kept: second & 3,
        }
    }
}

/// Counters of one session (RFC 8972 §4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DirectMeasurement {
    /// Requests that the sender sent, this one included.
    pub sent: u32,
    /// Requests that the reflector received, this one included.
    pub received: u32,
    /// Replies that the reflector sent, this one included.
    pub replied: u32,
}

impl DirectMeasurement {
    /// Its twelve octets.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let (counters, _) = bytes.as_chunks_mut::<4>();
        for (place, counter) in counters.iter_mut().zip([self.sent, self.received, self.replied]) {
            *place = counter.to_be_bytes();
        }
        bytes
    }

    /// Reads twelve octets.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        Self {
            sent: u32::from_be_bytes([a, b, c, d]),
            received: u32::from_be_bytes([e, f, g, h]),
            replied: u32::from_be_bytes([i, j, k, l]),
        }
    }
}

/// Follow-up telemetry (RFC 8972 §4.7): about the reply before this one. All zero where nothing is known of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FollowUp {
    /// The reflector's number of that reply.
    pub sequence: u32,
    /// When it left, in the format of the reflector's error estimate.
    pub sent: WireTime,
    /// How that was found out.
    pub method: u8,
}

impl FollowUp {
    /// Reads sixteen octets.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, sent @ .., method, _, _, _] = bytes;
        let sequence = u32::from_be_bytes([a, b, c, d]);
        Self { sequence, sent: WireTime(u64::from_be_bytes(sent)), method }
    }

    /// Its sixteen octets.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (words, _) = bytes.as_chunks_mut::<4>();
        let [high, low] = [self.sent.0 >> 32, self.sent.0 & 0xffff_ffff];
        let word = |half: u64| u32::try_from(half).unwrap_or(u32::MAX);
        let all = [self.sequence, word(high), word(low), u32::from(self.method) << 24];
        for (place, word) in words.iter_mut().zip(all) {
            *place = word.to_be_bytes();
        }
        bytes
    }
}

/// Stamps are taken in software near the wire: by the kernel (RFC 8972 §4.3, registry "STAMP Timestamping Methods").
pub const METHOD_SOFTWARE: u8 = 2;
/// The clock follows NTP (registry "STAMP Synchronization Sources").
pub const SOURCE_NTP: u8 = 1;
/// The clock follows nothing.
pub const SOURCE_FREE_RUNNING: u8 = 5;

#[cfg(test)]
mod tests;
