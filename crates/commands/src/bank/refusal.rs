//! Why the bank says no. A refusal is an answer like any other: the call has ended, nothing was booked,
//! and a new try is a new call.

use std::fmt;

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};
use serde::Serialize;

use super::{AccountId, TransferId};
use crate::limits::AMOUNT_MINOR_UNITS_MAX;
use crate::money::{Currency, Money};

/// What happened, why, and what to do. CBOR: `[number, field...]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, thiserror::Error)]
#[cbor(flat)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Refusal {
    /// More than is there.
    #[n(0)]
    #[error(
        "account {account} has not enough money: {available} can be taken, {wanted} was asked for; ask for less or deposit first"
    )]
    NotEnoughMoney {
        /// The account.
        #[n(0)]
        account: AccountId,
        /// What could be taken.
        #[n(1)]
        available: Money,
        /// What was asked for.
        #[n(2)]
        wanted: Money,
    },
    /// More than is there and may be overdrawn.
    #[n(1)]
    #[error(
        "account {account} may not fall below {floor}: {available} can be taken, {wanted} was asked for; ask for less or deposit first"
    )]
    BelowFloor {
        /// The account.
        #[n(0)]
        account: AccountId,
        /// The lowest balance it may have.
        #[n(1)]
        floor: Money,
        /// What could be taken.
        #[n(2)]
        available: Money,
        /// What was asked for.
        #[n(3)]
        wanted: Money,
    },
    /// Zero or negative.
    #[n(2)]
    #[error(
        "{money} cannot be moved: an amount must be more than zero; to move money the other way use the opposite command"
    )]
    AmountNotPositive {
        /// What was asked for.
        #[n(0)]
        money: Money,
    },
    /// Over the bound.
    #[n(3)]
    #[error(
        "{money} cannot be booked: an amount has at most {AMOUNT_MINOR_UNITS_MAX} minor units; check the amount"
    )]
    AmountTooLarge {
        /// What was asked for.
        #[n(0)]
        money: Money,
    },
    /// A balance would leave what can be counted.
    #[n(4)]
    #[error(
        "{money} cannot be booked: the balance of account {account} would pass {AMOUNT_MINOR_UNITS_MAX} minor units; use another account"
    )]
    Overflow {
        /// The account that would overflow.
        #[n(0)]
        account: AccountId,
        /// What was to be booked.
        #[n(1)]
        money: Money,
    },
    /// The account holds something else.
    #[n(5)]
    #[error("account {account} holds {holds}, not {named}; name an amount in {holds} or another account")]
    WrongCurrency {
        /// The account.
        #[n(0)]
        account: AccountId,
        /// Its currency.
        #[n(1)]
        holds: Currency,
        /// The currency that was named.
        #[n(2)]
        named: Currency,
    },
    /// No such account.
    #[n(6)]
    #[error("there is no account {account}; look it up with: bank accounts")]
    UnknownAccount {
        /// What was named.
        #[n(0)]
        account: AccountId,
    },
    /// One of the organisation's own accounts.
    #[n(7)]
    #[error(
        "account {account} belongs to the organisation itself and moves only as the other side of a booking; name a member's account"
    )]
    SystemAccount {
        /// What was named.
        #[n(0)]
        account: AccountId,
    },
    /// From an account to itself.
    #[n(8)]
    #[error("account {account} is on both sides of the transfer; name two accounts")]
    SameAccount {
        /// What was named twice.
        #[n(0)]
        account: AccountId,
    },
    /// A floor above zero, or lower than can be counted.
    #[n(9)]
    #[error(
        "{floor} cannot be a floor: it must be zero or negative and at most {AMOUNT_MINOR_UNITS_MAX} minor units away from it; choose another"
    )]
    BadFloor {
        /// What was asked for.
        #[n(0)]
        floor: Money,
    },
    /// A page of no lines, or of too many.
    #[n(10)]
    #[error("a page of {limit} lines cannot be asked for; ask for 1 to {limit_max}")]
    BadLimit {
        /// What was asked for.
        #[n(0)]
        limit: u16,
        /// The most.
        #[n(1)]
        limit_max: u16,
    },
    /// A cursor that did not come from this account's statement.
    #[n(11)]
    #[error("transfer {transfer} is not in the statement of account {account}; start again without a cursor")]
    ForeignCursor {
        /// The account.
        #[n(0)]
        account: AccountId,
        /// What was given as cursor.
        #[n(1)]
        transfer: TransferId,
    },
    /// Not on the operator's list.
    #[n(12)]
    #[error("transfer {transfer} is no deposit in suspense; look it up with: bank suspended")]
    NotSuspended {
        /// What was named.
        #[n(0)]
        transfer: TransferId,
    },
    /// No longer on the operator's list.
    #[n(13)]
    #[error("the deposit {transfer} was settled by transfer {settled_by}; nothing is left to do")]
    AlreadySettled {
        /// What was named.
        #[n(0)]
        transfer: TransferId,
        /// The entry that settled it.
        #[n(1)]
        settled_by: TransferId,
    },
    /// One of many movements; none of them was booked.
    #[n(14)]
    #[error("nothing was booked because of movement {} of the list: {reason}", u32::from(*.index) + 1)]
    MovementRefused {
        /// Which, counted from 0; the text counts from 1.
        #[n(0)]
        index: u16,
        /// Why it would have been refused alone, behind those before it.
        #[n(1)]
        reason: Reason,
    },
}

/// Number of [`Refusal::MovementRefused`] on the wire.
const MOVEMENT_REFUSED: u32 = 14;

impl Refusal {
    /// The refusal of a list because of one of its movements, counted from 0.
    #[must_use]
    pub fn of_movement(index: u16, reason: Self) -> Self {
        if matches!(reason, Self::MovementRefused { .. }) {
            return reason;
        }
        Self::MovementRefused { index, reason: Reason(Box::new(reason)) }
    }

    /// Stable name, equal to the tag of the JSON view.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotEnoughMoney { .. } => "not_enough_money",
            Self::BelowFloor { .. } => "below_floor",
            Self::AmountNotPositive { .. } => "amount_not_positive",
            Self::AmountTooLarge { .. } => "amount_too_large",
            Self::Overflow { .. } => "overflow",
            Self::WrongCurrency { .. } => "wrong_currency",
            Self::UnknownAccount { .. } => "unknown_account",
            Self::SystemAccount { .. } => "system_account",
            Self::SameAccount { .. } => "same_account",
            Self::BadFloor { .. } => "bad_floor",
            Self::BadLimit { .. } => "bad_limit",
            Self::ForeignCursor { .. } => "foreign_cursor",
            Self::NotSuspended { .. } => "not_suspended",
            Self::AlreadySettled { .. } => "already_settled",
            Self::MovementRefused { .. } => "movement_refused",
        }
    }
}

/// Why one movement of a list was refused: any refusal but that of a list, so that none holds another that holds another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Reason(Box<Refusal>);

impl Reason {
    /// The refusal that the movement would have met alone.
    #[must_use]
    pub fn refusal(&self) -> &Refusal {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// CBOR: the refusal.
impl<C> Encode<C> for Reason {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
        self.0.encode(e, ctx)
    }
}

impl<'b, C> Decode<'b, C> for Reason {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        let mut ahead = d.probe();
        ahead.array()?;
        if ahead.u32()? == MOVEMENT_REFUSED {
            return Err(DecodeError::message("the reason of a movement is that of another").at(at));
        }
        Refusal::decode(d, ctx).map(|refusal| Self(Box::new(refusal)))
    }
}

/// Why a deposit could not go to the account that was named.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum SuspenseReason {
    /// There is no such account.
    #[n(1)]
    UnknownAccount,
    /// It is one of the organisation's own.
    #[n(2)]
    SystemAccount,
    /// It holds another currency.
    #[n(3)]
    WrongCurrency,
    /// Its balance would pass what can be counted.
    #[n(4)]
    Overflow,
}

impl SuspenseReason {
    /// The reason, for a person: completes "it is in suspense because ...".
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::UnknownAccount => "there is no such account",
            Self::SystemAccount => "that account belongs to the organisation itself",
            Self::WrongCurrency => "that account holds another currency",
            Self::Overflow => "the balance of that account would pass what can be counted",
        }
    }

    /// The number under which it is stored; equal to its CBOR.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::UnknownAccount => 1,
            Self::SystemAccount => 2,
            Self::WrongCurrency => 3,
            Self::Overflow => 4,
        }
    }

    /// The reason with this number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::UnknownAccount, Self::SystemAccount, Self::WrongCurrency, Self::Overflow]
            .into_iter()
            .find(|reason| reason.number() == number)
    }
}
