//! What the store says when all is quiet, asked of the undisturbed server. Absent: the clients' notes.

use std::collections::BTreeMap;
use std::time::Duration;

use switchboard_client::{CallId, Client, Nodes, Options, Plaintext, Trust};
use switchboard_commands::bank::{AccountId, Bank, Command, Reply, TransferKind};
use switchboard_commands::limits::STATEMENT_LINES_MAX;
use switchboard_commands::money::{Amount, Currency, Money};

use crate::processes::Place;
use crate::seats;
use crate::wire::Seats;

/// A withdrawal as the ledger has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) call: CallId,
    pub(crate) account: i64,
    pub(crate) transfer: i64,
    pub(crate) minor: i64,
    /// The account's balance behind it.
    pub(crate) balance: i64,
    pub(crate) memo: String,
}

/// What the store says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) entries: Vec<Entry>,
    /// By account.
    pub(crate) balances: BTreeMap<i64, i64>,
    /// By seat, those that somebody has.
    pub(crate) seats: BTreeMap<u32, String>,
}

/// A client of an undisturbed server.
pub(crate) struct Ledger(Client);

impl Ledger {
    pub(crate) fn open(place: &Place) -> Self {
        let address = format!("unix:{}", place.socket().display()).parse().unwrap();
        let nodes = Nodes::new(vec![address], Plaintext::LoopbackOnly).unwrap();
        Self(Client::open(Options::volatile(nodes, Trust::SystemRoots, Duration::from_secs(60))).unwrap())
    }

    pub(crate) async fn open_account(&self, opening_minor: i64) -> i64 {
        let opened = self.0.bank().open_account("Ada".parse().unwrap(), euros(0)).await.unwrap();
        let Reply::Opened { account, .. } = opened.result.unwrap() else { panic!("another reply") };
        let deposited = self.0.bank().deposit(account, euros(opening_minor), None).await.unwrap();
        assert!(matches!(deposited.result, Ok(Reply::Deposited { .. })));
        account.number()
    }

    pub(crate) async fn facts(&self, accounts: &[i64], seats_max: u32) -> Facts {
        let mut facts = Facts::default();
        for number in accounts {
            self.statement(*number, &mut facts).await;
        }
        for seat in 0..seats_max {
            let read = self.0.read::<Seats>(seats::Command::Who(seat)).await;
            if let Some(holder) = read.unwrap().unwrap().0 {
                facts.seats.insert(seat, holder);
            }
        }
        facts
    }

    async fn statement(&self, number: i64, facts: &mut Facts) {
        let account = AccountId::from_number(number).unwrap();
        let mut cursor = None;
        loop {
            let page = Command::Statement { account, limit: STATEMENT_LINES_MAX, before: cursor };
            let reply = self.0.read::<Bank>(page).await.unwrap().unwrap();
            let Reply::Statement { balance, lines, before, .. } = reply else { panic!("another reply") };
            facts.balances.insert(number, balance.amount.minor());
            for line in lines.into_iter().filter(|line| line.kind == TransferKind::Withdrawal) {
                facts.entries.push(Entry {
                    call: line.call.unwrap(),
                    account: number,
                    transfer: line.transfer.number(),
                    minor: -line.amount.amount.minor(),
                    balance: line.balance.amount.minor(),
                    memo: line.memo.unwrap().to_string(),
                });
            }
            cursor = before;
            if cursor.is_none() {
                return;
            }
        }
    }

    pub(crate) async fn close(self) {
        self.0.close().await;
    }
}

fn euros(minor: i64) -> Money {
    Amount::from_minor(minor).of(Currency::from_code(b"EUR").unwrap())
}
