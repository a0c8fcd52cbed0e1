//! Frames with a right checksum around any payload: without it no input would come past the first door.

use switchboard_call::frame::{HEADER_BYTES, MAGIC};
use switchboard_call::id::{CallId, Sequence, SessionId, Slot, StoreId};

/// A frame of any kind with any payload, as the wire carries it.
pub(crate) fn framed(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("inputs are far below 4 GiB");
    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[kind, flags, MAGIC[0], MAGIC[1]]);
    let sum = checksum(&frame, payload);
    frame.extend_from_slice(&sum.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// CRC-32 over a head and what follows it.
pub(crate) fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

/// The store that the machines belong to.
pub(crate) const STORE: StoreId = StoreId([7; 16]);

/// One of a few call ids.
pub(crate) fn call_id(session: u8, slot: u8, sequence: u64) -> CallId {
    CallId {
        session: SessionId::mint(1_800_000_000_000 + u64::from(session), [session; 10]),
        slot: Slot(u16::from(slot)),
        sequence: Sequence::new(sequence).unwrap_or(Sequence::FIRST),
    }
}
