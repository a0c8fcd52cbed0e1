//! A list of transfers is booked as if one by one, or leaves no trace.

use proptest::prelude::*;
use switchboard_call::id::CallId;
use switchboard_commands::bank::{AccountId, AccountKind, Memo, Refusal, TransferId, TransferKind};
use switchboard_commands::limits::{AMOUNT_MINOR_UNITS_MAX, TRANSFERS_MAX};

use super::{Bench, id, money};
use crate::ledger::StatementPage;
use crate::{NewTransfer, PostedAll, RefusedAt};

/// From, to, minor units; account 0 is the till.
type Movement = (i64, i64, i64);

fn account(number: i64) -> AccountId {
    if number == 0 { AccountId::cash("EUR".parse().unwrap()) } else { id(number) }
}

fn kind(debit: AccountId, credit: AccountId) -> TransferKind {
    match (debit.kind(), credit.kind()) {
        (AccountKind::Cash(_), _) => TransferKind::Deposit,
        (_, AccountKind::Cash(_)) => TransferKind::Withdrawal,
        (AccountKind::Member | AccountKind::Suspense(_), _) => TransferKind::Transfer,
    }
}

fn list<'a>(call: CallId, movements: &[Movement], memo: Option<&'a Memo>) -> Vec<NewTransfer<'a>> {
    let new = |(part, (from, to, minor)): (u16, &Movement)| {
        let (debit, credit, money) = (account(*from), account(*to), money(*minor, "EUR"));
        NewTransfer { debit, credit, money, kind: kind(debit, credit), memo, call, part, at_us: 9 }
    };
    (0..).zip(movements).map(new).collect()
}

impl Bench {
    fn post_all(&mut self, movements: &[Movement]) -> Result<PostedAll, RefusedAt> {
        let (call, memo) = (self.call(), "wages".parse().unwrap());
        let before = self.writer.view().conn.total_changes();
        let mut tx = self.writer.begin().unwrap();
        let posted = tx.post_all(&list(call, movements, Some(&memo))).unwrap();
        tx.commit().unwrap();
        let wrote = self.writer.view().conn.total_changes() - before;
        assert_eq!(wrote == 0, posted.is_err(), "{wrote} rows written, {posted:?}");
        posted
    }

    fn post_each(&mut self, movements: &[Movement]) -> Result<(), RefusedAt> {
        let (call, memo) = (self.call(), "wages".parse().unwrap());
        let mut tx = self.writer.begin().unwrap();
        for (index, new) in (0..).zip(list(call, movements, Some(&memo))) {
            tx.post(&new).unwrap().map_err(|refusal| RefusedAt { index, refusal })?;
        }
        tx.commit().unwrap();
        Ok(())
    }

    /// Everything that can be read of every account; the audit must be sound.
    fn pages(&self) -> Vec<StatementPage> {
        let view = self.writer.view();
        let report = view.audit().unwrap();
        assert!(report.sound, "{:?}", report.findings);
        let accounts = view.accounts_page(None, u16::MAX).unwrap();
        let page = |line: &switchboard_commands::bank::AccountLine| {
            view.statement_page(line.account, None, u16::MAX).unwrap().unwrap()
        };
        accounts.iter().map(page).collect()
    }

    fn balances(&self) -> Vec<i64> {
        self.pages().iter().map(|page| page.balance.amount.minor()).collect()
    }
}

/// Ada with 1.00 EUR, Ben with nothing, Cho who may owe 0.50 EUR: accounts 1 to 3.
fn bench() -> Bench {
    let mut bench = Bench::new();
    for floor in [0, 0, -50] {
        bench.open("EUR", floor);
    }
    bench.deposit(id(1), money(100, "EUR")).unwrap();
    bench
}

#[test]
fn money_that_a_list_gives_may_be_passed_on_by_the_same_list() {
    let mut bench = bench();
    let entry = |number| TransferId::from_number(number).unwrap();
    let posted = bench.post_all(&[(1, 2, 100), (2, 3, 60), (3, 1, 10), (2, 1, 40)]);
    assert_eq!(posted, Ok(PostedAll { first: entry(2), last: entry(5) }));
    assert_eq!(bench.balances(), [-100, 50, 0, 50]);
    let page = bench.writer.view().statement_page(id(1), None, 9).unwrap().unwrap();
    let lines: Vec<_> =
        page.lines.iter().map(|l| (l.amount.amount.minor(), l.balance.amount.minor())).collect();
    assert_eq!(lines, [(40, 50), (10, 10), (-100, 0), (100, 100)]);
    assert_eq!(page.lines[0].memo.as_ref().unwrap().as_str(), "wages");
}

#[test]
fn the_order_decides_whether_an_account_falls_below_its_floor_in_between() {
    let mut bench = bench();
    let before = bench.pages();
    let (available, wanted) = (money(0, "EUR"), money(60, "EUR"));
    let refusal = Refusal::NotEnoughMoney { account: id(2), available, wanted };
    assert_eq!(bench.post_all(&[(2, 3, 60), (1, 2, 100)]), Err(RefusedAt { index: 0, refusal }));
    assert_eq!(bench.pages(), before);
    bench.post_all(&[(1, 2, 100), (2, 3, 60)]).unwrap();
    assert_eq!(bench.balances(), [-100, 0, 40, 60]);
}

#[test]
fn one_refusal_leaves_nothing_of_the_list() {
    let mut bench = bench();
    bench.open("JPY", 0);
    let before = bench.pages();
    for (last, code) in [
        ((1, 2, 91), "not_enough_money"),
        ((3, 2, 56), "below_floor"),
        ((1, 2, 0), "amount_not_positive"),
        ((1, 2, -1), "amount_not_positive"),
        ((1, 2, i64::MAX), "amount_too_large"),
        ((1, 1, 5), "same_account"),
        ((1, 9, 5), "unknown_account"),
        ((9, 1, 5), "unknown_account"),
        ((1, 4, 5), "wrong_currency"),
    ] {
        let refused = bench.post_all(&[(1, 2, 5), (1, 3, 5), last, (1, 2, 1)]).unwrap_err();
        assert_eq!((refused.index, refused.refusal.code()), (2, code));
        assert_eq!(bench.pages(), before);
    }
}

#[test]
fn a_balance_that_would_overflow_in_between_is_refused() {
    let mut bench = bench();
    let rich = bench.open("EUR", -AMOUNT_MINOR_UNITS_MAX).number();
    bench.post_all(&[(rich, 2, AMOUNT_MINOR_UNITS_MAX)]).unwrap();
    let refused = bench.post_all(&[(1, 2, 1), (2, 3, 1)]).unwrap_err();
    assert_eq!((refused.index, refused.refusal.code()), (0, "overflow"));
    bench.post_all(&[(2, 3, 1), (1, 2, 1)]).unwrap();
    let refused = bench.post_all(&[(2, 3, 1), (rich, 2, 1)]).unwrap_err();
    assert_eq!((refused.index, refused.refusal.code()), (1, "below_floor"));
    bench.pages();
}

#[test]
fn the_longest_list_goes_through_one_hot_account() {
    let mut bench = bench();
    bench.deposit(id(1), money(100_000, "EUR")).unwrap();
    let there_and_back = [(1, 2, 3), (2, 1, 2)];
    let longest: Vec<_> = there_and_back.into_iter().cycle().take(TRANSFERS_MAX.into()).collect();
    let posted = bench.post_all(&longest).unwrap();
    assert_eq!(posted.last.number() - posted.first.number() + 1, i64::from(TRANSFERS_MAX));
    assert_eq!(bench.balances(), [-100_100, 100_100 - 4095, 4095, 0]);
}

#[test]
fn the_till_is_opened_by_the_list_that_needs_it_first_and_lists_of_impossible_lengths_fail() {
    let mut bench = Bench::new();
    bench.open("EUR", 0);
    let refused = bench.post_all(&[(0, 1, 5), (1, 0, 6)]).unwrap_err();
    assert_eq!((refused.index, refused.refusal.code()), (1, "not_enough_money"));
    assert_eq!(bench.balances(), [0]);
    bench.post_all(&[(0, 1, 5), (1, 0, 2)]).unwrap();
    assert_eq!(bench.balances(), [-3, 3]);
    let too_long = vec![list(bench.call(), &[(0, 1, 5)], None).remove(0); 65_537];
    for list in [&[][..], &too_long] {
        assert!(bench.writer.begin().unwrap().post_all(list).is_err());
    }
}

fn any_movement() -> impl Strategy<Value = Movement> {
    let minor = prop_oneof![
        20 => 1..90_i64,
        1 => -1..=0_i64,
        1 => AMOUNT_MINOR_UNITS_MAX - 60..=AMOUNT_MINOR_UNITS_MAX,
    ];
    let side = || prop_oneof![2 => Just(0_i64), 12 => 1..5_i64, 1 => 5..7_i64];
    (side(), side(), minor)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_list_is_what_its_transfers_are_one_by_one(
        lists in prop::collection::vec(prop::collection::vec(any_movement(), 1..12), 1..6)
    ) {
        let (mut together, mut apart) = (Bench::new(), Bench::new());
        for bench in [&mut together, &mut apart] {
            for (currency, floor) in
                [("EUR", 0), ("EUR", -90), ("EUR", -AMOUNT_MINOR_UNITS_MAX), ("EUR", 0), ("JPY", 0)]
            {
                bench.open(currency, floor);
            }
        }
        for list in lists {
            let posted = together.post_all(&list).map(drop);
            prop_assert_eq!(posted, apart.post_each(&list));
            prop_assert_eq!(together.pages(), apart.pages());
        }
    }
}
