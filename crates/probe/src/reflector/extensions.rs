//! What a reflector does with the TLVs of a request, in place: fills in what it understands, flags the rest (RFC 8972 §4).
//! Lengths and order never change. Absent: access reports, flagged as not understood.

use super::Arrival;
use crate::limits::TLVS_MAX;
use crate::stamp::tlv::{
    self, ClassOfService, CutShort, DirectMeasurement, FollowUp, HEADER_BYTES, INTEGRITY, Kind, MALFORMED,
    METHOD_SOFTWARE, SOURCE_FREE_RUNNING, SOURCE_NTP, Tlv, UNRECOGNIZED,
};
use crate::stamp::{Key, WireTime};

/// What the values are made of.
pub(super) struct Circumstances<'a> {
    pub(super) arrival: &'a Arrival,
    pub(super) request_sequence: [u8; 4],
    pub(super) reply_sequence: [u8; 4],
    pub(super) synchronized: bool,
    /// Requests received and replies sent in this session, where they are counted.
    pub(super) counters: Option<(u32, u32)>,
    /// The number of the session's previous reply and when it left, where both are known.
    pub(super) previous: Option<(u32, WireTime)>,
    /// The key of an authenticated session, whose TLVs carry an HMAC.
    pub(super) key: Option<&'a Key>,
}

/// What a sender asks beside the values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Asked {
    /// The DSCP that it wants for the reply.
    pub(super) dscp: Option<u8>,
    /// Whether it will want to know when this reply left.
    pub(super) follow_up: bool,
}

/// One TLV, by its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    at: usize,
    length: usize,
    kind: Option<Kind>,
    known: bool,
}

/// Turns the TLVs of a request into those of its reply. `places` is room that is used again for each packet.
pub(super) fn reflect(tlvs: &mut [u8], circumstances: &Circumstances<'_>, places: &mut Vec<Place>) -> Asked {
    let cut = find(tlvs, places);
    if !integrity_holds(tlvs, places, circumstances) {
        for place in places.iter() {
            set_flags(tlvs, place.at, |flags| flags | INTEGRITY);
        }
        return Asked::default();
    }
    let mut asked = Asked::default();
    for place in places.iter() {
        if place.kind.is_none() {
            set_flags(tlvs, place.at, |_| if place.known { MALFORMED } else { UNRECOGNIZED });
            if place.known {
                // RFC 8972 §4: processing ends here, what follows is copied.
                return asked;
            }
            continue;
        }
        let understood = fill(tlvs, place, circumstances, &mut asked);
        set_flags(tlvs, place.at, |_| if understood { 0 } else { UNRECOGNIZED });
    }
    if let Some(CutShort { at }) = cut {
        set_flags(tlvs, at, |_| MALFORMED);
    }
    sign(tlvs, places, circumstances);
    asked
}

/// Those of a packet, in order, up to one that is cut short.
fn find(tlvs: &[u8], places: &mut Vec<Place>) -> Option<CutShort> {
    places.clear();
    for tlv in tlv::parse(tlvs).take(TLVS_MAX) {
        match tlv {
            Ok(tlv) => places.push(place_of(&tlv)),
            Err(cut) => return Some(cut),
        }
    }
    None
}

fn place_of(tlv: &Tlv<'_>) -> Place {
    let known = Kind::from_code(tlv.code).is_some();
    Place { at: tlv.at, length: tlv.value.len(), kind: tlv.kind(), known }
}

/// Without a key nothing can be verified. With one, TLVs other than a single padding need an HMAC, only padding may follow
/// it, and it must be right (RFC 8972 §4.8).
fn integrity_holds(tlvs: &[u8], places: &[Place], circumstances: &Circumstances<'_>) -> bool {
    let Some(key) = circumstances.key else { return true };
    let hmac = places.iter().position(|place| place.kind == Some(Kind::Hmac));
    let Some(hmac) = hmac else {
        return places.iter().all(|place| place.kind == Some(Kind::ExtraPadding)) && places.len() <= 1;
    };
    let (before, from) = places.split_at(hmac);
    let Some((hmac, behind)) = from.split_first() else { return false };
    if behind.iter().any(|place| place.kind != Some(Kind::ExtraPadding)) {
        return false;
    }
    let covered = before.last().map_or(0, |last| last.at + HEADER_BYTES + last.length);
    let value = tlvs.get(hmac.at + HEADER_BYTES..hmac.at + HEADER_BYTES + hmac.length);
    let covered = tlvs.get(..covered);
    let (Some(covered), Some(value)) = (covered, value) else { return false };
    key.verify_tlvs(circumstances.request_sequence, covered, value)
}

/// Writes the HMAC anew over what the values have become.
fn sign(tlvs: &mut [u8], places: &[Place], circumstances: &Circumstances<'_>) {
    let Some(key) = circumstances.key else { return };
    let Some(place) = places.iter().find(|place| place.kind == Some(Kind::Hmac)) else { return };
    let (covered, rest) = tlvs.split_at_mut(place.at);
    if let Some(value) = rest.get_mut(HEADER_BYTES..HEADER_BYTES + place.length) {
        value.copy_from_slice(&key.of_tlvs(circumstances.reply_sequence, covered));
    }
}

/// Fills in one value; false when it is not understood.
fn fill(tlvs: &mut [u8], place: &Place, circumstances: &Circumstances<'_>, wishes: &mut Asked) -> bool {
    let value = tlvs.get_mut(place.at + HEADER_BYTES..place.at + HEADER_BYTES + place.length);
    let (Some(kind), Some(value)) = (place.kind, value) else { return false };
    match kind {
        Kind::ExtraPadding => true,
        // Without a key it is passed on, and nobody has verified it.
        Kind::Hmac => circumstances.key.is_some(),
        Kind::Location => locate(value, circumstances.arrival),
        Kind::TimestampInformation => {
            let source = if circumstances.synchronized { SOURCE_NTP } else { SOURCE_FREE_RUNNING };
            value.copy_from_slice(&[source, METHOD_SOFTWARE, source, METHOD_SOFTWARE]);
            true
        }
        Kind::ClassOfService => {
            let Some(seen) = circumstances.arrival.traffic_class else { return false };
            let Some(asked) = value.first_chunk::<4>() else { return false };
            let asked = ClassOfService::from_bytes(*asked);
            wishes.dscp = Some(asked.wanted_dscp);
            let seen = ClassOfService { seen_dscp: seen >> 2, seen_ecn: seen & 3, kept: 0, ..asked };
            value.copy_from_slice(&seen.to_bytes());
            true
        }
        Kind::FollowUpTelemetry => {
            wishes.follow_up = true;
            let known = circumstances.previous.map(|(sequence, sent)| FollowUp {
                sequence,
                sent,
                method: METHOD_SOFTWARE,
            });
            value.copy_from_slice(&known.unwrap_or_default().to_bytes());
            true
        }
        Kind::DirectMeasurement => {
            let Some((received, replied)) = circumstances.counters else { return false };
            let Some(asked) = value.first_chunk::<12>() else { return false };
            let asked = DirectMeasurement::from_bytes(*asked);
            value.copy_from_slice(&DirectMeasurement { received, replied, ..asked }.to_bytes());
            true
        }
    }
}

/// Ports as they were seen; what is asked of addresses stands in TLVs inside and is flagged as not understood.
fn locate(value: &mut [u8], arrival: &Arrival) -> bool {
    let Some((ports, inner)) = value.split_first_chunk_mut::<4>() else { return false };
    let ([high, low], [source_high, source_low]) =
        (arrival.port.to_be_bytes(), arrival.source.port().to_be_bytes());
    *ports = [high, low, source_high, source_low];
    let mut at = 0;
    for _inner in 0..TLVS_MAX {
        match inner.get(at..).and_then(|rest| tlv::parse(rest).next()) {
            Some(Ok(tlv)) => {
                let behind = at + HEADER_BYTES + tlv.value.len();
                set_flags(inner, at, |_| UNRECOGNIZED);
                at = behind;
            }
            Some(Err(CutShort { .. })) => {
                set_flags(inner, at, |_| MALFORMED);
                break;
            }
            None => break,
        }
    }
    true
}

fn set_flags(tlvs: &mut [u8], at: usize, flags: impl FnOnce(u8) -> u8) {
    if let Some(place) = tlvs.get_mut(at) {
        *place = flags(*place);
    }
}
