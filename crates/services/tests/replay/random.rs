//! Any sequence of commands, each sent three times: one effect each, a sound audit behind each, and all
//! money accounted for at the end.

use proptest::prelude::*;
use switchboard_commands::bank::{Bank, Command, Reply};
use switchboard_commands::money::Amount;

use crate::bank::{deposit, open, settle, transfer, transfer_many, withdraw};
use crate::laboratory::Laboratory;

fn any_command() -> impl Strategy<Value = Command> {
    let account = 1..5_i64;
    let amount = prop_oneof![
        6 => (1..90_i64).prop_map(|cents| format!("0.{cents:02} EUR")),
        1 => (1..90_i64).prop_map(|yen| format!("{yen} JPY")),
        1 => Just("0.00 EUR".to_owned()),
        1 => Just("10000000000000000.00 EUR".to_owned()),
    ];
    prop_oneof![
        1 => Just(open("Ada", "0.00 EUR")),
        1 => Just(open("Ben", "-0.50 EUR")),
        4 => (account.clone(), amount.clone()).prop_map(|(to, amount)| deposit(to, &amount)),
        3 => (account.clone(), amount.clone()).prop_map(|(from, amount)| withdraw(from, &amount)),
        3 => (account.clone(), account.clone(), amount).prop_map(|(from, to, a)| transfer(from, to, &a)),
        2 => (1..9_i64, account.clone()).prop_map(|(deposit, to)| settle(deposit, to)),
        3 => prop::collection::vec((account.clone(), account, 1..90_i64), 1..6)
            .prop_map(|movements| transfer_many(&movements)),
    ]
}

/// What the command brought in or handed out, in minor units of EUR.
fn received(reply: &Reply, command: &Command) -> i64 {
    let in_eur = |money: &switchboard_commands::money::Money| match money.currency.code() {
        "EUR" => money.amount.minor(),
        _ => 0,
    };
    match (reply, command) {
        (Reply::Deposited { .. } | Reply::Suspended { .. }, Command::Deposit { money, .. }) => in_eur(money),
        (Reply::Withdrawn { .. }, Command::Withdraw { money, .. }) => -in_eur(money),
        _ => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn all_money_is_accounted_for(commands in prop::collection::vec(any_command(), 1..25)) {
        let mut lab = Laboratory::new();
        let mut till = 0;
        for command in &commands {
            if let Ok(reply) = lab.replay::<Bank>(command) {
                till += received(&reply, command);
            }
        }
        let Ok(Reply::Audited { report }) = lab.read::<Bank>(&Command::Audit) else { panic!("no report") };
        let sum = report.currencies.iter().find(|sum| sum.currency.code() == "EUR");
        let nothing = Amount::ZERO;
        let (owed, cash) = sum.map_or((nothing, nothing), |sum| {
            (sum.members.amount.checked_add(sum.suspense.amount).unwrap(), sum.cash.amount)
        });
        prop_assert_eq!((owed.minor(), cash.minor()), (till, -till));
    }
}
