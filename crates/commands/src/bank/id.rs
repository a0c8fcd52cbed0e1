//! Names of accounts and transfers. A member's account has a positive number, counted from 1. The
//! organisation's own accounts have negative numbers made from the ISO 4217 number of their currency, so
//! that they need no index and sort before all members.
//!
//! ```text
//!   cash of EUR (978)      -9781     people write cash:EUR
//!   suspense of EUR        -9782     people write suspense:EUR
//! ```

use std::fmt;
use std::str::FromStr;

use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};
use serde::{Serialize, Serializer};

use crate::InputError;
use crate::money::Currency;

const CASH_DIGIT: i64 = 1;
const SUSPENSE_DIGIT: i64 = 2;

/// The number of an account that may exist.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(i64);

/// Whose an account is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountKind {
    /// A member's.
    Member,
    /// The organisation's money in the till: negative while there is some.
    Cash(Currency),
    /// Deposits that nobody's account could take yet.
    Suspense(Currency),
}

impl AccountId {
    /// The account with this number, if one can have it.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        let id = Self(number);
        (number > 0 || id.system_kind().is_some()).then_some(id)
    }

    /// The organisation's cash account of a currency.
    #[must_use]
    pub fn cash(currency: Currency) -> Self {
        Self::system(currency, CASH_DIGIT)
    }

    /// The organisation's suspense account of a currency.
    #[must_use]
    pub fn suspense(currency: Currency) -> Self {
        Self::system(currency, SUSPENSE_DIGIT)
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }

    /// Whether it is a member's.
    #[must_use]
    pub fn is_member(self) -> bool {
        self.0 > 0
    }

    /// Whose it is.
    #[must_use]
    pub fn kind(self) -> AccountKind {
        if self.is_member() {
            return AccountKind::Member;
        }
        self.system_kind().expect("a negative account number is made from a currency or checked")
    }

    fn system(currency: Currency, digit: i64) -> Self {
        Self(-(i64::from(currency.numeric()) * 10 + digit))
    }

    fn system_kind(self) -> Option<AccountKind> {
        let number = self.0.checked_neg().filter(|number| *number > 0)?;
        let currency = Currency::from_numeric(u16::try_from(number / 10).ok()?)?;
        match number % 10 {
            CASH_DIGIT => Some(AccountKind::Cash(currency)),
            SUSPENSE_DIGIT => Some(AccountKind::Suspense(currency)),
            _ => None,
        }
    }
}

/// `7`, `cash:EUR` or `suspense:EUR`.
impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            AccountKind::Member => write!(f, "{}", self.0),
            AccountKind::Cash(currency) => write!(f, "cash:{currency}"),
            AccountKind::Suspense(currency) => write!(f, "suspense:{currency}"),
        }
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AccountId {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        let member = || positive(text).map(Self);
        let system = || {
            let (kind, code) = text.split_once(':')?;
            let currency = Currency::from_code(code.as_bytes())?;
            match kind {
                "cash" => Some(Self::cash(currency)),
                "suspense" => Some(Self::suspense(currency)),
                _ => None,
            }
        };
        member().or_else(system).ok_or_else(|| InputError::Account(text.chars().take(40).collect()))
    }
}

/// JSON: the text that people write, so that all accounts have one type.
impl Serialize for AccountId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// CBOR: the number.
impl<C> Encode<C> for AccountId {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.i64(self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for AccountId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        let number = d.i64()?;
        Self::from_number(number)
            .ok_or_else(|| DecodeError::message(format!("no account has the number {number}")).at(at))
    }
}

/// The number of an entry of the ledger, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct TransferId(i64);

impl TransferId {
    /// The transfer with this number, if it is positive.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for TransferId {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        positive(text).map(Self).ok_or_else(|| InputError::Transfer(text.chars().take(40).collect()))
    }
}

/// CBOR: the number.
impl<C> Encode<C> for TransferId {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.i64(self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for TransferId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        Self::from_number(d.i64()?)
            .ok_or_else(|| DecodeError::message("a transfer has a positive number").at(at))
    }
}

/// A positive number of ASCII digits without a sign.
fn positive(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten().filter(|number| *number > 0)
}
