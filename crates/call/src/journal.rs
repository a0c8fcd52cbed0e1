//! The client's journal: what a restarted client must know. A call is in it before its first copy is
//! sent, its answer before it is handed over.
//!
//! ```text
//!   0          8        12       16
//!   | SBJOURN1 | length | crc-32 | header: CBOR [version, machine, principal] |
//!   then entries, each
//!   0        4        12       16
//!   | length | synced | crc-32 | CBOR, `length` bytes |
//! ```
//!
//! Integers are big-endian; `length` counts the CBOR; each CRC-32 (IEEE, as in zlib) covers what is before
//! it in its head and the CBOR. `synced` is a file offset: everything before it was durable when the entry
//! was written. So a damaged entry that a later entry calls durable is rot and stops the client, and
//! one that no later entry vouches for is the torn end of a crash, never acted upon, and is cut.
//!
//! Absent: files, fsync, locks. [`Recovered`] is made from bytes, entries leave as bytes.

mod compaction;
mod entry;
mod recovery;
#[cfg(test)]
mod tests;

use crate::limits::{
    JOURNAL_ENVELOPE_BYTES_MAX, JOURNAL_REWRITE_BYTES, MACHINE_NAME_BYTES_MAX, TEXT_BYTES_MAX,
};

pub(crate) use compaction::{SessionState, rewritten};
pub use entry::{AnsweredCall, OpenedCall};
pub(crate) use entry::{BegunRef, Entry};
pub use recovery::{Cut, RecoveredSession, recover};

/// Whose journal it is. A journal that wakes up elsewhere is not used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    machine: String,
    principal: String,
}

impl Binding {
    /// Binds to the machine with this lasting name (its machine id) and the principal whose calls it
    /// holds. Each is cut to what the header holds (256 and 1024 bytes).
    #[must_use]
    pub fn new(machine: impl Into<String>, principal: impl Into<String>) -> Self {
        let (mut machine, mut principal) = (machine.into(), principal.into());
        machine.truncate(machine.floor_char_boundary(MACHINE_NAME_BYTES_MAX));
        principal.truncate(principal.floor_char_boundary(TEXT_BYTES_MAX));
        Self { machine, principal }
    }

    /// The machine's lasting name.
    #[must_use]
    pub fn machine(&self) -> &str {
        &self.machine
    }

    /// The principal, as the driver names it.
    #[must_use]
    pub fn principal(&self) -> &str {
        &self.principal
    }
}

/// What the bytes of a journal say.
#[derive(Debug)]
pub struct Recovered {
    /// The sessions that were used, oldest first.
    pub sessions: Vec<RecoveredSession>,
    /// Calls without an answer, in the order of their beginning.
    pub open: Vec<OpenedCall>,
    /// Calls whose answer the application has not acknowledged, in the order of their answers.
    pub answered: Vec<AnsweredCall>,
    /// The journal ends with the mark of a clean shutdown: its sessions may be used again.
    pub clean: bool,
    /// The torn end that a crash left; tell a person.
    pub cut: Option<Cut>,
    /// The file must be cut to this length, in bytes, before anything is appended; 0 for a new file.
    pub sound_bytes: u64,
}

impl Recovered {
    /// A journal that does not exist yet.
    #[must_use]
    pub fn nothing() -> Self {
        let (sessions, open, answered) = (Vec::new(), Vec::new(), Vec::new());
        Self { sessions, open, answered, clean: true, cut: None, sound_bytes: 0 }
    }
}

/// Why a journal cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Other bytes than a journal's.
    #[error(
        "this file is not a Switchboard journal of version 1 (at byte {offset}: {what}); \
         name another file, or restore this one from a copy"
    )]
    NotAJournal {
        /// Where the header stops making sense, in bytes.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// Made on another machine.
    #[error(
        "this journal belongs to machine {found}, this is {here}: a journal must not be copied, because two \
         copies would use the same call ids; move it back, or begin a new journal here"
    )]
    OtherMachine {
        /// The machine in its header.
        found: String,
        /// The machine that reads it.
        here: String,
    },
    /// Made for another principal.
    #[error("this journal holds the calls of {found}, not of {here}; use a journal of its own for each")]
    OtherPrincipal {
        /// The principal in its header.
        found: String,
        /// The principal that reads it.
        here: String,
    },
    /// A damaged entry that was durable.
    #[error(
        "the journal is damaged at byte {offset} ({what}), before its end: calls after it may be open. Keep \
         the file; restore it from a copy if there is one, or find out from the server's statement what \
         took effect, move the file aside and begin a new journal"
    )]
    Rotten {
        /// Where the damaged entry begins, in bytes.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// Sound bytes that make no sense.
    #[error(
        "the journal entry at byte {offset} is not of version 1 ({what}); use the program that wrote it, or \
         a newer one"
    )]
    UnknownEntry {
        /// Where the entry begins, in bytes.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// The writing side: turns entries into bytes and knows what is durable.
#[derive(Debug)]
pub(crate) struct Journal {
    binding: Binding,
    /// Bytes ever written, those of rewritten files included: the position of the end.
    end: u64,
    /// Position of the first byte of the present file.
    file_start: u64,
    synced: u64,
    reserve_bytes: u64,
    /// The file is worth rewriting when it is longer than this.
    long_bytes: u64,
    /// What a rewritten file is to replace, until it is known that it did.
    replaced: Option<Replaced>,
}

/// A file that stays if it cannot be replaced.
#[derive(Debug)]
struct Replaced {
    file_start: u64,
    synced: u64,
    /// Position behind the contents of the new file.
    until: u64,
}

/// Appended bytes on their way to the file.
#[derive(Debug)]
pub(crate) struct Appended {
    /// The end of the bytes.
    pub(crate) position: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) reserve_bytes: u64,
}

impl Journal {
    /// Goes on behind `sound_bytes` of an existing file.
    pub(crate) fn new(binding: Binding, sound_bytes: u64) -> Self {
        Self {
            binding,
            end: sound_bytes,
            file_start: 0,
            synced: sound_bytes,
            reserve_bytes: 0,
            long_bytes: JOURNAL_REWRITE_BYTES,
            replaced: None,
        }
    }

    /// The bytes of entries, and of the header if the file is new.
    pub(crate) fn append(&mut self, entries: &[&Entry<'_>]) -> Appended {
        let mut bytes = Vec::new();
        if self.end == self.file_start {
            entry::write_header(&self.binding, &mut bytes);
        }
        for entry in entries {
            entry.write(self.synced - self.file_start, &mut bytes);
        }
        self.end += as_u64(bytes.len());
        Appended { position: self.end, bytes, reserve_bytes: self.reserve_bytes }
    }

    /// The whole of a new file that carries only `sessions`; replaces the present one.
    pub(crate) fn rewrite(&mut self, sessions: &[SessionState]) -> Appended {
        let bytes = rewritten(&self.binding, sessions);
        let until = self.end + as_u64(bytes.len());
        self.replaced = Some(Replaced { file_start: self.file_start, synced: self.synced, until });
        (self.file_start, self.synced, self.end) = (self.end, self.end, until);
        self.long_bytes = self.file_bytes() + JOURNAL_REWRITE_BYTES;
        Appended { position: self.end, bytes, reserve_bytes: self.reserve_bytes }
    }

    /// The rewritten file did not come to be: what was appended since, and what will be, is behind the
    /// end of the old one. Positions stay what they are.
    pub(crate) fn keep_old_file(&mut self) {
        if let Some(Replaced { file_start, synced, until }) = self.replaced.take() {
            let never_written = until - self.file_start;
            self.file_start = file_start + never_written;
            self.synced = synced + never_written;
            self.long_bytes = self.file_bytes() + JOURNAL_REWRITE_BYTES;
        }
    }

    /// Everything before `position` is durable.
    pub(crate) fn synced(&mut self, position: u64) {
        self.synced = self.synced.max(position.min(self.end));
        self.replaced.take_if(|replaced| replaced.until <= position);
    }

    /// Whether the file is worth rewriting: it has grown much since that was done or tried.
    pub(crate) fn is_long(&self) -> bool {
        self.replaced.is_none() && self.file_bytes() > self.long_bytes
    }

    /// Keeps room for the answer of one more open call.
    pub(crate) fn reserve(&mut self, answer_bytes_max: usize) {
        self.reserve_bytes += as_u64(answer_bytes_max + JOURNAL_ENVELOPE_BYTES_MAX);
    }

    /// The answer came, or will never come.
    pub(crate) fn release(&mut self, answer_bytes_max: usize) {
        let room = as_u64(answer_bytes_max + JOURNAL_ENVELOPE_BYTES_MAX);
        self.reserve_bytes = self.reserve_bytes.saturating_sub(room);
    }

    /// Size of the file, in bytes.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.end - self.file_start
    }
}

/// Lengths in memory fit 64 bits on every machine there is.
fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a length in memory fits 64 bits")
}
