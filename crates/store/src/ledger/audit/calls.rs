//! One execution per call id. What proves it: an execution numbers its transfers 0, 1, 2 ... and gives all
//! of them the one time of its transaction, so a second execution of the same id repeats a number; a slot
//! books its calls in order, so an old call that was executed again stands behind a later one; and the
//! slot's own row, while it is kept, says whether the call was claimed and how it ended.

use rusqlite::Row;
use switchboard_call::answer::Answer;
use switchboard_call::id::CallId;
use switchboard_commands::bank::Check;

use super::{Audit, Subject};
use crate::ledger::checksum::sequence_number;
use crate::ledger::transfer::call_id;
use crate::{Snapshot, StoreError};

/// The entry read before, in order of call ids.
struct Entry {
    number: i64,
    call: CallId,
    part: i64,
    at_us: i64,
}

impl Audit {
    pub(super) fn read_calls(&mut self, view: &Snapshot<'_>) -> Result<(), StoreError> {
        self.entries_by_call(view)?;
        self.openings_by_call(view)?;
        self.slots_of_entries(view, "transfer", Subject::Transfer)?;
        self.slots_of_entries(view, "account", Subject::Account)
    }

    /// The engine below sorts outside of memory; one entry is kept here.
    fn entries_by_call(&mut self, view: &Snapshot<'_>) -> Result<(), StoreError> {
        let mut statement = view.statement(
            "SELECT id, session, slot, sequence, part, at_us FROM transfer \
             ORDER BY session, slot, sequence, id",
        )?;
        let mut rows = statement.query([])?;
        let mut before: Option<Entry> = None;
        while let Some(row) = rows.next()? {
            // A row that cannot be read is already a finding.
            let Ok(entry) = entry(row) else { continue };
            self.compare_entries(before.as_ref(), &entry);
            before = Some(entry);
        }
        Ok(())
    }

    fn compare_entries(&mut self, before: Option<&Entry>, entry: &Entry) {
        let subject = Subject::Transfer(entry.number);
        let call = entry.call;
        let same_call = before.filter(|before| before.call == call);
        let follows = match same_call {
            Some(before) => before.part + 1 == entry.part && before.at_us == entry.at_us,
            None => entry.part == 0,
        };
        self.require(follows, Check::ExecutedOnce, subject, || match same_call {
            Some(before) => format!("call {call} was booked as transfer {} and again", before.number),
            None => format!("call {call} begins with part {}", entry.part),
        });
        let same_slot = before.filter(|b| (b.call.session, b.call.slot) == (call.session, call.slot));
        let in_order = same_slot.is_none_or(|before| before.number < entry.number);
        self.require(in_order, Check::ExecutedOnce, subject, || {
            format!("call {call} was booked before an earlier call of its slot")
        });
    }

    fn openings_by_call(&mut self, view: &Snapshot<'_>) -> Result<(), StoreError> {
        let mut statement = view.statement(
            "SELECT id, session, slot, sequence FROM account WHERE id > 0 ORDER BY session, slot, sequence, id",
        )?;
        let mut rows = statement.query([])?;
        let mut before: Option<(i64, CallId)> = None;
        while let Some(row) = rows.next()? {
            let Ok(call) = call_id(row, 1) else { continue };
            let number = row.get(0)?;
            if let Some((earlier, _)) = before.filter(|(_, before)| *before == call) {
                self.find(Check::ExecutedOnce, Subject::Account(number), || {
                    format!("call {call} opened account {earlier} and again")
                });
            }
            before = Some((number, call));
        }
        Ok(())
    }

    /// Entries whose slot row is still there and does not stand beyond them.
    fn slots_of_entries(
        &mut self,
        view: &Snapshot<'_>,
        table: &str,
        subject: fn(i64) -> Subject,
    ) -> Result<(), StoreError> {
        let mut statement = view.statement(&format!(
            "SELECT e.id, e.session, e.slot, e.sequence, s.sequence, s.answer FROM {table} e \
             JOIN slot s ON s.session = e.session AND s.slot = e.slot AND s.sequence <= e.sequence"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Ok(call) = call_id(row, 1) else { continue };
            let subject = subject(row.get(0)?);
            let claimed: i64 = row.get(4)?;
            self.require(claimed == sequence_number(call), Check::CallClaimed, subject, || {
                format!("call {call} is booked, its slot stands at {claimed}")
            });
            if claimed == sequence_number(call) {
                let answer = Answer::from_bytes(row.get_ref(5)?.as_blob().unwrap_or_default());
                self.require(matches!(answer, Ok(Answer::Done(_))), Check::CallClaimed, subject, || {
                    format!("call {call} is booked, its recorded answer does not say that it was executed")
                });
            }
        }
        Ok(())
    }
}

fn entry(row: &Row<'_>) -> Result<Entry, StoreError> {
    Ok(Entry { number: row.get(0)?, call: call_id(row, 1)?, part: row.get(4)?, at_us: row.get(5)? })
}
