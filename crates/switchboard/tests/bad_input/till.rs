//! A cash machine in the test's own process: the client of the library, on the server's Unix socket, its journal where the
//! command line keeps its own, so that `switchboard call` settles what it leaves open.

use std::path::Path;

use switchboard_client::{
    Address, Client, JournalPlace, KnownServers, Nodes, Options, Pending, Plaintext, Trust,
};
use switchboard_commands::bank::{AccountId, Bank, Command, Reply};
use switchboard_commands::money::{Amount, Currency, Money};

use crate::house::House;

pub(crate) struct Till {
    client: Client,
}

impl Till {
    /// Opens the journal and waits for the server's greeting.
    pub(crate) async fn open(house: &House) -> Self {
        let socket = Address::Unix(house.data().join("socket"));
        let nodes = Nodes::new(vec![socket], Plaintext::LoopbackOnly).unwrap();
        let trust = Trust::FirstUse(KnownServers::at(house.data().join("known_servers")));
        let journal = JournalPlace::Folder(house.data().join("client"));
        let options =
            Options { principal: "command line".to_owned(), ..Options::durable(nodes, trust, journal) };
        let client = Client::open(options).unwrap();
        client.connected().await.unwrap();
        Self { client }
    }

    /// Withdraws one euro from account 1, not waiting for the answer.
    pub(crate) async fn begin(&self) -> Pending<Bank> {
        let command = Command::Withdraw { account: account(), money: euros(1), memo: None };
        self.client.begin::<Bank>(command).await.unwrap()
    }

    /// Withdraws one euro from account 1; returns the balance afterwards.
    pub(crate) async fn withdraw(&self) -> Money {
        self.taken(self.begin().await).await.expect("the withdrawal is answered")
    }

    /// The balance after a withdrawal, none when it is not known what became of it.
    pub(crate) async fn taken(&self, pending: Pending<Bank>) -> Option<Money> {
        let answered = pending.answer().await.ok()?;
        self.client.acknowledge(answered.id).await.unwrap();
        match answered.result {
            Ok(Reply::Withdrawn { balance, .. }) => Some(balance),
            other => panic!("no withdrawal but {other:?}"),
        }
    }

    pub(crate) async fn close(self) {
        self.client.close().await;
    }
}

pub(crate) fn euros(whole: i64) -> Money {
    let euro: Currency = "EUR".parse().unwrap();
    Amount::from_minor(whole * 100).of(euro)
}

fn account() -> AccountId {
    AccountId::from_number(1).unwrap()
}

/// An account with this many euros, number 1.
pub(crate) fn furnish(house: &House, whole_euros: u32) {
    house.ok(&["bank", "open", "Ada", "EUR"]);
    house.ok(&["bank", "deposit", "1", &format!("{whole_euros}.00")]);
}

/// A data folder of somebody else, who speaks to the server behind `socket` by himself.
pub(crate) fn next_door(socket: &Path) -> House {
    let house = House::new();
    std::fs::create_dir_all(house.data()).unwrap();
    std::os::unix::fs::symlink(socket, house.data().join("socket")).unwrap();
    house
}

/// The books hold, and account 1 has this many euros.
pub(crate) fn check_books(house: &House, whole_euros: u32) {
    let balance = house.ok(&["bank", "balance", "1"]);
    assert!(balance.starts_with(&format!("account 1: balance {whole_euros}.00 EUR,")), "{balance}");
    house.ok(&["bank", "audit"]);
}
