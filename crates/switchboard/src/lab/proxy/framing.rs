//! Frames as bytes: cut out of a stream and named, never changed. Absent: checking; a damaged frame goes on as it is.

use std::io;

use switchboard_call::frame::{
    ClientFrame, FLAG_REPLAYED, HEADER_BYTES, Inbox, Kind, MAGIC, RawFrame, Reference, ServerFrame,
};
use switchboard_call::id::CallId;
use switchboard_call::limits::FRAME_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::Direction;

/// The bytes of one frame, header included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct WholeFrame(pub(super) Vec<u8>);

/// The next frame; none at the end of the stream.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<WholeFrame>> {
    let mut bytes = vec![0; HEADER_BYTES];
    match stream.read_exact(&mut bytes).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if bytes[6..8] != MAGIC || length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "these bytes are no frames"));
    }
    bytes.resize(HEADER_BYTES + length, 0);
    stream.read_exact(&mut bytes[HEADER_BYTES..]).await?;
    Ok(Some(WholeFrame(bytes)))
}

impl WholeFrame {
    /// Whether the frame carries a call or an answer, and so takes part in the faults.
    pub(super) fn carries_a_call(&self) -> bool {
        Kind::from_byte(self.0[4]).is_some_and(Kind::carries_a_call)
    }

    /// The call it is about.
    pub(super) fn call(&self, direction: Direction) -> Option<CallId> {
        let mut inbox = Inbox::new(FRAME_BYTES_MAX);
        inbox.push(&self.0);
        let raw = inbox.next_frame().ok().flatten()?;
        match direction {
            Direction::Request => request_call(raw),
            Direction::Reply => reply_call(raw),
        }
    }

    /// Whether the server marked the answer as recorded earlier.
    pub(super) fn is_replayed(&self) -> bool {
        self.0[4] == Kind::Reply as u8 && self.0[5] & FLAG_REPLAYED != 0
    }
}

fn request_call(raw: RawFrame<'_>) -> Option<CallId> {
    match ClientFrame::decode(raw).ok()? {
        ClientFrame::Call(call) => Some(call.id),
        ClientFrame::Cancel(cancel) => Some(cancel.id),
        ClientFrame::Outcome(query) => Some(query.id),
        ClientFrame::Read(_)
        | ClientFrame::Hello(_)
        | ClientFrame::Ping(_)
        | ClientFrame::Pong(_)
        | ClientFrame::Goodbye(_) => None,
    }
}

fn reply_call(raw: RawFrame<'_>) -> Option<CallId> {
    match ServerFrame::decode(raw).ok()? {
        ServerFrame::Reply(reply) => match reply.reference {
            Reference::Call(id) => Some(id),
            Reference::Read(_) => None,
        },
        ServerFrame::Outcome(reply) => Some(reply.id),
        ServerFrame::Welcome(_) | ServerFrame::Ping(_) | ServerFrame::Pong(_) | ServerFrame::Goodbye(_) => {
            None
        }
    }
}
