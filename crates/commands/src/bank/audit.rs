//! What an audit of the ledger reports. A report without findings is a proof over every row of one
//! consistent view; a finding names the row and what does not hold there.

use std::fmt;

use minicbor::{Decode, Encode};
use serde::Serialize;

use super::{AccountId, TransferId};
use crate::money::{Currency, Money};

/// The result of an audit.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
pub struct AuditReport {
    /// Whether every check held.
    #[n(0)]
    pub sound: bool,
    /// Accounts read.
    #[n(1)]
    pub accounts: u64,
    /// Transfers read.
    #[n(2)]
    pub transfers: u64,
    /// Deposits in suspense that are not settled.
    #[n(3)]
    pub suspended: u64,
    /// What each currency adds up to.
    #[n(4)]
    pub currencies: Vec<CurrencySum>,
    /// Checks that failed, all of them counted.
    #[n(5)]
    pub findings_total: u64,
    /// The first `FINDINGS_MAX` of them.
    #[n(6)]
    pub findings: Vec<Finding>,
}

/// The balances of one currency. A sum that does not fit 64 bits stands at their limit.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
pub struct CurrencySum {
    /// Which.
    #[n(0)]
    pub currency: Currency,
    /// Owed to members.
    #[n(1)]
    pub members: Money,
    /// Owed to nobody known yet.
    #[n(2)]
    pub suspense: Money,
    /// In the till; negative while there is some.
    #[n(3)]
    pub cash: Money,
    /// All of them together: zero.
    #[n(4)]
    pub sum: Money,
}

/// One thing that does not hold.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
pub struct Finding {
    /// Which rule.
    #[n(0)]
    pub check: Check,
    /// The account, where one is concerned.
    #[n(1)]
    pub account: Option<AccountId>,
    /// The transfer, where one is concerned.
    #[n(2)]
    pub transfer: Option<TransferId>,
    /// The two things that differ, for a person; at most `FINDING_BYTES_MAX` bytes.
    #[n(3)]
    pub explanation: String,
}

/// `balance_from_transfers: account 7, transfer 9: ...`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.check.code())?;
        if let Some(account) = self.account {
            write!(f, ": account {account}")?;
        }
        if let Some(transfer) = self.transfer {
            write!(f, ": transfer {transfer}")?;
        }
        write!(f, ": {}", self.explanation)
    }
}

/// What an audit checks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode, Serialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The row can be read: every column has its type and a possible value.
    #[n(0)]
    RowReadable,
    /// The columns that never change have the checksum they were written with.
    #[n(1)]
    RowUnchanged,
    /// The balances of a currency add up to zero.
    #[n(2)]
    SumZero,
    /// A balance is the sum of its transfers.
    #[n(3)]
    BalanceFromTransfers,
    /// Each transfer names the one before it on both its accounts, and the account its last one.
    #[n(4)]
    ChainIntact,
    /// The balances that a transfer recorded follow from those before it.
    #[n(5)]
    BalancesAfter,
    /// A transfer moves a positive amount between two accounts that are there and have one currency.
    #[n(6)]
    EntryPossible,
    /// A balance less its holds is not below its floor, and nothing is out of bounds.
    #[n(7)]
    WithinFloor,
    /// What is held is what the open holds add up to.
    #[n(8)]
    HeldFromHolds,
    /// No call id has the entries of two executions.
    #[n(9)]
    ExecutedOnce,
    /// No entry belongs to a call that the store never claimed, or that was cancelled.
    #[n(10)]
    CallClaimed,
    /// The suspense accounts hold what the operator's list says.
    #[n(11)]
    SuspenseListed,
}

impl Check {
    /// Stable name, equal to the JSON view.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::RowReadable => "row_readable",
            Self::RowUnchanged => "row_unchanged",
            Self::SumZero => "sum_zero",
            Self::BalanceFromTransfers => "balance_from_transfers",
            Self::ChainIntact => "chain_intact",
            Self::BalancesAfter => "balances_after",
            Self::EntryPossible => "entry_possible",
            Self::WithinFloor => "within_floor",
            Self::HeldFromHolds => "held_from_holds",
            Self::ExecutedOnce => "executed_once",
            Self::CallClaimed => "call_claimed",
            Self::SuspenseListed => "suspense_listed",
        }
    }
}
