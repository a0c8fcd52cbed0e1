//! A transaction and a snapshot. A [`Tx`] that is dropped without [`Tx::commit`] is rolled back.
//! The typed operations live beside their rows: slots.rs, ledger.rs, rows.rs, meta.rs.

use std::cell::{RefCell, RefMut};
use std::ops::Deref;

use rusqlite::{CachedStatement, Connection};
use switchboard_call::flaw::{Flaw, planted};

use crate::StoreError;
use crate::known::Known;

/// A consistent view of all rows; reads only.
#[derive(Debug)]
pub struct Snapshot<'a> {
    pub(crate) conn: &'a Connection,
    /// What a transaction has not yet given to SQLite.
    pending: Option<&'a RefCell<Known>>,
}

/// The one writing transaction. Everything a snapshot can read, and all writes.
#[derive(Debug)]
pub struct Tx<'a> {
    view: Snapshot<'a>,
    known: &'a RefCell<Known>,
    open: bool,
}

impl<'a> Snapshot<'a> {
    /// Starts a read transaction on `conn`; ended by [`Snapshot::end`] of whoever lends the connection.
    pub(crate) fn begin(conn: &'a Connection) -> Result<Self, StoreError> {
        conn.prepare_cached("BEGIN DEFERRED")?.execute([])?;
        Ok(Self::of(conn))
    }

    /// The committed rows, while no transaction is open on `conn`.
    pub(crate) fn of(conn: &'a Connection) -> Self {
        Self { conn, pending: None }
    }

    /// Ends the read transaction.
    pub(crate) fn end(self) -> Result<(), StoreError> {
        self.conn.prepare_cached("ROLLBACK")?.execute([])?;
        Ok(())
    }

    /// A statement that sees everything written so far. Some errors end the whole transaction in the engine below: whoever
    /// goes on after one must not write outside of it, and what is pending is written here.
    pub(crate) fn statement(&self, sql: &str) -> Result<CachedStatement<'a>, StoreError> {
        if let Some(pending) = self.pending {
            if self.conn.is_autocommit() {
                return Err(already_rolled_back());
            }
            pending.borrow_mut().write_out(self.conn)?;
        }
        Ok(self.conn.prepare_cached(sql)?)
    }
}

impl<'a> Tx<'a> {
    pub(crate) fn begin(conn: &'a Connection, known: &'a RefCell<Known>) -> Result<Self, StoreError> {
        if !conn.is_autocommit() {
            // A rollback that failed earlier: nothing of it may be committed now.
            conn.execute_batch("ROLLBACK")?;
        }
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let tx = Self { view: Snapshot { conn, pending: Some(known) }, known, open: true };
        tx.known().begin(conn)?;
        Ok(tx)
    }

    /// What this transaction knows and has pending.
    pub(crate) fn known(&self) -> RefMut<'a, Known> {
        self.known.borrow_mut()
    }

    /// A statement on rows of which nothing is pending.
    pub(crate) fn statement_beside(&self, sql: &str) -> Result<CachedStatement<'a>, StoreError> {
        if self.is_open() { Ok(self.conn.prepare_cached(sql)?) } else { Err(already_rolled_back()) }
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// Any error means *unknown*: the caller finds out by reading in a new transaction.
    pub fn commit(mut self) -> Result<(), StoreError> {
        if !self.is_open() {
            return Err(already_rolled_back());
        }
        self.known().write_out(self.conn)?;
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
        // Nothing that is pending was there at the savepoint, which had everything written out.
        self.statement_beside("ROLLBACK TO rule")?.execute([])?;
        self.known().forget();
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

    /// Grows with every row that is written: tells whether a rule has written.
    #[must_use]
    pub fn rows_written(&self) -> u64 {
        self.known().rows_written(self.conn)
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
        if !self.open {
            return;
        }
        self.known().forget();
        if !self.conn.is_autocommit() {
            // Nothing better can be done with an error here: the next BEGIN will report it.
            let end = if planted(Flaw::FailedBatchCommitted) { "COMMIT" } else { "ROLLBACK" };
            let _rolled_back = self.conn.execute_batch(end);
        }
    }
}
