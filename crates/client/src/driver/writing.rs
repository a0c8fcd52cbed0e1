//! The journal file as the machine wants it written. Absent: what is in it, and the file itself.

use std::sync::Arc;

use super::Driver;
use crate::error::JournalError;
use crate::options::Event;

impl Driver {
    pub(super) fn append(&mut self, bytes: &[u8], reserve_bytes: u64) {
        self.kept_bytes = reserve_bytes;
        let length = u64::try_from(bytes.len()).expect("a usize fits 64 bits");
        let Some(journal) = &mut self.parts.journal else { return };
        // An answer takes the room that was kept for it and is not part of what is kept from now on: nothing has to be
        // found for it on a disk that has become full.
        let written =
            journal.reserve(length.saturating_add(reserve_bytes)).and_then(|()| journal.append(bytes));
        self.check_journal(written);
    }

    pub(super) fn flush(&mut self, position: u64) {
        let Some(journal) = &mut self.parts.journal else { return };
        let flushed = journal.sync();
        if self.check_journal(flushed) {
            self.parts.machine.handle_journalled(position);
        }
    }

    /// The old file says the same in more words: when it cannot be replaced, it stays.
    pub(super) fn rewrite(&mut self, position: u64, bytes: &[u8]) {
        let Some(journal) = &mut self.parts.journal else { return };
        match journal.replace(bytes).and_then(|()| journal.sync()) {
            Ok(()) => self.parts.machine.handle_journalled(position),
            Err(error) if journal.is_sound() => {
                self.parts.machine.handle_rewrite_failed();
                self.tell(Event::JournalNotShortened(Arc::new(error)));
            }
            Err(error) => {
                self.check_journal(Err(error));
            }
        }
    }

    fn check_journal(&mut self, result: Result<(), JournalError>) -> bool {
        let Err(error) = result else { return true };
        // Said once: what the machine still wants written after that fails too.
        if self.parts.journal.take().is_some() {
            self.tell(Event::JournalFailed(Arc::new(error)));
            self.flush_to = None;
            self.parts.machine.handle_journal_failed();
        }
        false
    }
}
