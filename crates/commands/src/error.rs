//! Why a person's text is not the amount, currency, account or line it should be. Nothing was sent.

use crate::limits::{AMOUNT_MINOR_UNITS_MAX, AMOUNT_TEXT_BYTES_MAX, TRANSFERS_MAX};
use crate::money::Currency;

/// A text that cannot be read. Each says what is wrong and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InputError {
    /// No such currency, or one without minor units.
    #[error(
        "{0:?} is not a currency that money can be counted in; use an ISO 4217 code in capitals such as EUR"
    )]
    Currency(String),
    /// Nothing there.
    #[error("the amount is empty; write it like 20.00")]
    AmountEmpty,
    /// Longer than any amount.
    #[error("the amount is {0} characters long; write at most {AMOUNT_TEXT_BYTES_MAX}")]
    AmountLong(usize),
    /// A leading plus.
    #[error("an amount has no plus sign; write {0:?} without it")]
    AmountPlus(String),
    /// Powers of ten.
    #[error("{0:?} is written with an exponent; write all digits of the amount")]
    AmountExponent(String),
    /// White space inside, before or behind.
    #[error("{0:?} has white space in it; write the digits together")]
    AmountSpace(String),
    /// A comma, apostrophe or underscore, which may mean thousands or decimals.
    #[error(
        "{text:?} has {separator:?} in it, which may mean thousands or decimals; write digits with one point, like 1234.50"
    )]
    AmountSeparator {
        /// The whole text.
        text: String,
        /// What cannot be told.
        separator: char,
    },
    /// More than one point, or a point without digits on both sides.
    #[error("{0:?} needs digits on both sides of one point; write it like 0.50")]
    AmountPoint(String),
    /// Anything else that is no digit.
    #[error("{text:?} is not an amount because of {character:?}; write digits with one point, like 20.00")]
    AmountCharacter {
        /// The whole text.
        text: String,
        /// The first one that is wrong.
        character: char,
    },
    /// Finer than the currency's minor unit.
    #[error("{text} has fractional minor units: {currency} {}", decimals_allowed(.currency))]
    AmountFraction {
        /// The whole text.
        text: String,
        /// The currency it was read for.
        currency: Currency,
    },
    /// More than can be counted.
    #[error("{0} is too large; an amount has at most {AMOUNT_MINOR_UNITS_MAX} minor units")]
    AmountLarge(String),
    /// Not the name of an account.
    #[error("{0:?} is not an account; write its number, such as 7, or cash:EUR or suspense:EUR")]
    Account(String),
    /// Not the number of a transfer.
    #[error("{0:?} is not a transfer; write its number, such as 12")]
    Transfer(String),
    /// A list of movements without one.
    #[error("there is no movement in the list; name at least one")]
    MovementsNone,
    /// A list of movements over its bound.
    #[error(
        "there are {0} movements in the list; one call takes at most {TRANSFERS_MAX}, so make several calls"
    )]
    MovementsMany(usize),
    /// An empty line of text.
    #[error("the text is empty; write at least one character")]
    LineEmpty,
    /// A line of text over its bound.
    #[error("the text has {bytes} bytes; write at most {bytes_max}")]
    LineLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// Something that is no character of a line.
    #[error("the text has the control character {0:?} in it; write one line without it")]
    LineControl(char),
}

fn decimals_allowed(currency: &Currency) -> String {
    match currency.exponent() {
        0 => "has none, write a whole number".to_owned(),
        1 => "has 1 decimal, write at most that".to_owned(),
        decimals => format!("has {decimals} decimals, write at most those"),
    }
}
