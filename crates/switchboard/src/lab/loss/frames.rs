//! Frames as pieces of bytes, as the machines send them: whole, one behind the other. Absent: checking; the machines do that.

use switchboard_call::frame::{HEADER_BYTES, Inbox, Kind, Reference, ServerFrame};
use switchboard_call::limits::FRAME_BYTES_MAX;

/// Bytes of the first frame, header included; none until it is whole.
pub(super) fn first(bytes: &[u8]) -> Option<&[u8]> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    let payload = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
    bytes.get(..HEADER_BYTES.checked_add(usize::try_from(payload).ok()?)?)
}

/// The whole frames, one after the other.
pub(super) fn each(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let frame = first(bytes)?;
        bytes = &bytes[frame.len()..];
        Some(frame)
    })
}

/// What a frame is.
pub(super) fn kind(frame: &[u8]) -> Option<Kind> {
    frame.get(4).copied().and_then(Kind::from_byte)
}

/// Which attempt of a call the frame answers, when it is the reply to one.
pub(super) fn answered_attempt(frame: &[u8]) -> Option<u32> {
    if kind(frame) != Some(Kind::Reply) {
        return None;
    }
    let mut inbox = Inbox::new(FRAME_BYTES_MAX);
    inbox.push(frame);
    match ServerFrame::decode(inbox.next_frame().ok()??).ok()? {
        ServerFrame::Reply(reply) => match reply.reference {
            Reference::Call(_) => Some(reply.attempt),
            Reference::Read(_) => None,
        },
        ServerFrame::Welcome(_)
        | ServerFrame::Outcome(_)
        | ServerFrame::Ping(_)
        | ServerFrame::Pong(_)
        | ServerFrame::Goodbye(_) => None,
    }
}
