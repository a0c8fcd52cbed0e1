//! The store: typed rows, transactions over them, migrations, backup and restore.
//!
//! A rule sees a [`Tx`]: accounts, transfers, slot rows, an embedder's own rows. It never sees SQL. One
//! connection writes ([`Writer`]), a bounded pool of connections reads ([`Store::snapshot`]).
//!
//! Absent: any decision about a call (engine), any rule of a service, any clock: times come in as
//! microseconds since 1970.

mod backup;
mod error;
mod folder;
mod known;
mod ledger;
pub mod limits;
mod log;
mod meta;
mod migrations;
mod open;
mod reserve;
mod rows;
mod slots;
#[cfg(test)]
mod tests;
mod tx;

pub use backup::{BackupReport, backup, restore};
pub use error::{Class, StoreError};
pub use folder::Folder;
pub use ledger::*;
pub use meta::Meta;
pub use open::{Durability, Options, Store, Writer};
pub use rows::{KeyAndValue, Rows, Written};
pub use slots::{BoundTo, Claimed, Digest, SlotRow};
pub use tx::{Snapshot, Tx};
