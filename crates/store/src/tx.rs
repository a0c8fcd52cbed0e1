//! A transaction and a snapshot. A [`Tx`] that is dropped without [`Tx::commit`] is rolled back.
//! The typed operations live beside their rows: slots.rs, ledger.rs, rows.rs, meta.rs.

use std::ops::Deref;

use rusqlite::{CachedStatement, Connection};
use switchboard_call::flaw::{Flaw, planted};

use crate::StoreError;

/// A consistent view of all rows; reads only.
#[derive(Debug)]
pub struct Snapshot<'a> {
    pub(crate) conn: &'a Connection,
}

/// The one writing transaction. Everything a snapshot can read, and all writes.
#[derive(Debug)]
pub struct Tx<'a> {
    view: Snapshot<'a>,
    open: bool,
}

impl<'a> Snapshot<'a> {
    /// Starts a read transaction on `conn`; ended by [`Snapshot::end`] of whoever lends the connection.
    pub(crate) fn begin(conn: &'a Connection) -> Result<Self, StoreError> {
        conn.prepare_cached("BEGIN DEFERRED")?.execute([])?;
        Ok(Self { conn })
    }

    /// Ends the read transaction.
    pub(crate) fn end(self) -> Result<(), StoreError> {
        self.conn.prepare_cached("ROLLBACK")?.execute([])?;
        Ok(())
    }

    pub(crate) fn statement(&self, sql: &str) -> Result<CachedStatement<'a>, StoreError> {
        Ok(self.conn.prepare_cached(sql)?)
    }
}

impl<'a> Tx<'a> {
    pub(crate) fn begin(conn: &'a Connection) -> Result<Self, StoreError> {
        if !conn.is_autocommit() {
            // A rollback that failed earlier: nothing of it may be committed now.
            conn.execute_batch("ROLLBACK")?;
        }
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self { view: Snapshot { conn }, open: true })
    }

    /// A statement of this transaction. Some errors end the whole transaction in the engine below: whoever
    /// goes on after one must not write outside of it.
    pub(crate) fn statement(&self, sql: &str) -> Result<CachedStatement<'a>, StoreError> {
        if self.is_open() { self.view.statement(sql) } else { Err(already_rolled_back()) }
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// Any error means *unknown*: the caller finds out by reading in a new transaction.
    pub fn commit(mut self) -> Result<(), StoreError> {
        if !self.is_open() {
            self.open = false;
            return Err(already_rolled_back());
        }
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        self.open = false;
        Ok(())
    }

    /// Marks the point that [`Tx::back_to_savepoint`] returns to.
    ///
    /// # Errors
    /// When the store fails; the transaction must then be dropped.
    pub fn savepoint(&mut self) -> Result<(), StoreError> {
        self.statement("SAVEPOINT rule")?.execute([])?;
        Ok(())
    }

    /// Takes back every write since [`Tx::savepoint`], which stays set.
    ///
    /// # Errors
    /// When the store fails; the transaction must then be dropped.
    pub fn back_to_savepoint(&mut self) -> Result<(), StoreError> {
        self.statement("ROLLBACK TO rule")?.execute([])?;
        Ok(())
    }

    /// Forgets the savepoint; its writes stay.
    ///
    /// # Errors
    /// When the store fails; the transaction must then be dropped.
    pub fn release_savepoint(&mut self) -> Result<(), StoreError> {
        self.statement("RELEASE rule")?.execute([])?;
        Ok(())
    }

    /// Rows written on this connection since it was opened: tells whether a rule has written.
    #[must_use]
    pub fn rows_written(&self) -> u64 {
        self.conn.total_changes()
    }

    /// Whether the engine below still has the transaction open; some errors end it as a whole.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.conn.is_autocommit()
    }
}

fn already_rolled_back() -> StoreError {
    StoreError::Sql(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK),
        Some("an earlier error ended the transaction".to_owned()),
    ))
}

/// A transaction reads like a snapshot that sees its own writes.
impl<'a> Deref for Tx<'a> {
    type Target = Snapshot<'a>;

    fn deref(&self) -> &Snapshot<'a> {
        &self.view
    }
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if self.open && !self.conn.is_autocommit() {
            // Nothing better can be done with an error here: the next BEGIN will report it.
            let end = if planted(Flaw::FailedBatchCommitted) { "COMMIT" } else { "ROLLBACK" };
            let _rolled_back = self.conn.execute_batch(end);
        }
    }
}
