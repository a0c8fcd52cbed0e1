//! What a probe looks like, and what an answer says. Absent: when one is sent, and stamps of the kernel.
//!
//! A STAMP probe carries, behind its fixed part: counters (so that a stateful reflector shows that it counts), class of
//! service where one was asked for, the question when the previous reply left where it was asked for, the HMAC of these when
//! the session has a key, and padding up to its length. One that is as short as can be has the fixed part alone.

use crate::fault::Random;
use crate::limits::PACKET_BYTES_MAX;
use crate::prober::{Left, Reflected};
use crate::stamp::tlv::{
    self, ClassOfService, DirectMeasurement, FollowUp, HEADER_BYTES, INTEGRITY, Kind, UNRECOGNIZED,
};
use crate::stamp::{ErrorEstimate, Format, Key, Mode, Reply, Request, WireTime};
use crate::text;
use crate::time::Timestamp;

/// Which protocol a probe speaks.
#[derive(Clone, Debug)]
pub enum Form {
    /// A test packet of STAMP.
    Stamp(Stamp),
    /// `PING <sequence> <time>`.
    Text,
}

/// What the STAMP probes of a session have in common.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// The session id; zero says none.
    pub session: u16,
    /// With a key, packets are authenticated.
    pub key: Option<Key>,
    /// Octets of a probe, and of its answer; the shortest that holds everything when absent.
    pub length: Option<usize>,
    /// The class of service that is asked for, both ways.
    pub dscp: Option<u8>,
    /// Whether the reflector is asked when its previous reply left.
    pub follow_up: bool,
    /// Octets of the padding, over and over; pseudo-random when empty.
    pub fill: Vec<u8>,
}

/// Of what a probe is made beside what all have in common.
#[derive(Clone, Copy, Debug)]
pub struct Particulars {
    /// Its number from zero.
    pub sequence: u64,
    /// T1.
    pub sent: Timestamp,
    /// How good the clock of T1 is.
    pub error: ErrorEstimate,
}

/// What a datagram from the target is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// An answer.
    Answer(Answer),
    /// Its HMAC is wrong: it was changed on its way, or comes from somebody else.
    Damaged {
        /// The low half of the sequence of the probe that it seems to answer.
        sequence: u32,
    },
    /// No answer, or one of another session.
    Foreign,
}

/// The time of sending as an answer repeats it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Echo {
    /// Of a test packet.
    Stamp(WireTime, Format),
    /// Of a text.
    Text(Timestamp),
}

impl Echo {
    /// Whether it is what was sent with this time.
    #[must_use]
    pub fn repeats(self, sent: Timestamp) -> bool {
        match self {
            Self::Stamp(wire, format) => wire == WireTime::new(sent, format),
            Self::Text(time) => time == sent,
        }
    }
}

/// What an answer says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The low half of the sequence of the probe that it answers.
    pub sequence: u32,
    /// When it says that the probe was sent.
    pub echo: Echo,
    /// What the reflector wrote; absent in the text protocol.
    pub reflected: Option<Reflected>,
}

impl Form {
    /// Writes a probe into `packet`, in the place of what was there.
    pub fn write(&self, probe: &Particulars, packet: &mut Vec<u8>) {
        packet.clear();
        match self {
            Self::Text => packet.extend_from_slice(text::ping(probe.sequence, probe.sent).as_bytes()),
            Self::Stamp(stamp) => stamp.write(probe, packet),
        }
    }

    /// Reads what came.
    #[must_use]
    pub fn read(&self, packet: &[u8]) -> Reading {
        match self {
            Self::Text => text::parse(packet).map_or(Reading::Foreign, |(sequence, sent)| {
                Reading::Answer(Answer { sequence: low(sequence), echo: Echo::Text(sent), reflected: None })
            }),
            Self::Stamp(stamp) => stamp.read(packet).unwrap_or(Reading::Foreign),
        }
    }
}

impl Stamp {
    /// Checks the length that is asked for.
    ///
    /// # Errors
    /// In words, when a probe cannot have it.
    pub fn check_length(&self) -> Result<(), String> {
        let Some(length) = self.length else { return Ok(()) };
        let (bare, full) = (self.mode().fixed_bytes(), self.full_length());
        let asks = self.follow_up || self.dscp.is_some();
        if asks && length == bare {
            return Err(format!(
                "a probe of {bare} octets has no room to ask for follow-up telemetry or a class of service: \
                 at least {full} with what is asked for"
            ));
        }
        let fits = length == bare || length == full || length >= full + HEADER_BYTES;
        if fits && length <= PACKET_BYTES_MAX {
            return Ok(());
        }
        let shortest = if asks { String::new() } else { format!("{bare}, ") };
        Err(format!(
            "a probe cannot be {length} octets long: {shortest}{full}, or {} to {PACKET_BYTES_MAX}",
            full + HEADER_BYTES
        ))
    }

    fn mode(&self) -> Mode {
        if self.key.is_some() { Mode::Authenticated } else { Mode::Unauthenticated }
    }

    /// Octets with all TLVs and no padding.
    fn full_length(&self) -> usize {
        let class = if self.dscp.is_some() { HEADER_BYTES + 4 } else { 0 };
        let hmac = if self.key.is_some() { HEADER_BYTES + 16 } else { 0 };
        let follow_up = if self.follow_up { HEADER_BYTES + 16 } else { 0 };
        self.mode().fixed_bytes() + HEADER_BYTES + 12 + class + follow_up + hmac
    }

    fn write(&self, probe: &Particulars, packet: &mut Vec<u8>) {
        let mode = self.mode();
        let sequence = low(probe.sequence);
        let length = self.length.unwrap_or_else(|| self.full_length());
        let mut tlvs = Vec::with_capacity(length);
        if length >= self.full_length() {
            let counters = DirectMeasurement { sent: sequence.wrapping_add(1), received: 0, replied: 0 };
            tlv::push(&mut tlvs, Kind::DirectMeasurement, &counters.to_bytes());
            if let Some(dscp) = self.dscp {
                let class = ClassOfService { wanted_dscp: dscp, ..ClassOfService::default() };
                tlv::push(&mut tlvs, Kind::ClassOfService, &class.to_bytes());
            }
            if self.follow_up {
                tlv::push(&mut tlvs, Kind::FollowUpTelemetry, &FollowUp::default().to_bytes());
            }
            if let Some(key) = &self.key {
                tlv::push_hmac(&mut tlvs, sequence, key);
            }
            if let Some(padding) = length.checked_sub(mode.fixed_bytes() + tlvs.len() + HEADER_BYTES) {
                tlv::push(&mut tlvs, Kind::ExtraPadding, &self.padding(probe.sequence, padding));
            }
        }
        packet.resize(mode.fixed_bytes(), 0);
        let sent = WireTime::new(probe.sent, probe.error.format);
        let fixed = Request { sequence, sent, error: probe.error, session: self.session };
        let _fits = fixed.write(mode, packet);
        if let Some(key) = &self.key {
            key.sign(packet);
        }
        packet.extend_from_slice(&tlvs);
    }

    fn padding(&self, sequence: u64, length: usize) -> Vec<u8> {
        if self.fill.is_empty() {
            let mut random = Random(sequence);
            let mut padding: Vec<u8> =
                std::iter::repeat_with(|| random.next().to_be_bytes()).flatten().take(length).collect();
            padding.truncate(length);
            return padding;
        }
        self.fill.iter().copied().cycle().take(length).collect()
    }

    fn read(&self, packet: &[u8]) -> Option<Reading> {
        let mode = self.mode();
        let reply = Reply::parse(mode, packet)?;
        // A reflector of RFC 8762 alone knows no sessions and answers zero.
        let ours = reply.session == self.session || (reply.session == 0 && self.key.is_none());
        if !ours {
            return None;
        }
        if self.key.as_ref().is_some_and(|key| !key.verify(packet)) {
            return Some(Reading::Damaged { sequence: reply.request_sequence });
        }
        let told = self.told(reply.sequence, packet.get(mode.fixed_bytes()..)?).unwrap_or_default();
        let reflected = Reflected {
            received: reply.received.timestamp(reply.error.format),
            sent: reply.sent.timestamp(reply.error.format),
            sequence: reply.sequence,
            ttl: reply.request_ttl,
            counters: told.counters,
            previous: told.previous.map(|FollowUp { sequence, sent, .. }| Left {
                sequence,
                at: sent.timestamp(reply.error.format),
            }),
        };
        let echo = Echo::Stamp(reply.request_sent, reply.request_error.format);
        Some(Reading::Answer(Answer { sequence: reply.request_sequence, echo, reflected: Some(reflected) }))
    }

    /// What the reflector tells, where it understood the question and the HMAC is right.
    fn told(&self, sequence: u32, tlvs: &[u8]) -> Option<Told> {
        let mut told = Told::default();
        let mut verified = self.key.is_none();
        for tlv in tlv::parse(tlvs) {
            let tlv = tlv.ok()?;
            if tlv.flags & INTEGRITY != 0 {
                return None;
            }
            match tlv.kind() {
                Some(Kind::DirectMeasurement) if tlv.flags & UNRECOGNIZED == 0 => {
                    told.counters = tlv.value.first_chunk().copied().map(DirectMeasurement::from_bytes);
                }
                // All zero says that nothing is known.
                Some(Kind::FollowUpTelemetry) if tlv.flags & UNRECOGNIZED == 0 => {
                    let previous = tlv.value.first_chunk().copied().map(FollowUp::from_bytes);
                    told.previous = previous.filter(|previous| *previous != FollowUp::default());
                }
                Some(Kind::Hmac) => {
                    let covered = tlvs.get(..tlv.at)?;
                    verified = self
                        .key
                        .as_ref()
                        .is_none_or(|key| key.verify_tlvs(sequence.to_be_bytes(), covered, tlv.value));
                }
                Some(
                    Kind::DirectMeasurement
                    | Kind::ExtraPadding
                    | Kind::Location
                    | Kind::TimestampInformation
                    | Kind::ClassOfService
                    | Kind::FollowUpTelemetry,
                )
                | None => {}
            }
        }
        Some(told).filter(|_| verified)
    }
}

/// What stands in the TLVs of an answer.
#[derive(Clone, Copy, Default)]
struct Told {
    counters: Option<DirectMeasurement>,
    previous: Option<FollowUp>,
}

/// The 32 bits that travel.
fn low(sequence: u64) -> u32 {
    u32::try_from(sequence & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
