//! What one event loop notes of its requests: records while a turn lasts, lines at its end, handed over when they are many
//! or old.
//!
//! Lines are made where the texts of the request are still in the processor's cache, and the thread that writes has nothing to
//! do but that. *Promises* bounded memory, whatever peers send. *Absent:* clocks; the loop tells the time.

use super::writer::Sender;
use super::{Facts, Kept, Lines, Records, Texts, line};
use crate::limits;
use crate::settings::LogFormat;

/// Records of a turn, and the lines of those before.
#[derive(Debug)]
pub(crate) struct Notes {
    format: LogFormat,
    sender: Sender,
    clock: line::Clock,
    /// Answers made in this turn.
    made: Records,
    /// Answers that ended in this turn and began earlier: they have their durations.
    ended: Records,
    lines: Lines,
    /// When the first of the lines was made, in milliseconds.
    since_ms: u64,
}

impl Notes {
    pub(super) fn new(format: LogFormat, sender: Sender) -> Self {
        Self {
            format,
            sender,
            clock: line::Clock::default(),
            made: Records::default(),
            ended: Records::default(),
            lines: Lines::default(),
            since_ms: 0,
        }
    }

    /// Notes a request that is answered in this turn.
    pub(crate) fn push(&mut self, facts: Facts, texts: Texts<'_>) {
        self.made.push(facts, texts);
    }

    /// Takes the last one back out, for its answer does not end in this turn.
    pub(crate) fn pop(&mut self) -> Option<Kept> {
        self.made.pop()
    }

    /// Notes a request whose answer has ended.
    pub(crate) fn put(&mut self, kept: &Kept) {
        self.ended.put(kept);
    }

    /// Nothing was noted in this turn.
    pub(crate) fn is_empty(&self) -> bool {
        self.made.records.is_empty() && self.ended.records.is_empty()
    }

    /// So much was noted that lines have to be made of it before the turn is over.
    pub(crate) fn is_full(&self) -> bool {
        let is_much = |records: &Records| {
            records.records.len() >= limits::LOG_NOTES_MAX || records.texts.len() >= limits::LOG_BATCH_BYTES
        };
        is_much(&self.made) || is_much(&self.ended)
    }

    /// Makes lines of what was noted, in which the answers made in this turn took so long.
    pub(crate) fn end_turn(&mut self, now_ms: u64, duration_us: u32) {
        if self.lines.count == 0 {
            self.since_ms = now_ms;
        }
        self.made.write(self.format, duration_us, &mut self.clock, &mut self.lines);
        self.ended.write(self.format, 0, &mut self.clock, &mut self.lines);
    }

    /// When the lines are to be handed over, in milliseconds; none when there are none.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let is_much = self.lines.bytes.len() >= limits::LOG_BATCH_BYTES;
        let age_ms = if is_much { 0 } else { limits::LOG_BATCH_MS };
        (self.lines.count > 0).then_some(self.since_ms + age_ms)
    }

    /// Hands the lines over, or returns how many were lost since the thread is too far behind.
    pub(crate) fn hand_over(&mut self) -> Result<(), usize> {
        if self.lines.count == 0 {
            return Ok(());
        }
        let empty = Lines { bytes: self.sender.spare(), count: 0 };
        self.sender.send(std::mem::replace(&mut self.lines, empty))
    }
}
