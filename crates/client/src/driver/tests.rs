//! A journal that cannot be written, and a machine that has stopped, over servers that only welcome. What happens on connections is tested over
//! real ones, in tests/it.

use std::path::Path;
use std::sync::Mutex;

use switchboard_call::client::{BeginError, NeverSent, Unresolved};
use switchboard_call::frame::{ClientFrame, Inbox, ServerFrame, Welcome};
use switchboard_call::id::StoreId;
use switchboard_call::limits::FRAME_BYTES_MAX;
use switchboard_commands::text::{Command, Text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;
use crate::handle::Client;
use crate::options::{JournalPlace, Options};
use crate::{CallError, JournalError, Nodes, Plaintext, Trust};

/// Encodes as a call as well as any other command.
fn command() -> Command {
    Command::Prime { number: "7".to_owned(), step: 0 }
}

/// A socket behind which everybody is welcomed, and nothing more is said.
async fn welcoming(folder: &Path) -> String {
    let path = folder.join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                greet(&mut stream, 1).await;
                let _ended = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    format!("unix:{}", path.display())
}

/// A socket behind which the first connection ends after the first call, and each is of another store.
async fn restless(folder: &Path) -> String {
    let path = folder.join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        greet(&mut stream, 1).await;
        let mut inbox = Inbox::new(FRAME_BYTES_MAX);
        let mut buffer = [0; 4096];
        while !has_call(&mut inbox) {
            let count = stream.read(&mut buffer).await.unwrap();
            inbox.push(&buffer[..count]);
        }
        drop(stream);
        while let Ok((mut stream, _)) = listener.accept().await {
            greet(&mut stream, 2).await;
            let _ended = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    format!("unix:{}", path.display())
}

fn has_call(inbox: &mut Inbox) -> bool {
    while let Some(frame) = inbox.next_frame().unwrap() {
        if matches!(ClientFrame::decode(frame).unwrap(), ClientFrame::Call(_)) {
            return true;
        }
    }
    false
}

async fn greet(stream: &mut UnixStream, store: u8) {
    let mut bytes = Vec::new();
    welcome(StoreId([store; 16])).encode(&mut bytes);
    stream.write_all(&bytes).await.unwrap();
}

fn welcome(store: StoreId) -> ServerFrame {
    ServerFrame::Welcome(Welcome {
        version: 1,
        store,
        generation: 1,
        server_time_us: 1,
        mint_time_ms: 1,
        slots_max: 4,
        frame_bytes_max: 1 << 20,
        in_flight_max: 16,
        idle_ms_max: 60_000,
        services: Vec::new(),
        greeting: String::new(),
        principal: String::new(),
    })
}

/// A client whose journal file was changed by `change`, and the events it raises.
async fn client(
    folder: &Path,
    change: impl FnOnce(JournalFile) -> JournalFile,
) -> (Client, Arc<Mutex<Vec<Event>>>) {
    client_of(welcoming(folder).await, folder, change)
}

fn client_of(
    address: String,
    folder: &Path,
    change: impl FnOnce(JournalFile) -> JournalFile,
) -> (Client, Arc<Mutex<Vec<Event>>>) {
    let nodes = Nodes::new(vec![address.parse().unwrap()], Plaintext::LoopbackOnly).unwrap();
    let path = folder.join("journal");
    let mut options = Options::durable(nodes, Trust::SystemRoots, JournalPlace::File(path.clone()));
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    options.on_event = Arc::new(move |event| sink.lock().unwrap().push(event));
    let mut opened = crate::journals::open(&path, "").unwrap();
    opened.file = change(opened.file);
    (Client::start(options, Some(opened)), events)
}

/// What `answer` says; fails the test when it says nothing.
async fn in_time<T>(answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), answer).await.expect("it never returns")
}

#[tokio::test]
async fn a_call_without_room_is_refused_and_the_client_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (client, events) = client(folder.path(), |file| file.bounded(1024 * 1024)).await;
    client.connected().await.unwrap();
    for _ in 0..2 {
        let error = client.call::<Text>(command()).await.unwrap_err();
        let CallError::NoRoom(source) = &error else { panic!("{error:?}") };
        assert!(matches!(**source, JournalError::Full { .. }));
    }
    client.connected().await.unwrap();
    client.close().await;
    assert!(events.lock().unwrap().iter().all(|event| !event.is_alarm()));
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_stops_the_client_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (client, events) = client(folder.path(), JournalFile::failing).await;
    let error = client.call::<Text>(command()).await.unwrap_err();
    let stopped = matches!(
        error,
        CallError::NotSent { reason: NeverSent::Stopped(StopReason::JournalFailed), .. }
            | CallError::NotTaken(BeginError::Stopped(StopReason::JournalFailed))
    );
    assert!(stopped, "{error:?}");
    let error = client.connected().await.unwrap_err();
    assert!(error.to_string().contains("journal"), "{error}");
    let failures = |event: &&Event| matches!(event, Event::JournalFailed(_));
    assert_eq!(events.lock().unwrap().iter().filter(failures).count(), 1);
    client.close().await;
}

#[tokio::test]
async fn close_returns_when_the_mark_of_the_clean_end_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let address = welcoming(folder.path()).await;
    let (first, _) = client_of(address.clone(), folder.path(), |file| file);
    first.connected().await.unwrap();
    first.close().await;
    let length = std::fs::metadata(folder.path().join("journal")).unwrap().len();
    // Room for the entry that opens the journal, and not for the one that closes it.
    let (client, events) = client_of(address, folder.path(), |file| file.bounded(length + 18));
    client.connected().await.unwrap();
    in_time(client.close()).await;
    let failed = events.lock().unwrap().iter().any(|event| matches!(event, Event::JournalFailed(_)));
    assert!(failed, "the mark was written after all");
}

#[tokio::test]
async fn a_stopped_client_says_at_once_that_a_call_is_unresolved_whatever_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let (client, _) = client_of(restless(folder.path()).await, folder.path(), |file| file);
    let mut pending = client.begin::<Text>(command()).await.unwrap();
    let id = pending.id().await.unwrap();
    let why = Unresolved::Stopped(StopReason::WrongStore);
    let unresolved = |result: Result<_, CallError>| match result {
        Err(CallError::Unresolved { id: of, why: found }) => assert_eq!((of, &found), (id, &why)),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it ended"),
    };
    unresolved(pending.answer().await.map(drop));
    unresolved(in_time(client.wait_for(id)).await.map(drop));
    unresolved(in_time(client.cancel(id)).await.map(drop));
    unresolved(in_time(client.retry(id)).await.map(drop));
    client.close().await;
}
