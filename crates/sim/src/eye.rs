//! An eye on the committed rows: a reading connection of the simulation's own, next to those of the store.

use rusqlite::{Connection, OpenFlags, Row};
use switchboard_call::id::{CallId, Sequence, SessionId, Slot};

use crate::disk::{Disk, VFS};
use crate::intent::{entries, marked};
use crate::model::{AccountRow, TransferRow};

/// Looks at one store.
#[derive(Debug)]
pub struct Eye {
    conn: Connection,
}

impl Eye {
    /// Opens it on a database that is being served.
    ///
    /// # Errors
    /// When SQLite cannot.
    pub fn open(disk: &Disk, database: &str) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags_and_vfs(disk.path(database), flags, VFS)?;
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        conn.pragma_update(None, "query_only", true)?;
        Ok(Self { conn })
    }

    /// Entries behind the first `known` ones.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn transfers(&self, known: usize) -> rusqlite::Result<Vec<TransferRow>> {
        let sql = "SELECT id, debit, credit, amount, memo, session, slot, sequence, part FROM transfer WHERE id > ?1 ORDER BY id";
        let mut statement = self.conn.prepare_cached(sql)?;
        let known = i64::try_from(known).expect("a few rows");
        let rows = statement.query_map([known], |row| {
            let memo: Option<String> = row.get(4)?;
            Ok(TransferRow {
                id: row.get(0)?,
                debit: row.get(1)?,
                credit: row.get(2)?,
                amount: row.get(3)?,
                intent: memo.as_deref().and_then(marked).unwrap_or(0),
                call: call_id(row, 5)?,
                part: row.get(8)?,
                parts: memo.as_deref().map_or(1, entries),
            })
        })?;
        rows.collect()
    }

    /// All accounts.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn accounts(&self) -> rusqlite::Result<Vec<AccountRow>> {
        let sql =
            "SELECT id, balance, currency, floor, owner, session, slot, sequence FROM account ORDER BY id";
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            let id: i64 = row.get(0)?;
            let owner: String = row.get(4)?;
            let opened_by = match marked(&owner).filter(|_| id > 0) {
                Some(intent) => Some((intent, call_id(row, 5)?)),
                None => None,
            };
            Ok(AccountRow { id, balance: row.get(1)?, currency: row.get(2)?, floor: row.get(3)?, opened_by })
        })?;
        rows.collect()
    }

    /// The first counter of the teller's that stands above one, as its key.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn counted_twice(&self) -> rusqlite::Result<Option<Vec<u8>>> {
        let sql = "SELECT key FROM row WHERE space = ?1 AND value > x'01' ORDER BY key LIMIT 1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query_map([crate::teller::ROWS.as_bytes()], |row| row.get(0))?;
        rows.next().transpose()
    }

    /// Attempts that stand although nothing was withdrawn by them, or the other way round.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn attempts(&self) -> rusqlite::Result<u64> {
        let sql = "SELECT count(*) FROM row WHERE space = ?1 AND substr(key, 1, 1) = x'61'";
        let count: i64 =
            self.conn.prepare_cached(sql)?.query_row([crate::teller::ROWS.as_bytes()], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The calls at which the slots stand, and their answers.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn slots(&self) -> rusqlite::Result<Vec<(CallId, Vec<u8>)>> {
        let mut statement = self.conn.prepare_cached("SELECT session, slot, sequence, answer FROM slot")?;
        let rows = statement.query_map([], |row| Ok((call_id(row, 0)?, row.get(3)?)))?;
        rows.collect()
    }

    /// The horizon, in milliseconds since 1970.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn horizon_ms(&self) -> rusqlite::Result<u64> {
        let horizon: i64 =
            self.conn.prepare_cached("SELECT horizon_ms FROM meta")?.query_row([], |row| row.get(0))?;
        Ok(u64::try_from(horizon).unwrap_or(0))
    }
}

fn call_id(row: &Row<'_>, first: usize) -> rusqlite::Result<CallId> {
    let session: Vec<u8> = row.get(first)?;
    let (slot, sequence): (u16, i64) = (row.get(first + 1)?, row.get(first + 2)?);
    let session = session.try_into().ok().and_then(SessionId::from_bytes);
    let sequence = u64::try_from(sequence).ok().and_then(Sequence::new);
    let malformed = || rusqlite::Error::IntegralValueOutOfRange(first, 0);
    Ok(CallId {
        session: session.ok_or_else(malformed)?,
        slot: Slot(slot),
        sequence: sequence.ok_or_else(malformed)?,
    })
}
