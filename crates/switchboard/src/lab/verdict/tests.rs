//! The verdict holds for a sound run and fails for every error planted into one.

use switchboard_commands::money::Currency;

use super::super::ledger::Withdrawal;
use super::*;
use switchboard_commands::bank::AuditReport;

type Case = (Intended, BTreeMap<CallId, Note>, Facts, [Counts; 2]);

fn eur(minor: i64) -> Money {
    Amount::from_minor(minor).of(Currency::from_code(b"EUR").unwrap())
}

fn id(number: i64) -> CallId {
    format!("0190a2c4-0000-7000-8000-000000000000/0/{number}").parse().unwrap()
}

/// Three withdrawals that went as they should.
fn sound() -> Case {
    let intended = Intended { calls: 3, amount: eur(2000), opening: eur(10_000) };
    let notes = (1..=3).map(|n| (id(n), Note::Drawn { transfer: n + 1 })).collect();
    let withdrawals =
        (1..=3).map(|n| Withdrawal { transfer: n + 1, call: Some(id(n)), amount: eur(-2000) }).collect();
    let audit = AuditReport {
        sound: true,
        accounts: 2,
        transfers: 4,
        suspended: 0,
        currencies: vec![],
        findings_total: 0,
        findings: vec![],
    };
    let counts = Counts { arrived: 4, doubled: 1, forwarded: 3, lost: 1, withheld: 1, ..Counts::default() };
    (intended, notes, Facts { balance: eur(4000), withdrawals, audit }, [counts, Counts::default()])
}

fn failing((intended, notes, facts, proxy): &Case) -> Vec<&'static str> {
    let checks = judge(intended, notes, facts, *proxy);
    checks.into_iter().filter(|check| !check.holds).map(|check| check.name).collect()
}

#[test]
fn what_went_well_passes() {
    assert_eq!(failing(&sound()), Vec::<&str>::new());
}

/// Each planted error is met by the check that is there for it.
#[test]
fn every_planted_error_is_found() {
    let plant = |name: &str, change: fn(&mut Case)| {
        let mut case = sound();
        change(&mut case);
        assert!(failing(&case).contains(&name), "{name}: {:?}", failing(&case));
    };
    plant("every withdrawal has its answer", |case| drop(case.1.remove(&id(2))));
    plant("every withdrawal has its answer", |case| {
        drop(case.1.insert(id(2), Note::Other("lost".to_owned())))
    });
    plant("every withdrawal has its answer", |case| {
        case.0.calls = 0;
        case.1.clear();
    });
    plant("each is booked exactly once", |case| case.2.withdrawals.push(case.2.withdrawals[0]));
    plant("the ledger has the calls of the client, and no other", |case| {
        case.2.withdrawals[0].call = Some(id(9));
    });
    plant("every answer is that of the one execution", |case| case.2.withdrawals[0].transfer = 77);
    plant("the money is where it should be", |case| case.2.balance = eur(2000));
    plant("the money is where it should be", |case| case.2.withdrawals[0].amount = eur(-1));
    plant("bank audit: the books hold", |case| case.2.audit.sound = false);
    plant("the proxy can account for every message", |case| case.3[0].lost = 0);
}
