//! The audit: every row of the ledger in one consistent view, each number proved from others.
//!
//! ```text
//!   accounts  --> checksum, floor, bounds, sum of the currency
//!   transfers --> checksum, both sides, chain, balances after; adds up each account
//!   accounts  --> balance and last entry against what was added up
//!   calls     --> one execution per call id; claimed, not cancelled, not refused
//!   suspense  --> the list against the entries and the balance of the account
//! ```
//!
//! Rows are streamed; what is kept is one small record per account. Findings are counted, the first of
//! them spelt out. Absent: repair. An audit never changes a row.

mod accounts;
mod calls;
mod suspense;
mod transfers;

use std::collections::{BTreeMap, HashMap};

use switchboard_commands::bank::{
    AccountId, AccountKind, AuditReport, Check, CurrencySum, Finding, TransferId,
};
use switchboard_commands::limits::{FINDING_BYTES_MAX, FINDINGS_MAX};
use switchboard_commands::money::{Amount, Currency, Money};

use crate::{Snapshot, StoreError};

impl Snapshot<'_> {
    /// Audits the whole ledger.
    ///
    /// # Errors
    /// When the store fails to read; a row that makes no sense is a finding, not an error.
    pub fn audit(&self) -> Result<AuditReport, StoreError> {
        let mut audit = Audit::default();
        audit.read_accounts(self)?;
        audit.read_transfers(self)?;
        audit.compare_accounts();
        audit.read_calls(self)?;
        audit.read_suspense(self)?;
        audit.add_up();
        Ok(audit.report())
    }
}

/// An audit under way.
#[derive(Default)]
struct Audit {
    accounts: HashMap<i64, AccountState>,
    sums: BTreeMap<Currency, Sums>,
    /// Unsettled deposits of the list.
    listed: BTreeMap<Currency, i128>,
    accounts_read: u64,
    transfers_read: u64,
    suspended: u64,
    findings: Vec<Finding>,
    findings_total: u64,
}

/// What one account's row says, and what its transfers add up to.
struct AccountState {
    id: AccountId,
    currency: Currency,
    balance: i64,
    last_transfer: i64,
    /// Added up from the amounts of the transfers read so far.
    added_up: i128,
    /// The balance that the newest transfer read so far recorded.
    recorded: i64,
    /// The newest transfer read so far.
    newest: i64,
}

#[derive(Default)]
struct Sums {
    members: i128,
    suspense: i128,
    cash: i128,
}

/// The row that a finding is about.
#[derive(Clone, Copy)]
enum Subject {
    Account(i64),
    Transfer(i64),
    Ledger,
}

impl Audit {
    fn find(&mut self, check: Check, subject: Subject, explanation: impl FnOnce() -> String) {
        self.findings_total += 1;
        if self.findings.len() >= FINDINGS_MAX {
            return;
        }
        let mut explanation = explanation();
        explanation.truncate(explanation.floor_char_boundary(FINDING_BYTES_MAX));
        let (account, transfer) = match subject {
            Subject::Account(number) => (AccountId::from_number(number), None),
            Subject::Transfer(number) => (None, TransferId::from_number(number)),
            Subject::Ledger => (None, None),
        };
        self.findings.push(Finding { check, account, transfer, explanation });
    }

    /// Counts a finding when `holds` is false.
    fn require(&mut self, holds: bool, check: Check, subject: Subject, explanation: impl FnOnce() -> String) {
        if !holds {
            self.find(check, subject, explanation);
        }
    }

    fn add_up(&mut self) {
        for account in self.accounts.values() {
            let sums = self.sums.entry(account.currency).or_default();
            let balance = i128::from(account.balance);
            match account.id.kind() {
                AccountKind::Member => sums.members += balance,
                AccountKind::Suspense(_) => sums.suspense += balance,
                AccountKind::Cash(_) => sums.cash += balance,
            }
        }
        let sums: Vec<(Currency, i128)> = self.sums.iter().map(|(c, sums)| (*c, sums.total())).collect();
        for (currency, sum) in sums {
            self.require(sum == 0, Check::SumZero, Subject::Ledger, || {
                format!("the balances in {currency} add up to {sum} minor units instead of 0")
            });
        }
    }

    fn report(self) -> AuditReport {
        let currencies = self.sums.iter().map(|(currency, sums)| sums.line(*currency)).collect();
        AuditReport {
            sound: self.findings_total == 0,
            accounts: self.accounts_read,
            transfers: self.transfers_read,
            suspended: self.suspended,
            currencies,
            findings_total: self.findings_total,
            findings: self.findings,
        }
    }
}

impl Sums {
    fn total(&self) -> i128 {
        self.members + self.suspense + self.cash
    }

    fn line(&self, currency: Currency) -> CurrencySum {
        CurrencySum {
            currency,
            members: money(self.members, currency),
            suspense: money(self.suspense, currency),
            cash: money(self.cash, currency),
            sum: money(self.total(), currency),
        }
    }
}

/// The sum, at the limits of 64 bits where it passes them.
fn money(sum: i128, currency: Currency) -> Money {
    let limit = if sum < 0 { i64::MIN } else { i64::MAX };
    Amount::from_minor(i64::try_from(sum).unwrap_or(limit)).of(currency)
}
