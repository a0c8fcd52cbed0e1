//! A message as it is sent: after DATA until a dot, or in chunks that are counted (RFC 3030).
//!
//! A message of one chunk is `BDAT n LAST`. A longer one is committed in a second step: when all its chunks are answered, `BDAT 0 LAST`
//! follows (without PIPELINING the last chunk itself), so that the time in which its fate is open is that of one short command, and one that cannot be finished is taken back with RSET
//! on a connection that stays usable.

use super::dots::{Dots, Framing};
use super::envelope::Command;
use super::report::{Cause, Fate, Phase};
use super::{Smtp, Turn};
use crate::limits::CHUNK_BYTES_MAX;

/// What of a message waits to be said as a chunk.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    line: Dots,
    /// Whether a chunk of the message was said.
    begun: bool,
}

impl Chunk {
    /// Whether the message is to be read on.
    pub(super) fn has_room(&self, chunk_bytes_max: usize) -> bool {
        self.bytes.len() < chunk_bytes_max.clamp(1, CHUNK_BYTES_MAX)
    }
}

impl Smtp {
    /// The next piece of the message, lines ended by CRLF. Asked for by [`Output::Body`](super::Output::Body).
    pub fn handle_body(&mut self, now_ms: u64, bytes: &[u8]) {
        let written = match &mut self.turn {
            Turn::Text(line) => line.write(bytes, Framing::Dotted, &mut self.outgoing),
            Turn::Chunks(chunk) => chunk.line.write(bytes, Framing::Counted, &mut chunk.bytes),
            Turn::Between | Turn::Given | Turn::Envelope(_) | Turn::Data | Turn::Commit(_) | Turn::Quit => {
                return;
            }
        };
        match written {
            Ok(()) => self.advance(now_ms),
            Err(_) => self.handle_body_failed(now_ms, "it has a bare CR or LF, or a NUL"),
        }
    }

    /// The message is complete.
    pub fn handle_body_end(&mut self, now_ms: u64) {
        let written = match &mut self.turn {
            Turn::Text(line) => line.end(Framing::Dotted, &mut self.outgoing),
            Turn::Chunks(chunk) => chunk.line.end(Framing::Counted, &mut chunk.bytes),
            Turn::Between | Turn::Given | Turn::Envelope(_) | Turn::Data | Turn::Commit(_) | Turn::Quit => {
                return;
            }
        };
        if written.is_err() {
            return self.handle_body_failed(now_ms, "it ends with a bare CR");
        }
        match std::mem::replace(&mut self.turn, Turn::Between) {
            Turn::Text(_) => {
                let bytes = self.current().submission.message_bytes;
                self.note(format!("message, {bytes} bytes, and the final dot"));
                // Whatever the answer, no transaction is open after it (RFC 5321 section 4.1.1.4).
                self.clean = true;
                self.say_end(now_ms);
            }
            Turn::Chunks(mut chunk) if chunk.begun => {
                if self.may_speak() && !chunk.bytes.is_empty() {
                    self.say_counted(now_ms, &chunk.bytes, Last::No);
                    chunk.bytes.clear();
                }
                self.turn = Turn::Commit(chunk.bytes);
            }
            Turn::Chunks(chunk) => self.say_counted(now_ms, &chunk.bytes, Last::Yes),
            turn @ (Turn::Between
            | Turn::Given
            | Turn::Envelope(_)
            | Turn::Data
            | Turn::Commit(_)
            | Turn::Quit) => self.turn = turn,
        }
        self.advance(now_ms);
    }

    /// The message cannot be read to its end, for this reason.
    pub fn handle_body_failed(&mut self, now_ms: u64, why: &str) {
        let cause = Cause::Message(why.to_owned());
        match self.turn {
            // There is no other way to take back what was begun.
            Turn::Text(_) => {
                self.outgoing.clear();
                self.fail(cause);
            }
            Turn::Chunks(_) => {
                self.turn = Turn::Between;
                let fate = Fate::NotSent { phase: Phase::Body, cause: cause.clone() };
                let transaction = self.current();
                if transaction.settle(&fate) {
                    transaction.trouble = Some((Phase::Body, cause));
                }
                self.advance(now_ms);
            }
            Turn::Between | Turn::Given | Turn::Envelope(_) | Turn::Data | Turn::Commit(_) | Turn::Quit => {}
        }
    }

    pub(super) fn has_full_chunk(&self) -> bool {
        let bound = self.options.chunk_bytes_max;
        matches!(&self.turn, Turn::Chunks(chunk) if !chunk.has_room(bound))
    }

    /// Says what is there as a chunk that is not the last.
    pub(super) fn say_chunk(&mut self, now_ms: u64) {
        let Turn::Chunks(chunk) = &mut self.turn else { return };
        chunk.begun = true;
        let bytes = std::mem::take(&mut chunk.bytes);
        self.say_counted(now_ms, &bytes, Last::No);
    }

    pub(super) fn say_commit(&mut self, now_ms: u64) {
        if let Turn::Commit(rest) = std::mem::replace(&mut self.turn, Turn::Between) {
            self.say_counted(now_ms, &rest, Last::Yes);
        }
    }

    fn say_counted(&mut self, now_ms: u64, bytes: &[u8], last: Last) {
        let length = bytes.len();
        match last {
            Last::No => self.say(&format!("BDAT {length}")),
            Last::Yes => self.say(&format!("BDAT {length} LAST")),
        }
        if length > 0 {
            self.note(format!("{length} bytes of the message"));
            self.outgoing.extend_from_slice(bytes);
        }
        match last {
            Last::No => self.await_answer(now_ms, Command::Chunk),
            Last::Yes => self.say_end(now_ms),
        }
    }

    fn say_end(&mut self, now_ms: u64) {
        self.await_answer(now_ms, Command::End);
        let end = self.said_bytes();
        self.current().end = Some(end);
    }

    /// Ends what the server is ready to take, but nobody is there to get (RFC 2920 section 3.1).
    pub(super) fn say_empty(&mut self, now_ms: u64) {
        self.turn = Turn::Between;
        self.clean = true;
        self.command(now_ms, ".", Command::End);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    No,
    Yes,
}
