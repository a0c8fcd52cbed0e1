//! The ledger: accounts and the transfers between them, by double entry. A positive balance means that the
//! organisation owes the owner; the balances of a currency add up to zero at every commit.
//!
//! ```text
//!   account.last_transfer --> transfer n --debit_previous--> transfer k --> ... --> 0   (one side's chain)
//!                                        \-credit_previous-> transfer m --> ... --> 0   (the other's)
//! ```
//!
//! A statement walks back along a chain by primary key, so that no index has to be kept on the hot path.
//! Transfers are only ever appended; of an account only `balance`, `held` and `last_transfer` change.
//!
//! Absent: who may move what (services), holds, and any transfer between currencies.

mod account;
mod audit;
mod checksum;
mod many;
mod pages;
mod suspense;
#[cfg(test)]
mod tests;
mod transfer;

pub use account::{Account, NewAccount};
pub use many::{PostedAll, RefusedAt};
pub use pages::StatementPage;
pub use suspense::SuspenseItem;
pub use transfer::{NewTransfer, Posted};
pub(crate) use transfer::{PendingTransfer, TRANSFER_COLUMNS};

/// Money is BIGINT minor units, time BIGINT microseconds since 1970, "none" is 0. `checksum` covers the
/// columns that never change: it tells rot and edits by hand, not a forger.
pub(crate) const LEDGER_SCHEMA: &str = "
CREATE TABLE account (
  id            INTEGER PRIMARY KEY,
  owner         TEXT    NOT NULL,
  kind          TEXT    NOT NULL,
  currency      TEXT    NOT NULL,
  floor         BIGINT  NOT NULL,
  balance       BIGINT  NOT NULL,
  held          BIGINT  NOT NULL,
  last_transfer BIGINT  NOT NULL,
  opened_us     BIGINT  NOT NULL,
  session       BLOB    NOT NULL,
  slot          INTEGER NOT NULL,
  sequence      BIGINT  NOT NULL,
  checksum      BIGINT  NOT NULL
);
CREATE TABLE transfer (
  id              INTEGER PRIMARY KEY,
  debit           BIGINT  NOT NULL,
  credit          BIGINT  NOT NULL,
  amount          BIGINT  NOT NULL,
  debit_previous  BIGINT  NOT NULL,
  credit_previous BIGINT  NOT NULL,
  debit_balance   BIGINT  NOT NULL,
  credit_balance  BIGINT  NOT NULL,
  session         BLOB    NOT NULL,
  slot            INTEGER NOT NULL,
  sequence        BIGINT  NOT NULL,
  part            INTEGER NOT NULL,
  kind            INTEGER NOT NULL,
  memo            TEXT,
  at_us           BIGINT  NOT NULL,
  checksum        BIGINT  NOT NULL
);
CREATE TABLE suspense (
  transfer   INTEGER PRIMARY KEY,
  intended   BIGINT  NOT NULL,
  reason     INTEGER NOT NULL,
  settled_by BIGINT  NOT NULL,
  checksum   BIGINT  NOT NULL
);
";
