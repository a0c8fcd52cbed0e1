//! The account rows: each on its own, then against what its transfers add up to.

use rusqlite::Row;
use switchboard_commands::bank::{AccountId, AccountKind, Check, Owner};
use switchboard_commands::limits::AMOUNT_MINOR_UNITS_MAX;
use switchboard_commands::money::{Amount, Currency};

use super::{AccountState, Audit, Subject};
use crate::ledger::account::{FixedColumns, kind_text};
use crate::ledger::transfer::{call_id, no_meaning};
use crate::{Snapshot, StoreError};

struct AccountRow<'a> {
    id: AccountId,
    fixed: FixedColumns<'a>,
    balance: i64,
    held: i64,
    last_transfer: i64,
    checksum: i64,
}

impl Audit {
    pub(super) fn read_accounts(&mut self, view: &Snapshot<'_>) -> Result<(), StoreError> {
        let mut statement = view.statement(
            "SELECT id, owner, kind, currency, floor, balance, held, last_transfer, opened_us, session, slot, \
             sequence, checksum FROM account ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.accounts_read += 1;
            let number: i64 = row.get(0)?;
            match account_row(row) {
                Ok(account) => self.account(&account),
                Err(error) => {
                    self.find(Check::RowReadable, Subject::Account(number), || {
                        format!("account row {number}: {}", reason(&error))
                    });
                }
            }
        }
        Ok(())
    }

    fn account(&mut self, row: &AccountRow<'_>) {
        let number = row.id.number();
        let subject = Subject::Account(number);
        self.require(row.fixed.checksum() == row.checksum, Check::RowUnchanged, subject, || {
            "owner, kind, currency, floor, time or call is not what was written".to_owned()
        });
        let floor = row.fixed.floor.amount.minor();
        let bounds = -AMOUNT_MINOR_UNITS_MAX..=AMOUNT_MINOR_UNITS_MAX;
        let possible = bounds.contains(&row.balance) && bounds.contains(&row.held) && bounds.contains(&floor);
        self.require(
            possible && floor <= 0 && row.balance.saturating_sub(row.held) >= floor,
            Check::WithinFloor,
            subject,
            || format!("balance {} less held {} with floor {floor}", row.balance, row.held),
        );
        // There are no holds, so nothing can be held.
        self.require(row.held == 0, Check::HeldFromHolds, subject, || {
            format!("held {} but the open holds add up to 0", row.held)
        });
        let state = AccountState {
            id: row.id,
            currency: row.fixed.floor.currency,
            balance: row.balance,
            last_transfer: row.last_transfer,
            added_up: 0,
            recorded: 0,
            newest: 0,
        };
        self.accounts.insert(number, state);
    }

    /// After all transfers were read.
    pub(super) fn compare_accounts(&mut self) {
        let mut numbers: Vec<i64> = self.accounts.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            let account = &self.accounts[&number];
            let (balance, added_up) = (account.balance, account.added_up);
            let (last, newest) = (account.last_transfer, account.newest);
            let subject = Subject::Account(number);
            self.require(added_up == i128::from(balance), Check::BalanceFromTransfers, subject, || {
                format!("the balance is {balance}, the transfers add up to {added_up}")
            });
            self.require(last == newest, Check::ChainIntact, subject, || {
                format!("the account names {last} as its last transfer, the newest on it is {newest}")
            });
        }
    }
}

fn account_row<'a>(row: &'a Row<'_>) -> Result<AccountRow<'a>, StoreError> {
    let text = |at, name| row.get_ref(at)?.as_str().map_err(|_| no_meaning(name));
    let number = row.get(0)?;
    let id = AccountId::from_number(number).ok_or_else(|| no_meaning("id"))?;
    let kind = text(2, "kind")?;
    let currency =
        Currency::from_code(text(3, "currency")?.as_bytes()).ok_or_else(|| no_meaning("currency"))?;
    if kind != kind_text(id) || !own_currency(id, currency) {
        return Err(no_meaning("kind or currency"));
    }
    let owner = text(1, "owner")?;
    Owner::new(owner).map_err(|_| no_meaning("owner"))?;
    let floor = Amount::from_minor(row.get(4)?).of(currency);
    let fixed =
        FixedColumns { id: number, owner, kind, floor, opened_us: row.get(8)?, call: call_id(row, 9)? };
    let (balance, held, last_transfer) = (row.get(5)?, row.get(6)?, row.get(7)?);
    Ok(AccountRow { id, fixed, balance, held, last_transfer, checksum: row.get(12)? })
}

fn own_currency(id: AccountId, currency: Currency) -> bool {
    match id.kind() {
        AccountKind::Member => true,
        AccountKind::Cash(own) | AccountKind::Suspense(own) => own == currency,
    }
}

/// What is wrong with a row, without the advice that the error carries for a caller.
pub(super) fn reason(error: &StoreError) -> String {
    if let StoreError::Impossible(reason) = error {
        return reason.clone();
    }
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
