//! What is measured: the matrix of cases.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::load::ACCOUNTS;
use crate::load::{Accounts, Work};

/// What every call of a case asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Task {
    /// Takes one minor unit from any account.
    Withdraw,
    /// Takes one minor unit, always from the same account.
    WithdrawHot,
    /// Asks for the balance of any account.
    Balance,
    /// Moves one minor unit between two accounts, so many times in one call.
    Bulk(u16),
}

/// A load that is put on the peers one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Case {
    /// What is asked.
    pub task: Task,
    /// Connections.
    pub connections: u16,
    /// Calls in flight on each.
    pub depth: u16,
}

/// All of them, in the order in which they are run and shown.
pub const MATRIX: &[Case] = &[
    Case::new(Task::Withdraw, 1, 1),
    Case::new(Task::Withdraw, 64, 1),
    Case::new(Task::Withdraw, 256, 1),
    Case::new(Task::Withdraw, 64, 16),
    Case::new(Task::Withdraw, 256, 16),
    Case::new(Task::WithdrawHot, 64, 1),
    Case::new(Task::WithdrawHot, 64, 16),
    Case::new(Task::Balance, 64, 16),
    Case::new(Task::Bulk(64), 64, 1),
    Case::new(Task::Bulk(8190), 4, 1),
];

impl Case {
    /// A case.
    #[must_use]
    pub const fn new(task: Task, connections: u16, depth: u16) -> Self {
        Self { task, connections, depth }
    }

    /// Calls in flight over all connections.
    #[must_use]
    pub const fn in_flight(self) -> u32 {
        self.connections as u32 * self.depth as u32
    }

    /// What Switchboard's own load sends.
    #[must_use]
    pub const fn work(self) -> Work {
        match self.task {
            Task::Withdraw => Work::Withdraw(Accounts::Any(ACCOUNTS)),
            Task::WithdrawHot => Work::Withdraw(Accounts::Hot),
            Task::Balance => Work::Balance(Accounts::Any(ACCOUNTS)),
            Task::Bulk(count) => Work::TransferMany(ACCOUNTS, count),
        }
    }

    /// Accounts that are named.
    #[must_use]
    pub const fn accounts(self) -> u32 {
        match self.task {
            Task::Withdraw | Task::Balance | Task::Bulk(_) => ACCOUNTS,
            Task::WithdrawHot => 1,
        }
    }

    /// So many calls take this much money from the accounts, in minor units.
    #[must_use]
    pub const fn withdrawn(self, calls: u64) -> u64 {
        match self.task {
            Task::Withdraw | Task::WithdrawHot => calls,
            Task::Balance | Task::Bulk(_) => 0,
        }
    }

    /// So many calls leave this many entries in the ledger.
    #[must_use]
    pub const fn entries(self, calls: u64) -> u64 {
        match self.task {
            Task::Withdraw | Task::WithdrawHot | Task::Bulk(_) => calls * self.counted(),
            Task::Balance => 0,
        }
    }

    /// What one call counts for in the figures: its transfers.
    #[must_use]
    pub const fn counted(self) -> u64 {
        match self.task {
            Task::Withdraw | Task::WithdrawHot | Task::Balance => 1,
            Task::Bulk(count) => count as u64,
        }
    }

    /// For a reader.
    #[must_use]
    pub fn title(self) -> String {
        let what = match self.task {
            Task::Withdraw => "Withdraw, 1000 accounts",
            Task::WithdrawHot => "Withdraw, one hot account",
            Task::Balance => "Balance (read), 1000 accounts",
            Task::Bulk(count) => {
                return format!("Bulk transfers, {count} a call, counted one by one: {}", self.load());
            }
        };
        format!("{what}: {}", self.load())
    }

    /// How much at a time, for a reader.
    #[must_use]
    pub fn load(self) -> String {
        match self.connections {
            1 => format!("1 connection, {} in flight", self.depth),
            many => format!("{many} connections, {} in flight on each", self.depth),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = match self.task {
            Task::Withdraw => "withdraw",
            Task::WithdrawHot => "hot",
            Task::Balance => "balance",
            Task::Bulk(count) => return write!(f, "bulk{count}-{}x{}", self.connections, self.depth),
        };
        write!(f, "{task}-{}x{}", self.connections, self.depth)
    }
}

crate::by_name::by_name!(Case, "case", MATRIX);
