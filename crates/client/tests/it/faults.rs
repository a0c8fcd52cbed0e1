//! What breaks while a call is under way: its effect happens once, and its answer arrives.

use std::time::Duration;

use switchboard_call::answer::{Answer, DoorCause, TransientCause};
use switchboard_client::{Alarm, CallError, Client, Event, Options, Retry, Unresolved};
use switchboard_commands::bank::Bank;

use crate::scripted::{Fault, Scripted};
use crate::{Events, deposit, deposit_once, durable, volatile};

const CUTS: [Fault; 7] = [
    Fault::CutBeforeWelcome,
    Fault::CutWithinWelcome,
    Fault::CutAfterWelcome,
    Fault::CutBeforeExecution,
    Fault::CutBeforeReply,
    Fault::CutWithinReply,
    Fault::CutAfterReply,
];

#[tokio::test]
async fn a_volatile_call_survives_a_cut_at_every_frame() {
    for cut in CUTS {
        let server = Scripted::with_faults([cut]);
        deposit_once(&server, volatile(&server.tcp().await)).await;
        assert!(server.memory().faults.is_empty(), "the cut was made");
    }
}

#[tokio::test]
async fn a_durable_call_survives_a_cut_at_every_frame() {
    for cut in CUTS {
        let (server, folder) = (Scripted::with_faults([cut]), tempfile::tempdir().unwrap());
        deposit_once(&server, durable(&server.tcp().await, &folder.path().join("j"))).await;
        assert!(server.memory().faults.is_empty(), "the cut was made");
    }
}

#[tokio::test]
async fn one_cut_after_the_other() {
    let server = Scripted::with_faults(CUTS[1..5].iter().cloned());
    deposit_once(&server, volatile(&server.tcp().await)).await;
    assert_eq!(server.memory().balance_minor, 250);
}

#[tokio::test]
async fn many_calls_at_once_take_effect_once_each() {
    let (server, folder) = (Scripted::with_faults(CUTS[3..].iter().cloned()), tempfile::tempdir().unwrap());
    let client = Client::open(durable(&server.tcp().await, &folder.path().join("j"))).unwrap();
    let calls: Vec<_> = (0..300)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let answered = client.call::<Bank>(deposit(1)).await.unwrap();
                client.acknowledge(answered.id).await.unwrap();
                answered.id
            })
        })
        .collect();
    let mut ids = Vec::new();
    for call in calls {
        ids.push(call.await.unwrap());
    }
    ids.sort_unstable();
    let mut executed = server.memory().executed.clone();
    executed.sort_unstable();
    assert_eq!(ids, executed);
    assert_eq!(server.memory().balance_minor, 300);
    client.close().await;
}

#[tokio::test]
async fn a_transient_refusal_is_waited_out() {
    let busy = Answer::transient(TransientCause::Overloaded, 1);
    let server = Scripted::with_faults([Fault::Say(busy.clone()), Fault::Say(busy)]);
    deposit_once(&server, volatile(&server.tcp().await)).await;
}

#[tokio::test]
async fn what_the_door_turns_away_was_not_executed() {
    let door = Answer::door(DoorCause::NotPermitted, "only operators may do that");
    let server = Scripted::with_faults([Fault::Say(door)]);
    let client = Client::open(volatile(&server.tcp().await)).unwrap();
    let error = client.call::<Bank>(deposit(1)).await.unwrap_err();
    // The client cancelled it: the server has recorded that it never takes effect.
    assert!(matches!(error, CallError::TurnedAway { .. } | CallError::Cancelled { .. }), "{error:?}");
    assert!(server.memory().executed.is_empty());
    assert_eq!(client.call::<Bank>(deposit(1)).await.map(|answered| answered.maybe_seen).ok(), Some(false));
}

#[tokio::test]
async fn a_deadline_ends_in_a_cancel_that_holds() {
    let server = Scripted::with_faults([Fault::SilentBeforeExecution]);
    let client = Client::open(volatile(&server.tcp().await)).unwrap();
    client.connected().await.unwrap();
    let impatient = client.with_deadline(Some(Duration::from_millis(20)));
    let error = impatient.call::<Bank>(deposit(1)).await.unwrap_err();
    let CallError::Cancelled { id } = error else { panic!("{error:?}") };
    assert!(server.memory().executed.is_empty());
    let recorded = server.memory().records[&(id.session, id.slot)].1.clone();
    assert_eq!(recorded, Answer::Cancelled.to_bytes());
    assert_eq!(error.retry(), Retry::NewCall);
}

#[tokio::test]
async fn a_deadline_after_the_execution_brings_the_reply() {
    let server = Scripted::with_faults([Fault::SilentAfterExecution]);
    let options = Options { deadline: Some(Duration::from_millis(200)), ..volatile(&server.tcp().await) };
    deposit_once(&server, options).await;
}

#[tokio::test]
async fn an_application_can_cancel_and_hears_how_it_ended() {
    let server = Scripted::with_faults([Fault::SilentBeforeExecution]);
    let client = Client::open(volatile(&server.tcp().await)).unwrap();
    let mut pending = client.begin::<Bank>(deposit(1)).await.unwrap();
    let id = pending.id().await.unwrap();
    let settled = client.cancel(id).await.unwrap();
    assert_eq!(settled.id, id);
    assert!(matches!(pending.answer().await.unwrap_err(), CallError::Cancelled { .. }));
    assert!(server.memory().executed.is_empty());
    assert!(matches!(client.cancel(id).await.unwrap_err(), CallError::Unknown { .. }));
}

#[tokio::test]
async fn a_store_that_lost_calls_stops_the_session_loudly() {
    let server = Scripted::with_faults([Fault::Say(Answer::Gap)]);
    let (options, events) = Events::of(volatile(&server.tcp().await));
    let client = Client::open(options).unwrap();
    let error = client.call::<Bank>(deposit(1)).await.unwrap_err();
    let CallError::Unresolved { id, why: Unresolved::Gap } = error else { panic!("{error:?}") };
    let event = events.until(|event| matches!(event, Event::Alarm(Alarm::Gap { .. }))).await;
    assert!(event.is_alarm());
    let answered = client.call::<Bank>(deposit(1)).await.unwrap();
    assert_ne!(answered.id.session, id.session);
}

#[tokio::test]
async fn a_copied_journal_is_reported_and_the_call_goes_on_in_a_new_session() {
    let server = Scripted::with_faults([Fault::Say(Answer::CopiedJournal)]);
    let (options, events) = Events::of(volatile(&server.tcp().await));
    deposit_once(&server, options).await;
    events.until(|event| matches!(event, Event::Alarm(Alarm::JournalCopied { .. }))).await;
}

#[tokio::test]
async fn a_restored_store_is_asked_for_what_it_acknowledged() {
    let server = Scripted::new();
    let (options, events) = Events::of(volatile(&server.tcp().await));
    let client = Client::open(options).unwrap();
    let lost = client.call::<Bank>(deposit(1)).await.unwrap().id;
    {
        let mut memory = server.memory();
        memory.records.clear();
        memory.generation += 1;
        memory.faults.push_back(Fault::CutBeforeExecution);
    }
    client.call::<Bank>(deposit(1)).await.unwrap_or_else(|error| panic!("{error}"));
    let told =
        events.until(|event| matches!(event, Event::Alarm(Alarm::StoreLost { id, .. }) if *id == lost)).await;
    assert!(told.is_alarm());
}

#[tokio::test]
async fn another_store_in_the_place_of_ours_is_refused_while_calls_are_open() {
    let server = Scripted::with_faults([Fault::SilentBeforeExecution, Fault::CutBeforeWelcome]);
    let (options, events) = Events::of(volatile(&server.tcp().await));
    let client = Client::open(options).unwrap();
    let mut open = client.begin::<Bank>(deposit(1)).await.unwrap();
    let id = open.id().await.unwrap();
    server.until(|memory| memory.faults.len() == 1).await;
    {
        let mut memory = server.memory();
        memory.store = switchboard_call::id::StoreId([8; 16]);
        memory.faults = [Fault::CutBeforeExecution].into();
    }
    drop(client.begin::<Bank>(deposit(1)).await.unwrap());
    let error = open.answer().await.unwrap_err();
    assert!(matches!(error, CallError::Unresolved { id: left, .. } if left == id), "{error:?}");
    events.until(|event| matches!(event, Event::Alarm(Alarm::WrongStore { .. }))).await;
    assert!(server.memory().executed.is_empty());
}

#[tokio::test]
async fn the_outcome_of_any_call_can_be_asked() {
    let server = Scripted::new();
    let client = Client::open(volatile(&server.tcp().await)).unwrap();
    let id = client.call::<Bank>(deposit(1)).await.unwrap().id;
    let other = Client::open(volatile(&server.tcp().await)).unwrap();
    assert!(matches!(other.outcome(id).await.unwrap(), switchboard_client::Outcome::Done(_)));
}
