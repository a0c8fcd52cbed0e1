//! Many transfers in one transaction are written late and together; nobody can tell.

use switchboard_commands::bank::{AccountId, TransferKind};

use super::{Bench, id, money, post};

/// More than one statement inserts, and not a multiple.
const TRANSFERS: i64 = 37;

/// Two accounts, 10.00 EUR on the first.
fn funded() -> (Bench, AccountId, AccountId) {
    let mut bench = Bench::new();
    let (ada, ben) = (bench.open("EUR", 0), bench.open("EUR", 0));
    bench.deposit(ada, money(1000, "EUR")).unwrap();
    (bench, ada, ben)
}

#[test]
fn a_batch_reads_its_own_writes_and_adds_up() {
    let (mut bench, ada, ben) = funded();
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
    let (mut bench, ada, ben) = funded();
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
    let (mut bench, ada, ben) = funded();
    let call = bench.call();
    let mut tx = bench.writer.begin().unwrap();
    let lost = post(&mut tx, call, TransferKind::Transfer, (ada, ben), money(1, "EUR")).unwrap();
    drop(tx);
    let kept = bench.transfer(ada, ben, money(2, "EUR")).unwrap();
    assert_eq!((kept.transfer, kept.credit_balance), (lost.transfer, money(2, "EUR")));
    assert!(bench.store.snapshot(|view| view.account(id(3))).unwrap().is_none());
}

#[test]
fn after_an_error_ended_the_transaction_what_is_pending_is_not_written_by_a_read() {
    let (mut bench, ada, ben) = funded();
    let call = bench.call();
    let mut tx = bench.writer.begin().unwrap();
    post(&mut tx, call, TransferKind::Transfer, (ada, ben), money(1, "EUR")).unwrap();
    // What SQLite does by itself when the disk is full.
    tx.conn.execute_batch("ROLLBACK").unwrap();
    tx.rows("s").unwrap().find(b"k").unwrap_err();
    tx.rows("s").unwrap().scan(b"", 9).unwrap_err();
    tx.commit().unwrap_err();
    let balance = bench.store.snapshot(|view| view.account(ada)).unwrap().unwrap().balance;
    assert_eq!(balance.minor(), 1000);
}

#[test]
fn a_savepoint_takes_back_what_was_booked_after_it_and_nothing_else() {
    let (mut bench, ada, ben) = funded();
    let calls = [bench.call(), bench.call(), bench.call()];
    let mut tx = bench.writer.begin().unwrap();
    tx.back_to_savepoint().unwrap_err();
    let book = |tx: &mut _, at: usize, minor| {
        post(tx, calls[at], TransferKind::Transfer, (ada, ben), money(minor, "EUR")).unwrap()
    };
    let before = book(&mut tx, 0, 1);
    tx.back_to_savepoint().unwrap_err();
    tx.savepoint().unwrap();
    let undone = book(&mut tx, 1, 20);
    tx.back_to_savepoint().unwrap();
    let after = book(&mut tx, 2, 300);
    tx.release_savepoint().unwrap();
    tx.commit().unwrap();
    assert_eq!((after.transfer, after.credit_balance), (undone.transfer, money(301, "EUR")));
    assert_eq!(before.credit_balance, money(1, "EUR"));
    let report = bench.store.snapshot(|view| view.audit()).unwrap();
    assert_eq!((report.findings, report.transfers), (vec![], 3));
}

#[test]
fn a_transaction_whose_rows_could_not_be_written_is_not_committed_by_trying_again() {
    let (mut bench, ada, ben) = funded();
    let call = bench.call();
    let mut tx = bench.writer.begin().unwrap();
    post(&mut tx, call, TransferKind::Transfer, (ada, ben), money(1, "EUR")).unwrap();
    tx.conn.execute_batch("UPDATE account SET balance = balance + 1").unwrap();
    tx.rows("s").unwrap().find(b"k").unwrap_err();
    tx.rows("s").unwrap().find(b"k").unwrap_err();
    tx.commit().unwrap_err();
    let kept = bench.transfer(ada, ben, money(2, "EUR")).unwrap();
    assert_eq!(kept.credit_balance, money(2, "EUR"));
}
