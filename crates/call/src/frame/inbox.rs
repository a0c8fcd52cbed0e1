//! Received bytes, cut into frames. Holds at most one partial frame beyond what was pushed; refuses an
//! over-long frame from its header, before its payload is waited for.

use super::{FLAG_REPLAYED, FrameError, HEADER_BYTES, Kind, MAGIC, RawFrame, checksum};

/// A buffer of received bytes that hands out whole frames.
#[derive(Debug)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// Start of what has not been handed out.
    start: usize,
    frame_bytes_max: usize,
}

impl Inbox {
    /// An empty buffer that refuses payloads over `frame_bytes_max`.
    #[must_use]
    pub fn new(frame_bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, frame_bytes_max }
    }

    /// Changes the limit from the next frame on.
    pub fn set_frame_bytes_max(&mut self, frame_bytes_max: usize) {
        self.frame_bytes_max = frame_bytes_max;
    }

    /// Adds received bytes.
    pub fn push(&mut self, received: &[u8]) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(received);
    }

    /// Bytes that wait for the rest of their frame.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Gives memory back while nothing is pending.
    pub fn shrink(&mut self) {
        if self.pending_bytes() == 0 {
            self.bytes = Vec::new();
            self.start = 0;
        }
    }

    /// The next whole frame, or `None` until more bytes come.
    ///
    /// # Errors
    /// When the bytes cannot be followed any further; the connection must end.
    pub fn next_frame(&mut self) -> Result<Option<RawFrame<'_>>, FrameError> {
        let pending = &self.bytes[self.start..];
        let Some((header, rest)) = pending.split_first_chunk::<HEADER_BYTES>() else {
            return refuse_stranger(pending).map(|()| None);
        };
        let [l0, l1, l2, l3, kind, flags, m0, m1, c0, c1, c2, c3] = *header;
        if [m0, m1] != MAGIC {
            return Err(FrameError::NotAFrame { start: [l0, l1, l2, l3, kind, flags, m0, m1] });
        }
        let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        if length > self.frame_bytes_max {
            return Err(FrameError::TooLong { length, limit: self.frame_bytes_max });
        }
        if rest.len() < length {
            return Ok(None);
        }
        let from = self.start + HEADER_BYTES;
        let head_at = self.start;
        self.start = from + length;
        let payload = &self.bytes[from..from + length];
        if checksum(&self.bytes[head_at..head_at + 8], payload) != u32::from_be_bytes([c0, c1, c2, c3]) {
            return Err(FrameError::Damaged);
        }
        let kind = Kind::from_byte(kind).ok_or(FrameError::UnknownKind(kind))?;
        if flags & !FLAG_REPLAYED != 0 || (flags != 0 && kind != Kind::Reply) {
            return Err(FrameError::UnknownFlags(flags));
        }
        Ok(Some(RawFrame { kind, flags, payload }))
    }
}

/// A peer of another protocol may send fewer bytes than a header and then wait for us: known from its
/// first eight, whose last two are not our magic.
fn refuse_stranger(pending: &[u8]) -> Result<(), FrameError> {
    match pending.first_chunk::<8>() {
        Some(start) if start[6..] != MAGIC => Err(FrameError::NotAFrame { start: *start }),
        _ => Ok(()),
    }
}
