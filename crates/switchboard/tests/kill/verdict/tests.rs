//! The judge fails a run for each error that is planted in it.

use std::collections::BTreeMap;

use switchboard_client::CallId;
use switchboard_commands::bank::{AccountId, Reply, TransferId};
use switchboard_commands::money::{Amount, Currency};

use crate::ledger::{Entry, Facts};
use crate::notes::Noted;
use crate::seats::Holder;
use crate::task::beneficiary;
use crate::verdict::{Opening, judge};

const OPENING: Opening = Opening { rich: (2, 1000), poor: (3, 20) };

fn id(number: u64) -> CallId {
    format!("0190a2c4-0000-7000-8000-000000000000/0/{number}").parse().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn withdrawn(transfer: i64, balance: i64) -> String {
    hex(&minicbor::to_vec(Reply::Withdrawn {
        transfer: TransferId::from_number(transfer).unwrap(),
        account: AccountId::from_number(2).unwrap(),
        balance: Amount::from_minor(balance).of(Currency::from_code(b"EUR").unwrap()),
    })
    .unwrap())
}

fn holder(who: &str) -> String {
    hex(&minicbor::to_vec(Holder(Some(who.to_owned()))).unwrap())
}

/// Two withdrawals, one of them handed over twice, a cancelled one, a seat won and a seat missed.
fn sound() -> (String, Facts) {
    let (first, second) = (withdrawn(5, 900), withdrawn(6, 850));
    let notes = format!(
        "intend 0 patient withdraw 2 100\nbegun 0 {a}\nended 0 {a} fresh done {first}\nended 0 {a} maybe-seen done {first}\n\
         intend 1 patient withdraw 2 50\nbegun 1 {b}\nended 1 {b} fresh done {second}\n\
         intend 2 cancels withdraw 2 70\nbegun 2 {c}\nended 2 {c} fresh cancelled \n\
         intend 3 patient reserve 9 -\nbegun 3 {d}\nended 3 {d} fresh done {won}\n\
         intend 4 patient reserve 9 -\nbegun 4 {e}\nended 4 {e} fresh refused {won}\n",
        a = id(1),
        b = id(2),
        c = id(3),
        d = id(4),
        e = id(5),
        won = holder("0:3"),
    );
    let entry = |number, transfer, minor, balance, label| Entry {
        call: id(number),
        account: 2,
        transfer,
        minor,
        balance,
        memo: beneficiary(0, label),
    };
    let facts = Facts {
        entries: vec![entry(1, 5, 100, 900, 0), entry(2, 6, 50, 850, 1)],
        balances: BTreeMap::from([(2, 850), (3, 20)]),
        seats: BTreeMap::from([(9, "0:3".to_owned())]),
    };
    (notes, facts)
}

fn check(plant: impl FnOnce(&mut String, &mut Facts), found: &str) {
    let (mut notes, mut facts) = sound();
    plant(&mut notes, &mut facts);
    let violations = judge(OPENING, &[Noted::parse(&notes)], &facts).unwrap_err();
    assert!(violations.iter().any(|violation| violation.contains(found)), "{violations:#?}");
}

#[test]
fn a_sound_run_is_found_sound() {
    let (notes, facts) = sound();
    let summary = judge(OPENING, &[Noted::parse(&notes)], &facts).unwrap();
    assert!(summary.starts_with("5 intentions: 1 cancelled, 3 done, 1 refused;"), "{summary}");
}

#[test]
fn what_is_lost_is_found() {
    let ended = format!("ended 1 {} fresh done {}\n", id(2), withdrawn(6, 850));
    check(|notes, _| *notes = notes.replace(&ended, ""), "nobody was told how it ended");
    check(|_, facts| drop(facts.entries.pop()), "booked None");
    check(|_, facts| facts.seats.clear(), "has it: None");
}

#[test]
fn what_happened_twice_is_found() {
    check(|_, facts| facts.entries.push(facts.entries[1].clone()), "booked twice");
    check(|_, facts| facts.balances.extend([(2, 800)]), "is not Some(800)");
    let again = format!("intend 5 patient reserve 9 -\nbegun 5 {0}\nended 5 {0} fresh done ", id(6));
    check(|notes, _| notes.push_str(&format!("{again}{}\n", holder("0:5"))), "told to have it");
    let refused =
        format!("intend 5 patient release 9 0:3\nbegun 5 {0}\nended 5 {0} fresh refused f6\n", id(6));
    check(|notes, _| notes.push_str(&refused), "did not have seat 9");
}

#[test]
fn what_nobody_asked_for_is_found() {
    let foreign = |facts: &mut Facts| {
        let entry = Entry { call: id(77), ..facts.entries[0].clone() };
        facts.entries.push(entry);
    };
    check(|_, facts| foreign(facts), "nobody began the call");
    let cancelled = |facts: &mut Facts| {
        let entry = Entry { call: id(3), ..facts.entries[0].clone() };
        facts.entries.push(entry);
    };
    check(|_, facts| cancelled(facts), "Cancelled, but booked");
}

#[test]
fn contradictions_are_found() {
    let line = |seen: &str, transfer| format!("ended 0 {} {seen} done {}\n", id(1), withdrawn(transfer, 900));
    check(|notes, _| notes.push_str(&line("maybe-seen", 8)), "told Told");
    check(|notes, _| notes.push_str(&line("fresh", 5)), "without a mark");
    check(|notes, _| notes.push_str(&format!("begun 1 {}\n", id(78))), "several ids");
    check(|notes, _| notes.push_str(&format!("ended 0 {} maybe-seen cancelled \n", id(1))), "Cancelled");
    let patient = format!("intend 6 patient reserve 4 -\nbegun 6 {0}\nended 6 {0} fresh cancelled \n", id(9));
    check(|notes, _| notes.push_str(&patient), "patient and yet");
    check(|notes, _| notes.push_str("fault alarm: the store lost a call\n"), "client 0: alarm");
}
