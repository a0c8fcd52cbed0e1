//! The operator's list against the entries it names, and against the balance of the suspense accounts.

use rusqlite::Row;
use switchboard_commands::bank::{AccountId, AccountKind, Check, SuspenseReason, TransferKind};
use switchboard_commands::money::Currency;

use super::{Audit, Subject};
use crate::ledger::suspense::suspense_checksum;
use crate::ledger::transfer::{kind_number, no_meaning};
use crate::{Snapshot, StoreError};

/// A line with the entries that it names.
struct Listed {
    transfer: i64,
    intended: i64,
    reason: i64,
    settled_by: i64,
    checksum: i64,
    deposit: Option<(i64, i64, i64)>,
    settlement: Option<(i64, i64, i64)>,
}

impl Audit {
    pub(super) fn read_suspense(&mut self, view: &Snapshot<'_>) -> Result<(), StoreError> {
        self.listed_deposits(view)?;
        self.unlisted_deposits(view)?;
        self.compare_suspense();
        Ok(())
    }

    fn listed_deposits(&mut self, view: &Snapshot<'_>) -> Result<(), StoreError> {
        let mut statement = view.statement(
            "SELECT l.transfer, l.intended, l.reason, l.settled_by, l.checksum, \
             d.kind, d.credit, d.amount, s.kind, s.debit, s.amount \
             FROM suspense l LEFT JOIN transfer d ON d.id = l.transfer \
             LEFT JOIN transfer s ON s.id = l.settled_by ORDER BY l.transfer",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            match listed(row) {
                Ok(line) => self.listed_deposit(&line),
                Err(_) => self.find(Check::RowReadable, Subject::Transfer(number), || {
                    format!("suspense row {number} has a column without a possible value")
                }),
            }
        }
        Ok(())
    }

    fn listed_deposit(&mut self, line: &Listed) {
        let subject = Subject::Transfer(line.transfer);
        let unchanged = suspense_checksum(line.transfer, line.intended, line.reason) == line.checksum;
        self.require(unchanged, Check::RowUnchanged, subject, || {
            "its line on the operator's list is not what was written".to_owned()
        });
        let deposit = line.deposit.and_then(|entry| in_suspense(entry, TransferKind::SuspendedDeposit));
        let Some((currency, amount)) = deposit else {
            self.find(Check::SuspenseListed, subject, || {
                "it is on the operator's list but is no deposit in suspense".to_owned()
            });
            return;
        };
        if line.settled_by == 0 {
            self.suspended += 1;
            *self.listed.entry(currency).or_default() += i128::from(amount);
            return;
        }
        let settlement = line.settlement.and_then(|entry| in_suspense(entry, TransferKind::Settlement));
        self.require(settlement == Some((currency, amount)), Check::SuspenseListed, subject, || {
            format!("it is marked as settled by {}, which does not move its money", line.settled_by)
        });
    }

    fn unlisted_deposits(&mut self, view: &Snapshot<'_>) -> Result<(), StoreError> {
        let mut statement = view.statement(
            "SELECT d.id FROM transfer d LEFT JOIN suspense l ON l.transfer = d.id \
             WHERE d.kind = ?1 AND l.transfer IS NULL ORDER BY d.id",
        )?;
        let mut rows = statement.query([kind_number(TransferKind::SuspendedDeposit)])?;
        while let Some(row) = rows.next()? {
            self.find(Check::SuspenseListed, Subject::Transfer(row.get(0)?), || {
                "it is a deposit in suspense but not on the operator's list".to_owned()
            });
        }
        Ok(())
    }

    fn compare_suspense(&mut self) {
        let balances: Vec<(Currency, i64, i64)> = self
            .accounts
            .values()
            .filter_map(|account| match account.id.kind() {
                AccountKind::Suspense(currency) => Some((currency, account.id.number(), account.balance)),
                AccountKind::Member | AccountKind::Cash(_) => None,
            })
            .collect();
        for (currency, number, balance) in balances {
            let listed = self.listed.get(&currency).copied().unwrap_or_default();
            let equal = listed == i128::from(balance);
            self.require(equal, Check::SuspenseListed, Subject::Account(number), || {
                format!("the balance is {balance}, the unsettled deposits on the list add up to {listed}")
            });
        }
    }
}

fn listed(row: &Row<'_>) -> Result<Listed, StoreError> {
    let (transfer, intended, reason) = (row.get(0)?, row.get(1)?, row.get(2)?);
    AccountId::from_number(intended).ok_or_else(|| no_meaning("intended"))?;
    SuspenseReason::from_number(reason).ok_or_else(|| no_meaning("reason"))?;
    let (settled_by, checksum) = (row.get(3)?, row.get(4)?);
    let (deposit, settlement) = (joined(row, 5)?, joined(row, 8)?);
    Ok(Listed { transfer, intended, reason, settled_by, checksum, deposit, settlement })
}

/// Kind, suspense side and amount of a joined transfer, when it is there.
fn joined(row: &Row<'_>, at: usize) -> Result<Option<(i64, i64, i64)>, StoreError> {
    let kind: Option<i64> = row.get(at)?;
    kind.map(|kind| Ok((kind, row.get(at + 1)?, row.get(at + 2)?))).transpose()
}

/// Currency and amount, when the entry has this kind and its side is a suspense account.
fn in_suspense((kind, side, amount): (i64, i64, i64), expected: TransferKind) -> Option<(Currency, i64)> {
    match AccountId::from_number(side)?.kind() {
        AccountKind::Suspense(currency) if kind == kind_number(expected) => Some((currency, amount)),
        AccountKind::Suspense(_) | AccountKind::Member | AccountKind::Cash(_) => None,
    }
}
