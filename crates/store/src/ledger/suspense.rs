//! The operator's list: deposits that were received but fitted no account. Their money stands on the
//! suspense account of its currency until an operator says where it belongs.

use rusqlite::{OptionalExtension, params};
use switchboard_commands::bank::{AccountId, AccountKind, SuspenseReason, TransferId};
use switchboard_commands::money::Money;

use super::checksum::Checksum;
use crate::{Snapshot, StoreError, Tx};

/// One line of the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SuspenseItem {
    /// The deposit's entry.
    pub transfer: TransferId,
    /// What was received.
    pub money: Money,
    /// The entry that took it out of suspense.
    pub settled_by: Option<TransferId>,
}

impl Snapshot<'_> {
    /// The line of the deposit with this number, settled or not.
    ///
    /// # Errors
    /// When the store fails or the row is malformed.
    pub fn suspense_item(&self, transfer: TransferId) -> Result<Option<SuspenseItem>, StoreError> {
        let settled_by: Option<i64> = self
            .statement("SELECT settled_by FROM suspense WHERE transfer = ?1")?
            .query_row(params![transfer.number()], |row| row.get(0))
            .optional()?;
        let Some(settled_by) = settled_by else { return Ok(None) };
        let money = self.transfer(transfer, |row| match row.credit.kind() {
            AccountKind::Suspense(currency) => Ok(row.amount.of(currency)),
            AccountKind::Member | AccountKind::Cash(_) => Err(not_in_suspense(transfer)),
        })?;
        let money = money.ok_or_else(|| not_in_suspense(transfer))?;
        Ok(Some(SuspenseItem { transfer, money, settled_by: TransferId::from_number(settled_by) }))
    }
}

impl Tx<'_> {
    /// Puts a booked deposit on the list.
    ///
    /// # Errors
    /// When the store fails.
    pub fn list_suspended(
        &mut self,
        transfer: TransferId,
        intended: AccountId,
        reason: SuspenseReason,
    ) -> Result<(), StoreError> {
        let (transfer, intended, reason) = (transfer.number(), intended.number(), reason.number());
        self.statement("INSERT INTO suspense VALUES (?1, ?2, ?3, 0, ?4)")?.execute(params![
            transfer,
            intended,
            reason,
            suspense_checksum(transfer, intended, reason),
        ])?;
        Ok(())
    }

    /// Takes an unsettled deposit off the list; `settled_by` is the entry that moved its money.
    ///
    /// # Errors
    /// When the store fails or the deposit is not on the list.
    pub fn mark_settled(&mut self, deposit: TransferId, settled_by: TransferId) -> Result<(), StoreError> {
        let rows = self
            .statement("UPDATE suspense SET settled_by = ?2 WHERE transfer = ?1 AND settled_by = 0")?
            .execute(params![deposit.number(), settled_by.number()])?;
        if rows == 1 { Ok(()) } else { Err(not_in_suspense(deposit)) }
    }
}

/// The checksum of the columns that never change.
pub(super) fn suspense_checksum(transfer: i64, intended: i64, reason: i64) -> i64 {
    Checksum::default().number(transfer).number(intended).number(reason).finish()
}

fn not_in_suspense(transfer: TransferId) -> StoreError {
    StoreError::Impossible(format!("transfer {transfer} is on the suspense list but not in suspense"))
}
