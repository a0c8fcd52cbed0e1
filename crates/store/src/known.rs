//! What the writer knows of the rows it has just written or read, so that a batch of calls asks SQLite once for what
//! many of them need, and writes an account once however many transfers of the batch touch it.
//!
//! ```text
//!   rule ─ post ─▶ accounts, transfers (here, pending) ─ write_out ─▶ SQLite ─ COMMIT
//! ```
//!
//! Pending rows reach SQLite before any row that may be pending is read in their transaction (`Snapshot::statement`) and
//! before COMMIT; each account by one write that names all that was known of it. Knowledge outlives a transaction that
//! committed and that nobody else's commit followed (`PRAGMA data_version`); any other end forgets it.
//!
//! Absent: what may be booked (ledger), what a claim means (slots.rs, engine).

use std::collections::HashMap;
use std::sync::LazyLock;

use rusqlite::{Connection, ToSql, params};
use switchboard_call::id::{ReplyHash, SessionId, Slot};
use switchboard_commands::bank::{AccountId, TransferId};

use crate::ledger::{Account, PendingTransfer, TRANSFER_COLUMNS};
use crate::limits::{INSERT_ROWS, KNOWN_ROWS_MAX};
use crate::{BoundTo, StoreError};

/// Rows as this transaction sees them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// `PRAGMA data_version` when they were looked at.
    version: Option<i64>,
    accounts: HashMap<AccountId, KnownAccount>,
    /// Accounts that SQLite does not have as they are here, each once.
    changed: Vec<AccountId>,
    /// Transfers that SQLite does not have.
    transfers: Vec<PendingTransfer>,
    /// The newest transfer, pending or not; none until it was looked up.
    newest_transfer: Option<i64>,
    slots: HashMap<(SessionId, Slot), KnownSlot>,
    /// Not all that was pending could be written, so nothing of this transaction may be committed.
    failed: bool,
    /// Rows that were made pending, ever.
    pended: u64,
    /// Rows that SQLite counted when it was given pending ones, ever.
    written_out: u64,
}

#[derive(Clone, Copy, Debug)]
struct KnownAccount {
    now: Account,
    /// As SQLite has it, when that is something else.
    stored: Option<Account>,
}

/// What a claim compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct KnownSlot {
    pub(crate) sequence: i64,
    pub(crate) bound_to: BoundTo,
    pub(crate) reply_hash: ReplyHash,
}

impl Known {
    /// To be called first in every transaction: forgets what another connection may have changed.
    pub(crate) fn begin(&mut self, conn: &Connection) -> Result<(), StoreError> {
        let version = conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.version != Some(version) {
            self.forget();
            self.version = Some(version);
        }
        if self.accounts.len() > KNOWN_ROWS_MAX {
            self.accounts.clear();
        }
        if self.slots.len() > KNOWN_ROWS_MAX {
            self.slots.clear();
        }
        Ok(())
    }

    /// To be called when a transaction ends in anything but a commit.
    pub(crate) fn forget(&mut self) {
        *self = Self { pended: self.pended, written_out: self.written_out, ..Self::default() };
    }

    /// Rows that were written on this connection, ever, each counted when it was asked for: giving SQLite what an
    /// earlier rule left pending counts nothing.
    pub(crate) fn rows_written(&self, conn: &Connection) -> u64 {
        conn.total_changes() - self.written_out + self.pended
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<Account> {
        self.accounts.get(&id).map(|known| known.now)
    }

    /// An account as it was just read from SQLite or inserted there.
    pub(crate) fn learn_account(&mut self, account: Account) {
        self.accounts.insert(account.id, KnownAccount { now: account, stored: None });
    }

    /// The account is to be written as `account`; it is known already.
    pub(crate) fn change_account(&mut self, account: Account) -> Result<(), StoreError> {
        let known = self.accounts.get_mut(&account.id).ok_or_else(|| unknown(account.id))?;
        if known.stored.is_none() {
            known.stored = Some(known.now);
            self.changed.push(account.id);
        }
        known.now = account;
        self.pended += 1;
        Ok(())
    }

    /// The number of the newest transfer, if it was looked up.
    pub(crate) fn newest_transfer(&self) -> Option<i64> {
        self.newest_transfer
    }

    pub(crate) fn learn_newest_transfer(&mut self, number: i64) {
        self.newest_transfer = Some(number);
    }

    /// A transfer to be written; its number is the newest one's successor.
    pub(crate) fn append_transfer(&mut self, transfer: PendingTransfer) {
        self.newest_transfer = Some(transfer.id);
        self.transfers.push(transfer);
        self.pended += 1;
    }

    pub(crate) fn slot(&self, session: SessionId, slot: Slot) -> Option<KnownSlot> {
        self.slots.get(&(session, slot)).copied()
    }

    pub(crate) fn learn_slot(&mut self, session: SessionId, slot: Slot, row: KnownSlot) {
        self.slots.insert((session, slot), row);
    }

    pub(crate) fn forget_slots(&mut self) {
        self.slots.clear();
    }

    /// Gives SQLite all that is pending: transfers in their order, then each changed account once.
    pub(crate) fn write_out(&mut self, conn: &Connection) -> Result<(), StoreError> {
        if self.failed {
            let why = "a transaction goes on after its rows could not be written";
            return Err(StoreError::Impossible(why.to_owned()));
        }
        let before = conn.total_changes();
        let written = self.write_pending(conn);
        self.written_out += conn.total_changes() - before;
        self.failed = written.is_err();
        written
    }

    fn write_pending(&mut self, conn: &Connection) -> Result<(), StoreError> {
        if !self.transfers.is_empty() {
            insert_transfers(conn, &self.transfers)?;
            self.transfers.clear();
        }
        if self.changed.is_empty() {
            return Ok(());
        }
        let mut update = conn.prepare_cached(
            "UPDATE account SET balance = ?2, last_transfer = ?3 \
             WHERE id = ?1 AND balance = ?4 AND last_transfer = ?5 AND held = ?6",
        )?;
        for id in self.changed.drain(..) {
            let known = self.accounts.get_mut(&id).ok_or_else(|| unknown(id))?;
            let Some(stored) = known.stored.take().filter(|stored| *stored != known.now) else { continue };
            let rows = update.execute(params![
                id.number(),
                known.now.balance.minor(),
                known.now.last_transfer.map_or(0, TransferId::number),
                stored.balance.minor(),
                stored.last_transfer.map_or(0, TransferId::number),
                stored.held.minor(),
            ])?;
            if rows != 1 {
                return Err(StoreError::Impossible(format!("account {id} moved inside its own transaction")));
            }
        }
        Ok(())
    }
}

/// Many rows a statement: the step into SQLite and out costs as much as a row.
fn insert_transfers(conn: &Connection, transfers: &[PendingTransfer]) -> Result<(), StoreError> {
    let (many, rest) = transfers.as_chunks::<INSERT_ROWS>();
    if !many.is_empty() {
        let mut insert = conn.prepare_cached(&INSERT_MANY)?;
        for rows in many {
            bind_and_run(&mut insert, rows)?;
        }
    }
    if !rest.is_empty() {
        let mut insert = conn.prepare_cached(&INSERT_ONE)?;
        for row in rest {
            bind_and_run(&mut insert, std::slice::from_ref(row))?;
        }
    }
    Ok(())
}

fn bind_and_run(
    insert: &mut rusqlite::CachedStatement<'_>,
    rows: &[PendingTransfer],
) -> Result<(), StoreError> {
    let mut parameters: Vec<&dyn ToSql> = Vec::with_capacity(rows.len() * TRANSFER_COLUMNS);
    for row in rows {
        parameters.extend(row.columns());
    }
    let inserted = insert.execute(&parameters[..])?;
    if inserted == rows.len() {
        return Ok(());
    }
    Err(StoreError::Impossible(format!("{inserted} of {} transfers were written", rows.len())))
}

static INSERT_ONE: LazyLock<String> = LazyLock::new(|| insert_sql(1));
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| insert_sql(INSERT_ROWS));

fn insert_sql(rows: usize) -> String {
    let row = format!("({})", vec!["?"; TRANSFER_COLUMNS].join(", "));
    format!("INSERT INTO transfer VALUES {}", vec![row; rows].join(", "))
}

fn unknown(account: AccountId) -> StoreError {
    StoreError::Impossible(format!("account {account} was changed unread"))
}
