//! A journal that cannot be written, over a server that only welcomes. What happens on connections is tested over
//! real ones, in tests/it.

use std::sync::Mutex;

use switchboard_call::client::{BeginError, NeverSent};
use switchboard_call::frame::{ServerFrame, Welcome};
use switchboard_call::id::StoreId;
use switchboard_commands::text::{Command, Text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::handle::Client;
use crate::options::{JournalPlace, Options};
use crate::{CallError, JournalError, Nodes, Plaintext, Trust};

/// Encodes as a call as well as any other command.
fn command() -> Command {
    Command::Prime { number: "7".to_owned(), step: 0 }
}

/// A socket behind which everybody is welcomed, and nothing more is said.
async fn welcoming(folder: &std::path::Path) -> String {
    let path = folder.join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                welcome().encode(&mut bytes);
                stream.write_all(&bytes).await.unwrap();
                let _ended = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    format!("unix:{}", path.display())
}

fn welcome() -> ServerFrame {
    ServerFrame::Welcome(Welcome {
        version: 1,
        store: StoreId([1; 16]),
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
    folder: &std::path::Path,
    change: impl FnOnce(JournalFile) -> JournalFile,
) -> (Client, Arc<Mutex<Vec<Event>>>) {
    let nodes = Nodes::new(vec![welcoming(folder).await.parse().unwrap()], Plaintext::LoopbackOnly).unwrap();
    let path = folder.join("journal");
    let mut options = Options::durable(nodes, Trust::SystemRoots, JournalPlace::File(path.clone()));
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    options.on_event = Arc::new(move |event| sink.lock().unwrap().push(event));
    let mut opened = crate::journals::open(&path, "").unwrap();
    opened.file = change(opened.file);
    (Client::start(options, Some(opened)), events)
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
