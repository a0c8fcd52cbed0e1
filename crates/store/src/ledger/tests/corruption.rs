//! The audit is itself tested: whatever is planted, in whatever column, it must find.

use std::collections::BTreeSet;

use switchboard_call::answer::Answer;
use switchboard_commands::bank::{AccountId, AuditReport, Check, TransferKind};
use switchboard_commands::limits::FINDINGS_MAX;

use super::{Bench, call, money, post};
use crate::{BoundTo, Tx};

fn ledger() -> Bench {
    let mut bench = Bench::new();
    let (ada, ben) = (bench.open("EUR", 0), bench.open("EUR", -500));
    bench.deposit(ada, money(1000, "EUR")).unwrap();
    bench.transfer(ada, ben, money(200, "EUR")).unwrap();
    let deposit = bench.suspend(money(70, "EUR"));
    bench.suspend(money(30, "EUR"));
    bench.settle(deposit, ben).unwrap();
    bench.withdraw(ben, money(300, "EUR")).unwrap();
    bench
}

/// Audits after `plant`, which is then taken back.
fn audit_with(bench: &mut Bench, plant: impl FnOnce(&mut Tx<'_>)) -> AuditReport {
    let mut tx = bench.writer.begin().unwrap();
    plant(&mut tx);
    tx.audit().unwrap()
}

fn checks(report: &AuditReport) -> BTreeSet<&'static str> {
    report.findings.iter().map(|finding| finding.check.code()).collect()
}

fn audit_after(bench: &mut Bench, sql: &str) -> AuditReport {
    audit_with(bench, |tx| {
        assert_ne!(tx.conn.execute(sql, []).unwrap(), 0, "{sql} changed nothing");
    })
}

#[test]
fn an_untouched_ledger_is_sound() {
    let report = ledger().writer.view().audit().unwrap();
    assert!(report.sound, "{:?}", report.findings);
    assert_eq!((report.accounts, report.transfers, report.suspended), (4, 6, 1));
    let sum = &report.currencies[0];
    assert_eq!(
        (sum.members, sum.suspense, sum.cash),
        (money(770, "EUR"), money(30, "EUR"), money(-800, "EUR"))
    );
}

#[test]
fn a_change_of_any_column_of_any_row_is_found() {
    let mut bench = ledger();
    for table in ["account", "transfer", "suspense"] {
        let (columns, rows) = columns_and_rows(&bench, table);
        for column in &columns {
            for row in &rows {
                for value in
                    [format!("{column} + 1"), format!("{column} - 1"), "'rotten'".into(), "x'00'".into()]
                {
                    let sql = format!("UPDATE OR REPLACE {table} SET {column} = {value} WHERE rowid = {row}");
                    let mut refused = false;
                    let report = audit_with(&mut bench, |tx| refused = tx.conn.execute(&sql, []).is_err());
                    assert!(refused || !report.sound, "not found: {sql}");
                }
            }
        }
    }
}

/// Every column, and the row numbers, of a table.
fn columns_and_rows(bench: &Bench, table: &str) -> (Vec<String>, Vec<i64>) {
    let conn = bench.writer.view().conn;
    let mut columns = conn.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
    let columns = columns.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut rows = conn.prepare(&format!("SELECT rowid FROM {table}")).unwrap();
    let rows = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    (columns, rows)
}

#[test]
fn a_row_that_is_gone_is_found() {
    let mut bench = ledger();
    for table in ["account", "transfer", "suspense"] {
        for row in columns_and_rows(&bench, table).1 {
            let report = audit_after(&mut bench, &format!("DELETE FROM {table} WHERE rowid = {row}"));
            assert!(!report.sound, "{table} {row}");
        }
    }
}

#[test]
fn each_finding_names_the_rule_and_the_row() {
    let mut bench = ledger();
    let mut check = |sql: &str, expected: &[&str]| {
        let report = audit_after(&mut bench, sql);
        assert_eq!(checks(&report), expected.iter().copied().collect(), "{sql}: {:?}", report.findings);
    };
    check("UPDATE account SET balance = balance + 1 WHERE id = 1", &["balance_from_transfers", "sum_zero"]);
    check("UPDATE account SET held = 1 WHERE id = 1", &["held_from_holds"]);
    check("UPDATE account SET last_transfer = 1 WHERE id = 1", &["chain_intact"]);
    check("UPDATE account SET owner = 'Eve' WHERE id = 1", &["row_unchanged"]);
    check(
        "UPDATE account SET owner = 17, currency = 'XAU' WHERE id = 1",
        &["row_readable", "entry_possible", "sum_zero"],
    );
    check("UPDATE transfer SET memo = 'dinner' WHERE id = 2", &["row_unchanged"]);
    check(
        "UPDATE transfer SET amount = amount + 1 WHERE id = 2",
        &["row_unchanged", "balances_after", "balance_from_transfers"],
    );
    check("UPDATE transfer SET debit_previous = 0 WHERE id = 2", &["row_unchanged", "chain_intact"]);
    check(
        "UPDATE transfer SET kind = 4 WHERE id = 2",
        &["row_unchanged", "entry_possible", "suspense_listed"],
    );
    check("UPDATE suspense SET settled_by = 0 WHERE settled_by <> 0", &["suspense_listed"]);
    check("UPDATE suspense SET reason = 2", &["row_unchanged"]);
}

#[test]
fn an_overdrawn_account_is_found_even_if_everything_adds_up() {
    let mut bench = ledger();
    let report = audit_with(&mut bench, |tx| {
        tx.conn.execute("UPDATE account SET floor = -99999 WHERE id = 1", []).unwrap();
        tx.known().forget();
        let (ada, cash) = (super::id(1), AccountId::cash("EUR".parse().unwrap()));
        post(tx, call(90), TransferKind::Withdrawal, (ada, cash), money(900, "EUR")).unwrap();
        tx.conn.execute("UPDATE account SET floor = 0 WHERE id = 1", []).unwrap();
    });
    assert_eq!(checks(&report), BTreeSet::from(["within_floor"]));
    assert_eq!(report.findings[0].account, Some(super::id(1)));
    assert_eq!(
        report.findings[0].to_string(),
        "within_floor: account 1: balance -100 less held 0 with floor 0"
    );
}

#[test]
fn a_second_execution_of_a_call_is_found_even_if_everything_adds_up() {
    let mut bench = ledger();
    let (ada, ben) = (super::id(1), super::id(2));
    let report = audit_with(&mut bench, |tx| {
        for _ in 0..2 {
            post(tx, call(90), TransferKind::Transfer, (ada, ben), money(1, "EUR")).unwrap();
        }
    });
    assert_eq!(checks(&report), BTreeSet::from(["executed_once"]));
    let late = audit_with(&mut bench, |tx| {
        post(tx, call(90), TransferKind::Transfer, (ada, ben), money(1, "EUR")).unwrap();
        post(tx, call(89), TransferKind::Transfer, (ada, ben), money(1, "EUR")).unwrap();
    });
    assert_eq!(checks(&late), BTreeSet::from(["executed_once"]));
}

#[test]
fn an_account_opened_twice_by_one_call_is_found() {
    let mut bench = ledger();
    let owner = "Eve".parse().unwrap();
    let new = crate::NewAccount { owner: &owner, floor: money(0, "EUR"), call: call(90), at_us: 1 };
    let report = audit_with(&mut bench, |tx| {
        tx.open_account(&new).unwrap();
        tx.open_account(&new).unwrap();
    });
    assert_eq!(checks(&report), BTreeSet::from(["executed_once"]));
}

#[test]
fn an_entry_of_a_call_that_was_never_claimed_or_did_not_execute_is_found() {
    let mut bench = ledger();
    let (ada, ben) = (super::id(1), super::id(2));
    let first = switchboard_call::id::CallId { slot: switchboard_call::id::Slot(9), ..call(1) };
    let booked_as = |id, answer: Option<Answer>| {
        move |tx: &mut Tx<'_>| {
            let claimed = tx.claim_first(first, BoundTo::Principal(1)).unwrap().unwrap();
            let answer = answer.map_or_else(Vec::new, |answer| answer.to_bytes());
            tx.record(claimed, None, &answer, 1).unwrap();
            post(tx, id, TransferKind::Transfer, (ada, ben), money(1, "EUR")).unwrap();
        }
    };
    let done = audit_with(&mut bench, booked_as(first, Some(Answer::Done(vec![1]))));
    assert!(done.sound, "{:?}", done.findings);
    let second = switchboard_call::id::CallId { sequence: call(2).sequence, ..first };
    for plant in [
        booked_as(first, Some(Answer::Cancelled)),
        booked_as(first, Some(Answer::Refused(vec![1]))),
        booked_as(first, None),
        booked_as(second, Some(Answer::Done(vec![1]))),
    ] {
        assert_eq!(checks(&audit_with(&mut bench, plant)), BTreeSet::from(["call_claimed"]));
    }
}

#[test]
fn findings_are_counted_beyond_those_that_are_spelt_out() {
    let mut bench = Bench::new();
    let ada = bench.open("EUR", 0);
    for _ in 0..120 {
        bench.deposit(ada, money(1, "EUR")).unwrap();
    }
    let report = audit_after(&mut bench, "UPDATE transfer SET memo = NULL");
    assert_eq!((report.findings_total, report.findings.len()), (120, FINDINGS_MAX));
    assert!(report.findings.iter().all(|finding| finding.check == Check::RowUnchanged));
}
