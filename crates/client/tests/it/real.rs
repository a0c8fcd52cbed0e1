//! The real server, engine, store and bank behind a Unix socket, and a relay that cuts connections wherever the bytes
//! happen to be: the ledger and the clients agree at the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard_client::{Client, JournalPlace, Options};
use switchboard_commands::bank::{AccountId, Bank, Memo, Movement, Movements, Owner, Refusal, Reply};
use switchboard_commands::limits::TRANSFERS_MAX;
use switchboard_engine::{Config as EngineConfig, DigestKeys, Engine};
use switchboard_server::{Config, Limits, Listeners, OperatorKey, Plaintext, run};
use switchboard_store::{Durability, Folder, Options as StoreOptions, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{durable, euros, reopen};

/// A server on a data folder, and the way to stop it.
struct Node {
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Node {
    fn start(folder: &Path) -> Self {
        let held = Folder::hold(&folder.join("data"), Durability::Full).unwrap();
        let now_us = 1_800_000_000_000_000;
        let (store, writer) = Store::open(&held, &StoreOptions::default(), now_us).unwrap();
        let engine = Engine::start(EngineConfig {
            store,
            writer,
            registry: switchboard_services::all(),
            keys: DigestKeys::new([1; 32], &[]),
            clock: Arc::new(move || now_us),
            slots_max: 64,
            prepare_threads: 1,
            on_fatal: Box::new(|error| panic!("{error}")),
        })
        .unwrap();
        let config = Config {
            limits: Limits::default(),
            tls: None,
            operator_key: OperatorKey::new([2; 32]),
            trust_loopback: false,
            greeting: "real".to_owned(),
        };
        let address = format!("unix:{}", socket(folder).display()).parse().unwrap();
        let listeners = Listeners::bind(&[address], Plaintext::LoopbackOnly).unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            run(engine.clone(), config, listeners, shutdown).await.unwrap();
            engine.drain().unwrap();
            drop(held);
        });
        Self { stop, running }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("server")
}

/// A relay to the server that ends connection n after n times `step` bytes of answers; returns its address and the count of
/// connections.
fn relay(folder: &Path, step: usize) -> (String, Arc<AtomicUsize>) {
    let path = folder.join(format!("relay-{step}"));
    let listener = UnixListener::bind(&path).unwrap();
    let (server, count) = (socket(folder), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let server = server.clone();
            tokio::spawn(async move {
                if let Ok(far) = UnixStream::connect(server).await {
                    carry(near, far, number * step).await;
                }
            });
        }
    });
    (format!("unix:{}", path.display()), count)
}

/// Carries bytes until `budget` bytes of answers were carried, then cuts both ways.
async fn carry(near: UnixStream, far: UnixStream, budget: usize) {
    let (mut near_read, mut near_write) = near.into_split();
    let (far_read, mut far_write) = far.into_split();
    let mut answers = far_read.take(u64::try_from(budget).unwrap());
    tokio::select! {
        _ = tokio::io::copy(&mut near_read, &mut far_write) => {}
        _ = tokio::io::copy(&mut answers, &mut near_write) => {}
    }
    let _ = near_write.shutdown().await;
}

async fn open_account(client: &Client) -> AccountId {
    let owner = Owner::new("Ada").unwrap();
    let answered = client.bank().open_account(owner, euros(0)).await.unwrap();
    client.acknowledge(answered.id).await.unwrap();
    let Reply::Opened { account, .. } = answered.result.unwrap() else { panic!("another reply") };
    account
}

async fn balance_of(client: &Client, account: AccountId) -> i64 {
    let Reply::Balance { balance, .. } = client.bank().balance(account).await.unwrap().unwrap() else {
        panic!("another reply")
    };
    balance.amount.minor()
}

async fn audit(client: &Client) {
    let Reply::Audited { report } = client.bank().audit().await.unwrap().unwrap() else {
        panic!("another reply")
    };
    assert!(report.sound, "{report:?}");
}

#[tokio::test]
async fn deposits_through_a_relay_that_cuts_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let direct = format!("unix:{}", socket(folder.path()).display());
    let teller = Client::open(crate::volatile(&direct)).unwrap();
    let account = open_account(&teller).await;
    let mut paid_in = 0;
    for (step, is_durable) in [(301, true), (397, false)] {
        let (address, connections) = relay(folder.path(), step);
        let journal = match is_durable {
            true => JournalPlace::File(folder.path().join("journal")),
            false => JournalPlace::Volatile,
        };
        let client = Client::open(Options { journal, ..crate::volatile(&address) }).unwrap();
        let mut calls = Vec::new();
        for minor in 1..=40 {
            let client = client.clone();
            paid_in += minor;
            calls.push(tokio::spawn(async move {
                let answered = client.bank().deposit(account, euros(minor), None).await.unwrap();
                answered.result.unwrap();
                client.acknowledge(answered.id).await.unwrap();
            }));
        }
        for call in calls {
            call.await.unwrap();
        }
        client.close().await;
        assert!(connections.load(Ordering::SeqCst) > 2, "the relay did cut");
        assert_eq!(balance_of(&teller, account).await, paid_in);
    }
    audit(&teller).await;
    teller.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_server_and_a_client_that_start_again_agree_on_every_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(folder.path());
    let direct = format!("unix:{}", socket(folder.path()).display());
    let teller = Client::open(crate::volatile(&direct)).unwrap();
    let account = open_account(&teller).await;
    let journal = folder.path().join("journal");
    let options = || durable(&direct, &journal);
    let mut begun = Vec::new();
    for _ in 0..3 {
        let client = reopen(options).await;
        for minor in 1..=20 {
            let command =
                switchboard_commands::bank::Command::Deposit { account, money: euros(minor), memo: None };
            let mut pending = client.begin::<Bank>(command).await.unwrap();
            begun.push((pending.id().await.unwrap(), minor));
        }
        // The server goes away with calls in hand, and so does the client, without a word.
        node.stop().await;
        drop(client);
        node = Node::start(folder.path());
    }
    let client = reopen(options).await;
    for (id, _) in &begun {
        let settled = client.wait_for(*id).await.unwrap();
        assert!(matches!(settled.end, switchboard_client::End::Done(_)), "{settled:?}");
        client.acknowledge(*id).await.unwrap();
    }
    assert_eq!(balance_of(&teller, account).await, begun.iter().map(|(_, minor)| minor).sum::<i64>());
    audit(&teller).await;
    let recovered = client.recovered().await.unwrap();
    assert!(recovered.open.is_empty() && recovered.answered.is_empty(), "{recovered:?}");
    client.close().await;
    teller.close().await;
    node.stop().await;
}

/// The longest list of cents, every memo of this length.
fn cents(from: AccountId, to: AccountId, memo_bytes: usize) -> Movements {
    let memo: Option<Memo> = (memo_bytes > 0).then(|| "m".repeat(memo_bytes).parse().unwrap());
    let movement = Movement { from, to, amount: euros(1).amount, memo };
    Movements::new(vec![movement; TRANSFERS_MAX.into()]).unwrap()
}

#[tokio::test]
async fn bulk_transfers_through_a_relay_that_cuts_happen_once_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let direct = format!("unix:{}", socket(folder.path()).display());
    let teller = Client::open(crate::volatile(&direct)).unwrap();
    let (payer, payee) = (open_account(&teller).await, open_account(&teller).await);
    let each = i64::from(TRANSFERS_MAX);
    teller.bank().deposit(payer, euros(3 * each + 5), None).await.unwrap().result.unwrap();
    let (address, connections) = relay(folder.path(), 151);
    let journal = folder.path().join("journal");
    let client = Client::open(durable(&address, &journal)).unwrap();
    let mut first_of_next = 2;
    for memo_bytes in [0, 1, 32] {
        let list = cents(payer, payee, memo_bytes);
        let answered = client.bank().transfer_many(euros(0).currency, list).await.unwrap();
        client.acknowledge(answered.id).await.unwrap();
        let Reply::TransferredMany { first, last } = answered.result.unwrap() else {
            panic!("another reply")
        };
        assert_eq!((first.number(), last.number()), (first_of_next, first_of_next + each - 1));
        first_of_next += each;
    }
    let refused = client.bank().transfer_many(euros(0).currency, cents(payer, payee, 0)).await.unwrap();
    let refusal = refused.result.unwrap_err();
    assert!(matches!(refusal, Refusal::MovementRefused { index: 5, .. }), "{refusal:?}");
    assert!(connections.load(Ordering::SeqCst) > 2, "the relay did cut");
    assert_eq!((balance_of(&teller, payer).await, balance_of(&teller, payee).await), (5, 3 * each));
    audit(&teller).await;
    client.close().await;
    teller.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_list_with_more_memo_than_the_server_takes_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let direct = format!("unix:{}", socket(folder.path()).display());
    let client = Client::open(crate::volatile(&direct)).unwrap();
    let (payer, payee) = (open_account(&client).await, open_account(&client).await);
    for memo_bytes in [80, 280] {
        let list = cents(payer, payee, memo_bytes);
        let error = client.bank().transfer_many(euros(0).currency, list).await.unwrap_err();
        assert_eq!(error.id(), None, "{error}");
        assert!(error.to_string().contains(" bytes, "), "{error}");
    }
    client.close().await;
    node.stop().await;
}
