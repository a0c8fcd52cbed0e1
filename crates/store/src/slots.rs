//! Slot rows: what was done under which call id. One row per (session, slot), updated in place, so that
//! calls in flight bound the rows of a session.
//!
//! A claim looks at the row under the one writing transaction; its record is one conditional write that names all
//! the claim relied on. What it means when the row is another is decided by the engine.

use rusqlite::{OptionalExtension, Row, ToSql, params};
use switchboard_call::flaw::{Flaw, planted};
use switchboard_call::id::{CallId, ReplyHash, SessionId, Slot};

use crate::known::KnownSlot;
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

/// A call that may be executed in this transaction, and the row that its record relies on: [`Tx::record`] writes
/// the claim and the answer by one statement that names all of it.
#[must_use = "a claimed call has to be recorded in its transaction"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claimed {
    id: CallId,
    /// Whom the session belongs to from now on.
    bound_to: BoundTo,
    /// The slot's row before; none for the slot's first call.
    found: Option<KnownSlot>,
}

impl Tx<'_> {
    /// Claims the first call of a slot. `None` when the slot has a row.
    ///
    /// # Errors
    /// When the store fails.
    pub fn claim_first(&mut self, id: CallId, bound_to: BoundTo) -> Result<Option<Claimed>, StoreError> {
        if planted(Flaw::FirstClaimReplaces) {
            self.statement("DELETE FROM slot WHERE session = ?1 AND slot = ?2")?
                .execute(params![id.session.as_bytes(), id.slot.0])?;
            self.known().forget_slots();
        }
        let found = self.known_slot(id)?;
        Ok(found.is_none().then_some(Claimed { id, bound_to, found }))
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
    ) -> Result<Option<Claimed>, StoreError> {
        let Some(claimed) = self.claim_next_as_operator(id, Some(previous))? else { return Ok(None) };
        let owner = match claimed.bound_to {
            BoundTo::Nobody => self.session_bound_to(id.session)?.unwrap_or(BoundTo::Nobody),
            owner @ BoundTo::Principal(_) => owner,
        };
        let ours = BoundTo::Principal(principal);
        if planted(Flaw::PrincipalNotCompared) {
            return Ok(Some(claimed));
        }
        Ok((owner == ours || owner == BoundTo::Nobody).then_some(Claimed { bound_to: ours, ..claimed }))
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
    ) -> Result<Option<Claimed>, StoreError> {
        let Some(found) = self.known_slot(id)? else { return Ok(None) };
        let same =
            previous.is_none_or(|hash| hash == found.reply_hash) || planted(Flaw::PreviousHashNotCompared);
        let stands_before = found.sequence == sequence_number(id) - 1;
        let claimed = Claimed { id, bound_to: found.bound_to, found: Some(found) };
        Ok((same && stands_before).then_some(claimed))
    }

    /// Claims a call whatever its row says. No rule does: for the planted bugs.
    ///
    /// # Errors
    /// When the store fails.
    pub fn claim_unchecked(&mut self, id: CallId, bound_to: BoundTo) -> Result<Claimed, StoreError> {
        Ok(Claimed { id, bound_to, found: self.known_slot(id)? })
    }

    /// What a claim compares; read when it is not known. No row of a slot is ever pending.
    fn known_slot(&self, id: CallId) -> Result<Option<KnownSlot>, StoreError> {
        if let Some(known) = self.known().slot(id.session, id.slot) {
            return Ok(Some(known));
        }
        let found = self
            .statement_beside(
                "SELECT sequence, principal, reply_hash FROM slot WHERE session = ?1 AND slot = ?2",
            )?
            .query_row(params![id.session.as_bytes(), id.slot.0], |row| {
                let bound_to = BoundTo::from_number(row.get(1)?);
                let reply_hash = ReplyHash(row.get::<_, i64>(2)?.to_be_bytes());
                Ok(KnownSlot { sequence: row.get(0)?, bound_to, reply_hash })
            })
            .optional()?;
        if let Some(found) = found {
            self.known().learn_slot(id.session, id.slot, found);
        }
        Ok(found)
    }

    /// Makes a claim with its answer: one write that names everything the claim relied on. `digest` is none for a
    /// cancel.
    ///
    /// # Errors
    /// When the store fails, or the row is not what the claim found.
    pub fn record(
        &mut self,
        claimed: Claimed,
        digest: Option<&Digest>,
        answer: &[u8],
        at_us: i64,
    ) -> Result<(), StoreError> {
        if planted(Flaw::RecordedInAnotherTransaction) {
            self.known().write_out(self.conn)?;
            self.conn.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        }
        let Claimed { id, bound_to, found } = claimed;
        let reply_hash = ReplyHash::of(id, answer);
        let (nonce_tag, key_id, mac) =
            digest.map_or((0, 0, &[][..]), |d| (d.nonce_tag, d.key_id, &d.mac[..]));
        let row = params![
            id.session.as_bytes(),
            id.slot.0,
            sequence_number(id),
            bound_to.number(),
            nonce_tag,
            key_id,
            mac,
            i64::from_be_bytes(reply_hash.0),
            at_us,
            answer,
        ];
        let rows = match found {
            None => self
                .statement_beside("INSERT INTO slot VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
                .execute(row)?,
            Some(found) => {
                let before =
                    params![found.sequence, found.bound_to.number(), i64::from_be_bytes(found.reply_hash.0)];
                let all: Vec<&dyn ToSql> = row.iter().chain(before).copied().collect();
                self.statement_beside(
                    "UPDATE slot SET sequence = ?3, principal = ?4, nonce_tag = ?5, key_id = ?6, digest = ?7, \
                     reply_hash = ?8, at_us = ?9, answer = ?10 WHERE session = ?1 AND slot = ?2 \
                     AND sequence = ?11 AND principal = ?12 AND reply_hash = ?13",
                )?
                .execute(&all[..])?
            }
        };
        if rows != 1 {
            return Err(StoreError::Impossible(format!(
                "the slot of call {id} moved inside its own transaction"
            )));
        }
        let now = KnownSlot { sequence: sequence_number(id), bound_to, reply_hash };
        self.known().learn_slot(id.session, id.slot, now);
        Ok(())
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
        self.known().forget_slots();
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
