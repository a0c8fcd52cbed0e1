//! `examples/python/withdraw.py`, which was written from docs/protocol.md alone, against a real server. Absent: what it does
//! when a server misbehaves.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::house::{House, Ran, Server};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/python/withdraw.py");

/// Runs the script against account 1.
fn withdraw(server: &Server, amount: &str, currency: &str) -> Ran {
    let address = server.address("unix:");
    let mut command = Command::new(xtask::needs::PYTHON);
    command.env_clear().arg(SCRIPT).arg(address.strip_prefix("unix:").unwrap());
    Ran::of(command.args(["1", amount, currency]).stdin(Stdio::null()).output().unwrap())
}

/// The id on the script's first line, and its other lines.
fn printed(ran: &Ran) -> (&str, Vec<&str>) {
    let mut lines = ran.stdout.lines();
    let call = lines.next().unwrap().strip_prefix("call ").unwrap();
    (call, lines.collect())
}

/// A server with 50.00 EUR on account 1.
fn bank() -> (House, Server) {
    let house = House::new();
    let server = house.serve(&[]);
    house.ok(&["bank", "open", "Ada Lovelace", "EUR"]);
    house.ok(&["bank", "deposit", "1", "50.00"]);
    (house, server)
}

/// The statement of account 1 behind the deposit, oldest first: kind, amount, balance, call.
fn withdrawals(house: &House) -> Vec<Value> {
    let statement = house.run(&["bank", "statement", "1", "--json"]).json();
    let lines = statement["lines"].as_array().unwrap();
    let (deposit, withdrawals) = lines.split_last().unwrap();
    assert_eq!(deposit["kind"], "deposit");
    let line = |line: &Value| {
        json!([line["kind"], line["amount"]["amount"], line["balance"]["amount"], line["call"]])
    };
    withdrawals.iter().rev().map(line).collect()
}

#[test]
fn a_python_client_sends_each_call_twice_and_withdraws_once() {
    if xtask::needs::skipped("python3-cbor2") {
        return;
    }
    let (house, server) = bank();
    let [first, second] = ["2000", "1"].map(|amount| withdraw(&server, amount, "EUR"));
    for (ran, transfer, balance) in [(&first, 2, 3000), (&second, 3, 2999)] {
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
        let answer = format!("withdrawn: transfer {transfer}, account 1 now holds {balance} EUR");
        let expected = [
            format!("attempt 1: {answer}"),
            format!("attempt 2: {answer}"),
            "the same 15 bytes, replayed: nothing happened a second time".to_owned(),
        ];
        assert_eq!(printed(ran).1, expected);
    }

    let balance = house.run(&["bank", "balance", "1", "--json"]).json();
    assert_eq!(balance["balance"], json!({"amount": "29.99", "currency": "EUR"}));
    let expected = [
        json!(["withdrawal", "-20.00", "30.00", printed(&first).0]),
        json!(["withdrawal", "-0.01", "29.99", printed(&second).0]),
    ];
    assert_eq!(withdrawals(&house), expected);
    house.ok(&["bank", "audit"]);
    let (_code, log) = server.stop();
    assert_eq!(log.matches("withdraw.py/1").count(), 4, "a connection for each attempt: {log}");
}

#[test]
fn a_python_client_is_refused_twice_in_the_same_words() {
    if xtask::needs::skipped("python3-cbor2") {
        return;
    }
    let (house, server) = bank();
    let ran = withdraw(&server, "5001", "EUR");
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{}", ran.stdout);
    let expected = [
        "attempt 1: refused, code 0: not enough money",
        "attempt 2: refused, code 0: not enough money",
        "the same 22 bytes, replayed: nothing happened a second time",
    ];
    assert_eq!(printed(&ran).1, expected);
    assert!(withdrawals(&house).is_empty());
    house.ok(&["bank", "audit"]);
}

#[test]
fn a_python_client_cancels_what_is_turned_away_at_the_door() {
    if xtask::needs::skipped("python3-cbor2") {
        return;
    }
    let (house, server) = bank();
    let ran = withdraw(&server, "2000", "eur");
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{}", ran.stdout);
    let (call, lines) = printed(&ran);
    assert!(lines[0].starts_with("attempt 1: answer 30: the body is no command of bank"), "{lines:?}");
    assert_eq!(lines[1..], ["cancel: cancelled, it was never executed"]);
    assert_eq!(house.run(&["call", "status", call, "--json"]).json()["state"], "cancelled");
    assert!(withdrawals(&house).is_empty());
}
