//! Pages of a statement and of the lists join up without a gap or a repetition.

use switchboard_commands::bank::{Refusal, TransferKind};

use super::{Bench, id, money};

#[test]
fn a_statement_joins_up_over_its_pages_newest_first() {
    let mut bench = Bench::new();
    let (ada, ben) = (bench.open("EUR", 0), bench.open("EUR", 0));
    bench.deposit(ada, money(1000, "EUR")).unwrap();
    for cents in 1..=9 {
        bench.transfer(ada, ben, money(cents, "EUR")).unwrap();
    }
    let mut lines = Vec::new();
    let mut before = None;
    loop {
        let page = bench.writer.view().statement_page(ada, before, 4).unwrap().unwrap();
        assert!(page.lines.len() <= 4);
        lines.extend(page.lines);
        before = page.before;
        if before.is_none() {
            break;
        }
    }
    let amounts: Vec<i64> = lines.iter().map(|line| line.amount.amount.minor()).collect();
    assert_eq!(amounts, [-9, -8, -7, -6, -5, -4, -3, -2, -1, 1000]);
    let balances: Vec<i64> = lines.iter().map(|line| line.balance.amount.minor()).collect();
    assert_eq!(balances, [955, 964, 972, 979, 985, 990, 994, 997, 999, 1000]);
    assert_eq!(lines[9].kind, TransferKind::Deposit);
    assert_eq!(lines[0].memo.as_ref().unwrap().as_str(), "lunch");
}

#[test]
fn a_full_last_page_has_no_cursor_and_a_foreign_cursor_is_refused() {
    let mut bench = Bench::new();
    let (ada, ben) = (bench.open("EUR", 0), bench.open("EUR", 0));
    let first = bench.deposit(ada, money(5, "EUR")).unwrap().transfer;
    bench.deposit(ada, money(6, "EUR")).unwrap();
    let view = bench.writer.view();
    let page = view.statement_page(ada, None, 2).unwrap().unwrap();
    assert_eq!((page.lines.len(), page.before), (2, None));
    let refused = view.statement_page(ben, Some(first), 2).unwrap();
    assert_eq!(refused, Err(Refusal::ForeignCursor { account: ben, transfer: first }));
    let refused = view.statement_page(id(99), None, 2).unwrap();
    assert_eq!(refused, Err(Refusal::UnknownAccount { account: id(99) }));
}

#[test]
fn accounts_are_listed_in_order_with_the_organisation_first() {
    let mut bench = Bench::new();
    let ada = bench.open("EUR", -500);
    let ben = bench.open("JPY", 0);
    bench.deposit(ada, money(100, "EUR")).unwrap();
    let view = bench.writer.view();
    let all = view.accounts_page(None, 10).unwrap();
    let shown: Vec<String> =
        all.iter().map(|a| format!("{} {} {} {}", a.account, a.owner, a.balance, a.available)).collect();
    assert_eq!(
        shown,
        [
            "cash:EUR cash:EUR -1.00 EUR 9999999999999999.00 EUR",
            "1 Ada 1.00 EUR 6.00 EUR",
            "2 Ada 0 JPY 0 JPY"
        ]
    );
    assert_eq!(view.accounts_page(Some(ada), 10).unwrap()[0].account, ben);
    assert_eq!(view.accounts_page(None, 2).unwrap().len(), 2);
}

#[test]
fn a_suspended_deposit_is_listed_until_it_is_settled() {
    let mut bench = Bench::new();
    let ada = bench.open("EUR", 0);
    let (first, second) = (bench.suspend(money(300, "EUR")), bench.suspend(money(40, "EUR")));
    let list = bench.writer.view().suspended_page(None, 10).unwrap();
    assert_eq!(list.iter().map(|d| d.transfer).collect::<Vec<_>>(), [first, second]);
    assert_eq!((list[0].account, list[0].money), (id(404), money(300, "EUR")));
    let settled = bench.settle(first, ada).unwrap();
    assert_eq!(settled.credit_balance, money(300, "EUR"));
    let view = bench.writer.view();
    assert_eq!(view.suspense_item(first).unwrap().unwrap().settled_by, Some(settled.transfer));
    assert_eq!(view.suspended_page(None, 10).unwrap().len(), 1);
    assert_eq!(view.suspended_page(Some(second), 10).unwrap(), []);
    let report = view.audit().unwrap();
    assert_eq!((report.sound, report.suspended), (true, 1), "{:?}", report.findings);
}
