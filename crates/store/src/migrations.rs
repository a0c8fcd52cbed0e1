//! The schema and its history: append-only. A released step is never edited; a change is a new step.
//!
//! `PRAGMA user_version` holds the number of the last step done; `application_id` marks the file as ours.

use rusqlite::Connection;

use crate::StoreError;
use crate::ledger::LEDGER_SCHEMA;
use crate::meta::META_SCHEMA;
use crate::rows::ROW_SCHEMA;
use crate::slots::SLOT_SCHEMA;

/// "SWBD", in the header of the file.
pub(crate) const APPLICATION_ID: i32 = 0x5357_4244;

/// Step n is the n-th entry: the SQL texts that lead from version n-1 to n.
const STEPS: &[&[&str]] = &[&[META_SCHEMA, SLOT_SCHEMA, LEDGER_SCHEMA, ROW_SCHEMA]];

/// What a database file needs before it can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// No schema at all.
    Empty,
    /// An older schema: back up, then migrate.
    Older,
    /// Ready.
    Current,
}

/// The version that this program writes.
pub(crate) fn newest() -> u32 {
    u32::try_from(STEPS.len()).expect("a list in the source is short")
}

/// Looks at the file's version without changing anything.
pub(crate) fn state(conn: &Connection, path: &std::path::Path) -> Result<State, StoreError> {
    let version: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 && version == 0 {
        return Ok(State::Empty);
    }
    if application != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    match version.cmp(&newest()) {
        std::cmp::Ordering::Less => Ok(State::Older),
        std::cmp::Ordering::Equal => Ok(State::Current),
        std::cmp::Ordering::Greater => Err(StoreError::NewerSchema { found: version, known: newest() }),
    }
}

/// Does the missing steps inside the caller's transaction.
pub(crate) fn migrate(conn: &Connection) -> Result<(), StoreError> {
    let version: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    for step in STEPS.iter().skip(done) {
        for sql in *step {
            conn.execute_batch(sql)?;
        }
    }
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", newest())?;
    Ok(())
}
