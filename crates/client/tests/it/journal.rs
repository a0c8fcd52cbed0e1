//! Journal files on disk: locked, claimed from a folder, copied, torn, rotten, listed.

use std::fs;

use switchboard_client::{Client, Event, JournalError, JournalPlace, Options, list_journals};
use switchboard_commands::bank::Bank;

use crate::scripted::{Fault, Scripted};
use crate::{Events, deposit, durable, reopen};

fn refusal(options: Options) -> String {
    let error = Client::open(options).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause}")
}

/// A journal with one acknowledged call, closed cleanly.
async fn used(server: &Scripted, journal: &std::path::Path) -> String {
    let address = server.tcp().await;
    crate::deposit_once(server, durable(&address, journal)).await;
    address
}

#[tokio::test]
async fn one_client_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let options = || durable("unix:/nowhere/at/all", &folder.path().join("j"));
    let _client = Client::open(options()).unwrap();
    let text = refusal(options());
    assert!(text.contains("in use by another client"), "{text}");
}

#[tokio::test]
async fn several_clients_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let journals = folder.path().join("journals");
    let options = || Options {
        journal: JournalPlace::Folder(journals.clone()),
        ..durable("unix:/nowhere/at/all", folder.path())
    };
    let clients: Vec<_> = (0..3).map(|_| Client::open(options()).unwrap()).collect();
    let listed = list_journals(&journals).unwrap();
    let names: Vec<_> =
        listed.iter().map(|journal| journal.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["cli-0.journal", "cli-1.journal", "cli-2.journal"]);
    assert!(listed.iter().all(|journal| journal.refused.is_none()));
    let mut clients = clients.into_iter();
    clients.next().unwrap().close().await;
    let _again = Client::open(options()).unwrap();
    assert_eq!(list_journals(&journals).unwrap().len(), 3, "the first one is free and taken again");
}

#[test]
fn no_folder_is_no_journals() {
    assert!(list_journals(std::path::Path::new("/nowhere/at/all")).unwrap().is_empty());
}

#[tokio::test]
async fn a_copy_is_refused_and_still_listed() {
    let (server, folder) =
        (Scripted::with_faults([Fault::SilentBeforeExecution]), tempfile::tempdir().unwrap());
    let (journal, copy) = (folder.path().join("a.journal"), folder.path().join("b.journal"));
    let address = server.tcp().await;
    let client = Client::open(durable(&address, &journal)).unwrap();
    let mut pending = client.begin::<Bank>(deposit(1)).await.unwrap();
    let id = pending.id().await.unwrap();
    fs::copy(&journal, &copy).unwrap();
    let text = refusal(durable(&address, &copy));
    assert!(text.contains("b.journal") && text.contains("must not be copied"), "{text}");
    let listed = list_journals(folder.path()).unwrap();
    assert!(listed[0].refused.is_none());
    assert!(matches!(listed[1].refused, Some(JournalError::Refused { .. })));
    assert_eq!((listed[0].open[0].id, listed[1].open[0].id), (id, id));
}

#[tokio::test]
async fn another_principals_journal_is_refused() {
    let (server, folder) = (Scripted::new(), tempfile::tempdir().unwrap());
    let journal = folder.path().join("cli-0.journal");
    let address = used(&server, &journal).await;
    let as_other = |options: Options| Options { principal: "other".to_owned(), ..options };
    let text = refusal(as_other(durable(&address, &journal)));
    assert!(text.contains("other"), "{text}");
    let in_folder =
        Options { journal: JournalPlace::Folder(folder.path().into()), ..durable(&address, &journal) };
    let _client = Client::open(as_other(in_folder)).unwrap();
    assert!(folder.path().join("cli-1.journal").exists(), "the next file is taken");
}

#[tokio::test]
async fn a_torn_end_is_cut_and_told() {
    let (server, folder) = (Scripted::new(), tempfile::tempdir().unwrap());
    let journal = folder.path().join("j");
    let address = used(&server, &journal).await;
    let whole = fs::read(&journal).unwrap();
    fs::write(&journal, [whole.as_slice(), b"\0\0\0\x40torn in the middle"].concat()).unwrap();
    let (options, events) = Events::of(durable(&address, &journal));
    let client = Client::open(options).unwrap();
    let event = events.until(|event| matches!(event, Event::JournalCut { .. })).await;
    assert!(event.to_string().contains("22 bytes"), "{event}");
    client.call::<Bank>(deposit(1)).await.unwrap();
    assert_eq!(server.memory().executed.len(), 2);
}

#[tokio::test]
async fn rot_before_the_end_stops_the_client() {
    let (server, folder) = (Scripted::new(), tempfile::tempdir().unwrap());
    let journal = folder.path().join("cli-0.journal");
    let address = used(&server, &journal).await;
    let mut bytes = fs::read(&journal).unwrap();
    let begun = bytes.windows(7).position(|window| window == b"deposit").unwrap();
    bytes[begun] ^= 1;
    fs::write(&journal, &bytes).unwrap();
    let text = refusal(durable(&address, &journal));
    assert!(text.contains("damaged at byte") && text.contains("cli-0.journal"), "{text}");
    assert_eq!(fs::read(&journal).unwrap(), bytes, "the evidence is left as it is");
    let in_folder =
        Options { journal: JournalPlace::Folder(folder.path().into()), ..durable(&address, &journal) };
    assert!(refusal(in_folder).contains("damaged"), "nor is it passed over in silence");
}

#[tokio::test]
async fn a_stranger_in_its_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("j");
    fs::write(&journal, "dear diary, nothing happened today").unwrap();
    let text = refusal(durable("unix:/nowhere/at/all", &journal));
    assert!(text.contains("not a Switchboard journal"), "{text}");
}

#[tokio::test]
async fn a_long_journal_is_rewritten_and_goes_on() {
    let (server, folder) = (Scripted::new(), tempfile::tempdir().unwrap());
    let journal = folder.path().join("j");
    let address = server.tcp().await;
    let options = || durable(&address, &journal);
    let memo = "x".repeat(280);
    let command = || switchboard_commands::bank::Command::Deposit {
        account: crate::account(),
        money: crate::euros(1),
        memo: Some(switchboard_commands::bank::Memo::new(memo.clone()).unwrap()),
    };
    let client = Client::open(options()).unwrap();
    let longest = switchboard_call::limits::JOURNAL_REWRITE_BYTES;
    let mut calls = 0;
    let mut before = 0;
    loop {
        let batch: Vec<_> = (0..64)
            .map(|_| {
                let client = client.clone();
                let command = command();
                tokio::spawn(async move { client.call::<Bank>(command).await.unwrap().id })
            })
            .collect();
        for call in batch {
            client.acknowledge(call.await.unwrap()).await.unwrap();
            calls += 1;
        }
        let now = fs::metadata(&journal).unwrap().len();
        if now < before {
            break;
        }
        before = now;
        assert!(now < 2 * longest, "it was never rewritten");
    }
    client.close().await;
    let client = reopen(options).await;
    client.call::<Bank>(command()).await.unwrap();
    assert_eq!(server.memory().executed.len(), calls + 1);
}
