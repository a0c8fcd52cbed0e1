//! What is asked.

use switchboard_commands::bank::{AccountId, Command, Movement, Movements};
use switchboard_commands::money::{Amount, Currency};

/// The currency of every account of a load.
const CURRENCY: &[u8] = b"EUR";
/// Accounts that the store of every server and peer holds at the start.
pub const ACCOUNTS: u32 = 1000;
/// What an account holds when it was filled: nobody runs out.
pub const FILLED_MINOR: i64 = 1_000_000_000_000;

/// Which accounts are named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accounts {
    /// Any of the first so many, at random.
    Any(u32),
    /// Always the first one.
    Hot,
}

/// What every call or read of a load asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Opens accounts.
    Open,
    /// Puts money on the first so many accounts, one after the other.
    Fill(u32),
    /// Takes one minor unit.
    Withdraw(Accounts),
    /// Moves one minor unit between two of the accounts, so many times in one call.
    TransferMany(u32, u16),
    /// Asks for a balance.
    Balance(Accounts),
    /// Asks for the newest so many lines of a statement.
    Statement(Accounts, u16),
}

/// Makes the commands of one connection.
#[derive(Debug)]
pub(super) struct Source {
    work: Work,
    random: u64,
    number: u64,
    step: u64,
}

impl Source {
    /// The `number`-th of `count` connections.
    pub(super) fn new(work: Work, seed: u64, number: u64, count: u64) -> Self {
        let random = (seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1;
        Self { work, random, number, step: count }
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self.work, Work::Balance(_) | Work::Statement(..))
    }

    /// The next command.
    pub(super) fn next(&mut self) -> Command {
        match self.work {
            Work::Open => {
                let owner = "load".parse().expect("a short word is an owner");
                Command::OpenAccount { owner, floor: Amount::ZERO.of(euro()) }
            }
            Work::Fill(count) => {
                let account =
                    AccountId::from_number(i64::try_from(self.number % u64::from(count)).unwrap_or(0) + 1);
                self.number += self.step;
                let money = Amount::from_minor(FILLED_MINOR).of(euro());
                Command::Deposit { account: account.expect("counted from 1"), money, memo: None }
            }
            Work::Withdraw(accounts) => {
                let money = Amount::from_minor(1).of(euro());
                Command::Withdraw { account: self.account(accounts), money, memo: None }
            }
            Work::TransferMany(accounts, count) => {
                let movements = (0..count).map(|_| self.movement(accounts)).collect();
                let transfers = Movements::new(movements).expect("a load keeps to the limits of the bank");
                Command::TransferMany { currency: euro(), transfers }
            }
            Work::Balance(accounts) => Command::Balance { account: self.account(accounts) },
            Work::Statement(accounts, limit) => {
                Command::Statement { account: self.account(accounts), limit, before: None }
            }
        }
    }

    /// Between two different accounts of the first so many.
    fn movement(&mut self, accounts: u32) -> Movement {
        let from = self.account(Accounts::Any(accounts));
        let to = from.number() % i64::from(accounts) + 1;
        let to = AccountId::from_number(to).expect("counted from 1");
        Movement { from, to, amount: Amount::from_minor(1), memo: None }
    }

    fn account(&mut self, accounts: Accounts) -> AccountId {
        let number = match accounts {
            Accounts::Any(count) => i64::try_from(self.random() % u64::from(count)).unwrap_or(0) + 1,
            Accounts::Hot => 1,
        };
        AccountId::from_number(number).expect("counted from 1")
    }

    /// xorshift64: enough for spreading load.
    pub(super) fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

fn euro() -> Currency {
    Currency::from_code(CURRENCY).expect("ISO 4217 has the euro")
}
