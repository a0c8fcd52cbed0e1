//! Wishes that the bank does not grant: the text, the exit code, the JSON, and that nothing was booked or left open.

use expect_test::{Expect, expect};

use crate::house::House;
use crate::till::{check_books, furnish};

/// The command fails with `code` and this text on standard error, and as one JSON object on standard output.
fn check(house: &House, arguments: &[&str], code: i32, expected: &Expect) {
    let ran = house.run(arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{arguments:?}: {}", ran.stderr);
    expected.assert_eq(&ran.stderr);
    let as_json = house.run(&[arguments, &["--json"]].concat());
    assert_eq!((as_json.code, as_json.stderr.as_str()), (code, ""), "{arguments:?}");
    let document = as_json.json();
    let error = document["error"].as_object().unwrap();
    assert_eq!(error["exit"], code);
    assert_eq!(format!("switchboard: {}\n", error["message"].as_str().unwrap()), ran.stderr);
    let known = ["advice", "call", "causes", "exit", "kind", "message", "refusal"];
    assert!(error.keys().all(|key| known.contains(&key.as_str())), "{document}");
}

fn nothing_is_open(house: &House) {
    assert_eq!(house.ok(&["call", "status"]), "no call is open, and every answer was seen\n");
}

#[test]
fn more_than_there_is_or_may_be_owed() {
    let house = House::new();
    let _server = house.serve(&[]);
    furnish(&house, 10);
    house.ok(&["bank", "open", "Canteen", "EUR", "--floor", "-50.00"]);
    check(
        &house,
        &["bank", "withdraw", "1", "10.01"],
        1,
        &expect![[r#"
        switchboard: account 1 has not enough money: 10.00 EUR can be taken, 10.01 EUR was asked for; ask for less or deposit first
    "#]],
    );
    check(
        &house,
        &["bank", "withdraw", "2", "50.01"],
        1,
        &expect![[r#"
        switchboard: account 2 may not fall below -50.00 EUR: 50.00 EUR can be taken, 50.01 EUR was asked for; ask for less or deposit first
    "#]],
    );
    check(
        &house,
        &["bank", "transfer", "1", "2", "10.01"],
        1,
        &expect![[r#"
        switchboard: account 1 has not enough money: 10.00 EUR can be taken, 10.01 EUR was asked for; ask for less or deposit first
    "#]],
    );
    nothing_is_open(&house);
    check_books(&house, 10);
}

#[test]
fn amounts_that_cannot_be_moved() {
    let house = House::new();
    let _server = house.serve(&[]);
    furnish(&house, 10);
    house.ok(&["bank", "open", "Yuki", "JPY"]);
    check(
        &house,
        &["bank", "withdraw", "1", "0"],
        1,
        &expect![[r#"
        switchboard: 0.00 EUR cannot be moved: an amount must be more than zero; to move money the other way use the opposite command
    "#]],
    );
    check(
        &house,
        &["bank", "deposit", "1", "-5.00"],
        1,
        &expect![[r#"
        switchboard: -5.00 EUR cannot be moved: an amount must be more than zero; to move money the other way use the opposite command
    "#]],
    );
    check(
        &house,
        &["bank", "withdraw", "1", "0.001"],
        2,
        &expect![[r#"
        switchboard: 0.001 has fractional minor units: EUR has 2 decimals, write at most those
    "#]],
    );
    check(
        &house,
        &["bank", "deposit", "2", "0.5"],
        2,
        &expect![[r#"
        switchboard: 0.5 has fractional minor units: JPY has none, write a whole number
    "#]],
    );
    check(
        &house,
        &["bank", "transfer", "1", "2", "1.00"],
        1,
        &expect![[r#"
        switchboard: account 2 holds JPY, not EUR; name an amount in JPY or another account
    "#]],
    );
    check(
        &house,
        &["bank", "withdraw", "1", "1.00", "USD"],
        1,
        &expect![[r#"
        switchboard: account 1 holds EUR, not USD; name an amount in EUR or another account
    "#]],
    );
    nothing_is_open(&house);
    check_books(&house, 10);
}

#[test]
fn balances_that_cannot_be_counted() {
    let house = House::new();
    let _server = house.serve(&[]);
    furnish(&house, 10);
    house.ok(&["bank", "open", "Treasury", "EUR", "--floor", "-10000000000000000.00"]);
    house.ok(&["bank", "transfer", "2", "1", "9999999999999989.99"]);
    check(
        &house,
        &["bank", "transfer", "2", "1", "0.02"],
        1,
        &expect![[r#"
        switchboard: 0.02 EUR cannot be booked: the balance of account 1 would pass 1000000000000000000 minor units; use another account
    "#]],
    );
    check(
        &house,
        &["bank", "withdraw", "1", "10000000000000000.01"],
        2,
        &expect![[r#"
        switchboard: 10000000000000000.01 is too large; an amount has at most 1000000000000000000 minor units
    "#]],
    );
    let suspended = house.ok(&["bank", "deposit", "1", "5.00"]);
    assert!(suspended.contains("is in suspense"), "money that was received is kept: {suspended}");
    nothing_is_open(&house);
    assert!(house.ok(&["bank", "balance", "1"]).contains("balance 9999999999999999.99 EUR"));
    house.ok(&["bank", "audit"]);
}

#[test]
fn accounts_that_are_not_there_or_not_for_members() {
    let house = House::new();
    let _server = house.serve(&[]);
    furnish(&house, 10);
    check(
        &house,
        &["bank", "withdraw", "9", "1.00"],
        1,
        &expect![[r#"
        switchboard: there is no account 9; look it up with: bank accounts
    "#]],
    );
    check(
        &house,
        &["bank", "transfer", "1", "9", "1.00"],
        1,
        &expect![[r#"
        switchboard: there is no account 9; look it up with: bank accounts
    "#]],
    );
    check(
        &house,
        &["bank", "statement", "9"],
        1,
        &expect![[r#"
        switchboard: there is no account 9; look it up with: bank accounts
    "#]],
    );
    check(
        &house,
        &["bank", "withdraw", "cash:EUR", "1.00"],
        1,
        &expect![[r#"
        switchboard: account cash:EUR belongs to the organisation itself and moves only as the other side of a booking; name a member's account
    "#]],
    );
    check(
        &house,
        &["bank", "transfer", "1", "suspense:EUR", "1.00"],
        1,
        &expect![[r#"
        switchboard: account suspense:EUR belongs to the organisation itself and moves only as the other side of a booking; name a member's account
    "#]],
    );
    check(
        &house,
        &["bank", "withdraw", "nobody", "1.00"],
        2,
        &expect![[r#"
        switchboard: "nobody" is not an account; write its number, such as 7, or cash:EUR or suspense:EUR
    "#]],
    );
    let kept = house.ok(&["bank", "deposit", "cash:EUR", "1.00"]);
    assert!(kept.contains("is in suspense"), "{kept}");
    check(
        &house,
        &["bank", "settle", "2", "cash:EUR"],
        1,
        &expect![[r#"
        switchboard: account cash:EUR belongs to the organisation itself and moves only as the other side of a booking; name a member's account
    "#]],
    );
    nothing_is_open(&house);
    check_books(&house, 10);
}

#[test]
fn who_is_nobody_moves_and_sees_nothing() {
    let house = House::new();
    let server = house.serve(&["--tcp", "127.0.0.1:0"]);
    furnish(&house, 10);
    let address = server.address("tcp://");
    let over_tcp = |command: &[&'static str]| [&["--server", address.as_str()], command].concat();
    check(
        &house,
        &over_tcp(&["bank", "withdraw", "1", "1.00", "EUR"]),
        77,
        &expect![[r#"
        switchboard: the server turned it away: withdraw is not permitted to anonymous; connect through the server's own Unix socket, or with the operator key over tls://
    "#]],
    );
    check(
        &house,
        &over_tcp(&["bank", "balance", "1"]),
        77,
        &expect![[r#"
        switchboard: the server turned it away: balance is not permitted to anonymous; connect through the server's own Unix socket, or with the operator key over tls://
    "#]],
    );
    for command in [
        &["bank", "open", "Eve", "EUR"][..],
        &["bank", "deposit", "1", "1.00", "EUR"],
        &["bank", "transfer", "1", "2", "1.00", "EUR"],
        &["bank", "settle", "1", "1"],
        &["bank", "statement", "1"],
        &["bank", "accounts"],
        &["bank", "suspended"],
        &["bank", "audit"],
    ] {
        let ran = house.run(&over_tcp(command));
        assert_eq!((ran.code, ran.stdout.as_str()), (77, ""), "{command:?}: {}", ran.stderr);
    }
    assert!(!house.ok(&["bank", "accounts"]).contains("Eve"));
    nothing_is_open(&house);
    check_books(&house, 10);
}
