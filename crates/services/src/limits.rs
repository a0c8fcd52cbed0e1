//! Bounds of the services' commands and replies, unit last. What the algorithms of the text service bound
//! stands in text/limits.rs.

use switchboard_commands::limits::{
    ACCOUNTS_MAX, CURRENCIES_MAX, FINDING_BYTES_MAX, FINDINGS_MAX, MEMO_BYTES_MAX, OWNER_BYTES_MAX,
    STATEMENT_LINES_MAX, SUSPENDED_MAX, TRANSFERS_MAX,
};

use crate::text::limits::{CASE_CHUNK_BYTES_MAX, CASE_GROWTH_FACTOR_MAX};

/// Longest command of the bank: its longest text and its numbers.
pub const BANK_BODY_BYTES_MAX: u32 = 64 + bytes(MEMO_BYTES_MAX);

/// Longest bulk transfer: the most movements with any numbers and a memo of 32 bytes each, or fewer with longer ones. Half of
/// what a frame holds, since a body waits in memory until it is executed.
pub const TRANSFER_MANY_BODY_BYTES_MAX: u32 = BANK_BODY_BYTES_MAX + TRANSFERS_MAX as u32 * 62;

/// Longest reply of the bank that is no list, and longest refusal.
pub const BANK_REPLY_BYTES_MAX: u32 = 128;

/// What a line of a list has beside its text: numbers, money, a call id.
const LINE_BYTES_MAX: u32 = 128;

/// Longest page of a statement.
pub const STATEMENT_BYTES_MAX: u32 = list(STATEMENT_LINES_MAX as u32, MEMO_BYTES_MAX);

/// Longest page of the accounts.
pub const ACCOUNTS_BYTES_MAX: u32 = list(ACCOUNTS_MAX as u32, OWNER_BYTES_MAX);

/// Longest page of the operator's list.
pub const SUSPENDED_BYTES_MAX: u32 = list(SUSPENDED_MAX as u32, MEMO_BYTES_MAX);

/// Longest report of an audit.
pub const AUDIT_BYTES_MAX: u32 =
    list(bytes(FINDINGS_MAX), FINDING_BYTES_MAX) + list(bytes(CURRENCIES_MAX), 0);

/// Longest command that carries a chunk of text.
pub const CASE_BODY_BYTES_MAX: u32 = 64 + bytes(CASE_CHUNK_BYTES_MAX);

/// Longest mapped chunk.
pub const CASE_REPLY_BYTES_MAX: u32 = 64 + bytes(CASE_CHUNK_BYTES_MAX * CASE_GROWTH_FACTOR_MAX);

/// Longest text that is asked about as a number: enough to say "too large" instead of "malformed" to all
/// but the absurd.
pub const PRIME_BODY_BYTES_MAX: u32 = 64 * 1024;

/// Longest answer about a number.
pub const PRIME_REPLY_BYTES_MAX: u32 = 64;

const fn list(lines: u32, text_bytes_max: usize) -> u32 {
    BANK_REPLY_BYTES_MAX + lines * (LINE_BYTES_MAX + bytes(text_bytes_max))
}

const fn bytes(bytes: usize) -> u32 {
    assert!(bytes <= 1024 * 1024, "a bound fits a frame");
    #[expect(clippy::cast_possible_truncation, reason = "checked in the line above, at compile time")]
    {
        bytes as u32
    }
}
