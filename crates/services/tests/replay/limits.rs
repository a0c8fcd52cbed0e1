//! The longest page of every list, the longest report and the longest refusal fit the limits that the
//! welcome tells, and a frame.

use switchboard_call::id::{CallId, Sequence, SessionId, Slot};
use switchboard_call::limits::BODY_BYTES_MAX;
use switchboard_commands::bank::{
    AccountId, AccountLine, AuditReport, Bank as BankCommands, Check, Command, CurrencySum, Finding, Memo,
    Movement, Movements, Owner, Refusal, Reply, StatementLine, SuspendedDeposit, SuspenseReason, TransferId,
    TransferKind,
};
use switchboard_commands::limits::{
    ACCOUNTS_MAX, CURRENCIES_MAX, FINDING_BYTES_MAX, FINDINGS_MAX, MEMO_BYTES_MAX, OWNER_BYTES_MAX,
    STATEMENT_LINES_MAX, SUSPENDED_MAX, TRANSFERS_MAX,
};
use switchboard_commands::money::{Amount, Money};
use switchboard_engine::Service;
use switchboard_services::bank::Bank;

fn longest_money() -> Money {
    Amount::from_minor(i64::MIN).of("EUR".parse().unwrap())
}

fn longest_account() -> AccountId {
    AccountId::from_number(i64::MAX).unwrap()
}

fn longest_transfer() -> TransferId {
    TransferId::from_number(i64::MAX).unwrap()
}

fn longest_memo() -> Option<Memo> {
    Some("m".repeat(MEMO_BYTES_MAX).parse().unwrap())
}

fn longest_owner() -> Owner {
    "o".repeat(OWNER_BYTES_MAX).parse().unwrap()
}

fn statement() -> Reply {
    let session = SessionId::mint(u64::MAX, [255; 10]);
    let sequence = Sequence::new(i64::MAX.unsigned_abs()).unwrap();
    let line = StatementLine {
        transfer: longest_transfer(),
        at_us: i64::MAX,
        kind: TransferKind::Settlement,
        amount: longest_money(),
        balance: longest_money(),
        other: longest_account(),
        memo: longest_memo(),
        call: Some(CallId { session, slot: Slot(u16::MAX), sequence }),
    };
    Reply::Statement {
        account: longest_account(),
        balance: longest_money(),
        lines: vec![line; STATEMENT_LINES_MAX.into()],
        before: Some(longest_transfer()),
    }
}

fn accounts() -> Reply {
    let line = AccountLine {
        account: longest_account(),
        owner: longest_owner(),
        balance: longest_money(),
        available: longest_money(),
        floor: longest_money(),
        opened_us: i64::MAX,
    };
    Reply::Accounts { accounts: vec![line; ACCOUNTS_MAX.into()], after: Some(longest_account()) }
}

fn suspended() -> Reply {
    let deposit = SuspendedDeposit {
        transfer: longest_transfer(),
        at_us: i64::MAX,
        account: longest_account(),
        money: longest_money(),
        reason: SuspenseReason::Overflow,
        memo: longest_memo(),
    };
    let deposits = vec![deposit; SUSPENDED_MAX.into()];
    Reply::SuspendedDeposits { deposits, after: Some(longest_transfer()) }
}

fn audited() -> Reply {
    let sum = CurrencySum {
        currency: longest_money().currency,
        members: longest_money(),
        suspense: longest_money(),
        cash: longest_money(),
        sum: longest_money(),
    };
    let finding = Finding {
        check: Check::SuspenseListed,
        account: Some(longest_account()),
        transfer: Some(longest_transfer()),
        explanation: "e".repeat(FINDING_BYTES_MAX),
    };
    let report = AuditReport {
        sound: false,
        accounts: u64::MAX,
        transfers: u64::MAX,
        suspended: u64::MAX,
        currencies: vec![sum; CURRENCIES_MAX],
        findings_total: u64::MAX,
        findings: vec![finding; FINDINGS_MAX],
    };
    Reply::Audited { report }
}

fn check(command: &Command, answer: &impl minicbor::Encode<()>) {
    let spec = Bank.spec(command);
    let bytes = minicbor::to_vec(answer).unwrap().len();
    let limit = usize::try_from(spec.reply_bytes_max).unwrap();
    assert!(bytes <= limit && limit <= BODY_BYTES_MAX, "{}: {bytes} of {limit} bytes", spec.name);
    let body = minicbor::to_vec(command).unwrap().len();
    assert!(body <= usize::try_from(spec.body_bytes_max).unwrap(), "{}: body of {body} bytes", spec.name);
}

#[test]
fn the_longest_lists_fit() {
    let (account, transfer) = (Some(longest_account()), Some(longest_transfer()));
    let limit = u16::MAX;
    check(&Command::Statement { account: longest_account(), limit, before: transfer }, &statement());
    check(&Command::Accounts { limit, after: account }, &accounts());
    check(&Command::Suspended { limit, after: transfer }, &suspended());
    check(&Command::Audit, &audited());
}

#[test]
fn the_longest_commands_and_refusals_fit() {
    let (account, money, memo) = (longest_account(), longest_money(), longest_memo());
    let refusal = Refusal::BelowFloor { account, floor: money, available: money, wanted: money };
    let from_to = Command::Transfer { from: account, to: account, money, memo };
    check(&from_to, &refusal);
    check(&Command::OpenAccount { owner: longest_owner(), floor: money }, &refusal);
    check(&Command::Balance { account }, &Reply::Balance { account, balance: money, available: money });
}

fn longest_movements(memo: Option<&str>) -> Movements {
    let (from, to) = (longest_account(), longest_account());
    let memo = memo.map(|memo| memo.parse().unwrap());
    let movement = Movement { from, to, amount: Amount::from_minor(i64::MIN), memo };
    Movements::new(vec![movement; TRANSFERS_MAX.into()]).unwrap()
}

#[test]
fn the_longest_bulk_transfer_fits_without_memos_and_with_short_ones() {
    let (account, money) = (longest_account(), longest_money());
    let reason = Refusal::BelowFloor { account, floor: money, available: money, wanted: money };
    let refusal = Refusal::of_movement(TRANSFERS_MAX - 1, reason);
    for memo in [None, Some("a memo of two and thirty letters")] {
        let transfers = longest_movements(memo);
        let command = Command::TransferMany { currency: money.currency, transfers };
        check(&command, &refusal);
        assert!(usize::try_from(Bank.spec(&command).body_bytes_max).unwrap() <= BODY_BYTES_MAX);
        check(&command, &Reply::TransferredMany { first: longest_transfer(), last: longest_transfer() });
    }
}

#[test]
fn the_table_of_commands_agrees_with_the_commands() {
    let (account, limit) = (longest_account(), 1);
    for command in [
        Command::OpenAccount { owner: longest_owner(), floor: longest_money() },
        Command::Deposit { account, money: longest_money(), memo: None },
        Command::Withdraw { account, money: longest_money(), memo: None },
        Command::Transfer { from: account, to: account, money: longest_money(), memo: None },
        Command::Settle { deposit: longest_transfer(), account, memo: None },
        Command::TransferMany { currency: longest_money().currency, transfers: longest_movements(None) },
        Command::Balance { account },
        Command::Statement { account, limit, before: None },
        Command::Accounts { limit, after: None },
        Command::Suspended { limit, after: None },
        Command::Audit,
    ] {
        let spec = Bank.spec(&command);
        assert_eq!(spec.name, command.name());
        assert_eq!(spec.effect == switchboard_engine::Effect::Read, command.is_read());
        assert!(Bank::COMMANDS.contains(spec));
    }
    assert_eq!(Bank::NAME, <BankCommands as switchboard_commands::Commands>::SERVICE);
}
