//! The table of the bank's commands: what permissions, limits and docs are made from. Until members can
//! log in, only operators move money: an amount and an account number prove nobody.

use switchboard_commands::bank::Command;
use switchboard_engine::{CommandSpec, Effect, Prepare};

use crate::limits::{
    ACCOUNTS_BYTES_MAX, AUDIT_BYTES_MAX, BANK_BODY_BYTES_MAX, BANK_REPLY_BYTES_MAX, STATEMENT_BYTES_MAX,
    SUSPENDED_BYTES_MAX, TRANSFER_MANY_BODY_BYTES_MAX,
};

const OPEN_ACCOUNT: CommandSpec = command("open_account");
const DEPOSIT: CommandSpec = command("deposit");
const WITHDRAW: CommandSpec = command("withdraw");
const TRANSFER: CommandSpec = command("transfer");
const SETTLE: CommandSpec = command("settle");
const TRANSFER_MANY: CommandSpec =
    CommandSpec { body_bytes_max: TRANSFER_MANY_BODY_BYTES_MAX, ..command("transfer_many") };
const BALANCE: CommandSpec = read("balance", BANK_REPLY_BYTES_MAX);
const STATEMENT: CommandSpec = read("statement", STATEMENT_BYTES_MAX);
const ACCOUNTS: CommandSpec = read("accounts", ACCOUNTS_BYTES_MAX);
const SUSPENDED: CommandSpec = read("suspended", SUSPENDED_BYTES_MAX);
/// Reads every row of the ledger: not on a connection's own thread.
const AUDIT: CommandSpec = CommandSpec { prepare: Prepare::Pool, ..read("audit", AUDIT_BYTES_MAX) };

pub(super) const COMMANDS: &[CommandSpec] = &[
    OPEN_ACCOUNT,
    DEPOSIT,
    WITHDRAW,
    TRANSFER,
    SETTLE,
    TRANSFER_MANY,
    BALANCE,
    STATEMENT,
    ACCOUNTS,
    SUSPENDED,
    AUDIT,
];

pub(super) fn of(command: &Command) -> &'static CommandSpec {
    match command {
        Command::OpenAccount { .. } => &OPEN_ACCOUNT,
        Command::Deposit { .. } => &DEPOSIT,
        Command::Withdraw { .. } => &WITHDRAW,
        Command::Transfer { .. } => &TRANSFER,
        Command::Settle { .. } => &SETTLE,
        Command::TransferMany { .. } => &TRANSFER_MANY,
        Command::Balance { .. } => &BALANCE,
        Command::Statement { .. } => &STATEMENT,
        Command::Accounts { .. } => &ACCOUNTS,
        Command::Suspended { .. } => &SUSPENDED,
        Command::Audit => &AUDIT,
    }
}

const fn command(name: &'static str) -> CommandSpec {
    CommandSpec {
        body_bytes_max: BANK_BODY_BYTES_MAX,
        reply_bytes_max: BANK_REPLY_BYTES_MAX,
        ..CommandSpec::command(name)
    }
}

const fn read(name: &'static str, reply_bytes_max: u32) -> CommandSpec {
    CommandSpec { effect: Effect::Read, reply_bytes_max, ..command(name) }
}
