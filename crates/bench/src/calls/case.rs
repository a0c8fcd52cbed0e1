//! What is measured: the matrix of cases.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::load::{Accounts, Work};
use crate::peers::ACCOUNTS;

/// What every call of a case asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Task {
    /// Takes one minor unit from any account.
    Withdraw,
    /// Takes one minor unit, always from the same account.
    WithdrawHot,
    /// Asks for the balance of any account.
    Balance,
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
        }
    }

    /// Accounts that are named.
    #[must_use]
    pub const fn accounts(self) -> u32 {
        match self.task {
            Task::Withdraw | Task::Balance => ACCOUNTS,
            Task::WithdrawHot => 1,
        }
    }

    /// So many calls move this much money, in minor units, in as many entries.
    #[must_use]
    pub const fn withdrawn(self, calls: u64) -> u64 {
        match self.task {
            Task::Withdraw | Task::WithdrawHot => calls,
            Task::Balance => 0,
        }
    }

    /// For a reader.
    #[must_use]
    pub fn title(self) -> String {
        let what = match self.task {
            Task::Withdraw => "Withdraw, 1000 accounts",
            Task::WithdrawHot => "Withdraw, one hot account",
            Task::Balance => "Balance (read), 1000 accounts",
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
        };
        write!(f, "{task}-{}x{}", self.connections, self.depth)
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || MATRIX.iter().map(Self::to_string).collect::<Vec<_>>().join(", ");
        let found = MATRIX.iter().find(|case| case.to_string() == name);
        found.copied().ok_or_else(|| format!("no case is called {name}; there are {}", names()))
    }
}

impl From<Case> for String {
    fn from(case: Case) -> Self {
        case.to_string()
    }
}

impl TryFrom<String> for Case {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}
