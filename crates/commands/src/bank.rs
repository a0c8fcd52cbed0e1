//! The bank: prepaid accounts of members, kept by double entry. A positive balance means that the
//! organisation owes the owner. Every amount names its currency, and the rules check it.
//!
//! Absent: cards, PINs and holds; interest; conversion between currencies; closing an account.

mod audit;
mod id;
mod movement;
mod refusal;
mod statement;
#[cfg(test)]
mod tests;

use minicbor::{Decode, Encode};
use serde::Serialize;

pub use audit::{AuditReport, Check, CurrencySum, Finding};
pub use id::{AccountId, AccountKind, TransferId};
pub use movement::{Movement, Movements};
pub use refusal::{Reason, Refusal, SuspenseReason};
pub use statement::{AccountLine, StatementLine, SuspendedDeposit, TransferKind};

use crate::limits::{MEMO_BYTES_MAX, OWNER_BYTES_MAX};
use crate::money::{Currency, Money};
use crate::{Commands, Line};

/// Name of the service in a call frame.
pub const SERVICE: &str = "bank";

/// Version of the encoding below.
pub const VERSION: u16 = 1;

/// Name of an account's owner.
pub type Owner = Line<OWNER_BYTES_MAX>;

/// What a person wrote beside a transfer.
pub type Memo = Line<MEMO_BYTES_MAX>;

/// What can be asked. CBOR: `[number, field...]`; an absent last field may be left out. Amounts are signed
/// here so that a rule can say why it refuses one.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
#[cbor(flat)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Opens a member's account with nothing on it.
    #[n(0)]
    OpenAccount {
        /// Whose it is.
        #[n(0)]
        owner: Owner,
        /// The balance may not fall below this: zero or negative. Its currency is the account's, for ever.
        #[n(1)]
        floor: Money,
    },
    /// Tells that money was received for an account. It has happened in the world, so it is always booked:
    /// what does not fit the account goes to the suspense account and the operator's list.
    #[n(1)]
    Deposit {
        /// The account it was received for.
        #[n(0)]
        account: AccountId,
        /// How much was received.
        #[n(1)]
        money: Money,
        /// Shown in the statement.
        #[n(2)]
        memo: Option<Memo>,
    },
    /// Takes money from an account to hand it out.
    #[n(2)]
    Withdraw {
        /// The account to take from.
        #[n(0)]
        account: AccountId,
        /// How much.
        #[n(1)]
        money: Money,
        /// Shown in the statement.
        #[n(2)]
        memo: Option<Memo>,
    },
    /// Moves money between two members' accounts of one currency.
    #[n(3)]
    Transfer {
        /// The account to take from.
        #[n(0)]
        from: AccountId,
        /// The account to give to.
        #[n(1)]
        to: AccountId,
        /// How much.
        #[n(2)]
        money: Money,
        /// Shown in both statements.
        #[n(3)]
        memo: Option<Memo>,
    },
    /// Moves a deposit from the suspense account to the member's account it belongs to, and takes it off
    /// the operator's list.
    #[n(4)]
    Settle {
        /// The deposit, as [`Reply::Suspended`] and the list name it.
        #[n(0)]
        deposit: TransferId,
        /// The account it belongs to.
        #[n(1)]
        account: AccountId,
        /// Shown in the statement.
        #[n(2)]
        memo: Option<Memo>,
    },
    /// Moves money many times between members' accounts of one currency, in the order of the list: all of it, or
    /// nothing.
    #[n(5)]
    TransferMany {
        /// The currency of every amount and account.
        #[n(0)]
        currency: Currency,
        /// What is to be moved.
        #[n(1)]
        transfers: Movements,
    },
    /// Reads the balance of an account.
    #[n(16)]
    Balance {
        /// Which.
        #[n(0)]
        account: AccountId,
    },
    /// Reads a statement, newest line first.
    #[n(17)]
    Statement {
        /// Of which account.
        #[n(0)]
        account: AccountId,
        /// Lines wanted, 1 to `STATEMENT_LINES_MAX`.
        #[n(1)]
        limit: u16,
        /// Only lines older than this one: the cursor that the page before returned.
        #[n(2)]
        before: Option<TransferId>,
    },
    /// Lists accounts in order of their numbers, system accounts first.
    #[n(18)]
    Accounts {
        /// Accounts wanted, 1 to `ACCOUNTS_MAX`.
        #[n(0)]
        limit: u16,
        /// Only accounts behind this one: the cursor that the page before returned.
        #[n(1)]
        after: Option<AccountId>,
    },
    /// The operator's list: deposits in suspense that are not settled, oldest first.
    #[n(19)]
    Suspended {
        /// Deposits wanted, 1 to `SUSPENDED_MAX`.
        #[n(0)]
        limit: u16,
        /// Only deposits behind this one: the cursor that the page before returned.
        #[n(1)]
        after: Option<TransferId>,
    },
    /// Proves the ledger: every balance from its transfers, every sum zero, no call booked twice.
    #[n(20)]
    Audit,
}

impl Command {
    /// Whether it has no effect and may be asked again without a call id.
    #[must_use]
    pub fn is_read(&self) -> bool {
        match self {
            Self::OpenAccount { .. }
            | Self::Deposit { .. }
            | Self::Withdraw { .. }
            | Self::Transfer { .. }
            | Self::Settle { .. }
            | Self::TransferMany { .. } => false,
            Self::Balance { .. }
            | Self::Statement { .. }
            | Self::Accounts { .. }
            | Self::Suspended { .. }
            | Self::Audit => true,
        }
    }

    /// Its name, equal to the tag of the JSON view.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OpenAccount { .. } => "open_account",
            Self::Deposit { .. } => "deposit",
            Self::Withdraw { .. } => "withdraw",
            Self::Transfer { .. } => "transfer",
            Self::Settle { .. } => "settle",
            Self::TransferMany { .. } => "transfer_many",
            Self::Balance { .. } => "balance",
            Self::Statement { .. } => "statement",
            Self::Accounts { .. } => "accounts",
            Self::Suspended { .. } => "suspended",
            Self::Audit => "audit",
        }
    }
}

/// What is answered. CBOR: `[number, field...]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
#[cbor(flat)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// The account is open.
    #[n(0)]
    Opened {
        /// Its number.
        #[n(0)]
        account: AccountId,
        /// Nothing, in its currency.
        #[n(1)]
        balance: Money,
        /// The balance may not fall below this.
        #[n(2)]
        floor: Money,
    },
    /// The deposit is on the account.
    #[n(1)]
    Deposited {
        /// The ledger's entry.
        #[n(0)]
        transfer: TransferId,
        /// The account.
        #[n(1)]
        account: AccountId,
        /// Its balance now.
        #[n(2)]
        balance: Money,
    },
    /// The deposit did not fit the account. It is booked in suspense and on the operator's list.
    #[n(2)]
    Suspended {
        /// The ledger's entry.
        #[n(0)]
        transfer: TransferId,
        /// The account that was named.
        #[n(1)]
        account: AccountId,
        /// What was received.
        #[n(2)]
        money: Money,
        /// Why it did not fit.
        #[n(3)]
        reason: SuspenseReason,
    },
    /// The money is taken and may be handed out.
    #[n(3)]
    Withdrawn {
        /// The ledger's entry.
        #[n(0)]
        transfer: TransferId,
        /// The account.
        #[n(1)]
        account: AccountId,
        /// Its balance now.
        #[n(2)]
        balance: Money,
    },
    /// The money has moved.
    #[n(4)]
    Transferred {
        /// The ledger's entry.
        #[n(0)]
        transfer: TransferId,
        /// The account it was taken from. The other one's balance is not told.
        #[n(1)]
        account: AccountId,
        /// Its balance now.
        #[n(2)]
        balance: Money,
    },
    /// The deposit has left suspense.
    #[n(5)]
    Settled {
        /// The ledger's entry.
        #[n(0)]
        transfer: TransferId,
        /// The account it went to.
        #[n(1)]
        account: AccountId,
        /// Its balance now.
        #[n(2)]
        balance: Money,
    },
    /// All the money of a list has moved.
    #[n(6)]
    TransferredMany {
        /// The ledger's entry of the first movement. The others follow it in the order of the list, one by one.
        #[n(0)]
        first: TransferId,
        /// The entry of the last one.
        #[n(1)]
        last: TransferId,
    },
    /// The balance.
    #[n(16)]
    Balance {
        /// The account.
        #[n(0)]
        account: AccountId,
        /// What the organisation owes the owner.
        #[n(1)]
        balance: Money,
        /// What can be taken now: balance less holds less floor.
        #[n(2)]
        available: Money,
    },
    /// A page of a statement, newest line first.
    #[n(17)]
    Statement {
        /// The account.
        #[n(0)]
        account: AccountId,
        /// Its balance now.
        #[n(1)]
        balance: Money,
        /// The lines.
        #[n(2)]
        lines: Vec<StatementLine>,
        /// Where the next page goes on; none when this was the last.
        #[n(3)]
        before: Option<TransferId>,
    },
    /// A page of the accounts.
    #[n(18)]
    Accounts {
        /// The accounts.
        #[n(0)]
        accounts: Vec<AccountLine>,
        /// Where the next page goes on; none when this was the last.
        #[n(1)]
        after: Option<AccountId>,
    },
    /// A page of the operator's list.
    #[n(19)]
    SuspendedDeposits {
        /// The deposits.
        #[n(0)]
        deposits: Vec<SuspendedDeposit>,
        /// Where the next page goes on; none when this was the last.
        #[n(1)]
        after: Option<TransferId>,
    },
    /// What the audit found.
    #[n(20)]
    Audited {
        /// All of it.
        #[n(0)]
        report: AuditReport,
    },
}

/// The types of this service.
#[derive(Clone, Copy, Debug)]
pub enum Bank {}

impl Commands for Bank {
    const SERVICE: &'static str = SERVICE;
    const VERSION: u16 = VERSION;
    type Command = Command;
    type Reply = Reply;
    type Refusal = Refusal;

    fn is_read(command: &Command) -> bool {
        command.is_read()
    }

    fn name(command: &Command) -> &'static str {
        command.name()
    }
}
