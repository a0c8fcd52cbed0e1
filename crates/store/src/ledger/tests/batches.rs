//! Many transfers in one transaction are written late and together; nobody can tell.

use switchboard_commands::bank::TransferKind;

use super::{Bench, id, money, post};

/// More than one statement inserts, and not a multiple.
const TRANSFERS: i64 = 37;

#[test]
fn a_batch_reads_its_own_writes_and_adds_up() {
    let mut bench = Bench::new();
    let (ada, ben) = (bench.open("EUR", 0), bench.open("EUR", 0));
    bench.deposit(ada, money(1000, "EUR")).unwrap();
    let calls: Vec<_> = (0..TRANSFERS).map(|_| bench.call()).collect();
    let mut tx = bench.writer.begin().unwrap();
    for (booked, call) in (1..).zip(calls) {
        let posted = post(&mut tx, call, TransferKind::Transfer, (ada, ben), money(1, "EUR")).unwrap();
        assert_eq!(posted.debit_balance, money(1000 - booked, "EUR"));
        if booked % 20 == 0 {
            let page = tx.statement_page(ben, None, 500).unwrap().unwrap();
            assert_eq!(
                (page.balance, page.lines.len()),
                (money(booked, "EUR"), usize::try_from(booked).unwrap())
            );
        }
    }
    let lines = tx.accounts_page(None, 10).unwrap();
    assert_eq!(lines.last().unwrap().balance, money(TRANSFERS, "EUR"));
    tx.commit().unwrap();
    let balance = bench.store.snapshot(|view| view.account(ada)).unwrap().unwrap().balance;
    assert_eq!(balance.minor(), 1000 - TRANSFERS);
    let report = bench.store.snapshot(|view| view.audit()).unwrap();
    assert_eq!(report.findings, [], "{report:?}");
}

#[test]
fn a_rule_that_only_reads_has_written_nothing_whatever_was_pending_before_it() {
    let mut bench = Bench::new();
    let (ada, ben) = (bench.open("EUR", 0), bench.open("EUR", 0));
    bench.deposit(ada, money(1000, "EUR")).unwrap();
    let call = bench.call();
    let mut tx = bench.writer.begin().unwrap();
    let at_first = tx.rows_written();
    let posted = post(&mut tx, call, TransferKind::Transfer, (ada, ben), money(1, "EUR")).unwrap();
    let before = tx.rows_written();
    assert!(before > at_first);
    assert_eq!(tx.suspense_item(posted.transfer).unwrap(), None);
    assert_eq!(tx.rows_written(), before);
    tx.rows("s").unwrap().put(b"k", b"v").unwrap();
    assert_eq!(tx.rows_written(), before + 1);
}

#[test]
fn what_a_thrown_away_batch_left_pending_is_gone() {
    let mut bench = Bench::new();
    let (ada, ben) = (bench.open("EUR", 0), bench.open("EUR", 0));
    bench.deposit(ada, money(1000, "EUR")).unwrap();
    let call = bench.call();
    let mut tx = bench.writer.begin().unwrap();
    let lost = post(&mut tx, call, TransferKind::Transfer, (ada, ben), money(1, "EUR")).unwrap();
    drop(tx);
    let kept = bench.transfer(ada, ben, money(2, "EUR")).unwrap();
    assert_eq!((kept.transfer, kept.credit_balance), (lost.transfer, money(2, "EUR")));
    assert!(bench.store.snapshot(|view| view.account(id(3))).unwrap().is_none());
}
