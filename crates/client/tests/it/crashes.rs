//! A client that ends without a word, and the next one on the same journal.

use switchboard_client::{Alarm, CallState, Client, End, Event, Unresolved, answered_by};
use switchboard_commands::bank::Bank;

use crate::scripted::{Fault, Scripted};
use crate::{Events, balance, deposit, durable, reopen};

#[tokio::test]
async fn an_open_call_goes_on_and_is_handed_over_until_it_is_acknowledged() {
    for lost in [Fault::SilentBeforeExecution, Fault::SilentAfterExecution, Fault::CutBeforeReply] {
        let (server, folder) = (Scripted::with_faults([lost.clone()]), tempfile::tempdir().unwrap());
        let address = server.tcp().await;
        let options = || durable(&address, &folder.path().join("j"));
        let client = Client::open(options()).unwrap();
        let mut pending = client.begin::<Bank>(deposit(5)).await.unwrap();
        let id = pending.id().await.unwrap();
        server.until(|memory| memory.faults.is_empty()).await;
        drop((client, pending));

        let client = reopen(options).await;
        let settled = client.wait_for(id).await.unwrap();
        assert_eq!(server.memory().executed, [id], "{lost:?}");
        assert_eq!(balance(&answered_by::<Bank>(settled).unwrap()), 5);
        drop(client);

        let client = reopen(options).await;
        let recovered = client.recovered().await.unwrap();
        let [settled] = recovered.answered.as_slice() else { panic!("{recovered:?}") };
        assert!(settled.maybe_seen && settled.id == id && recovered.open.is_empty());
        assert_eq!((settled.service.as_str(), settled.label.as_str()), ("bank", "deposit"));
        client.acknowledge(id).await.unwrap();
        assert!(client.recovered().await.unwrap().answered.is_empty());
        client.close().await;

        let client = reopen(options).await;
        assert!(client.recovered().await.unwrap().answered.is_empty());
        client.close().await;
        assert_eq!(server.memory().executed, [id]);
    }
}

#[tokio::test]
async fn a_dropped_future_abandons_the_answer_and_not_the_call() {
    let (server, folder) = (Scripted::new(), tempfile::tempdir().unwrap());
    let client = Client::open(durable(&server.tcp().await, &folder.path().join("j"))).unwrap();
    drop(client.begin::<Bank>(deposit(5)).await.unwrap());
    server.until(|memory| memory.executed.len() == 1).await;
    let id = server.memory().executed[0];
    let kept = loop {
        match client.recovered().await.unwrap().answered.pop() {
            Some(kept) => break kept,
            None => tokio::task::yield_now().await,
        }
    };
    assert!(kept.id == id && matches!(kept.end, End::Done(_)) && !kept.maybe_seen);
    assert_eq!(client.wait_for(id).await.unwrap(), kept);
}

#[tokio::test]
async fn after_a_crash_new_calls_use_a_new_session_and_after_a_clean_end_the_old_one() {
    let (server, folder) = (Scripted::new(), tempfile::tempdir().unwrap());
    let address = server.tcp().await;
    let options = || durable(&address, &folder.path().join("j"));
    let mut sessions = Vec::new();
    for clean in [true, true, false, true] {
        let client = reopen(options).await;
        let id = client.call::<Bank>(deposit(1)).await.unwrap().id;
        client.acknowledge(id).await.unwrap();
        sessions.push(id.session);
        if clean {
            client.close().await;
        }
    }
    assert!(sessions[0] == sessions[1] && sessions[1] == sessions[2] && sessions[2] != sessions[3]);
}

#[tokio::test]
async fn calls_that_are_open_at_the_end_are_unresolved_and_listed() {
    let (server, folder) =
        (Scripted::with_faults([Fault::SilentBeforeExecution]), tempfile::tempdir().unwrap());
    let journal = folder.path().join("cli-0.journal");
    let address = server.tcp().await;
    let client = Client::open(durable(&address, &journal)).unwrap();
    let mut pending = client.begin::<Bank>(deposit(5)).await.unwrap();
    let id = pending.id().await.unwrap();
    let closing = tokio::spawn(client.close());
    let error = pending.answer().await.unwrap_err();
    assert!(error.to_string().contains(&format!("call resolve {id}")), "{error}");
    closing.await.unwrap();

    let listed = switchboard_client::list_journals(folder.path()).unwrap();
    assert_eq!((listed[0].open[0].id, listed[0].open[0].label.as_str()), (id, "deposit"));
    let client = reopen(|| durable(&address, &journal)).await;
    assert_eq!(
        client.recovered().await.unwrap().open.len() + client.recovered().await.unwrap().answered.len(),
        1
    );
    client.wait_for(id).await.unwrap();
    assert_eq!(server.memory().executed, [id]);
}

#[tokio::test]
async fn a_call_that_a_person_resolved_is_taken_off_the_list() {
    let (server, folder) = (
        Scripted::with_faults([Fault::Say(switchboard_call::answer::Answer::NotYours)]),
        tempfile::tempdir().unwrap(),
    );
    let address = server.tcp().await;
    let options = || durable(&address, &folder.path().join("j"));
    let (observed, events) = Events::of(options());
    let client = Client::open(observed).unwrap();
    let error = client.call::<Bank>(deposit(5)).await.unwrap_err();
    let id = error.id().unwrap();
    events.until(|event| matches!(event, Event::Alarm(Alarm::NotYours { .. }))).await;
    let error = client.wait_for(id).await.unwrap_err();
    assert!(matches!(error, switchboard_client::CallError::Unresolved { why: Unresolved::NotYours, .. }));
    assert!(client.abandon(id).await.unwrap() && !client.abandon(id).await.unwrap());
    client.close().await;
    let client = reopen(options).await;
    let recovered = client.recovered().await.unwrap();
    assert!(recovered.open.is_empty() && recovered.answered.is_empty(), "{recovered:?}");
}

#[tokio::test]
async fn what_waits_at_a_restart_is_seen_as_open() {
    let folder = tempfile::tempdir().unwrap();
    let server = Scripted::with_faults([Fault::SilentBeforeExecution]);
    let address = server.tcp().await;
    let journal = folder.path().join("j");
    let client = Client::open(durable(&address, &journal)).unwrap();
    let mut pending = client.begin::<Bank>(deposit(5)).await.unwrap();
    let id = pending.id().await.unwrap();
    drop((client, pending));
    let client = reopen(|| durable("unix:/nowhere/at/all", &journal)).await;
    let recovered = client.recovered().await.unwrap();
    assert_eq!(recovered.open[0].id, Some(id));
    assert_eq!(recovered.open[0].state, CallState::Open);
}
