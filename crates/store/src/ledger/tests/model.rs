//! Any sequence of bookings leaves what a simple model says: replies, refusals, balances, statements. And
//! the audit of it is sound.

use std::collections::BTreeMap;

use proptest::prelude::*;
use switchboard_commands::bank::{AccountId, Refusal, TransferKind};
use switchboard_commands::limits::AMOUNT_MINOR_UNITS_MAX;
use switchboard_commands::money::Money;

use super::{Bench, id, money};

const CURRENCIES: [&str; 2] = ["EUR", "JPY"];

#[derive(Clone, Debug)]
enum Step {
    Open { currency: usize, floor: i64 },
    Deposit { account: i64, currency: usize, amount: i64 },
    Withdraw { account: i64, currency: usize, amount: i64 },
    Transfer { from: i64, to: i64, currency: usize, amount: i64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    let account = 1..6_i64;
    let amount = prop_oneof![
        8 => 1..1000_i64,
        1 => -5..=0_i64,
        1 => AMOUNT_MINOR_UNITS_MAX - 1500..=AMOUNT_MINOR_UNITS_MAX,
        1 => Just(i64::MAX),
        1 => Just(i64::MIN),
    ];
    let currency = prop_oneof![5 => Just(0_usize), 1 => Just(1_usize)];
    prop_oneof![
        2 => (currency.clone(), -800..=0_i64).prop_map(|(currency, floor)| Step::Open { currency, floor }),
        3 => (account.clone(), currency.clone(), amount.clone())
            .prop_map(|(account, currency, amount)| Step::Deposit { account, currency, amount }),
        3 => (account.clone(), currency.clone(), amount.clone())
            .prop_map(|(account, currency, amount)| Step::Withdraw { account, currency, amount }),
        4 => (account.clone(), account, currency, amount)
            .prop_map(|(from, to, currency, amount)| Step::Transfer { from, to, currency, amount }),
    ]
}

struct ModelAccount {
    currency: &'static str,
    floor: i128,
    /// Signed amounts, oldest first.
    entries: Vec<(TransferKind, i128)>,
}

impl ModelAccount {
    fn balance(&self) -> i128 {
        self.entries.iter().map(|(_, amount)| amount).sum()
    }
}

#[derive(Default)]
struct Model(BTreeMap<AccountId, ModelAccount>);

impl Model {
    /// The stable name of the refusal, if there is one; else moves the money.
    fn post(
        &mut self,
        kind: TransferKind,
        debit: AccountId,
        credit: AccountId,
        money: Money,
    ) -> Option<&'static str> {
        let limit = i128::from(AMOUNT_MINOR_UNITS_MAX);
        let amount = i128::from(money.amount.minor());
        if amount <= 0 {
            return Some("amount_not_positive");
        }
        if amount > limit {
            return Some("amount_too_large");
        }
        if debit == credit {
            return Some("same_account");
        }
        for side in [debit, credit] {
            if !side.is_member() {
                let currency = CURRENCIES.into_iter().find(|c| *c == money.currency.code()).unwrap();
                self.0.entry(side).or_insert(ModelAccount { currency, floor: -limit, entries: Vec::new() });
            }
        }
        let accounts = [(debit, -amount), (credit, amount)];
        for (side, change) in accounts {
            let Some(account) = self.0.get(&side) else { return Some("unknown_account") };
            if account.currency != money.currency.code() {
                return Some("wrong_currency");
            }
            let after = account.balance() + change;
            if after < account.floor && !side.is_member() || after > limit {
                return Some("overflow");
            }
            if after < account.floor {
                return Some(if account.floor == 0 { "not_enough_money" } else { "below_floor" });
            }
        }
        for (side, change) in accounts {
            self.0.get_mut(&side).unwrap().entries.push((kind, change));
        }
        None
    }
}

fn carry_out(bench: &mut Bench, model: &mut Model, step: &Step) {
    let (kind, debit, credit, money) = match *step {
        Step::Open { currency, floor } => {
            let currency = CURRENCIES[currency];
            let opened = bench.open(currency, floor);
            let account = ModelAccount { currency, floor: floor.into(), entries: Vec::new() };
            assert!(model.0.insert(opened, account).is_none());
            return;
        }
        Step::Deposit { account, currency, amount } => {
            let money = money(amount, CURRENCIES[currency]);
            (TransferKind::Deposit, AccountId::cash(money.currency), id(account), money)
        }
        Step::Withdraw { account, currency, amount } => {
            let money = money(amount, CURRENCIES[currency]);
            (TransferKind::Withdrawal, id(account), AccountId::cash(money.currency), money)
        }
        Step::Transfer { from, to, currency, amount } => {
            (TransferKind::Transfer, id(from), id(to), money(amount, CURRENCIES[currency]))
        }
    };
    let before = bench.writer.view().conn.total_changes();
    let posted = bench.post(kind, debit, credit, money);
    let refusal = model.post(kind, debit, credit, money);
    assert_eq!(posted.as_ref().err().map(Refusal::code), refusal, "{step:?}");
    match posted {
        Err(_) => assert_eq!(bench.writer.view().conn.total_changes(), before, "a refusal wrote"),
        Ok(posted) => {
            let balance = |side: &AccountId| model.0[side].balance();
            assert_eq!(i128::from(posted.debit_balance.amount.minor()), balance(&debit));
            assert_eq!(i128::from(posted.credit_balance.amount.minor()), balance(&credit));
        }
    }
}

fn compare(bench: &Bench, model: &Model) {
    let view = bench.writer.view();
    for (number, expected) in model.0.iter().filter(|(id, a)| id.is_member() || !a.entries.is_empty()) {
        let page = view.statement_page(*number, None, u16::MAX).unwrap().unwrap();
        assert_eq!(i128::from(page.balance.amount.minor()), expected.balance());
        let mut balance = 0;
        let mut lines = page.lines.iter().rev();
        for (kind, amount) in &expected.entries {
            balance += amount;
            let line = lines.next().unwrap();
            let found = (line.kind, line.amount.amount.minor().into(), line.balance.amount.minor().into());
            assert_eq!(found, (*kind, *amount, balance));
        }
        assert!(lines.next().is_none());
    }
    let report = bench.store.snapshot(|view| view.audit()).unwrap();
    assert!(report.sound, "{:?}", report.findings);
    assert!(report.currencies.iter().all(|sum| sum.sum.amount.minor() == 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_ledger_equals_the_model(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut bench = Bench::new();
        let mut model = Model::default();
        for step in &steps {
            carry_out(&mut bench, &mut model, step);
        }
        compare(&bench, &model);
    }
}

#[test]
fn several_transfers_of_one_call_are_one_execution() {
    let mut bench = Bench::new();
    let ada = bench.open("EUR", 0);
    let call = bench.call();
    let mut tx = bench.writer.begin().unwrap();
    for part in 0..3 {
        let debit = AccountId::cash("EUR".parse().unwrap());
        let (money, kind) = (money(5, "EUR"), TransferKind::Deposit);
        let new = crate::NewTransfer { debit, credit: ada, money, kind, memo: None, call, part, at_us: 9 };
        tx.post(&new).unwrap().unwrap();
    }
    tx.commit().unwrap();
    let report = bench.writer.view().audit().unwrap();
    assert!(report.sound, "{:?}", report.findings);
}
