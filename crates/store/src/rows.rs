//! Rows of services that bring their own: byte keys and byte values in a named space, inside the same
//! transaction as the call's record.

use rusqlite::{OptionalExtension, params};

use crate::limits::{ROW_KEY_BYTES_MAX, ROW_VALUE_BYTES_MAX, SCAN_ROWS_MAX, SPACE_NAME_BYTES_MAX};
use crate::{Snapshot, StoreError, Tx};

pub(crate) const ROW_SCHEMA: &str = "
CREATE TABLE row (
  space BLOB NOT NULL,
  key   BLOB NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (space, key)
) WITHOUT ROWID;
";

/// A row as [`Rows::scan`] returns it.
pub type KeyAndValue = (Vec<u8>, Vec<u8>);

/// Whether a conditional write found the row it named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// It did; the row is changed.
    Yes,
    /// No such row: nothing changed.
    No,
}

/// The rows of one space. Borrow it from a [`Tx`] to write, from a [`Snapshot`] to read.
#[derive(Debug)]
pub struct Rows<'t, T> {
    within: &'t T,
    space: &'t str,
}

impl Tx<'_> {
    /// The rows of the space `name`, for reading and writing.
    ///
    /// # Errors
    /// When the name is over its bound.
    pub fn rows<'t>(&'t mut self, name: &'t str) -> Result<Rows<'t, Self>, StoreError> {
        bounded("name of a row space", name.as_bytes(), SPACE_NAME_BYTES_MAX)?;
        Ok(Rows { within: self, space: name })
    }
}

impl<'a> Snapshot<'a> {
    /// The rows of the space `name`, for reading.
    ///
    /// # Errors
    /// When the name is over its bound.
    pub fn rows<'t>(&'t self, name: &'t str) -> Result<Rows<'t, Snapshot<'a>>, StoreError> {
        bounded("name of a row space", name.as_bytes(), SPACE_NAME_BYTES_MAX)?;
        Ok(Rows { within: self, space: name })
    }
}

impl<'a, T: AsRef<Snapshot<'a>>> Rows<'_, T> {
    /// The value under `key`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn find(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .within
            .as_ref()
            .statement("SELECT value FROM row WHERE space = ?1 AND key = ?2")?
            .query_row(params![self.space.as_bytes(), key], |row| row.get(0))
            .optional()?)
    }

    /// Keys and values from `from` on (inclusive), in byte order, at most `rows_max` (itself bounded by
    /// [`SCAN_ROWS_MAX`]).
    ///
    /// # Errors
    /// When the store fails.
    pub fn scan(&self, from: &[u8], rows_max: usize) -> Result<Vec<KeyAndValue>, StoreError> {
        let limit = i64::try_from(rows_max.min(SCAN_ROWS_MAX)).unwrap_or(i64::MAX);
        let mut statement = self
            .within
            .as_ref()
            .statement("SELECT key, value FROM row WHERE space = ?1 AND key >= ?2 ORDER BY key LIMIT ?3")?;
        let rows = statement
            .query_map(params![self.space.as_bytes(), from, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Rows<'_, Tx<'_>> {
    /// Puts `value` under `key`, whatever was there.
    ///
    /// # Errors
    /// When the store fails or a bound is exceeded.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if self.replace(key, value)? == Written::No {
            self.insert(key, value)?;
        }
        Ok(())
    }

    /// Puts `value` under `key` if the value there is `expected` (`None`: no row).
    ///
    /// # Errors
    /// When the store fails or a bound is exceeded.
    pub fn compare_and_put(
        &mut self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<Written, StoreError> {
        let Some(expected) = expected else {
            return self.insert(key, value);
        };
        within_bounds(key, value)?;
        let rows = self
            .within
            .statement("UPDATE row SET value = ?3 WHERE space = ?1 AND key = ?2 AND value = ?4")?
            .execute(params![self.space.as_bytes(), key, value, expected])?;
        Ok(if rows == 1 { Written::Yes } else { Written::No })
    }

    /// Deletes the row under `key`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn delete(&mut self, key: &[u8]) -> Result<Written, StoreError> {
        let rows = self
            .within
            .statement("DELETE FROM row WHERE space = ?1 AND key = ?2")?
            .execute(params![self.space.as_bytes(), key])?;
        Ok(if rows == 1 { Written::Yes } else { Written::No })
    }

    fn replace(&mut self, key: &[u8], value: &[u8]) -> Result<Written, StoreError> {
        within_bounds(key, value)?;
        let rows = self
            .within
            .statement("UPDATE row SET value = ?3 WHERE space = ?1 AND key = ?2")?
            .execute(params![self.space.as_bytes(), key, value])?;
        Ok(if rows == 1 { Written::Yes } else { Written::No })
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<Written, StoreError> {
        within_bounds(key, value)?;
        let inserted = self.within.statement("INSERT INTO row VALUES (?1, ?2, ?3)")?.execute(params![
            self.space.as_bytes(),
            key,
            value
        ]);
        match inserted {
            Ok(_) => Ok(Written::Yes),
            Err(error) if StoreError::is_constraint(&error) => Ok(Written::No),
            Err(error) => Err(error.into()),
        }
    }
}

impl<'a> AsRef<Snapshot<'a>> for Snapshot<'a> {
    fn as_ref(&self) -> &Snapshot<'a> {
        self
    }
}

impl<'a> AsRef<Snapshot<'a>> for Tx<'a> {
    fn as_ref(&self) -> &Snapshot<'a> {
        self
    }
}

fn within_bounds(key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    bounded("row key", key, ROW_KEY_BYTES_MAX)?;
    bounded("row value", value, ROW_VALUE_BYTES_MAX)
}

fn bounded(what: &'static str, bytes: &[u8], limit: usize) -> Result<(), StoreError> {
    if bytes.len() > limit {
        return Err(StoreError::RowTooLarge { what, bytes: bytes.len(), limit });
    }
    Ok(())
}
