//! Pages of lists, for people: a statement, the accounts, the operator's list. Each costs what its page
//! costs, however long the ledger is.

use rusqlite::{Row, params};
use switchboard_commands::bank::{
    AccountId, AccountLine, Memo, Owner, Refusal, StatementLine, SuspendedDeposit, SuspenseReason, TransferId,
};
use switchboard_commands::money::Money;

use super::Account;
use super::transfer::{TransferRow, no_meaning};
use crate::{Snapshot, StoreError};

/// A page of a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatementPage {
    /// The account's balance now.
    pub balance: Money,
    /// Its newest lines, or those before the cursor, newest first.
    pub lines: Vec<StatementLine>,
    /// The cursor of the next page; none when this was the last.
    pub before: Option<TransferId>,
}

impl Snapshot<'_> {
    /// Walks back along the account's chain of transfers: from the newest one, or from the one before
    /// `before`.
    ///
    /// # Errors
    /// Outer: the store failed or the chain is broken. Inner: no such account, or a cursor that is not in
    /// its statement.
    pub fn statement_page(
        &self,
        account: AccountId,
        before: Option<TransferId>,
        limit: u16,
    ) -> Result<Result<StatementPage, Refusal>, StoreError> {
        let Some(found) = self.account(account)? else {
            return Ok(Err(Refusal::UnknownAccount { account }));
        };
        let mut next = match before {
            None => found.last_transfer,
            Some(transfer) => match self.previous_entry(account, transfer)? {
                Some(previous) => previous,
                None => return Ok(Err(Refusal::ForeignCursor { account, transfer })),
            },
        };
        let mut lines = Vec::new();
        while let Some(id) = next.filter(|_| lines.len() < usize::from(limit)) {
            let (line, previous) = self.statement_line(&found, id)?;
            lines.push(line);
            next = previous;
        }
        let before = next.and_then(|_| lines.last().map(|line| line.transfer));
        Ok(Ok(StatementPage { balance: found.balance.of(found.currency), lines, before }))
    }

    /// The entry before `transfer` on the account; the outer none when `transfer` is not on it.
    fn previous_entry(
        &self,
        account: AccountId,
        transfer: TransferId,
    ) -> Result<Option<Option<TransferId>>, StoreError> {
        let seen = self.transfer(transfer, |row| Ok(row.seen_from(account)))?;
        Ok(seen.flatten().map(|seen| seen.previous))
    }

    fn statement_line(
        &self,
        account: &Account,
        id: TransferId,
    ) -> Result<(StatementLine, Option<TransferId>), StoreError> {
        let broken = || StoreError::Impossible(format!("account {} lacks its transfer {id}", account.id));
        let line = self.transfer(id, |row| {
            let seen = row.seen_from(account.id).ok_or_else(broken)?;
            let line = StatementLine {
                transfer: id,
                at_us: row.at_us,
                kind: row.kind,
                amount: seen.amount.of(account.currency),
                balance: seen.balance.of(account.currency),
                other: seen.other,
                memo: memo(&row)?,
                call: Some(row.call),
            };
            // The chain only leads to older entries: a loop in it must not be followed for ever.
            if seen.previous >= Some(id) { Err(broken()) } else { Ok((line, seen.previous)) }
        })?;
        line.ok_or_else(broken)
    }

    /// Accounts behind `after` in order of their numbers.
    ///
    /// # Errors
    /// When the store fails or a row is malformed.
    pub fn accounts_page(
        &self,
        after: Option<AccountId>,
        limit: u16,
    ) -> Result<Vec<AccountLine>, StoreError> {
        let mut statement =
            self.statement("SELECT id, owner, opened_us FROM account WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        let mut rows = statement.query(params![after.map_or(i64::MIN, AccountId::number), limit])?;
        let mut lines = Vec::new();
        while let Some(row) = rows.next()? {
            lines.push(self.account_line(row)?);
        }
        Ok(lines)
    }

    fn account_line(&self, row: &Row<'_>) -> Result<AccountLine, StoreError> {
        let id = AccountId::from_number(row.get(0)?).ok_or_else(|| no_meaning("id"))?;
        let owner = Owner::new(row.get::<_, String>(1)?).map_err(|_| no_meaning("owner"))?;
        let account = self.account(id)?.ok_or_else(|| no_meaning("id"))?;
        Ok(AccountLine {
            account: id,
            owner,
            balance: account.balance.of(account.currency),
            available: account.available(),
            floor: account.floor.of(account.currency),
            opened_us: row.get(2)?,
        })
    }

    /// Deposits in suspense behind `after` that are not settled, oldest first.
    ///
    /// # Errors
    /// When the store fails or a row is malformed.
    pub fn suspended_page(
        &self,
        after: Option<TransferId>,
        limit: u16,
    ) -> Result<Vec<SuspendedDeposit>, StoreError> {
        let mut statement = self.statement(
            "SELECT transfer, intended, reason FROM suspense WHERE transfer > ?1 AND settled_by = 0 \
             ORDER BY transfer LIMIT ?2",
        )?;
        let mut rows = statement.query(params![after.map_or(0, TransferId::number), limit])?;
        let mut deposits = Vec::new();
        while let Some(row) = rows.next()? {
            deposits.push(self.suspended_deposit(row)?);
        }
        Ok(deposits)
    }

    fn suspended_deposit(&self, row: &Row<'_>) -> Result<SuspendedDeposit, StoreError> {
        let transfer = TransferId::from_number(row.get(0)?).ok_or_else(|| no_meaning("transfer"))?;
        let account = AccountId::from_number(row.get(1)?).ok_or_else(|| no_meaning("intended"))?;
        let reason = SuspenseReason::from_number(row.get(2)?).ok_or_else(|| no_meaning("reason"))?;
        let item = self.suspense_item(transfer)?.ok_or_else(|| no_meaning("transfer"))?;
        let booked = self.transfer(transfer, |row| Ok((row.at_us, memo(&row)?)))?;
        let (at_us, memo) = booked.ok_or_else(|| no_meaning("transfer"))?;
        Ok(SuspendedDeposit { transfer, at_us, account, money: item.money, reason, memo })
    }
}

fn memo(row: &TransferRow<'_>) -> Result<Option<Memo>, StoreError> {
    row.memo.map(Memo::new).transpose().map_err(|_| no_meaning("memo"))
}
