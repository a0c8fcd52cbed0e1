//! What an application wants done, once: the unit that the model counts. Each wish has a number, which the command
//! carries into the ledger (as a memo, or as the name of an owner) and the call carries in its label, so that every
//! effect and every answer can be traced to the wish it belongs to, whatever call ids it went through.

use switchboard_commands::bank::{AccountId, Command, Memo, Movement, Movements};
use switchboard_commands::money::{Amount, Currency, Money};

use crate::chance::Chance;

/// The number of a wish.
pub type Intent = u64;

/// Accounts that exist from the start; wishes move money between them.
pub const ACCOUNTS: i64 = 4;

/// The account with this number.
///
/// # Panics
/// When the number is not positive.
#[must_use]
pub fn account(number: i64) -> AccountId {
    AccountId::from_number(number).expect("members' accounts have positive numbers")
}

/// The two currencies of the simulated bank: accounts with even numbers hold the second.
#[must_use]
pub fn currency(number: i64) -> Currency {
    let code: &[u8] = if number % 2 == 1 { b"EUR" } else { b"JPY" };
    Currency::from_code(code).expect("both are in ISO 4217")
}

/// So much of the currency that an account holds.
#[must_use]
pub fn money(minor_units: i64, account: i64) -> Money {
    Amount::from_minor(minor_units).of(currency(account))
}

/// What is written into label, memo or owner.
#[must_use]
pub fn mark(intent: Intent) -> String {
    format!("w{intent}")
}

/// The wish that a label, memo or owner belongs to.
#[must_use]
pub fn marked(text: &str) -> Option<Intent> {
    text.strip_prefix('w')?.split('/').next()?.parse().ok()
}

/// How many entries of the ledger the wish of this memo is: behind a stroke where it is not one.
#[must_use]
pub fn entries(memo: &str) -> u16 {
    memo.split_once('/').and_then(|(_, entries)| entries.parse().ok()).unwrap_or(1)
}

/// A command for this wish, most of them possible, some to be refused.
///
/// # Panics
/// Never: marks are short.
pub fn command(intent: Intent, chance: &mut Chance) -> Command {
    let memo = Some(mark(intent).parse().expect("a mark is a short line"));
    let number = i64::try_from(chance.between(1, 4)).expect("a few");
    let minor = i64::try_from(chance.between(1, 400)).expect("a few");
    match chance.below(20) {
        0 => {
            let owner = mark(intent).parse().expect("a mark is a short line");
            Command::OpenAccount { owner, floor: money(0, number) }
        }
        // Nobody's account: the money goes to suspense.
        1 => Command::Deposit { account: account(900 + number), money: money(minor, number), memo },
        // Another currency than the account's.
        2 => Command::Withdraw { account: account(number), money: money(minor, number + 1), memo },
        3 => Command::Withdraw { account: account(number), money: money(1_000_000, number), memo },
        4..=8 => Command::Deposit { account: account(number), money: money(minor, number), memo },
        9..=10 => {
            let (from, to) = (account(number), account((number + 1) % ACCOUNTS + 1));
            Command::Transfer { from, to, money: money(minor, number), memo }
        }
        11..=12 => transfer_many(intent, number),
        _ => Command::Withdraw { account: account(number), money: money(minor, number), memo },
    }
}

/// Money to and fro between the two accounts of a currency; some ask for more than is there, at any place of the list.
fn transfer_many(intent: Intent, number: i64) -> Command {
    let mut chance = Chance::of(intent, "movements", 0);
    let sides = [account(number), account((number + 1) % ACCOUNTS + 1)];
    let count = chance.between(1, 6);
    let memo: Memo = format!("{}/{count}", mark(intent)).parse().expect("a mark is a short line");
    let movements = (0..count).map(|_| {
        let (from, to) = if chance.happens(0.5) { (sides[0], sides[1]) } else { (sides[1], sides[0]) };
        let minor = i64::try_from(chance.between(1, 400)).expect("a few");
        Movement { from, to, amount: Amount::from_minor(minor), memo: Some(memo.clone()) }
    });
    let transfers = Movements::new(movements.collect()).expect("a few movements");
    Command::TransferMany { currency: currency(number), transfers }
}
