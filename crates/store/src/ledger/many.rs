//! Many transfers at once, all or none. Every account that the list names is read once, the whole list is decided in memory
//! before the first write, and every account that changed is written once.
//!
//! ```text
//!   accounts, ascending --> each transfer in order: checks, balances after, chain --> rows, accounts
//!   (read)                  (in memory; the first refusal ends it)                             (pending)
//! ```
//!
//! Absent: which accounts a member may name (services); splitting a list.

use switchboard_commands::bank::{AccountId, Refusal, TransferId};

use super::account::Account;
use super::transfer::{NewTransfer, TransferRow, check_amount, credit_side, debit_side};
use crate::{StoreError, Tx};

/// What a booked list left behind: its entries have consecutive numbers in the order of the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PostedAll {
    /// The entry of the first transfer.
    pub first: TransferId,
    /// The entry of the last one.
    pub last: TransferId,
}

/// Why a list was not booked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedAt {
    /// Which transfer could not be booked behind those before it, counted from 0.
    pub index: u16,
    /// Why not.
    pub refusal: Refusal,
}

impl Tx<'_> {
    /// Books transfers in their order, all or none. An account may give what an earlier transfer of the list gave to it, and
    /// none may fall below its floor in between. Cash and suspense accounts that are not there yet are made.
    ///
    /// The accounts are read in order of their numbers, the order in which every transaction locks.
    ///
    /// # Errors
    /// Outer: the store failed, or the list is empty or longer than an index counts; the transaction must be thrown away.
    /// Inner: nothing was written, because [`Tx::post`] would refuse this transfer behind those before it.
    pub fn post_all(&mut self, all: &[NewTransfer<'_>]) -> Result<Result<PostedAll, RefusedAt>, StoreError> {
        let numbers = self.next_transfers(all.len())?;
        let mut accounts = self.named_accounts(all)?;
        let rows = match decide(all, &mut accounts, numbers.first) {
            Ok(rows) => rows,
            Err(refused) => return Ok(Err(refused)),
        };
        self.open_named(&accounts, all)?;
        let mut known = self.known();
        for (number, row) in (numbers.first.number()..).zip(&rows) {
            known.append_transfer(row.pending(number));
        }
        for named in &accounts {
            known.change_account(named.now)?;
        }
        Ok(Ok(numbers))
    }

    /// The numbers that the next `count` transfers get.
    fn next_transfers(&self, count: usize) -> Result<PostedAll, StoreError> {
        let impossible = |why: &str| StoreError::Impossible(format!("{count} transfers at once: {why}"));
        let last_index = count.checked_sub(1).ok_or_else(|| impossible("an empty list"))?;
        let last_index = u16::try_from(last_index).map_err(|_| impossible("more than an index counts"))?;
        let first = self.newest_transfer()?.checked_add(1);
        let last = first.and_then(|first| first.checked_add(last_index.into()));
        let numbers = first.and_then(TransferId::from_number).zip(last.and_then(TransferId::from_number));
        let (first, last) = numbers.ok_or_else(|| impossible("a transfer has the last of all numbers"))?;
        Ok(PostedAll { first, last })
    }

    /// The accounts that the list names and that there are, in order of their numbers.
    fn named_accounts(&self, all: &[NewTransfer<'_>]) -> Result<Vec<Named>, StoreError> {
        let mut ids: Vec<AccountId> = all.iter().flat_map(|new| [new.debit, new.credit]).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut accounts = Vec::with_capacity(ids.len());
        for id in ids {
            let found = self.account_or_unopened(id)?;
            accounts.extend(found.map(|(found, is_open)| Named { found, now: found, is_open }));
        }
        Ok(accounts)
    }

    /// Makes the organisation's accounts that have no row yet.
    fn open_named(&mut self, accounts: &[Named], all: &[NewTransfer<'_>]) -> Result<(), StoreError> {
        let Some(new) = all.first() else { return Ok(()) };
        for unopened in accounts.iter().filter(|named| !named.is_open) {
            self.open_system_account(&unopened.found, new.call, new.at_us)?;
        }
        Ok(())
    }
}

/// An account of the list.
struct Named {
    /// As it was read.
    found: Account,
    /// Behind the transfers decided so far.
    now: Account,
    /// Whether it has a row.
    is_open: bool,
}

/// The rows of the list, numbered from `first`, and in `accounts` what they leave behind; or the first refusal.
fn decide<'a>(
    all: &[NewTransfer<'a>],
    accounts: &mut [Named],
    first: TransferId,
) -> Result<Vec<TransferRow<'a>>, RefusedAt> {
    let mut rows = Vec::with_capacity(all.len());
    for ((index, number), new) in (0..=u16::MAX).zip(first.number()..).zip(all) {
        let row = decide_one(new, accounts, TransferId::from_number(number));
        rows.push(row.map_err(|refusal| RefusedAt { index, refusal })?);
    }
    Ok(rows)
}

fn decide_one<'a>(
    new: &NewTransfer<'a>,
    accounts: &mut [Named],
    number: Option<TransferId>,
) -> Result<TransferRow<'a>, Refusal> {
    check_amount(new)?;
    let (debit_at, credit_at) = (place(accounts, new.debit), place(accounts, new.credit));
    let running = |at: Option<usize>| at.map(|at| (accounts[at].now, accounts[at].is_open));
    let debit = debit_side(new, running(debit_at))?;
    let credit = credit_side(new, running(credit_at))?;
    for (at, side) in [(debit_at, &debit), (credit_at, &credit)] {
        if let Some(at) = at {
            accounts[at].now.balance = side.balance_after;
            accounts[at].now.last_transfer = number;
        }
    }
    Ok(TransferRow::of(new, &debit, &credit))
}

fn place(accounts: &[Named], id: AccountId) -> Option<usize> {
    accounts.binary_search_by_key(&id, |named| named.found.id).ok()
}
