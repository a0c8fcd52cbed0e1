//! The bank's encoding is golden, its names agree with its JSON view, and no bytes make it panic.

use std::collections::BTreeSet;

use expect_test::expect_file;
use proptest::prelude::*;
use switchboard_call::id::{CallId, Sequence, SessionId, Slot};

use super::{
    AccountId, AccountLine, AuditReport, Check, Command, CurrencySum, Finding, Movement, Movements, Refusal,
    Reply, StatementLine, SuspendedDeposit, SuspenseReason, TransferId, TransferKind,
};
use crate::InputError;
use crate::golden::{Golden, json_tag};
use crate::limits::TRANSFERS_MAX;
use crate::money::{Amount, Money};

fn eur(minor: i64) -> Money {
    Amount::from_minor(minor).of("EUR".parse().unwrap())
}

fn account(number: i64) -> AccountId {
    AccountId::from_number(number).unwrap()
}

fn transfer(number: i64) -> TransferId {
    TransferId::from_number(number).unwrap()
}

fn every_command() -> Vec<Command> {
    let memo = || Some("lunch".parse().unwrap());
    let (ada, ben, money) = (account(7), account(8), eur(2000));
    vec![
        Command::OpenAccount { owner: "Ada".parse().unwrap(), floor: eur(-500) },
        Command::Deposit { account: ada, money, memo: memo() },
        Command::Withdraw { account: ada, money, memo: None },
        Command::Transfer { from: ada, to: ben, money, memo: memo() },
        Command::Settle { deposit: transfer(12), account: ada, memo: None },
        Command::TransferMany { currency: money.currency, transfers: movements() },
        Command::Balance { account: ada },
        Command::Statement { account: AccountId::cash(money.currency), limit: 50, before: None },
        Command::Statement { account: ada, limit: 50, before: Some(transfer(12)) },
        Command::Accounts { limit: 50, after: Some(ben) },
        Command::Suspended { limit: 50, after: Some(transfer(12)) },
        Command::Audit,
    ]
}

fn movements() -> Movements {
    let movement = |from, to, memo: Option<&str>| {
        let memo = memo.map(|memo| memo.parse().unwrap());
        Movement { from: account(from), to: account(to), amount: Amount::from_minor(2000), memo }
    };
    Movements::new(vec![movement(7, 8, None), movement(7, 9, Some("wages"))]).unwrap()
}

fn statement_line() -> StatementLine {
    let session = SessionId::mint(1_700_000_000_000, [7; 10]);
    let call = CallId { session, slot: Slot(3), sequence: Sequence::FIRST };
    StatementLine {
        transfer: transfer(12),
        at_us: 1_700_000_000_000_000,
        kind: TransferKind::Withdrawal,
        amount: eur(-2000),
        balance: eur(500),
        other: AccountId::cash(eur(0).currency),
        memo: None,
        call: Some(call),
    }
}

fn report() -> AuditReport {
    let sum = CurrencySum {
        currency: eur(0).currency,
        members: eur(500),
        suspense: eur(70),
        cash: eur(-569),
        sum: eur(1),
    };
    let (check, explanation) = (Check::SumZero, "the balances add up to 1".to_owned());
    let finding = Finding { check, account: None, transfer: Some(transfer(12)), explanation };
    AuditReport {
        sound: false,
        accounts: 3,
        transfers: 12,
        suspended: 1,
        currencies: vec![sum],
        findings_total: 1,
        findings: vec![finding],
    }
}

fn every_reply() -> Vec<Reply> {
    let (account, transfer, balance) = (account(7), transfer(12), eur(500));
    let list = AccountLine {
        account,
        owner: "Ada".parse().unwrap(),
        balance,
        available: eur(1000),
        floor: eur(-500),
        opened_us: 1_700_000_000_000_000,
    };
    let (reason, at_us) = (SuspenseReason::UnknownAccount, 1_700_000_000_000_000);
    let deposit = SuspendedDeposit { transfer, at_us, account, money: balance, reason, memo: None };
    vec![
        Reply::Opened { account, balance: eur(0), floor: eur(-500) },
        Reply::Deposited { transfer, account, balance },
        Reply::Suspended { transfer, account, money: balance, reason },
        Reply::Withdrawn { transfer, account, balance },
        Reply::Transferred { transfer, account, balance },
        Reply::Settled { transfer, account, balance },
        Reply::TransferredMany { first: transfer, last: TransferId::from_number(13).unwrap() },
        Reply::Balance { account, balance, available: eur(1000) },
        Reply::Statement { account, balance, lines: vec![statement_line()], before: Some(transfer) },
        Reply::Accounts { accounts: vec![list], after: None },
        Reply::SuspendedDeposits { deposits: vec![deposit], after: Some(transfer) },
        Reply::Audited { report: report() },
    ]
}

fn every_refusal() -> Vec<Refusal> {
    let (account, transfer, money) = (account(7), transfer(12), eur(2000));
    let (available, wanted, floor) = (eur(500), eur(2000), eur(-500));
    vec![
        Refusal::NotEnoughMoney { account, available, wanted },
        Refusal::BelowFloor { account, floor, available, wanted },
        Refusal::AmountNotPositive { money: eur(0) },
        Refusal::AmountTooLarge { money: eur(i64::MAX) },
        Refusal::Overflow { account, money },
        Refusal::WrongCurrency { account, holds: money.currency, named: "JPY".parse().unwrap() },
        Refusal::UnknownAccount { account },
        Refusal::SystemAccount { account: AccountId::suspense(money.currency) },
        Refusal::SameAccount { account },
        Refusal::BadFloor { floor: eur(1) },
        Refusal::BadLimit { limit: 0, limit_max: 500 },
        Refusal::ForeignCursor { account, transfer },
        Refusal::NotSuspended { transfer },
        Refusal::AlreadySettled { transfer, settled_by: TransferId::from_number(13).unwrap() },
        Refusal::of_movement(1, Refusal::NotEnoughMoney { account, available, wanted }),
    ]
}

#[test]
fn the_encoding_is_golden() {
    let mut golden = Golden::default();
    every_command().iter().for_each(|command| golden.add(&format!("command {}", command.name()), command));
    every_reply().iter().for_each(|reply| golden.add(&format!("reply {}", json_tag(reply, "reply")), reply));
    every_refusal().iter().for_each(|refusal| golden.add(&format!("refusal {}", refusal.code()), refusal));
    expect_file!["../../golden/bank.txt"].assert_eq(golden.text());
}

#[test]
fn the_refusals_are_golden_texts() {
    let text: String = every_refusal().iter().map(|r| format!("{}\n  {r}\n", r.code())).collect();
    expect_file!["../../golden/bank_refusals.txt"].assert_eq(&text);
}

#[test]
fn names_and_codes_are_the_tags_of_the_json_view() {
    for command in every_command() {
        assert_eq!(json_tag(&command, "command"), command.name());
    }
    let refusals = every_refusal();
    for refusal in &refusals {
        assert_eq!(json_tag(refusal, "code"), refusal.code());
    }
    let codes: BTreeSet<&str> = refusals.iter().map(Refusal::code).collect();
    assert_eq!(codes.len(), refusals.len());
    for number in 0.. {
        let Ok(check) = minicbor::decode::<Check>(&minicbor::to_vec(number).unwrap()) else {
            assert_eq!(number, 12_u8, "checks with a number");
            break;
        };
        assert_eq!(serde_json::to_value(check).unwrap(), check.code());
    }
}

#[test]
fn reads_are_those_with_a_number_from_16_on() {
    for command in every_command() {
        let bytes = minicbor::to_vec(&command).unwrap();
        assert_eq!(command.is_read(), bytes[1] >= 16, "{command:?}");
    }
}

#[test]
fn accounts_are_written_as_people_read_them() {
    let (eur, jpy) = (eur(0).currency, "JPY".parse().unwrap());
    for (id, text, number) in [
        (account(7), "7", 7),
        (AccountId::cash(eur), "cash:EUR", -9781),
        (AccountId::suspense(jpy), "suspense:JPY", -3922),
    ] {
        assert_eq!((id.to_string().as_str(), id.number()), (text, number));
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(AccountId::from_number(number), Some(id));
    }
    for text in ["0", "-9781", "+7", "7 ", "cash:XAU", "cash:eur", "till:EUR", "", "99999999999999999999"] {
        assert!(text.parse::<AccountId>().is_err(), "{text:?}");
    }
    for number in [0, -1, -9780, -9783, -9991, i64::MIN] {
        assert_eq!(AccountId::from_number(number), None);
    }
}

#[test]
fn kinds_and_reasons_have_the_numbers_that_the_store_keeps() {
    for reason in (1..=4).map(|number| SuspenseReason::from_number(number).unwrap()) {
        assert_eq!(minicbor::to_vec(reason).unwrap(), [u8::try_from(reason.number()).unwrap()]);
    }
    assert_eq!(SuspenseReason::from_number(5), None);
    assert_eq!(minicbor::to_vec(TransferKind::Settlement).unwrap(), [5]);
}

fn many(count: usize) -> Vec<Movement> {
    let (from, to, amount) = (account(1), account(2), Amount::from_minor(1));
    vec![Movement { from, to, amount, memo: None }; count]
}

#[test]
fn a_list_has_at_least_one_movement_and_is_bounded_also_on_the_wire() {
    let most = usize::from(TRANSFERS_MAX);
    for (count, error) in [(0, InputError::MovementsNone), (most + 1, InputError::MovementsMany(most + 1))] {
        assert_eq!(Movements::new(many(count)), Err(error.clone()));
        let bytes = minicbor::to_vec(many(count)).unwrap();
        let refused = minicbor::decode::<Movements>(&bytes).unwrap_err().to_string();
        assert!(refused.contains(&error.to_string()), "{refused}");
        let endless = [&[0x9f][..], &[0x83, 1, 2, 1].repeat(count), &[0xff]].concat();
        assert!(minicbor::decode::<Movements>(&endless).is_err());
    }
    let bytes = minicbor::to_vec(many(most)).unwrap();
    assert_eq!(bytes.len(), 3 + 4 * most);
    assert_eq!(minicbor::decode::<Movements>(&bytes).unwrap(), Movements::new(many(most)).unwrap());
}

/// A length asks for memory only as far as there are bytes behind it: these two would ask for 2^64 and 8,190 movements.
#[test]
fn a_length_without_its_movements_is_refused() {
    let endless = [&[0x9b][..], &[0xff; 8]].concat();
    let most = [0x99, 0x1f, 0xfe];
    for bytes in [&endless[..], &most[..]] {
        assert!(minicbor::decode::<Movements>(bytes).is_err());
    }
}

/// Else a reply of a megabyte could hold a third as many refusals in each other, and decoding recurses.
#[test]
fn the_reason_of_a_movement_is_no_list_itself() {
    let alone = Refusal::UnknownAccount { account: account(7) };
    let once = Refusal::of_movement(3, alone);
    assert_eq!(Refusal::of_movement(9, once.clone()), once);
    let nested = [&[0x83, 14, 9][..], &minicbor::to_vec(&once).unwrap()].concat();
    let error = minicbor::decode::<Refusal>(&nested).unwrap_err().to_string();
    assert!(error.contains("the reason of a movement is that of another"), "{error}");
    let deep = [0x83, 14, 0].repeat(300_000);
    assert!(minicbor::decode::<Refusal>(&deep).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = minicbor::decode::<Command>(&bytes);
        let _ = minicbor::decode::<Reply>(&bytes);
        let _ = minicbor::decode::<Refusal>(&bytes);
    }

    #[test]
    fn a_damaged_command_is_refused_or_another_command(at in 0..64_usize, byte in any::<u8>(), which in 0..12_usize) {
        let mut bytes = minicbor::to_vec(&every_command()[which]).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(command) = minicbor::decode::<Command>(&bytes) {
            let again = minicbor::to_vec(&command).unwrap();
            prop_assert_eq!(minicbor::decode::<Command>(&again).unwrap(), command);
        }
    }
}
