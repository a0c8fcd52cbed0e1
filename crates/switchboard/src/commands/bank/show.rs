//! The bank's answers as a person and a program see them. Absent: asking.

use serde_json::{Value, json};
use switchboard_call::id::CallId;
use switchboard_commands::bank::{
    AccountLine, AuditReport, Reply, StatementLine, SuspendedDeposit, TransferKind,
};
use switchboard_commands::money::Money;

use crate::commands::Invocation;
use crate::failure::Failure;
use crate::screen::{Side, harmless, table};

/// Shows a reply; with JSON, together with the call it belongs to.
pub(crate) fn reply(on: &Invocation, call: Option<CallId>, reply: &Reply) -> Result<(), Failure> {
    on.screen.answer(|| as_json(call, reply), || as_text(reply))
}

/// The reply with its call.
pub(crate) fn as_json(call: Option<CallId>, reply: &Reply) -> Value {
    let mut value =
        serde_json::to_value(reply).unwrap_or_else(|error| json!({ "unreadable": error.to_string() }));
    if let Some(call) = call {
        value["call"] = call.to_string().into();
    }
    value
}

/// The reply in words.
pub(crate) fn as_text(reply: &Reply) -> String {
    match reply {
        Reply::Opened { account, balance, floor } => {
            format!("opened account {account}: balance {balance}, may not fall below {floor}")
        }
        Reply::Deposited { transfer, account, balance } => {
            format!("deposited to account {account} (transfer {transfer}): balance {balance}")
        }
        Reply::Suspended { transfer, account, money, reason } => format!(
            "{money} for account {account} is in suspense (transfer {transfer}), because {}\nmove it to the right account \
             with `switchboard bank settle {transfer} ACCOUNT`",
            reason.explanation()
        ),
        Reply::Withdrawn { transfer, account, balance } => {
            format!("withdrawn from account {account} (transfer {transfer}): balance {balance}")
        }
        Reply::Transferred { transfer, account, balance } => {
            format!("transferred from account {account} (transfer {transfer}): balance {balance}")
        }
        Reply::Settled { transfer, account, balance } => {
            format!("settled to account {account} (transfer {transfer}): balance {balance}")
        }
        Reply::TransferredMany { first, last } if first == last => {
            format!("booked 1 transfer, number {first}")
        }
        Reply::TransferredMany { first, last } => {
            let count = last.number().saturating_sub(first.number()).saturating_add(1);
            format!("booked {count} transfers, numbers {first} to {last}")
        }
        Reply::Balance { account, balance, available } => {
            format!("account {account}: balance {balance}, available {available}")
        }
        Reply::Statement { account, balance, lines, before } => {
            let more = before.map(|before| format!("older lines: --before {before}"));
            page(&[format!("account {account}: balance {balance}"), statement(lines)], more)
        }
        Reply::Accounts { accounts: lines, after } => {
            page(&[accounts(lines)], after.map(|after| format!("more accounts: --after {after}")))
        }
        Reply::SuspendedDeposits { deposits, after } => {
            page(&[suspended(deposits)], after.map(|after| format!("more deposits: --after {after}")))
        }
        Reply::Audited { report } => audit(report),
    }
}

fn page(parts: &[String], more: Option<String>) -> String {
    let mut text = parts.join("\n");
    if let Some(more) = more {
        text.push('\n');
        text.push_str(&more);
    }
    text
}

fn statement(lines: &[StatementLine]) -> String {
    let columns = [
        ("transfer", Side::Right),
        ("time (UTC)", Side::Left),
        ("kind", Side::Left),
        ("amount", Side::Right),
        ("balance", Side::Right),
        ("other account", Side::Left),
        ("memo", Side::Left),
    ];
    let row = |line: &StatementLine| {
        [
            line.transfer.to_string(),
            time(line.at_us),
            kind(line.kind).to_owned(),
            line.amount.to_string(),
            line.balance.to_string(),
            line.other.to_string(),
            line.memo.as_ref().map(|memo| harmless(memo.as_str())).unwrap_or_default(),
        ]
    };
    table(columns, &lines.iter().map(row).collect::<Vec<_>>())
}

fn accounts(lines: &[AccountLine]) -> String {
    let columns = [
        ("account", Side::Right),
        ("owner", Side::Left),
        ("balance", Side::Right),
        ("available", Side::Right),
        ("floor", Side::Right),
        ("opened (UTC)", Side::Left),
    ];
    let row = |line: &AccountLine| {
        [
            line.account.to_string(),
            harmless(line.owner.as_str()),
            line.balance.to_string(),
            of_member(line, line.available),
            of_member(line, line.floor),
            time(line.opened_us),
        ]
    };
    table(columns, &lines.iter().map(row).collect::<Vec<_>>())
}

/// The organisation's own accounts have no floor, which is a number nobody wants to read.
fn of_member(line: &AccountLine, money: Money) -> String {
    if line.account.is_member() { money.to_string() } else { "-".to_owned() }
}

fn suspended(deposits: &[SuspendedDeposit]) -> String {
    let columns = [
        ("transfer", Side::Right),
        ("time (UTC)", Side::Left),
        ("for account", Side::Left),
        ("amount", Side::Right),
        ("because", Side::Left),
        ("memo", Side::Left),
    ];
    let row = |deposit: &SuspendedDeposit| {
        [
            deposit.transfer.to_string(),
            time(deposit.at_us),
            deposit.account.to_string(),
            deposit.money.to_string(),
            deposit.reason.explanation().to_owned(),
            deposit.memo.as_ref().map(|memo| harmless(memo.as_str())).unwrap_or_default(),
        ]
    };
    table(columns, &deposits.iter().map(row).collect::<Vec<_>>())
}

fn audit(report: &AuditReport) -> String {
    let verdict = if report.sound { "the books hold" } else { "THE BOOKS DO NOT HOLD" };
    let mut text = format!(
        "{verdict}: {} accounts, {} transfers, {} deposits in suspense, {} findings",
        report.accounts, report.transfers, report.suspended, report.findings_total
    );
    let columns = [
        ("currency", Side::Left),
        ("members", Side::Right),
        ("suspense", Side::Right),
        ("cash", Side::Right),
        ("sum", Side::Right),
    ];
    let rows: Vec<_> = report
        .currencies
        .iter()
        .map(|line| {
            let amounts = [line.members, line.suspense, line.cash, line.sum].map(|money| money.to_string());
            let [members, suspense, cash, sum] = amounts;
            [line.currency.to_string(), members, suspense, cash, sum]
        })
        .collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n{}", table(columns, &rows)));
    }
    for finding in &report.findings {
        text.push_str(&format!("\n  {}", harmless(&finding.to_string())));
    }
    if !report.sound {
        text.push_str("\nstop the server, keep a copy of the data folder, and restore the newest backup that passes its audit");
    }
    text
}

fn kind(kind: TransferKind) -> &'static str {
    match kind {
        TransferKind::Deposit => "deposit",
        TransferKind::Withdrawal => "withdrawal",
        TransferKind::Transfer => "transfer",
        TransferKind::SuspendedDeposit => "in suspense",
        TransferKind::Settlement => "settlement",
    }
}

fn time(us: i64) -> String {
    match jiff::Timestamp::from_microsecond(us) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => format!("{us} µs"),
    }
}
