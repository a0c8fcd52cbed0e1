//! Frames: the bytes between client and server, the same on every transport.
//!
//! ```text
//!   0        4      5       6        8        12
//!   | length | kind | flags | "SB"   | crc-32 | payload, `length` bytes of CBOR |
//! ```
//!
//! `length` counts the payload only. The CRC (IEEE, as in zlib) covers bytes 0..8 and the payload. All
//! integers are big-endian. What each payload holds is in [`ClientFrame`] and [`ServerFrame`], drawn byte
//! by byte in docs/protocol.md; the reserved kinds are refused until they mean something.
//!
//! Absent: reading or writing of sockets, and any decision about a call.

mod inbox;
mod payload;
#[cfg(test)]
mod tests;

use minicbor::decode::Error as DecodeError;

pub use inbox::Inbox;
pub use payload::{
    Call, Cancel, ClientFrame, Goodbye, GoodbyeReason, Hello, OutcomeQuery, OutcomeReply, Read, Reference,
    Reply, ServerFrame, ServiceLimits, Welcome,
};

/// The one version of this protocol so far.
pub const PROTOCOL_VERSION: u16 = 1;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 12;

/// Marks every frame, so that a stranger's bytes are told from a damaged frame.
pub const MAGIC: [u8; 2] = *b"SB";

/// Reply flag: the answer was recorded earlier and is sent again.
pub const FLAG_REPLAYED: u8 = 1;

/// What a frame is. The number is the byte on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Client's first frame.
    Hello = 1,
    /// Server's answer to it.
    Welcome = 2,
    /// A command with a call id.
    Call = 3,
    /// The answer to a call, a cancel or a read.
    Reply = 4,
    /// Asks that a call end without being executed.
    Cancel = 5,
    /// Asks what became of a call; and the answer to that.
    Outcome = 6,
    /// Are you there? Carries eight bytes.
    Ping = 7,
    /// Yes; the same eight bytes.
    Pong = 8,
    /// The last frame of either side, with the reason.
    Goodbye = 9,
    /// Reserved: ask for events of a topic.
    Subscribe = 10,
    /// Reserved: one numbered event.
    Event = 11,
    /// Reserved: room for more events or chunks.
    Credit = 12,
    /// Reserved: a piece of a large body.
    Chunk = 13,
    /// A question without effect, executed again when repeated.
    Read = 14,
}

impl Kind {
    /// Whether it carries a call, a question or an answer: what a link that loses frames may lose. A handshake that is
    /// lost would only be a broken connection.
    #[must_use]
    pub fn carries_a_call(self) -> bool {
        match self {
            Self::Call | Self::Read | Self::Cancel | Self::Outcome | Self::Reply => true,
            Self::Hello
            | Self::Welcome
            | Self::Ping
            | Self::Pong
            | Self::Goodbye
            | Self::Subscribe
            | Self::Event
            | Self::Credit
            | Self::Chunk => false,
        }
    }

    /// The kind with this byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Hello,
            2 => Self::Welcome,
            3 => Self::Call,
            4 => Self::Reply,
            5 => Self::Cancel,
            6 => Self::Outcome,
            7 => Self::Ping,
            8 => Self::Pong,
            9 => Self::Goodbye,
            10 => Self::Subscribe,
            11 => Self::Event,
            12 => Self::Credit,
            13 => Self::Chunk,
            14 => Self::Read,
            _ => return None,
        })
    }
}

/// One frame whose checksum held, not yet read for its meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawFrame<'a> {
    /// What it is.
    pub kind: Kind,
    /// [`FLAG_REPLAYED`] or 0.
    pub flags: u8,
    /// The CBOR payload.
    pub payload: &'a [u8],
}

/// Why bytes are not a frame of this protocol. The stream cannot be followed any further.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Not our magic.
    #[error("these bytes are not Switchboard frames{}; connect with a Switchboard client, to the right port", stranger(.start))]
    NotAFrame {
        /// The first bytes of the supposed frame.
        start: [u8; 8],
    },
    /// Longer than allowed here.
    #[error("a frame of {length} bytes is over the limit of {limit} bytes; send smaller bodies")]
    TooLong {
        /// Payload bytes announced.
        length: usize,
        /// Payload bytes allowed.
        limit: usize,
    },
    /// The checksum does not match.
    #[error("a frame was damaged on the way (CRC-32 differs); reconnect and send again")]
    Damaged,
    /// A kind from the future, or one of the reserved ones.
    #[error("frame kind {0} is not part of protocol version 1; use a client of the same version")]
    UnknownKind(u8),
    /// A kind that only the other side may send.
    #[error("a {0:?} frame cannot come from this side")]
    WrongDirection(Kind),
    /// Flags that this version does not know.
    #[error("frame flags {0:#04x} are not part of protocol version 1; use a client of the same version")]
    UnknownFlags(u8),
    /// The payload is not what its kind demands.
    #[error("the payload of a {kind:?} frame is malformed")]
    Payload {
        /// The frame's kind.
        kind: Kind,
        /// What the decoder met.
        source: DecodeError,
    },
}

/// Names the stranger when its first bytes give it away.
fn stranger(start: &[u8; 8]) -> &'static str {
    match start {
        [0x16, 0x03, ..] => " (they look like TLS: this port speaks plain frames)",
        [0x15, 0x03, ..] => " (they look like a TLS alert: that port wants tls://)",
        [b'G', b'E', b'T', b' ', ..] | [b'P', b'O', b'S', b'T', ..] | [b'H', b'E', b'A', b'D', ..] => {
            " (they look like an HTTP request)"
        }
        [b'H', b'T', b'T', b'P', ..] => " (they look like an HTTP server's answer)",
        [b'S', b'S', b'H', b'-', ..] => " (they look like SSH)",
        _ => "",
    }
}

/// Appends one frame to `out`; `write` appends the payload.
fn append(out: &mut Vec<u8>, kind: Kind, flags: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind as u8, flags, MAGIC[0], MAGIC[1], 0, 0, 0, 0]);
    write(out);
    let length = out.len() - start - HEADER_BYTES;
    let length = u32::try_from(length).expect("bodies are bounded far below 4 GiB before they are framed");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    let sum = checksum(&out[start..start + 8], &out[start + HEADER_BYTES..]);
    out[start + 8..start + HEADER_BYTES].copy_from_slice(&sum.to_be_bytes());
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}
