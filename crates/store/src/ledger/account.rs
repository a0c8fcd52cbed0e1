//! Account rows: opening and reading. The organisation's own accounts are made by the first transfer that
//! needs them. Absent: moving money (transfer.rs).

use rusqlite::{CachedStatement, OptionalExtension, Row, params};
use switchboard_call::id::CallId;
use switchboard_commands::bank::{AccountId, AccountKind, Owner, TransferId};
use switchboard_commands::money::{Amount, Currency, Money};

use super::checksum::{Checksum, sequence_number};
use crate::{Snapshot, StoreError, Tx};

/// A member's account to be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAccount<'a> {
    /// Whose it is.
    pub owner: &'a Owner,
    /// The balance may not fall below this; zero or negative. Names the account's currency.
    pub floor: Money,
    /// The call that opens it.
    pub call: CallId,
    /// The transaction's time, microseconds since 1970.
    pub at_us: i64,
}

/// What a transfer has to know of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// What it holds.
    pub currency: Currency,
    /// The balance may not fall below this.
    pub floor: Amount,
    /// What the organisation owes the owner.
    pub balance: Amount,
    /// The part of the balance that is promised to holds.
    pub held: Amount,
    /// The newest entry on it.
    pub last_transfer: Option<TransferId>,
}

impl Account {
    /// What can be taken now: balance less holds less floor.
    #[must_use]
    pub fn available(&self) -> Money {
        let minor = self.balance.minor().saturating_sub(self.held.minor()).saturating_sub(self.floor.minor());
        Amount::from_minor(minor).of(self.currency)
    }
}

impl Snapshot<'_> {
    /// The account, if it is there.
    ///
    /// # Errors
    /// When the store fails or the row is malformed.
    pub fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        read_account(&mut self.statement(ACCOUNT)?, id)
    }
}

const ACCOUNT: &str = "SELECT currency, floor, balance, held, last_transfer FROM account WHERE id = ?1";

fn read_account(statement: &mut CachedStatement<'_>, id: AccountId) -> Result<Option<Account>, StoreError> {
    statement.query_row(params![id.number()], |row| account(id, row)).optional()?.transpose()
}

impl Tx<'_> {
    /// The account as this transaction has left it, if it is there.
    ///
    /// # Errors
    /// When the store fails or the row is malformed.
    pub fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        if let Some(known) = self.known().account(id) {
            return Ok(Some(known));
        }
        let mut statement = self.statement_beside(ACCOUNT)?;
        let found = read_account(&mut statement, id)?;
        if let Some(account) = found {
            self.known().learn_account(account);
        }
        Ok(found)
    }

    /// Opens a member's account with nothing on it. Numbers count up from 1.
    ///
    /// # Errors
    /// When the store fails.
    pub fn open_account(&mut self, new: &NewAccount<'_>) -> Result<AccountId, StoreError> {
        let newest: Option<i64> =
            self.statement("SELECT MAX(id) FROM account")?.query_row([], |row| row.get(0))?;
        let number = newest.unwrap_or(0).max(0).checked_add(1);
        let id = number
            .and_then(AccountId::from_number)
            .ok_or_else(|| StoreError::Impossible("an account has the last of all numbers".to_owned()))?;
        self.insert_account(id, new.owner.as_str(), new.floor, new.call, new.at_us)?;
        Ok(id)
    }

    /// Makes one of the organisation's own accounts, which has no row yet.
    pub(super) fn open_system_account(
        &mut self,
        account: &Account,
        call: CallId,
        at_us: i64,
    ) -> Result<(), StoreError> {
        self.insert_account(
            account.id,
            &account.id.to_string(),
            account.floor.of(account.currency),
            call,
            at_us,
        )?;
        self.known().learn_account(*account);
        Ok(())
    }

    fn insert_account(
        &mut self,
        id: AccountId,
        owner: &str,
        floor: Money,
        call: CallId,
        at_us: i64,
    ) -> Result<(), StoreError> {
        let fixed =
            FixedColumns { id: id.number(), owner, kind: kind_text(id), floor, opened_us: at_us, call };
        self.statement("INSERT INTO account VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, ?6, ?7, ?8, ?9, ?10)")?
            .execute(params![
                fixed.id,
                fixed.owner,
                fixed.kind,
                floor.currency.code(),
                floor.amount.minor(),
                at_us,
                call.session.as_bytes(),
                call.slot.0,
                sequence_number(call),
                fixed.checksum(),
            ])?;
        Ok(())
    }
}

/// The columns of an account that never change.
pub(super) struct FixedColumns<'a> {
    pub(super) id: i64,
    pub(super) owner: &'a str,
    pub(super) kind: &'a str,
    pub(super) floor: Money,
    pub(super) opened_us: i64,
    pub(super) call: CallId,
}

impl FixedColumns<'_> {
    pub(super) fn checksum(&self) -> i64 {
        Checksum::default()
            .number(self.id)
            .bytes(self.owner.as_bytes())
            .bytes(self.kind.as_bytes())
            .bytes(self.floor.currency.code().as_bytes())
            .number(self.floor.amount.minor())
            .number(self.opened_us)
            .call(self.call)
            .finish()
    }
}

/// The column `kind`.
pub(super) fn kind_text(id: AccountId) -> &'static str {
    match id.kind() {
        AccountKind::Member => "member",
        AccountKind::Cash(_) => "cash",
        AccountKind::Suspense(_) => "suspense",
    }
}

/// One of the organisation's own accounts before its first transfer; none for a member's. Cash is negative
/// while money is in the till; suspense never is.
pub(super) fn unopened_system_account(id: AccountId) -> Option<Account> {
    let (currency, floor) = match id.kind() {
        AccountKind::Member => return None,
        AccountKind::Cash(currency) => (currency, Amount::MIN),
        AccountKind::Suspense(currency) => (currency, Amount::ZERO),
    };
    let (balance, held) = (Amount::ZERO, Amount::ZERO);
    Some(Account { id, currency, floor, balance, held, last_transfer: None })
}

fn account(id: AccountId, row: &Row<'_>) -> rusqlite::Result<Result<Account, StoreError>> {
    let code = row.get_ref(0)?.as_bytes()?;
    let Some(currency) = Currency::from_code(code) else {
        return Ok(Err(StoreError::Impossible(format!("account {id} has no currency"))));
    };
    Ok(Ok(Account {
        id,
        currency,
        floor: Amount::from_minor(row.get(1)?),
        balance: Amount::from_minor(row.get(2)?),
        held: Amount::from_minor(row.get(3)?),
        last_transfer: TransferId::from_number(row.get(4)?),
    }))
}
