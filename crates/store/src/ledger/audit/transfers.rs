//! The transfer rows in order: each on its own, its two accounts, the chain and the balances it recorded.

use switchboard_commands::bank::{AccountId, AccountKind, Check, TransferKind};
use switchboard_commands::money::Amount;

use super::accounts::reason;
use super::{Audit, Subject};
use crate::ledger::transfer::{TransferRow, number_or_0, transfer_columns};
use crate::{Snapshot, StoreError};

impl Audit {
    pub(super) fn read_transfers(&mut self, view: &Snapshot<'_>) -> Result<(), StoreError> {
        let mut statement =
            view.statement(concat!("SELECT ", transfer_columns!(), " FROM transfer ORDER BY id"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.transfers_read += 1;
            let number: i64 = row.get(0)?;
            let read = TransferRow::read(row).and_then(|transfer| Ok((transfer, row.get::<_, i64>(15)?)));
            match read {
                Ok((transfer, checksum)) => self.transfer(number, &transfer, checksum),
                Err(error) => self.find(Check::RowReadable, Subject::Transfer(number), || {
                    format!("transfer row {number}: {}", reason(&error))
                }),
            }
        }
        Ok(())
    }

    fn transfer(&mut self, number: i64, row: &TransferRow<'_>, checksum: i64) {
        let subject = Subject::Transfer(number);
        self.require(row.checksum() == checksum, Check::RowUnchanged, subject, || {
            "a column is not what was written".to_owned()
        });
        let amount = row.amount.minor();
        let possible = row.amount > Amount::ZERO && row.amount.in_bounds() && number > 0;
        self.require(possible, Check::EntryPossible, subject, || format!("it moves {amount}"));
        self.require(sides_fit(row), Check::EntryPossible, subject, || {
            format!("a {:?} from {} to {}", row.kind, row.debit, row.credit)
        });
        let currency = |id: AccountId| self.accounts.get(&id.number()).map(|account| account.currency);
        let (debit, credit) = (currency(row.debit), currency(row.credit));
        self.require(debit.is_some() && debit == credit, Check::EntryPossible, subject, || {
            let shown =
                |currency: Option<_>| currency.map_or("no account".to_owned(), |c: _| format!("{c:?}"));
            format!("it moves from {} to {}", shown(debit), shown(credit))
        });
        let (taken, given) = (-i128::from(amount), i128::from(amount));
        self.entry(number, row.debit, taken, number_or_0(row.debit_previous), row.debit_balance.minor());
        self.entry(number, row.credit, given, number_or_0(row.credit_previous), row.credit_balance.minor());
    }

    /// One side of a transfer. After a finding the account goes on from what the row says, so that one
    /// wrong number is not found again in every later row.
    fn entry(&mut self, number: i64, id: AccountId, change: i128, previous: i64, balance: i64) {
        let Some(account) = self.accounts.get_mut(&id.number()) else { return };
        let expected_previous = std::mem::replace(&mut account.newest, number);
        let expected_balance = i128::from(std::mem::replace(&mut account.recorded, balance)) + change;
        account.added_up += change;
        let subject = Subject::Transfer(number);
        self.require(previous == expected_previous, Check::ChainIntact, subject, || {
            format!(
                "it names {previous} as the transfer before it on account {id}, that is {expected_previous}"
            )
        });
        self.require(i128::from(balance) == expected_balance, Check::BalancesAfter, subject, || {
            format!("it recorded {balance} as the balance of account {id}, that is {expected_balance}")
        });
    }
}

/// Whether a transfer of this kind can stand between these two accounts.
fn sides_fit(row: &TransferRow<'_>) -> bool {
    use AccountKind::{Cash, Member, Suspense};
    let sides = (row.debit.kind(), row.credit.kind());
    row.debit != row.credit
        && match row.kind {
            TransferKind::Deposit => matches!(sides, (Cash(_), Member)),
            TransferKind::Withdrawal => matches!(sides, (Member, Cash(_))),
            TransferKind::Transfer => matches!(sides, (Member, Member)),
            TransferKind::SuspendedDeposit => matches!(sides, (Cash(_), Suspense(_))),
            TransferKind::Settlement => matches!(sides, (Suspense(_), Member)),
        }
}
