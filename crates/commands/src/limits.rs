//! Every bound of commands and replies, unit last.

/// Largest amount, balance, hold or floor, in minor units, either sign. The sum of any nine of them fits 64 bits, so
/// that no comparison inside a store's own arithmetic can overflow.
pub const AMOUNT_MINOR_UNITS_MAX: i64 = 1_000_000_000_000_000_000;

/// Longest text that is read as an amount, in bytes.
pub const AMOUNT_TEXT_BYTES_MAX: usize = 32;

/// Longest name of an account's owner, in bytes of UTF-8.
pub const OWNER_BYTES_MAX: usize = 200;

/// Longest memo of a transfer, in bytes of UTF-8.
pub const MEMO_BYTES_MAX: usize = 280;

/// Most movements of one bulk transfer.
pub const TRANSFERS_MAX: u16 = 8_190;

/// Most lines of one page of a statement.
pub const STATEMENT_LINES_MAX: u16 = 500;

/// Most accounts of one page of a list.
pub const ACCOUNTS_MAX: u16 = 500;

/// Most deposits of one page of the operator's list.
pub const SUSPENDED_MAX: u16 = 500;

/// Most findings that an audit spells out; it counts them all.
pub const FINDINGS_MAX: usize = 100;

/// Longest text of one finding, in bytes.
pub const FINDING_BYTES_MAX: usize = 400;

/// Most currencies that an audit lists: more than ISO 4217 has.
pub const CURRENCIES_MAX: usize = 256;
