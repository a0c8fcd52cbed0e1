//! The client over real sockets and real files. One binary; the modules are the subjects.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop where it stands")]

mod connecting;
mod crashes;
mod faults;
mod journal;
mod real;
mod scripted;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use scripted::Scripted;
use switchboard_client::{
    AnsweredBy, CallError, Client, Event, JournalPlace, KnownServers, Nodes, Options, Plaintext, Trust,
};
use switchboard_commands::bank::{AccountId, Bank, Command, Reply};
use switchboard_commands::money::{Amount, Currency, Money};

/// Long enough for a test machine under load; no test waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

fn account() -> AccountId {
    AccountId::from_number(1).unwrap()
}

fn euros(minor: i64) -> Money {
    Amount::from_minor(minor).of(Currency::from_code(b"EUR").unwrap())
}

fn deposit(minor: i64) -> Command {
    Command::Deposit { account: account(), money: euros(minor), memo: None }
}

fn nodes(addresses: &[&str]) -> Nodes {
    Nodes::new(addresses.iter().map(|text| text.parse().unwrap()).collect(), Plaintext::LoopbackOnly).unwrap()
}

/// Nobody is known there: for tests without TLS.
fn trust() -> Trust {
    Trust::FirstUse(KnownServers::at("/nowhere"))
}

fn durable(address: &str, journal: &std::path::Path) -> Options {
    Options::durable(nodes(&[address]), trust(), JournalPlace::File(journal.into()))
}

fn volatile(address: &str) -> Options {
    Options::volatile(nodes(&[address]), trust(), PATIENCE)
}

fn balance(answered: &AnsweredBy<Bank>) -> i64 {
    let Reply::Deposited { balance, .. } = answered.result.as_ref().unwrap() else {
        panic!("{answered:?}");
    };
    balance.amount.minor()
}

/// Collects events and lets tests wait for one.
#[derive(Clone)]
struct Events(Arc<Mutex<Vec<Event>>>, tokio::sync::watch::Sender<()>);

impl Events {
    fn of(options: Options) -> (Options, Self) {
        let events = Self(Arc::default(), tokio::sync::watch::Sender::new(()));
        let sink = events.clone();
        let on_event = Arc::new(move |event| {
            sink.0.lock().unwrap().push(event);
            sink.1.send_replace(());
        });
        (Options { on_event, ..options }, events)
    }

    async fn until(&self, wanted: impl Fn(&Event) -> bool) -> Event {
        let mut news = self.1.subscribe();
        let find = || self.0.lock().unwrap().iter().find(|event| wanted(event)).cloned();
        news.wait_for(|()| find().is_some()).await.unwrap();
        find().unwrap()
    }
}

/// Opens the journal as soon as its last holder has let go.
async fn reopen(options: impl Fn() -> Options) -> Client {
    loop {
        match Client::open(options()) {
            Ok(client) => return client,
            Err(error) if error.to_string().contains("in use") => tokio::task::yield_now().await,
            Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
        }
    }
}

/// An error with everything that caused it, as a person reads it.
fn whole(error: &CallError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

async fn deposit_once(server: &Scripted, options: Options) {
    let client = Client::open(options).unwrap();
    let answered = client.call::<Bank>(deposit(250)).await.unwrap();
    assert_eq!(balance(&answered), 250);
    assert!(!answered.maybe_seen);
    assert_eq!(server.memory().executed, [answered.id]);
    client.acknowledge(answered.id).await.unwrap();
    client.close().await;
}
