//! Money: ISO 4217 currencies with their exponents, and amounts in minor units. No float anywhere, no
//! conversion between currencies, no rounding: what does not fit is refused.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::InputError;
use crate::limits::{AMOUNT_MINOR_UNITS_MAX, AMOUNT_TEXT_BYTES_MAX};

/// A currency of ISO 4217 that has minor units. Ordered by its code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    /// Place in [`TABLE`].
    place: u8,
}

struct TableRow {
    code: &'static str,
    numeric: u16,
    exponent: u8,
}

/// Sorted by code. Codes without an exponent (gold, test, no currency) are left out.
static TABLE: LazyLock<Vec<TableRow>> = LazyLock::new(|| {
    let mut rows: Vec<TableRow> = (0..=999)
        .filter_map(iso_currency::Currency::from_numeric)
        .filter_map(|currency| {
            let exponent = u8::try_from(currency.exponent()?).ok()?;
            Some(TableRow { code: currency.code(), numeric: currency.numeric(), exponent })
        })
        .collect();
    rows.sort_by_key(|row| row.code);
    rows
});

impl Currency {
    /// The currency with this code in capitals, such as `EUR`.
    #[must_use]
    pub fn from_code(code: &[u8]) -> Option<Self> {
        let place = TABLE.binary_search_by(|row| row.code.as_bytes().cmp(code)).ok()?;
        Some(Self { place: u8::try_from(place).expect("ISO 4217 has fewer than 256 currencies") })
    }

    /// The currency with this ISO 4217 number, such as 978.
    #[must_use]
    pub fn from_numeric(numeric: u16) -> Option<Self> {
        let code = iso_currency::Currency::from_numeric(numeric)?.code();
        Self::from_code(code.as_bytes())
    }

    /// The three-letter code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// The ISO 4217 number, 1 to 999.
    #[must_use]
    pub fn numeric(self) -> u16 {
        self.row().numeric
    }

    /// Decimals of the major unit: 2 for EUR, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn exponent(self) -> u8 {
        self.row().exponent
    }

    fn row(self) -> &'static TableRow {
        &TABLE[usize::from(self.place)]
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = InputError;

    fn from_str(code: &str) -> Result<Self, InputError> {
        Self::from_code(code.as_bytes()).ok_or_else(|| InputError::Currency(code.chars().take(16).collect()))
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// CBOR: the code as a text string.
impl<C> Encode<C> for Currency {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.str(self.code())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Currency {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        d.str()?.parse().map_err(|error: InputError| DecodeError::message(error).at(at))
    }
}

/// Minor units of some currency (cents, yen, fils), signed. Only [`Money`] can be shown to a person.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Amount(#[n(0)] i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest that is booked.
    pub const MAX: Self = Self(AMOUNT_MINOR_UNITS_MAX);
    /// The smallest that a balance may reach.
    pub const MIN: Self = Self(-AMOUNT_MINOR_UNITS_MAX);

    /// This many minor units.
    #[must_use]
    pub fn from_minor(minor_units: i64) -> Self {
        Self(minor_units)
    }

    /// The number of minor units.
    #[must_use]
    pub fn minor(self) -> i64 {
        self.0
    }

    /// The sum; none when it leaves [`Amount::MIN`] to [`Amount::MAX`].
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self).filter(|sum| sum.in_bounds())
    }

    /// The difference; none when it leaves [`Amount::MIN`] to [`Amount::MAX`].
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self).filter(|difference| difference.in_bounds())
    }

    /// Whether it lies between [`Amount::MIN`] and [`Amount::MAX`].
    #[must_use]
    pub fn in_bounds(self) -> bool {
        Self::MIN <= self && self <= Self::MAX
    }

    /// That many minor units of `currency`.
    #[must_use]
    pub fn of(self, currency: Currency) -> Money {
        Money { amount: self, currency }
    }

    /// Reads a decimal text in major units, such as `20.00` for EUR: an optional minus, ASCII digits, at
    /// most one point with digits on both sides, no more decimals than the currency has.
    ///
    /// # Errors
    /// For anything else, with the reason; nothing is guessed, cut or rounded.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, InputError> {
        let (whole, decimals) = decimal_parts(text)?;
        let exponent = usize::from(currency.exponent());
        if decimals.len() > exponent {
            return Err(InputError::AmountFraction { text: text.to_owned(), currency });
        }
        let digits = whole.bytes().chain(decimals.bytes());
        let missing = std::iter::repeat_n(b'0', exponent - decimals.len());
        let too_large = || InputError::AmountLarge(text.to_owned());
        let magnitude = digits
            .chain(missing)
            .try_fold(0_i64, |sum, digit| sum.checked_mul(10)?.checked_add(i64::from(digit - b'0')))
            .ok_or_else(too_large)?;
        let amount = Self(if text.starts_with('-') { -magnitude } else { magnitude });
        if amount.in_bounds() { Ok(amount) } else { Err(too_large()) }
    }
}

/// The digits before and behind the point, each only ASCII digits.
fn decimal_parts(text: &str) -> Result<(&str, &str), InputError> {
    if text.is_empty() {
        return Err(InputError::AmountEmpty);
    }
    if text.len() > AMOUNT_TEXT_BYTES_MAX {
        return Err(InputError::AmountLong(text.chars().count()));
    }
    if text.starts_with('+') {
        return Err(InputError::AmountPlus(text.to_owned()));
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    if let Some(character) = unsigned.chars().find(|c| !c.is_ascii_digit() && *c != '.') {
        return Err(stray_character(text, character));
    }
    let (whole, decimals) = match unsigned.split_once('.') {
        None => (unsigned, None),
        Some((whole, decimals)) => (whole, Some(decimals)),
    };
    let well_placed = !whole.is_empty() && decimals.is_none_or(|d| !d.is_empty() && !d.contains('.'));
    if well_placed {
        Ok((whole, decimals.unwrap_or_default()))
    } else {
        Err(InputError::AmountPoint(text.to_owned()))
    }
}

fn stray_character(text: &str, character: char) -> InputError {
    let whole = text.to_owned();
    match character {
        ',' | '\'' | '’' | '_' => InputError::AmountSeparator { text: whole, separator: character },
        _ if character.is_whitespace() => InputError::AmountSpace(whole),
        'e' | 'E' => InputError::AmountExponent(whole),
        _ => InputError::AmountCharacter { text: whole, character },
    }
}

/// An amount with its currency, as every command and reply carries it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub struct Money {
    /// How much.
    #[n(0)]
    pub amount: Amount,
    /// Of what.
    #[n(1)]
    pub currency: Currency,
}

impl Money {
    /// The amount in major units with all decimals of the currency, without its code: `20.00`.
    #[must_use]
    pub fn decimal(&self) -> String {
        let exponent = usize::from(self.currency.exponent());
        let minor = self.amount.minor();
        let sign = if minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", minor.unsigned_abs(), width = exponent + 1);
        let (whole, decimals) = digits.split_at(digits.len() - exponent);
        let point = if exponent == 0 { "" } else { "." };
        format!("{sign}{whole}{point}{decimals}")
    }
}

/// `20.00 EUR`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

/// JSON: `{"amount":"20.00","currency":"EUR"}`. Text, because a JSON number loses digits past 2^53.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut money = serializer.serialize_struct("Money", 2)?;
        money.serialize_field("amount", &self.decimal())?;
        money.serialize_field("currency", &self.currency)?;
        money.end()
    }
}
