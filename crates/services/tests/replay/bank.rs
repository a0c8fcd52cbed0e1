//! Every command of the bank: its reply, replayed; and every read.

use std::collections::BTreeSet;

use switchboard_call::answer::{Answer, DoorCause};
use switchboard_commands::bank::{
    AccountId, Bank, Command, Memo, Movement, Movements, Reply, SuspenseReason, TransferId, TransferKind,
};
use switchboard_commands::money::{Amount, Money};
use switchboard_engine::{Effect, MachineId, Principal};

use crate::laboratory::Laboratory;

pub(crate) fn money(text: &str) -> Money {
    let (decimal, code) = text.split_once(' ').unwrap();
    let currency = code.parse().unwrap();
    Amount::parse(decimal, currency).unwrap().of(currency)
}

pub(crate) fn id(number: i64) -> AccountId {
    AccountId::from_number(number).unwrap()
}

pub(crate) fn entry(number: i64) -> TransferId {
    TransferId::from_number(number).unwrap()
}

pub(crate) fn open(owner: &str, floor: &str) -> Command {
    Command::OpenAccount { owner: owner.parse().unwrap(), floor: money(floor) }
}

pub(crate) fn deposit(account: i64, amount: &str) -> Command {
    Command::Deposit { account: id(account), money: money(amount), memo: None }
}

pub(crate) fn withdraw(account: i64, amount: &str) -> Command {
    Command::Withdraw { account: id(account), money: money(amount), memo: None }
}

pub(crate) fn transfer(from: i64, to: i64, amount: &str) -> Command {
    Command::Transfer { from: id(from), to: id(to), money: money(amount), memo: None }
}

pub(crate) fn settle(deposit: i64, account: i64) -> Command {
    Command::Settle { deposit: entry(deposit), account: id(account), memo: None }
}

/// From, to, minor units of EUR.
pub(crate) fn transfer_many(movements: &[(i64, i64, i64)]) -> Command {
    let movement = |(from, to, minor): &(i64, i64, i64)| Movement {
        from: id(*from),
        to: id(*to),
        amount: Amount::from_minor(*minor),
        memo: None,
    };
    let transfers = Movements::new(movements.iter().map(movement).collect()).unwrap();
    Command::TransferMany { currency: "EUR".parse().unwrap(), transfers }
}

/// Two members in EUR and one in JPY, and 100.00 EUR on the first.
pub(crate) fn with_members() -> Laboratory {
    let mut lab = Laboratory::new();
    for (owner, floor) in [("Ada", "0.00 EUR"), ("Ben", "-50.00 EUR"), ("Cho", "0 JPY")] {
        lab.done(open(owner, floor));
    }
    lab.done(deposit(1, "100.00 EUR"));
    lab
}

#[test]
fn every_command_takes_effect_once_and_is_answered_byte_equal() {
    let mut lab = Laboratory::new();
    let mut tried = BTreeSet::new();
    let mut done = |command: Command, expected: Reply| {
        tried.insert(command.name());
        assert_eq!(lab.done(command), expected);
    };
    let (ada, ben) = (id(1), id(2));
    let nothing = money("0.00 EUR");
    done(open("Ada", "0.00 EUR"), Reply::Opened { account: ada, balance: nothing, floor: nothing });
    let floor = money("-5.00 EUR");
    done(open("Ben", "-5.00 EUR"), Reply::Opened { account: ben, balance: nothing, floor });
    done(
        deposit(1, "20.00 EUR"),
        Reply::Deposited { transfer: entry(1), account: ada, balance: money("20.00 EUR") },
    );
    done(
        withdraw(1, "7.50 EUR"),
        Reply::Withdrawn { transfer: entry(2), account: ada, balance: money("12.50 EUR") },
    );
    done(
        transfer(2, 1, "5.00 EUR"),
        Reply::Transferred { transfer: entry(3), account: ben, balance: money("-5.00 EUR") },
    );
    let (transfer, account, received) = (entry(4), id(77), money("3.00 EUR"));
    done(
        deposit(77, "3.00 EUR"),
        Reply::Suspended { transfer, account, money: received, reason: SuspenseReason::UnknownAccount },
    );
    done(settle(4, 2), Reply::Settled { transfer: entry(5), account: ben, balance: money("-2.00 EUR") });
    // What Ada hands on she has from Ben by the same call.
    done(
        transfer_many(&[(2, 1, 200), (1, 2, 1950), (2, 1, 1)]),
        Reply::TransferredMany { first: entry(6), last: entry(8) },
    );
    let registry = switchboard_services::all();
    let commands =
        registry.commands().filter(|(service, c)| *service == "bank" && c.effect == Effect::Command);
    assert_eq!(tried, commands.map(|(_, command)| command.name).collect(), "a command without a replay test");
}

#[test]
fn a_deposit_that_fits_no_account_is_booked_in_suspense_with_its_reason() {
    let mut lab = with_members();
    let cash = AccountId::cash("EUR".parse().unwrap());
    let to_cash = Command::Deposit { account: cash, money: money("1.00 EUR"), memo: None };
    for (command, expected) in [
        (deposit(9, "1.00 EUR"), SuspenseReason::UnknownAccount),
        (deposit(3, "1.00 EUR"), SuspenseReason::WrongCurrency),
        (to_cash, SuspenseReason::SystemAccount),
    ] {
        let reply = lab.done(command);
        assert!(matches!(reply, Reply::Suspended { reason, .. } if reason == expected), "{reply:?}");
    }
    let Reply::SuspendedDeposits { deposits, after } =
        lab.read::<Bank>(&Command::Suspended { limit: 2, after: None }).unwrap()
    else {
        panic!("another reply");
    };
    assert_eq!(deposits.len(), 2);
    assert_eq!((deposits[1].account, deposits[1].money), (id(3), money("1.00 EUR")));
    let next = lab.read::<Bank>(&Command::Suspended { limit: 2, after }).unwrap();
    assert!(matches!(next, Reply::SuspendedDeposits { deposits, after: None } if deposits.len() == 1));
}

#[test]
fn a_bulk_transfer_is_in_every_statement_entry_by_entry() {
    let mut lab = with_members();
    let mut command = transfer_many(&[(1, 2, 400), (2, 1, 100), (1, 2, 9_700)]);
    let memo: Option<Memo> = Some("wages".parse().unwrap());
    if let Command::TransferMany { transfers, .. } = &mut command {
        let mut movements = transfers.to_vec();
        movements[1].memo = memo.clone();
        *transfers = Movements::new(movements).unwrap();
    }
    lab.done(command);
    let read = Command::Statement { account: id(1), limit: 3, before: None };
    let Reply::Statement { balance, lines, .. } = lab.read::<Bank>(&read).unwrap() else {
        panic!("another reply");
    };
    assert_eq!(balance, money("0.00 EUR"));
    let shown: Vec<_> =
        lines.iter().map(|line| (line.transfer, line.amount.amount.minor(), line.memo.clone())).collect();
    assert_eq!(shown, [(entry(4), -9_700, None), (entry(3), 100, memo), (entry(2), -400, None)]);
    let calls: BTreeSet<_> = lines.iter().map(|line| line.call).collect();
    assert_eq!((calls.len(), calls.contains(&None)), (1, false));
}

#[test]
fn a_balance_shows_what_can_be_taken() {
    let lab = with_members();
    let balance = |account| lab.read::<Bank>(&Command::Balance { account: id(account) }).unwrap();
    let (hundred, fifty) = (money("100.00 EUR"), money("50.00 EUR"));
    assert_eq!(balance(1), Reply::Balance { account: id(1), balance: hundred, available: hundred });
    let nothing = money("0.00 EUR");
    assert_eq!(balance(2), Reply::Balance { account: id(2), balance: nothing, available: fifty });
}

#[test]
fn a_statement_shows_the_memo_the_other_side_and_to_operators_the_call() {
    let mut lab = with_members();
    let memo: Option<Memo> = Some("for lunch".parse().unwrap());
    lab.done(Command::Transfer { from: id(1), to: id(2), money: money("4.00 EUR"), memo: memo.clone() });
    let read = Command::Statement { account: id(1), limit: 1, before: None };
    let Reply::Statement { balance, lines, before, .. } = lab.read::<Bank>(&read).unwrap() else {
        panic!("another reply");
    };
    assert_eq!((balance, before), (money("96.00 EUR"), Some(entry(2))));
    let line = &lines[0];
    assert_eq!((line.kind, line.amount, line.other), (TransferKind::Transfer, money("-4.00 EUR"), id(2)));
    assert_eq!((line.balance, &line.memo), (money("96.00 EUR"), &memo));
    assert!(line.call.is_some());
    let rest = Command::Statement { account: id(1), limit: 5, before };
    assert!(
        matches!(lab.read::<Bank>(&rest).unwrap(), Reply::Statement { lines, before: None, .. } if lines.len() == 1)
    );
}

#[test]
fn accounts_are_listed_in_pages() {
    let lab = with_members();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let Reply::Accounts { accounts, after: next } =
            lab.read::<Bank>(&Command::Accounts { limit: 2, after }).unwrap()
        else {
            panic!("another reply");
        };
        listed.extend(accounts.iter().map(|line| format!("{} {}", line.account, line.owner)));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, ["cash:EUR cash:EUR", "1 Ada", "2 Ben", "3 Cho"]);
}

#[test]
fn an_audit_is_a_read_and_says_what_it_added_up() {
    let lab = with_members();
    let Reply::Audited { report } = lab.read::<Bank>(&Command::Audit).unwrap() else {
        panic!("another reply");
    };
    assert!(report.sound, "{:?}", report.findings);
    assert_eq!((report.accounts, report.transfers), (4, 1));
    assert_eq!(report.currencies[0].members, money("100.00 EUR"));
    assert_eq!(report.currencies[0].sum, money("0.00 EUR"));
}

#[test]
fn who_is_not_an_operator_moves_and_sees_nothing() {
    let lab = with_members();
    let before = lab.state();
    for principal in [Principal::Anonymous, Principal::Machine(MachineId::new(4).unwrap())] {
        for answer in [
            lab.call_as::<Bank>(principal, &withdraw(1, "1.00 EUR")),
            lab.read_as::<Bank>(principal, &Command::Balance { account: id(1) }),
        ] {
            let answer = Answer::from_bytes(&answer).unwrap();
            let Answer::Door(door) = answer else { panic!("{principal}: {answer:?}") };
            assert_eq!(door.cause, DoorCause::NotPermitted);
        }
    }
    assert_eq!(lab.state(), before);
}
