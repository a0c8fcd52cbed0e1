//! The store's facts about itself: its id, its generation, the horizon.

use rusqlite::params;
use switchboard_call::id::{Generation, StoreId};

use crate::{Snapshot, StoreError, Tx};

pub(crate) const META_SCHEMA: &str = "
CREATE TABLE meta (
  only_row   INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
  store_id   BLOB    NOT NULL,
  generation BIGINT  NOT NULL,
  horizon_ms BIGINT  NOT NULL,
  created_us BIGINT  NOT NULL
);
";

/// The facts, as they stand in one snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meta {
    /// Random, made with the database.
    pub store: StoreId,
    /// Raised by every restore.
    pub generation: Generation,
    /// Sessions born before this take no new claims; milliseconds since 1970.
    pub horizon_ms: u64,
}

impl Snapshot<'_> {
    /// The facts.
    ///
    /// # Errors
    /// When the store fails or the row is malformed.
    pub fn meta(&self) -> Result<Meta, StoreError> {
        let (store, generation, horizon_ms): (Vec<u8>, i64, i64) = self
            .statement("SELECT store_id, generation, horizon_ms FROM meta WHERE only_row = 1")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let malformed = |what: &str| StoreError::Impossible(format!("meta row with a malformed {what}"));
        Ok(Meta {
            store: StoreId(store.try_into().map_err(|_| malformed("store id"))?),
            generation: Generation(u64::try_from(generation).map_err(|_| malformed("generation"))?),
            horizon_ms: u64::try_from(horizon_ms).map_err(|_| malformed("horizon"))?,
        })
    }

    /// The horizon alone, read by every batch.
    ///
    /// # Errors
    /// When the store fails.
    pub fn horizon_ms(&self) -> Result<u64, StoreError> {
        let horizon: i64 = self
            .statement("SELECT horizon_ms FROM meta WHERE only_row = 1")?
            .query_row([], |row| row.get(0))?;
        u64::try_from(horizon).map_err(|_| StoreError::Impossible("negative horizon".to_owned()))
    }
}

impl Tx<'_> {
    /// Raises the horizon; a lower value changes nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub fn raise_horizon(&mut self, horizon_ms: u64) -> Result<(), StoreError> {
        self.statement("UPDATE meta SET horizon_ms = ?1 WHERE only_row = 1 AND horizon_ms < ?1")?
            .execute(params![i64::try_from(horizon_ms).unwrap_or(i64::MAX)])?;
        Ok(())
    }

    pub(crate) fn create_meta(
        &mut self,
        store: StoreId,
        horizon_ms: i64,
        created_us: i64,
    ) -> Result<(), StoreError> {
        self.statement("INSERT INTO meta VALUES (1, ?1, 1, ?2, ?3)")?.execute(params![
            &store.0[..],
            horizon_ms,
            created_us
        ])?;
        Ok(())
    }

    /// Writes the row as it is, so that the transaction writes and its commit syncs.
    pub(crate) fn touch_meta(&mut self) -> Result<(), StoreError> {
        self.statement("UPDATE meta SET only_row = 1 WHERE only_row = 1")?.execute([])?;
        Ok(())
    }

    /// Raises the generation over its own, over `above`, and to the seconds of `now_us` at least: when the
    /// database that is replaced cannot be read any more, its generation must not be given out again.
    pub(crate) fn raise_generation(
        &mut self,
        above: Generation,
        now_us: u64,
    ) -> Result<Generation, StoreError> {
        let highest = self.meta()?.generation.max(above);
        let next = Generation((highest.0 + 1).max(now_us / 1_000_000));
        let number = i64::try_from(next.0).map_err(|_| StoreError::Impossible("generation".to_owned()))?;
        self.statement("UPDATE meta SET generation = ?1 WHERE only_row = 1")?.execute(params![number])?;
        Ok(next)
    }
}
