//! Bad input to the bank: each refusal names what is wrong, why, and what to do; it is replayed like any
//! answer and leaves no trace.

use switchboard_call::answer::{Answer, DoorCause};
use switchboard_commands::bank::{AccountId, Bank, Command, Movements, Refusal, Reply, SuspenseReason};
use switchboard_commands::limits::{ACCOUNTS_MAX, STATEMENT_LINES_MAX, SUSPENDED_MAX};
use switchboard_commands::money::Amount;
use switchboard_engine::Principal;

use crate::bank::{deposit, entry, id, money, open, settle, transfer, transfer_many, with_members, withdraw};
use crate::laboratory::Laboratory;

fn check(lab: &mut Laboratory, command: Command, code: &str, text: &str) {
    let refusal = lab.refused(command);
    assert_eq!((refusal.code(), refusal.to_string().as_str()), (code, text));
}

#[test]
fn not_enough_money() {
    let mut lab = with_members();
    let text = "account 1 has not enough money: 100.00 EUR can be taken, 100.01 EUR was asked for; \
                ask for less or deposit first";
    check(&mut lab, withdraw(1, "100.01 EUR"), "not_enough_money", text);
    check(&mut lab, transfer(1, 2, "100.01 EUR"), "not_enough_money", text);
    lab.done(withdraw(1, "100.00 EUR"));
}

#[test]
fn over_the_floor() {
    let mut lab = with_members();
    let text = "account 2 may not fall below -50.00 EUR: 50.00 EUR can be taken, 50.01 EUR was asked for; \
                ask for less or deposit first";
    check(&mut lab, withdraw(2, "50.01 EUR"), "below_floor", text);
    lab.done(withdraw(2, "50.00 EUR"));
}

#[test]
fn zero_and_negative() {
    let mut lab = with_members();
    for command in [deposit(1, "0.00 EUR"), withdraw(1, "0.00 EUR"), transfer(1, 2, "0.00 EUR")] {
        let text = "0.00 EUR cannot be moved: an amount must be more than zero; to move money the other way use \
                    the opposite command";
        check(&mut lab, command, "amount_not_positive", text);
    }
    for command in [deposit(1, "-1.00 EUR"), withdraw(1, "-1.00 EUR"), transfer(1, 2, "-1.00 EUR")] {
        assert_eq!(lab.refused(command), Refusal::AmountNotPositive { money: money("-1.00 EUR") });
    }
    let lowest = Amount::from_minor(i64::MIN).of("EUR".parse().unwrap());
    let command = Command::Withdraw { account: id(1), money: lowest, memo: None };
    assert_eq!(lab.refused(command), Refusal::AmountNotPositive { money: lowest });
    // An unknown account does not make an advice out of no money.
    assert_eq!(lab.refused(deposit(99, "0.00 EUR")).code(), "amount_not_positive");
}

#[test]
fn overflow() {
    let mut lab = with_members();
    let euro = "EUR".parse().unwrap();
    let largest = Amount::from_minor(i64::MAX).of(euro);
    let command = Command::Deposit { account: id(1), money: largest, memo: None };
    assert_eq!(lab.refused(command), Refusal::AmountTooLarge { money: largest });
    // The till itself would overflow: nothing can be booked anywhere.
    let cash = AccountId::cash(euro);
    let refusal = lab.refused(deposit(1, "10000000000000000.00 EUR"));
    assert_eq!(refusal, Refusal::Overflow { account: cash, money: money("10000000000000000.00 EUR") });
    assert!(refusal.to_string().starts_with("10000000000000000.00 EUR cannot be booked"), "{refusal}");
    // The account would overflow, the till has room: an account that is full of what another overdraws.
    lab.done(open("Dee", "-10000000000000000.00 EUR"));
    lab.done(transfer(4, 1, "9999999999999900.00 EUR"));
    let refusal = lab.refused(transfer(2, 1, "0.01 EUR"));
    assert_eq!(refusal, Refusal::Overflow { account: id(1), money: money("0.01 EUR") });
    let reply = lab.done(deposit(1, "0.01 EUR"));
    assert!(matches!(reply, Reply::Suspended { reason: SuspenseReason::Overflow, .. }), "{reply:?}");
}

#[test]
fn wrong_currency() {
    let mut lab = with_members();
    let text = "account 1 holds EUR, not JPY; name an amount in EUR or another account";
    check(&mut lab, withdraw(1, "5 JPY"), "wrong_currency", text);
    check(
        &mut lab,
        transfer(1, 3, "5.00 EUR"),
        "wrong_currency",
        "account 3 holds JPY, not EUR; name an amount in JPY or another account",
    );
}

#[test]
fn unknown_account() {
    let mut lab = with_members();
    let text = "there is no account 9; look it up with: bank accounts";
    check(&mut lab, withdraw(9, "5.00 EUR"), "unknown_account", text);
    check(&mut lab, transfer(1, 9, "5.00 EUR"), "unknown_account", text);
    check(&mut lab, transfer(9, 1, "5.00 EUR"), "unknown_account", text);
    let refused = Err(Refusal::UnknownAccount { account: id(9) });
    assert_eq!(lab.read::<Bank>(&Command::Balance { account: id(9) }), refused);
    assert_eq!(lab.read::<Bank>(&Command::Statement { account: id(9), limit: 1, before: None }), refused);
}

#[test]
fn system_account() {
    let mut lab = with_members();
    let cash = AccountId::cash("EUR".parse().unwrap());
    let text = "account cash:EUR belongs to the organisation itself and moves only as the other side of a booking; \
                name a member's account";
    let money = money("5.00 EUR");
    check(&mut lab, Command::Withdraw { account: cash, money, memo: None }, "system_account", text);
    check(&mut lab, Command::Transfer { from: cash, to: id(1), money, memo: None }, "system_account", text);
    check(&mut lab, Command::Transfer { from: id(1), to: cash, money, memo: None }, "system_account", text);
}

#[test]
fn same_account() {
    let mut lab = with_members();
    let text = "account 1 is on both sides of the transfer; name two accounts";
    check(&mut lab, transfer(1, 1, "5.00 EUR"), "same_account", text);
}

#[test]
fn one_movement_of_a_list_refuses_all_of_it() {
    let mut lab = with_members();
    let text = "nothing was booked because of movement 2 of the list: account 1 has not enough money: 50.00 EUR can \
                be taken, 50.01 EUR was asked for; ask for less or deposit first";
    check(&mut lab, transfer_many(&[(1, 2, 5_000), (1, 2, 5_001), (2, 1, 1)]), "movement_refused", text);
    for (movement, code) in [
        ((1, 2, 0), "amount_not_positive"),
        ((1, 2, i64::MAX), "amount_too_large"),
        ((1, 1, 5), "same_account"),
        ((1, 9, 5), "unknown_account"),
        ((1, 3, 5), "wrong_currency"),
        ((1, -9781, 5), "system_account"),
    ] {
        let refusal = lab.refused(transfer_many(&[(1, 2, 5), movement, (1, 2, 5)]));
        let Refusal::MovementRefused { index: 1, reason } = &refusal else { panic!("{refusal:?}") };
        assert_eq!(reason.refusal().code(), code);
    }
    lab.done(transfer_many(&[(1, 2, 5_000), (1, 2, 5_000)]));
}

#[test]
fn a_list_that_is_empty_or_too_long_never_reaches_a_rule() {
    let lab = with_members();
    let head = [&[0x83, 5, 0x63][..], b"EUR"].concat();
    let empty = [&head[..], &[0x80]].concat();
    let long = [&head[..], &[0x99, 0x1f, 0xff], &[0x83, 1, 2, 1].repeat(8_191)].concat();
    let endless = [&head[..], &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]].concat();
    for (body, expected) in [
        (empty, "no movement in the list"),
        (long, "one call takes at most 8190"),
        (endless, "one call takes at most 8190"),
    ] {
        let answer = Answer::from_bytes(&lab.raw_call(Principal::Operator, "bank", body)).unwrap();
        let Answer::Door(door) = answer else { panic!("{answer:?}") };
        assert_eq!(door.cause, DoorCause::Malformed);
        assert!(door.explanation.contains(expected), "{}", door.explanation);
    }
}

#[test]
fn a_list_with_too_much_memo_is_turned_away_at_the_door() {
    let lab = with_members();
    let Command::TransferMany { currency, transfers } = transfer_many(&[(1, 2, 1)].repeat(8_190)) else {
        panic!("another command");
    };
    let mut movements = transfers.to_vec();
    movements.iter_mut().for_each(|movement| movement.memo = Some("m".repeat(80).parse().unwrap()));
    let command = Command::TransferMany { currency, transfers: Movements::new(movements).unwrap() };
    let answer = Answer::from_bytes(&lab.call_as::<Bank>(Principal::Operator, &command)).unwrap();
    let Answer::Door(door) = answer else { panic!("{answer:?}") };
    assert_eq!(door.cause, DoorCause::OverLimit);
    assert!(door.explanation.contains("transfer_many takes bodies of at most"), "{}", door.explanation);
}

#[test]
fn a_floor_that_is_none() {
    let mut lab = Laboratory::new();
    let text = "0.01 EUR cannot be a floor: it must be zero or negative and at most 1000000000000000000 minor units \
                away from it; choose another";
    check(&mut lab, open("Ada", "0.01 EUR"), "bad_floor", text);
    let floor = Amount::from_minor(i64::MIN).of("EUR".parse().unwrap());
    let command = Command::OpenAccount { owner: "Ada".parse().unwrap(), floor };
    assert_eq!(lab.refused(command).code(), "bad_floor");
}

#[test]
fn a_page_of_a_size_that_is_none_and_a_cursor_of_another_account() {
    let lab = with_members();
    for limit in [0, 501, u16::MAX] {
        for (command, limit_max) in [
            (Command::Statement { account: id(1), limit, before: None }, STATEMENT_LINES_MAX),
            (Command::Accounts { limit, after: None }, ACCOUNTS_MAX),
            (Command::Suspended { limit, after: None }, SUSPENDED_MAX),
        ] {
            assert_eq!(lab.read::<Bank>(&command), Err(Refusal::BadLimit { limit, limit_max }));
        }
    }
    let foreign = Command::Statement { account: id(2), limit: 1, before: Some(entry(1)) };
    let refusal = Refusal::ForeignCursor { account: id(2), transfer: entry(1) };
    assert_eq!(lab.read::<Bank>(&foreign), Err(refusal));
}

#[test]
fn a_deposit_that_is_not_or_no_longer_in_suspense() {
    let mut lab = with_members();
    let text = "transfer 1 is no deposit in suspense; look it up with: bank suspended";
    check(&mut lab, settle(1, 1), "not_suspended", text);
    lab.done(deposit(99, "2.00 EUR"));
    assert_eq!(lab.refused(settle(2, 3)).code(), "wrong_currency");
    assert_eq!(lab.refused(settle(2, 98)).code(), "unknown_account");
    lab.done(settle(2, 1));
    let text = "the deposit 2 was settled by transfer 3; nothing is left to do";
    check(&mut lab, settle(2, 1), "already_settled", text);
}

#[test]
fn a_currency_without_minor_units_or_an_impossible_account_never_reaches_a_rule() {
    let lab = with_members();
    // withdraw(account 1, 5 XAU) and withdraw(account -5, 5 EUR), as a foreign client might encode them.
    let gold = [&[0x83, 2, 1, 0x82, 5, 0x63][..], b"XAU"].concat();
    let nobody = [&[0x83, 2, 0x24, 0x82, 5, 0x63][..], b"EUR"].concat();
    for (body, expected) in [(gold, "\"XAU\" is not a currency"), (nobody, "no account has the number -5")] {
        let answer = Answer::from_bytes(&lab.raw_call(Principal::Operator, "bank", body)).unwrap();
        let Answer::Door(door) = answer else { panic!("{answer:?}") };
        assert_eq!(door.cause, DoorCause::Malformed);
        assert!(door.explanation.contains(expected), "{}", door.explanation);
    }
}
