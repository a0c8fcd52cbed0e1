//! Money through the command line: answers, refusals, amounts that are none.

use expect_test::expect;

use crate::house::{House, Server};

#[test]
fn money_moves_and_every_amount_is_shown_with_its_currency() {
    let house = House::new();
    let _server = house.serve(&[]);
    house.ok(&["bank", "open", "Ada Lovelace", "EUR"]);
    house.ok(&["bank", "open", "Canteen", "EUR", "--floor", "-50.00"]);
    expect![[r"
        deposited to account 1 (transfer 1): balance 50.00 EUR
    "]]
    .assert_eq(&house.ok(&["bank", "deposit", "1", "50.00", "--memo", "opening"]));
    expect![[r"
        withdrawn from account 1 (transfer 2): balance 30.00 EUR
    "]]
    .assert_eq(&house.ok(&["bank", "withdraw", "1", "20.00"]));
    expect![[r"
        transferred from account 1 (transfer 3): balance 17.50 EUR
    "]]
    .assert_eq(&house.ok(&["bank", "transfer", "1", "2", "12.5"]));
    expect![[r"
        account 2: balance 12.50 EUR, available 62.50 EUR
    "]]
    .assert_eq(&house.ok(&["bank", "balance", "2"]));
    expect![[r#"
        the books hold: 3 accounts, 3 transfers, 0 deposits in suspense, 0 findings
        currency    members  suspense        cash       sum
        EUR       30.00 EUR  0.00 EUR  -30.00 EUR  0.00 EUR
    "#]]
    .assert_eq(&house.ok(&["bank", "audit"]));
    let statement = house.run(&["bank", "statement", "1", "--json"]).json();
    let amounts: Vec<_> = statement["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["amount"]["amount"].as_str().unwrap())
        .collect();
    assert_eq!(amounts, ["-12.50", "-20.00", "50.00"]);
}

#[test]
fn refusals_are_final_and_say_what_to_do() {
    let house = House::new();
    let _server = house.serve(&[]);
    house.ok(&["bank", "open", "Ada", "EUR"]);
    house.ok(&["bank", "deposit", "1", "10.00"]);
    let refused = |arguments: &[&str], code: &str| {
        let ran = house.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, 1, "{arguments:?}: {}", ran.stdout);
        let error = &ran.json()["error"];
        assert_eq!(error["refusal"]["code"], code, "{error}");
        assert_eq!(error["kind"], "refused");
    };
    refused(&["bank", "withdraw", "1", "10.01"], "not_enough_money");
    refused(&["bank", "withdraw", "1", "0"], "amount_not_positive");
    refused(&["bank", "withdraw", "1", "-5.00"], "amount_not_positive");
    refused(&["bank", "withdraw", "1", "5.00", "USD"], "wrong_currency");
    refused(&["bank", "withdraw", "9", "5.00", "EUR"], "unknown_account");
    refused(&["bank", "transfer", "1", "1", "5.00"], "same_account");
    refused(&["bank", "open", "Eve", "EUR", "--floor", "1.00"], "bad_floor");
    refused(&["bank", "balance", "9"], "unknown_account");
    assert!(house.ok(&["bank", "balance", "1"]).contains("10.00 EUR"));
    house.ok(&["bank", "audit"]);
}

#[test]
fn what_is_not_an_amount_is_refused_before_anything_is_sent() {
    let house = House::new();
    let _server = house.serve(&[]);
    house.ok(&["bank", "open", "Ada", "EUR"]);
    for (arguments, words) in [
        (["bank", "deposit", "1", "5.001"], "fractional minor units"),
        (["bank", "deposit", "1", "5,00"], "may mean thousands or decimals"),
        (["bank", "deposit", "1", "99999999999999999999"], "too large"),
        (["bank", "deposit", "x", "5.00"], "not an account"),
    ] {
        let ran = house.run(&arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    assert_eq!(house.run(&["bank", "open", "Ada", "EURO"]).code, 2);
}

#[test]
fn a_deposit_for_nobody_waits_for_the_operator() {
    let house = House::new();
    let _server = house.serve(&[]);
    house.ok(&["bank", "open", "Ada", "EUR"]);
    assert!(house.ok(&["bank", "deposit", "99", "5.00", "EUR"]).contains("there is no such account"));
    assert!(house.ok(&["bank", "suspended"]).contains("99"));
    house.ok(&["bank", "settle", "1", "1"]);
    assert!(house.ok(&["bank", "balance", "1"]).contains("5.00 EUR"));
}

#[test]
fn without_a_server_the_message_says_how_to_get_one() {
    let house = House::new();
    let ran = house.run(&["bank", "audit"]);
    assert_eq!(ran.code, 69);
    assert!(ran.stderr.contains("no server runs for"), "{}", ran.stderr);
    assert!(ran.stderr.contains("start one with `switchboard serve`, or add --embedded"), "{}", ran.stderr);
    let json = house.run(&["bank", "audit", "--json"]);
    assert_eq!(json.json()["error"]["exit"], 69);
    assert_eq!(json.stderr, "");
}

#[test]
fn embedded_needs_no_server_and_leaves_nothing_running() {
    let house = House::new();
    house.ok(&["--embedded", "bank", "open", "Ada", "EUR"]);
    house.ok(&["--embedded", "bank", "deposit", "1", "5.00"]);
    let _server = house.serve(&[]);
    assert!(house.ok(&["bank", "balance", "1"]).contains("5.00 EUR"));
}

#[test]
fn a_call_id_is_in_json_and_with_verbose() {
    let house = House::new();
    let _server = house.serve(&[]);
    let opened = house.run(&["bank", "open", "Ada", "EUR", "--json"]).json();
    let id = opened["call"].as_str().unwrap();
    let status = house.run(&["call", "status", id, "--json"]).json();
    assert_eq!(status["state"], "done");
    assert!(house.run(&["bank", "deposit", "1", "1.00", "-v"]).stderr.contains("call "));
}

/// Ada with 100.00 EUR, Ben and Cho with nothing: accounts 1 to 3.
fn with_members() -> (House, Server) {
    let house = House::new();
    let server = house.serve(&[]);
    for owner in ["Ada", "Ben", "Cho"] {
        house.ok(&["bank", "open", owner, "EUR"]);
    }
    house.ok(&["bank", "deposit", "1", "100.00"]);
    (house, server)
}

#[test]
fn a_list_of_movements_is_booked_from_a_file_or_standard_input() {
    let (house, _server) = with_members();
    let list = house.path().join("payroll.csv");
    std::fs::write(&list, "from,to,amount,memo\n1,2,60.00,\"wages, May\"\n1,3,30\n\n2,3,5.5,\n").unwrap();
    let list = list.to_str().unwrap();
    expect![[r"
        booked 3 transfers, numbers 2 to 4
    "]]
    .assert_eq(&house.ok(&["bank", "transfer-many", list]));
    let ran =
        house.run_with_input(&["bank", "transfer-many", "-", "--currency", "EUR", "--json"], b"3,1,0.01");
    let booked = ran.json();
    assert_eq!(
        (&booked["reply"], &booked["first"], &booked["last"]),
        (&"transferred_many".into(), &5.into(), &5.into())
    );
    let call = booked["call"].as_str().unwrap();
    assert!(house.ok(&["call", "status", call]).contains("booked 1 transfer, number 5"));
    let statement = house.run(&["bank", "statement", "2", "--json"]).json();
    assert_eq!(statement["lines"][1]["memo"], "wages, May");
    assert!(house.ok(&["bank", "balance", "3"]).contains("balance 35.49 EUR"));
    house.ok(&["bank", "audit"]);
}

#[test]
fn a_list_that_cannot_be_booked_says_which_line_and_leaves_nothing() {
    let (house, _server) = with_members();
    let with = |list: &str, arguments: &[&str]| {
        let arguments = [&["bank", "transfer-many", "-"], arguments].concat();
        house.run_with_input(&arguments, list.as_bytes())
    };
    for (list, words) in [
        ("1,2,5.00\n\n1;3;5.00\n", "line 3 of standard input is no movement: it has 1 fields"),
        ("1,2,5.001\n", "line 1 of standard input is no movement: 5.001 has fractional minor units"),
        ("1,2,5.00\n1,x,5.00\n", "line 2 of standard input is no movement: \"x\" is not an account"),
        ("1,2,5.00,\"a memo\n", "line 1 of standard input is no movement: a quote is not closed"),
        ("from,to,amount\n", "standard input has no movement in it"),
        (&"1,2,0.01\n".repeat(8_191), "standard input has 8191 movements, one call takes at most 8190"),
        (&format!("1,2,0.01,{}\n", "m".repeat(80)).repeat(8_190), "service bank takes at most 508124"),
    ] {
        let ran = with(list, &[]);
        assert_eq!(ran.code, 65, "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    let refused = with("from,to,amount\n1,2,60.00\n2,3,60.01\n", &[]);
    assert_eq!(refused.code, 1);
    expect![[r"
        switchboard: nothing was booked because of movement 2 of the list: account 2 has not enough money: 60.00 EUR can be taken, 60.01 EUR was asked for; ask for less or deposit first
          to do: correct line 3 of standard input and send the whole list again
    "]]
    .assert_eq(&refused.stderr);
    let error = &with("1,2,60.00\n2,9,1.00\n", &["--json"]).json()["error"];
    assert_eq!(
        (&error["refusal"]["code"], &error["refusal"]["index"]),
        (&"movement_refused".into(), &1.into())
    );
    assert_eq!(error["refusal"]["reason"]["code"], "unknown_account");
    let nowhere = house.run(&["bank", "transfer-many", "/nowhere/list.csv"]);
    assert_eq!(nowhere.code, 74, "{}", nowhere.stderr);
    assert!(house.ok(&["bank", "balance", "1"]).contains("balance 100.00 EUR"));
}
