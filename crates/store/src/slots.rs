//! Slot rows: what was done under which call id. One row per (session, slot), updated in place, so that
//! calls in flight bound the rows of a session.
//!
//! Every claim is one conditional write that names all it relies on; what it means when no row matched is
//! decided by the engine.

use rusqlite::{OptionalExtension, Row, params};
use switchboard_call::flaw::{Flaw, planted};
use switchboard_call::id::{CallId, ReplyHash, SessionId, Slot};

use crate::{Snapshot, StoreError, Tx};

pub(crate) const SLOT_SCHEMA: &str = "
CREATE TABLE slot (
  session    BLOB    NOT NULL,
  slot       INTEGER NOT NULL,
  sequence   BIGINT  NOT NULL,
  principal  BIGINT  NOT NULL,
  nonce_tag  BIGINT  NOT NULL,
  key_id     BIGINT  NOT NULL,
  digest     BLOB    NOT NULL,
  reply_hash BIGINT  NOT NULL,
  at_us      BIGINT  NOT NULL,
  answer     BLOB    NOT NULL,
  PRIMARY KEY (session, slot)
) WITHOUT ROWID;
";

/// Whom a row's session belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BoundTo {
    /// Nobody yet: an operator cancelled its first call before it arrived.
    Nobody,
    /// The principal with this number (the engine's numbering, never 0).
    Principal(i64),
}

impl BoundTo {
    fn number(self) -> i64 {
        match self {
            Self::Nobody => 0,
            Self::Principal(number) => number,
        }
    }

    fn from_number(number: i64) -> Self {
        if number == 0 { Self::Nobody } else { Self::Principal(number) }
    }
}

/// What a copy of a call must show to be answered with the recorded reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest {
    /// From the nonce alone.
    pub nonce_tag: i64,
    /// Names the key of `mac`.
    pub key_id: i64,
    /// Keyed hash over nonce, service, version and body.
    pub mac: [u8; 16],
}

/// One row, as found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotRow {
    /// Sequence of the call that was recorded last.
    pub sequence: i64,
    /// Whom the session belongs to.
    pub bound_to: BoundTo,
    /// The call's digest; none for a cancelled call.
    pub digest: Option<Digest>,
    /// Hash of `answer`.
    pub reply_hash: ReplyHash,
    /// The recorded answer's bytes.
    pub answer: Vec<u8>,
}

/// Whether a conditional write found the row it named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// It did; the row is changed.
    Yes,
    /// No such row: nothing changed.
    No,
}

impl Tx<'_> {
    /// Claims the first call of a slot by inserting its row. `No` when the slot has a row.
    ///
    /// # Errors
    /// When the store fails.
    pub fn claim_first(&mut self, id: CallId, bound_to: BoundTo) -> Result<Written, StoreError> {
        if planted(Flaw::FirstClaimReplaces) {
            self.statement("DELETE FROM slot WHERE session = ?1 AND slot = ?2")?
                .execute(params![id.session.as_bytes(), id.slot.0])?;
        }
        let inserted = self
            .statement("INSERT INTO slot VALUES (?1, ?2, ?3, ?4, 0, 0, x'', 0, 0, x'')")?
            .execute(params![id.session.as_bytes(), id.slot.0, sequence_number(id), bound_to.number()]);
        match inserted {
            Ok(_) => Ok(Written::Yes),
            Err(error) if StoreError::is_constraint(&error) => Ok(Written::No),
            Err(error) => Err(error.into()),
        }
    }

    /// Claims call `id` (not the first of its slot) where the slot stands at the previous sequence, belongs
    /// to `principal` or nobody, and recorded the reply that hashes to `previous`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn claim_next(
        &mut self,
        id: CallId,
        principal: i64,
        previous: ReplyHash,
    ) -> Result<Written, StoreError> {
        if planted(Flaw::PrincipalNotCompared) {
            return self.claim_next_as_operator(id, Some(previous));
        }
        let row =
            if planted(Flaw::PreviousHashNotCompared) { self.slot_row(id.session, id.slot)? } else { None };
        let previous = row.map_or(previous, |row| row.reply_hash);
        let rows = self
            .statement(
                "UPDATE slot SET sequence = ?3, principal = ?4 WHERE session = ?1 AND slot = ?2 \
                 AND sequence = ?3 - 1 AND reply_hash = ?5 AND (principal = ?4 OR (principal = 0 AND NOT EXISTS \
                 (SELECT 1 FROM slot AS other WHERE other.session = ?1 AND other.principal NOT IN (0, ?4))))",
            )?
            .execute(params![
                id.session.as_bytes(),
                id.slot.0,
                sequence_number(id),
                principal,
                i64::from_be_bytes(previous.0),
            ])?;
        Ok(if rows == 1 { Written::Yes } else { Written::No })
    }

    /// Claims call `id` (not the first of its slot) for an operator's cancel: whoever owns the session, who
    /// keeps it; and whatever its previous reply was, unless `previous` names it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn claim_next_as_operator(
        &mut self,
        id: CallId,
        previous: Option<ReplyHash>,
    ) -> Result<Written, StoreError> {
        let previous = previous.map(|hash| i64::from_be_bytes(hash.0));
        let rows = self
            .statement(
                "UPDATE slot SET sequence = ?3 WHERE session = ?1 AND slot = ?2 AND sequence = ?3 - 1 \
                 AND (?4 IS NULL OR reply_hash = ?4)",
            )?
            .execute(params![id.session.as_bytes(), id.slot.0, sequence_number(id), previous])?;
        Ok(if rows == 1 { Written::Yes } else { Written::No })
    }

    /// Writes the answer of a call that this transaction has claimed. `digest` is none for a cancel.
    ///
    /// # Errors
    /// When the store fails, or the claimed row is not there.
    pub fn record(
        &mut self,
        id: CallId,
        digest: Option<&Digest>,
        answer: &[u8],
        at_us: i64,
    ) -> Result<(), StoreError> {
        if planted(Flaw::RecordedInAnotherTransaction) {
            self.conn.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        }
        let (nonce_tag, key_id, mac) =
            digest.map_or((0, 0, &[][..]), |d| (d.nonce_tag, d.key_id, &d.mac[..]));
        let rows = self
            .statement(
                "UPDATE slot SET nonce_tag = ?4, key_id = ?5, digest = ?6, reply_hash = ?7, at_us = ?8, answer = ?9 \
                 WHERE session = ?1 AND slot = ?2 AND sequence = ?3",
            )?
            .execute(params![
                id.session.as_bytes(),
                id.slot.0,
                sequence_number(id),
                nonce_tag,
                key_id,
                mac,
                i64::from_be_bytes(ReplyHash::of(id, answer).0),
                at_us,
                answer,
            ])?;
        if rows == 1 { Ok(()) } else { Err(StoreError::Impossible(format!("no claimed row for call {id}"))) }
    }

    /// Deletes slot rows of sessions born before `birth_ms`, oldest first, at most `rows_max`. Returns how many.
    ///
    /// # Errors
    /// When the store fails.
    pub fn collect_slots(&mut self, birth_ms: u64, rows_max: u32) -> Result<usize, StoreError> {
        let bound = SessionId::first_key_born_at(birth_ms);
        let rows = self
            .statement(
                "DELETE FROM slot WHERE (session, slot) IN \
                 (SELECT session, slot FROM slot WHERE session < ?1 ORDER BY session, slot LIMIT ?2)",
            )?
            .execute(params![&bound[..], rows_max])?;
        Ok(rows)
    }
}

impl Snapshot<'_> {
    /// The slot's row.
    ///
    /// # Errors
    /// When the store fails or the row is malformed.
    pub fn slot_row(&self, session: SessionId, slot: Slot) -> Result<Option<SlotRow>, StoreError> {
        self.statement(
            "SELECT sequence, principal, nonce_tag, key_id, digest, reply_hash, answer FROM slot \
             WHERE session = ?1 AND slot = ?2",
        )?
        .query_row(params![session.as_bytes(), slot.0], slot_row)
        .optional()?
        .transpose()
    }

    /// The slot's row. One that an operator's cancel left to nobody belongs to whom the other rows of its session
    /// belong to.
    ///
    /// # Errors
    /// When the store fails or the row is malformed.
    pub fn owned_slot_row(&self, session: SessionId, slot: Slot) -> Result<Option<SlotRow>, StoreError> {
        let Some(mut row) = self.slot_row(session, slot)? else { return Ok(None) };
        if row.bound_to == BoundTo::Nobody {
            row.bound_to = self.session_bound_to(session)?.unwrap_or(BoundTo::Nobody);
        }
        Ok(Some(row))
    }

    /// Whom the session belongs to by any of its rows; `None` before its first row.
    ///
    /// # Errors
    /// When the store fails.
    pub fn session_bound_to(&self, session: SessionId) -> Result<Option<BoundTo>, StoreError> {
        let number = self
            .statement("SELECT MAX(principal) FROM slot WHERE session = ?1")?
            .query_row(params![session.as_bytes()], |row| row.get::<_, Option<i64>>(0))?;
        Ok(number.map(BoundTo::from_number))
    }
}

fn slot_row(row: &Row<'_>) -> rusqlite::Result<Result<SlotRow, StoreError>> {
    let mac = row.get_ref(4)?.as_blob()?;
    let digest = match <[u8; 16]>::try_from(mac) {
        Ok(mac) => Some(Digest { nonce_tag: row.get(2)?, key_id: row.get(3)?, mac }),
        Err(_) if mac.is_empty() => None,
        Err(_) => return Ok(Err(StoreError::Impossible(format!("slot digest of {} bytes", mac.len())))),
    };
    Ok(Ok(SlotRow {
        sequence: row.get(0)?,
        bound_to: BoundTo::from_number(row.get(1)?),
        digest,
        reply_hash: ReplyHash(row.get::<_, i64>(5)?.to_be_bytes()),
        answer: row.get(6)?,
    }))
}

fn sequence_number(id: CallId) -> i64 {
    i64::try_from(id.sequence.number()).expect("a sequence is made to fit 63 bits")
}
