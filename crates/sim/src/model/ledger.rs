//! The ledger by the model: entries as they are appended, and what they add up to.

use std::collections::BTreeMap;

use switchboard_call::id::CallId;

use super::{Promise, Verdict, Violation};
use crate::intent::Intent;

/// An entry, as committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransferRow {
    /// Its number, counted from 1 without holes.
    pub id: i64,
    /// The account that gave.
    pub debit: i64,
    /// The account that received.
    pub credit: i64,
    /// How much, in minor units.
    pub amount: i64,
    /// The wish in its memo.
    pub intent: Intent,
    /// The call that booked it.
    pub call: CallId,
    /// Its place among the entries of that call, counted from 0.
    pub part: u16,
    /// How many entries the wish is.
    pub parts: u16,
}

/// An account, as committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountRow {
    /// Its number.
    pub id: i64,
    /// What it holds, in minor units.
    pub balance: i64,
    /// Its currency's code.
    pub currency: String,
    /// The lowest balance it may have.
    pub floor: i64,
    /// A member's account: the wish and the call that opened it.
    pub opened_by: Option<(Intent, CallId)>,
}

/// The entries so far, and what they add up to.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: Vec<TransferRow>,
    balances: BTreeMap<i64, i64>,
    accounts: BTreeMap<i64, (Intent, CallId)>,
}

impl Ledger {
    /// Entries so far.
    #[must_use]
    pub fn transfers(&self) -> usize {
        self.entries.len()
    }

    /// Whether this member's account was there before.
    #[must_use]
    pub fn knows(&self, account: i64) -> bool {
        self.accounts.contains_key(&account)
    }

    /// What the entries of an account add up to.
    #[must_use]
    pub fn balance(&self, account: i64) -> i64 {
        self.balances.get(&account).copied().unwrap_or(0)
    }

    /// The wish and the call of an entry.
    #[must_use]
    pub fn entry(&self, number: i64) -> Option<&TransferRow> {
        usize::try_from(number).ok()?.checked_sub(1).and_then(|index| self.entries.get(index))
    }

    /// Entries that took money out: members' accounts against the till.
    #[must_use]
    pub fn withdrawals(&self) -> u64 {
        let out = self.entries.iter().filter(|entry| entry.debit > 0 && entry.credit < 0).count();
        u64::try_from(out).expect("a count fits")
    }

    /// All entries of one call, together: each part of the wish once, in order.
    pub(super) fn append_call(&mut self, rows: &[TransferRow]) -> Verdict {
        for (part, row) in (0..).zip(rows) {
            if row.part != part || row.parts <= part || row.intent != rows[0].intent {
                let how = format!("entry {} of {} is part {} and follows {part}", row.id, row.call, row.part);
                return Err(Violation::new(Promise::Once, how));
            }
            self.append(row)?;
        }
        match rows.last() {
            Some(last) if usize::from(last.parts) != rows.len() => {
                let how = format!("{} booked {} of {} entries", last.call, rows.len(), last.parts);
                Err(Violation::new(Promise::Ledger, how))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn append(&mut self, row: &TransferRow) -> Verdict {
        if usize::try_from(row.id) != Ok(self.entries.len() + 1) {
            let how = format!("entry {} follows entry {}", row.id, self.entries.len());
            return Err(Violation::new(Promise::Ledger, how));
        }
        *self.balances.entry(row.debit).or_default() -= row.amount;
        *self.balances.entry(row.credit).or_default() += row.amount;
        self.entries.push(row.clone());
        Ok(())
    }

    /// Every account holds what its entries add up to, none is below its floor, each currency adds up to zero, and no
    /// account has gone.
    pub(super) fn compare(&mut self, accounts: &[AccountRow]) -> Verdict {
        let broken = |how| Err(Violation::new(Promise::Ledger, how));
        let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
        for account in accounts {
            let added_up = self.balance(account.id);
            if account.balance != added_up {
                let (id, balance) = (account.id, account.balance);
                return broken(format!("account {id} holds {balance}, its entries add up to {added_up}"));
            }
            if account.id > 0 && account.balance < account.floor {
                return broken(format!("account {} holds {}, under its floor", account.id, account.balance));
            }
            *sums.entry(&account.currency).or_default() += account.balance;
            self.accounts.extend(account.opened_by.map(|opened_by| (account.id, opened_by)));
        }
        if let Some((currency, sum)) = sums.into_iter().find(|(_, sum)| *sum != 0) {
            return broken(format!("the balances in {currency} add up to {sum}"));
        }
        let there = |id: &i64| accounts.iter().any(|account| account.id == *id);
        match self.accounts.keys().find(|id| !there(id)) {
            Some(gone) => {
                Err(Violation::new(Promise::Durable, format!("account {gone} was open, and is gone")))
            }
            None => Ok(()),
        }
    }

    /// The entries read after a crash begin with those that were there before it.
    pub(super) fn is_prefix(&self, rows: &[TransferRow]) -> Verdict {
        if rows.len() < self.entries.len() {
            let how = format!("{} entries were committed, {} are left", self.entries.len(), rows.len());
            return Err(Violation::new(Promise::Durable, how));
        }
        match self.entries.iter().zip(rows).find(|(before, now)| before != now) {
            Some((before, now)) => {
                let how = format!("an entry changed from {before:?} to {now:?}");
                Err(Violation::new(Promise::Durable, how))
            }
            None => Ok(()),
        }
    }
}
