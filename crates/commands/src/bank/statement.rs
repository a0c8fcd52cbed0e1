//! Lines of lists: of a statement, of all accounts, of the operator's list. The store fills them in, the
//! wire carries them, a person reads them.

use minicbor::{Decode, Encode};
use serde::{Serialize, Serializer};
use switchboard_call::id::CallId;

use super::{AccountId, Memo, Owner, SuspenseReason, TransferId};
use crate::money::Money;

/// Why money moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// Received for an account.
    #[n(1)]
    Deposit,
    /// Taken to be handed out.
    #[n(2)]
    Withdrawal,
    /// Between two members.
    #[n(3)]
    Transfer,
    /// Received, but it fitted no account: in suspense.
    #[n(4)]
    SuspendedDeposit,
    /// From suspense to the account it belongs to.
    #[n(5)]
    Settlement,
}

/// One movement as the account sees it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
pub struct StatementLine {
    /// The ledger's entry.
    #[n(0)]
    pub transfer: TransferId,
    /// When the server booked it, in microseconds since 1970, UTC.
    #[n(1)]
    pub at_us: i64,
    /// Why.
    #[n(2)]
    pub kind: TransferKind,
    /// Positive when the account received it.
    #[n(3)]
    pub amount: Money,
    /// The account's balance behind it.
    #[n(4)]
    pub balance: Money,
    /// The account on the other side.
    #[n(5)]
    pub other: AccountId,
    /// What a person wrote beside it.
    #[n(6)]
    pub memo: Option<Memo>,
    /// The call that booked it. For operators only.
    #[n(7)]
    #[serde(serialize_with = "call_id_text")]
    pub call: Option<CallId>,
}

/// One account of the list.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
pub struct AccountLine {
    /// Its number.
    #[n(0)]
    pub account: AccountId,
    /// Whose it is.
    #[n(1)]
    pub owner: Owner,
    /// What the organisation owes the owner.
    #[n(2)]
    pub balance: Money,
    /// What can be taken now.
    #[n(3)]
    pub available: Money,
    /// The balance may not fall below this.
    #[n(4)]
    pub floor: Money,
    /// When it was opened, in microseconds since 1970, UTC.
    #[n(5)]
    pub opened_us: i64,
}

/// One deposit of the operator's list.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
pub struct SuspendedDeposit {
    /// The ledger's entry.
    #[n(0)]
    pub transfer: TransferId,
    /// When it was booked, in microseconds since 1970, UTC.
    #[n(1)]
    pub at_us: i64,
    /// The account that was named.
    #[n(2)]
    pub account: AccountId,
    /// What was received.
    #[n(3)]
    pub money: Money,
    /// Why it did not fit that account.
    #[n(4)]
    pub reason: SuspenseReason,
    /// What was written beside it.
    #[n(5)]
    pub memo: Option<Memo>,
}

fn call_id_text<S: Serializer>(call: &Option<CallId>, serializer: S) -> Result<S::Ok, S::Error> {
    match call {
        Some(call) => serializer.collect_str(call),
        None => serializer.serialize_none(),
    }
}
