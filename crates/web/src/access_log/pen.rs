//! Lines into a file that may be full, slow or gone.
//!
//! *Promises* that no line is torn: one of which only the beginning found room is finished before anything follows it, or
//! dropped when the file was truncated meanwhile; that every line that is lost is counted; that losses are told, once a minute at most and at the end. *Absent:* threads.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Seek as _, Write as _};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};

use super::Lines;
use super::writer::{Shared, name};
use crate::event_loop::Clock;
use crate::limits;
use crate::metrics::Counters;
use crate::settings::LogTarget;

/// What writes.
#[derive(Debug)]
pub(super) struct Pen {
    file: File,
    name: String,
    /// The rest of a line whose beginning is written.
    rest: Vec<u8>,
    /// How long the file was with that beginning at its end; none where no length is known, as of a pipe.
    begun_bytes: Option<u64>,
    counters: Arc<Counters>,
    shared: Arc<Shared>,
    losses: Losses,
}

/// What is still to be told.
#[derive(Debug, Default)]
struct Losses {
    lines: usize,
    why: Option<io::Error>,
    told_ms: Option<u64>,
}

impl Pen {
    /// Into `file`. What is lost is counted among these counters, of which nobody else writes.
    pub(super) fn new(target: &LogTarget, file: File, counters: Arc<Counters>, shared: Arc<Shared>) -> Self {
        Self {
            file,
            name: name(target),
            rest: Vec::new(),
            begun_bytes: None,
            counters,
            shared,
            losses: Losses::default(),
        }
    }

    /// Writes lines.
    pub(super) fn write(&mut self, lines: &Lines) {
        let lost = self
            .finish_line()
            .map_or_else(|error| (lines.count, Some(error)), |()| self.append(&lines.bytes));
        self.shared.written(lines.count, lines.bytes.len());
        self.note(lost);
        self.tell(Tells::Seldom);
    }

    /// Goes on in another file, when the line that was begun is finished in the old one or lost.
    pub(super) fn go_on_in(&mut self, file: File) {
        self.give_up_line();
        self.file = file;
    }

    /// Nothing more is written.
    pub(super) fn end(mut self) {
        self.give_up_line();
        self.tell(Tells::Now);
    }

    fn give_up_line(&mut self) {
        if let Err(error) = self.finish_line() {
            self.rest.clear();
            self.note((1, Some(error)));
        }
    }

    fn finish_line(&mut self) -> io::Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        if self.is_truncated() {
            self.rest.clear();
            self.note((
                1,
                Some(io::Error::other("it was truncated where only the beginning of a line had found room")),
            ));
            return Ok(());
        }
        let (written, result) = write(&mut self.file, &self.rest);
        self.rest.drain(..written);
        self.begun_bytes = self.file.stream_position().ok();
        result
    }

    /// Whether the beginning of the line is gone from the file.
    fn is_truncated(&self) -> bool {
        let length = self.file.metadata().ok().filter(Metadata::is_file).map(|about| about.len());
        length.zip(self.begun_bytes).is_some_and(|(length, begun)| length < begun)
    }

    /// How many lines were lost, and why.
    fn append(&mut self, lines: &[u8]) -> (usize, Option<io::Error>) {
        let (written, result) = write(&mut self.file, lines);
        let Err(error) = result else { return (0, None) };
        let is_begun = written > 0 && lines[written - 1] != b'\n';
        let mut left = &lines[written..];
        if is_begun {
            let end = left.iter().position(|byte| *byte == b'\n').map_or(left.len(), |at| at + 1);
            self.rest.extend_from_slice(&left[..end]);
            self.begun_bytes = self.file.stream_position().ok();
            left = &left[end..];
        }
        (left.iter().filter(|byte| **byte == b'\n').count(), Some(error))
    }

    fn note(&mut self, (lines, why): (usize, Option<io::Error>)) {
        self.counters.log_failed.add(u64::try_from(lines).unwrap_or(u64::MAX));
        self.losses.lines += lines;
        self.losses.why = why.or_else(|| self.losses.why.take());
    }

    fn tell(&mut self, when: Tells) {
        let dropped = self.shared.dropped();
        self.losses.lines += dropped;
        let lines = self.losses.lines;
        if lines == 0 {
            return;
        }
        let now_ms = Clock::new().ms();
        let is_early = |told_ms: u64| when == Tells::Seldom && now_ms < told_ms + limits::LOG_LOSSES_TOLD_MS;
        if self.losses.told_ms.is_some_and(is_early) {
            return;
        }
        let name = &self.name;
        match self.losses.why.take() {
            Some(why) => {
                tracing::warn!("{lines} lines of the access log {name} were lost: {why}; make room for it")
            }
            None => {
                tracing::warn!("{lines} lines of the access log {name} were lost: it takes them too slowly")
            }
        }
        self.losses = Losses { told_ms: Some(now_ms), ..Losses::default() };
    }
}

/// Whether it is time to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tells {
    Seldom,
    Now,
}

/// Writes as much as can be written; how much that was, and what kept it from more.
fn write(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Whoever shares the other end of standard output made it so. This thread is there to wait.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let _room = poll(&mut [PollFd::new(file, PollFlags::OUT)], None);
            }
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
