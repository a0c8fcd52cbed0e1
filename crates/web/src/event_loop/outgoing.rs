//! Answers on their way: what the kernel has not taken yet.
//!
//! *Promises* that the bytes of a file are of one version, or the connection is cut before the last of them: a piece of an
//! open file is copied, and held back until the file is seen to be unchanged behind it. The kernel could send a file from its
//! own pages (sendfile), but such pages are those of whoever overwrites the file in place until a slow peer has taken them;
//! a peer on this machine, a proxy say, has acknowledged them long before it reads them. So only snapshots are sent that way.
//!
//! *Absent:* what is sent.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use rustix::io::Errno;

use super::transport::{Follows, Transport};
use crate::access_log::Kept;
use crate::limits;
use crate::tree::{Changed, OpenFile, Snapshot};

/// What is still to be sent, in order: `bytes`, then the pieces.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Copied bytes, of which `sent` are gone.
    pub(crate) bytes: Vec<u8>,
    /// How many of them are gone.
    pub(crate) sent: usize,
    /// What follows them.
    pub(crate) pieces: VecDeque<Piece>,
    /// The line of the log for the answer whose body this is.
    pub(crate) record: Option<Kept>,
    /// Bytes that the kernel took since it was begun.
    pub(crate) taken: u64,
    /// When it was begun, in nanoseconds.
    pub(crate) since_ns: u64,
    /// When the kernel last took a byte, in milliseconds.
    pub(crate) progress_ms: u64,
}

/// A part of a body.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes made up.
    Bytes(Vec<u8>),
    /// A part of a file in memory.
    Memory(Arc<[u8]>, Range<usize>),
    /// A part of a snapshot.
    Snapshot(Arc<Snapshot>, Range<u64>),
    /// A part of an open file.
    File(Rc<OpenFile>, Range<u64>),
}

impl Piece {
    /// Its bytes.
    pub(crate) fn left(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Memory(_, range) => range.len(),
            Self::Snapshot(_, range) | Self::File(_, range) => len(range.end - range.start),
        }
    }

    /// Takes bytes from the front of a file.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<(), Changed> {
        let range = match self {
            Self::Snapshot(snapshot, range) => {
                snapshot.read_at(into, range.start)?;
                range
            }
            Self::File(file, range) => {
                file.read_at(into, range.start)?;
                range
            }
            Self::Bytes(_) | Self::Memory(..) => return Ok(()),
        };
        range.start += u64::try_from(into.len()).expect("a length fits in 64 bits");
        Ok(())
    }
}

/// How far sending came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// To the end.
    All,
    /// There is room for more, but it is the others' turn.
    Turn,
    /// The kernel has no room.
    Blocked,
    /// The file changed: nothing right can follow.
    Changed,
    /// The peer is gone.
    Gone,
}

impl Outgoing {
    /// Sends as much as there is room for, within the turn of a connection. `scratch` is for copies.
    pub(crate) fn send(&mut self, transport: &mut Transport, scratch: &mut [u8]) -> Sent {
        let mut budget = limits::TURN_BYTES_MAX;
        loop {
            let before = self.taken;
            if let Err(stop) = self.step(transport, scratch) {
                return stop;
            }
            if self.is_done() {
                // Under TLS the kernel may not have all of it yet.
                return transport.flush().map_or_else(refused, |()| Sent::All);
            }
            budget = budget.saturating_sub(self.taken - before);
            if budget == 0 {
                return Sent::Turn;
            }
        }
    }

    /// Makes it fit for another answer, keeping its memory.
    pub(crate) fn empty(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
        self.record = None;
        self.sent = 0;
        self.taken = 0;
    }

    /// Bytes that were not sent.
    pub(crate) fn left(&self) -> u64 {
        let pieces = self.pieces.iter().map(Piece::left);
        u64::try_from(pieces.sum::<usize>() + self.bytes.len() - self.sent).unwrap_or(u64::MAX)
    }

    fn is_done(&self) -> bool {
        self.sent == self.bytes.len() && self.pieces.is_empty()
    }

    fn step(&mut self, transport: &mut Transport, scratch: &mut [u8]) -> Result<(), Sent> {
        let left = &self.bytes[self.sent..];
        match self.pieces.front_mut() {
            Some(Piece::Memory(memory, range)) => {
                let copied = left.len();
                let taken = transport.send_both(left, &memory[range.clone()]).map_err(refused)?;
                self.sent += taken.min(copied);
                range.start += taken.saturating_sub(copied);
                if range.start == range.end {
                    self.pieces.pop_front();
                }
                self.count(taken);
            }
            _ if !left.is_empty() => {
                let follows = if self.pieces.is_empty() { Follows::Nothing } else { Follows::More };
                let taken = transport.send(left, follows).map_err(refused)?;
                self.sent += taken;
                self.count(taken);
            }
            Some(Piece::Bytes(bytes)) => {
                self.bytes = std::mem::take(bytes);
                self.sent = 0;
                self.pieces.pop_front();
            }
            Some(Piece::Snapshot(snapshot, range)) => {
                if let Some(plain) = transport.plain() {
                    let sent = plain.send_snapshot(snapshot, range);
                    let taken = sent.map_err(|error| match error {
                        Errno::IO => Sent::Changed,
                        other => refused(other),
                    })?;
                    if range.is_empty() {
                        self.pieces.pop_front();
                    }
                    self.count(taken);
                } else {
                    self.copy(transport, scratch)?;
                }
            }
            Some(Piece::File(..)) => self.copy(transport, scratch)?,
            None => {}
        }
        Ok(())
    }

    /// Sends of the file in front, by way of `scratch`. Nothing is left in `bytes`.
    fn copy(&mut self, transport: &mut Transport, scratch: &mut [u8]) -> Result<(), Sent> {
        let Some(piece) = self.pieces.front_mut() else { return Ok(()) };
        let wanted = piece.left().min(scratch.len());
        let copy = &mut scratch[..wanted];
        piece.read(copy).map_err(|Changed| Sent::Changed)?;
        if piece.left() == 0 {
            self.pieces.pop_front();
        }
        self.bytes.clear();
        self.sent = 0;
        let follows = if self.pieces.is_empty() { Follows::Nothing } else { Follows::More };
        let sent = transport.send(copy, follows);
        // What the kernel does not take now is kept: it has been read.
        self.bytes.extend_from_slice(&copy[sent.unwrap_or(0)..]);
        self.count(sent.map_err(refused)?);
        Ok(())
    }

    fn count(&mut self, taken: usize) {
        self.taken += u64::try_from(taken).unwrap_or(u64::MAX);
    }
}

fn refused(error: Errno) -> Sent {
    match error {
        Errno::AGAIN => Sent::Blocked,
        // The call is made again, when it is this connection's turn.
        Errno::INTR => Sent::Turn,
        _ => Sent::Gone,
    }
}

fn len(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
