//! The client rules: slots, sessions, deadlines, links, reads, generations.

use super::pair::Pair;
use super::*;
use crate::answer::{Answer, DoorCause, Outcome};
use crate::frame::GoodbyeReason;
use crate::id::Slot;
use crate::limits::{DAY_MS, SESSION_AGE_MS_MAX};

#[test]
fn calls_in_flight_use_as_many_slots_lowest_free_first() {
    let mut pair = Pair::volatile();
    for label in ["a", "b", "c", "d", "e", "f"] {
        pair.begin(label);
    }
    pair.settle_all();
    let slots = ["a", "b", "c", "d"].map(|label| pair.id(label).slot);
    assert_eq!(slots, [Slot(0), Slot(1), Slot(2), Slot(3)]);
    let second = ["e", "f"].map(|label| (pair.id(label).slot, pair.id(label).sequence.number()));
    assert_eq!(second, [(Slot(0), 2), (Slot(1), 2)]);
}

#[test]
fn a_session_of_seven_days_drains_and_a_new_one_takes_over() {
    let mut pair = Pair::volatile();
    pair.begin("a");
    pair.settle_all();
    pair.now_ms += SESSION_AGE_MS_MAX - DAY_MS;
    pair.begin("b");
    pair.settle_all();
    assert_eq!(pair.id("a").session, pair.id("b").session);
    pair.now_ms += DAY_MS;
    pair.begin("c");
    pair.settle_all();
    assert_ne!(pair.id("a").session, pair.id("c").session);
    assert!(pair.id("c").session.birth_ms() >= pair.id("a").session.birth_ms() + SESSION_AGE_MS_MAX);
}

#[test]
fn the_label_of_a_session_is_the_servers() {
    let mut pair = Pair::volatile();
    pair.server.mint_time_ms = 42_000_000;
    pair.begin("a");
    pair.settle_all();
    assert!((42_000_000..42_000_100).contains(&pair.id("a").session.birth_ms()));
}

#[test]
fn a_broken_connection_means_not_known_yet_and_everything_open_is_sent_again_byte_equal() {
    let mut pair = Pair::volatile();
    pair.drive(10);
    pair.begin("x");
    pair.carry_out();
    pair.drive(11);
    pair.break_connection();
    pair.settle_all();
    let copies = pair.copies("x");
    assert_eq!(copies.len(), 2);
    assert_eq!((copies[0].nonce, copies[0].id), (copies[1].nonce, copies[1].id));
    assert_eq!((copies[0].attempt, copies[1].attempt), (1, 2));
    assert_eq!(pair.server.executions("x"), 1);
    assert_eq!(*pair.end("x"), End::Done(b"x".to_vec()));
}

#[test]
fn nothing_is_sent_twice_on_a_live_stream_and_silence_is_asked_about() {
    let mut pair = Pair::volatile();
    pair.drive(10);
    pair.server.silent = true;
    pair.begin("x");
    pair.drive(10_000);
    assert_eq!(pair.copies("x").len(), 1);
    assert!(!pair.server.received.iter().any(|frame| matches!(frame, ClientFrame::Ping(_))));
    pair.drive(14_000);
    assert_eq!(pair.copies("x").len(), 1);
    assert!(pair.server.received.iter().any(|frame| matches!(frame, ClientFrame::Ping(_))));
    assert!(pair.client.is_connected());
    pair.drive(15_100);
    assert!(!pair.client.is_connected(), "no pong: another connection");
    pair.server.silent = false;
    pair.settle_all();
    assert_eq!(pair.copies("x").len(), 2);
}

#[test]
fn an_idle_stream_stays_up_by_pings() {
    let mut pair = Pair::volatile();
    pair.drive(300_000);
    let hellos = pair.server.received.iter().filter(|frame| matches!(frame, ClientFrame::Hello(_)));
    assert_eq!(hellos.count(), 1);
}

#[test]
fn a_lossy_link_repeats_with_numbered_attempts() {
    let mut pair = Pair::new(Config { link: LinkKind::Lossy, ..Config::volatile("test") }, 1);
    pair.drive(10);
    pair.server.silent = true;
    pair.begin("x");
    pair.drive(5_000);
    let attempts: Vec<u32> = pair.copies("x").iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, (1..=attempts.len()).map(|n| u32::try_from(n).unwrap()).collect::<Vec<_>>());
    assert!((6..=9).contains(&attempts.len()), "250, 500, then every 1000 ms less jitter: {attempts:?}");
    pair.server.silent = false;
    pair.settle_all();
    assert_eq!(pair.server.executions("x"), 1);
}

#[test]
fn a_deadline_cancels_and_a_silent_server_leaves_it_unresolved() {
    let mut pair = Pair::volatile();
    pair.drive(10);
    pair.server.silent = true;
    pair.begin_with(NewCall { deadline_ms: Some(100), ..command("x") });
    pair.drive(99);
    assert_eq!(pair.cancels_seen(), 0);
    pair.drive(200);
    assert_eq!(pair.cancels_seen(), 1);
    assert!(pair.unresolved().is_empty());
    pair.drive(5_200);
    assert_eq!(pair.unresolved(), [&Unresolved::NoAnswer]);
    pair.server.silent = false;
    pair.break_connection();
    pair.settle_all();
    assert_eq!(*pair.end("x"), End::Cancelled);
    assert_eq!(pair.server.executions("x"), 0);
}

#[test]
fn a_deadline_before_any_connection_is_a_definite_no() {
    let mut pair = Pair::volatile();
    pair.faults.refuse_connection = 100;
    let key = pair.begin_with(NewCall { deadline_ms: Some(100), ..command("x") });
    pair.drive(200);
    assert!(pair.said.contains(&Output::NeverSent { key, reason: NeverSent::DeadlinePassed }));
    assert!(pair.server.received.is_empty());
}

#[test]
fn reads_are_asked_again_and_given_up_at_their_deadline() {
    let mut pair = Pair::volatile();
    let read = |body: &[u8], deadline_ms| NewRead {
        service: "bank".to_owned(),
        version: 1,
        body: body.to_vec(),
        deadline_ms,
    };
    pair.server.scripted = [Some(super::server::overloaded())].into();
    let key = pair.client.read(0, read(b"q", None)).unwrap();
    pair.drive(1_000);
    let answer = Answer::Done(b"q".to_vec());
    assert!(pair.said.contains(&Output::ReadAnswer { key, answer }));
    pair.server.scripted = [Some(Answer::door(DoorCause::NotPermitted, "no"))].into();
    let key = pair.client.read(pair.now_ms, read(b"q", None)).unwrap();
    pair.drive(2_000);
    let answer = Answer::door(DoorCause::NotPermitted, "no");
    assert!(pair.said.contains(&Output::ReadAnswer { key, answer }));
    pair.server.silent = true;
    let key = pair.client.read(pair.now_ms, read(b"q", Some(2_100))).unwrap();
    pair.drive(3_000);
    assert!(pair.said.contains(&Output::ReadFailed { key, reason: ReadFailure::DeadlinePassed }));
}

#[test]
fn outcomes_are_asked_for_by_id() {
    let mut pair = Pair::volatile();
    pair.begin("x");
    pair.settle_all();
    let id = pair.id("x");
    pair.client.outcome(pair.now_ms, id).unwrap();
    pair.drive(pair.now_ms + 100);
    let outcome = Outcome::Done(Answer::Done(b"x".to_vec()).to_bytes());
    assert!(pair.said.contains(&Output::OutcomeKnown { id, outcome }));
}

#[test]
fn a_restored_store_that_lost_a_call_raises_an_alarm() {
    let mut pair = Pair::volatile();
    pair.begin("x");
    pair.settle_all();
    let backup = pair.server.clone();
    pair.begin("y");
    pair.settle_all();
    pair.server = backup;
    pair.server.generation = 2;
    pair.break_connection();
    pair.drive(pair.now_ms + 1_000);
    let lost = Alarm::StoreLost { id: pair.id("y"), generation: crate::id::Generation(2) };
    assert_eq!(pair.alarms(), [&lost]);
    pair.begin("z");
    pair.settle_all();
    assert_ne!(pair.id("z").session, pair.id("y").session);
}

#[test]
fn a_store_that_comes_back_with_a_lower_generation_is_verified_too() {
    let mut pair = Pair::volatile();
    pair.server.generation = 3;
    pair.begin("x");
    pair.settle_all();
    let backup = pair.server.clone();
    pair.begin("y");
    pair.settle_all();
    pair.server = backup;
    pair.server.generation = 2;
    pair.break_connection();
    pair.drive(pair.now_ms + 1_000);
    let lost = Alarm::StoreLost { id: pair.id("y"), generation: crate::id::Generation(2) };
    assert_eq!(pair.alarms(), [&lost]);
}

#[test]
fn a_restored_store_that_lost_nothing_is_no_alarm() {
    let mut pair = Pair::volatile();
    pair.begin("x");
    pair.settle_all();
    pair.server.generation = 2;
    pair.break_connection();
    pair.begin("y");
    pair.settle_all();
    pair.drive(pair.now_ms + 1_000);
    assert!(pair.alarms().is_empty());
    assert_eq!(pair.id("y").session, pair.id("x").session);
}

#[test]
fn a_refused_credential_stops_the_client() {
    let mut pair = Pair::volatile();
    pair.server.goodbye_to_hello = Some(GoodbyeReason::BadCredential);
    let key = pair.begin("x");
    pair.drive(1_000);
    let reason = NeverSent::Stopped(StopReason::BadCredential);
    assert!(pair.said.contains(&Output::NeverSent { key, reason }));
    assert!(matches!(pair.alarms()[0], Alarm::Refused { .. }));
    assert_eq!(pair.client.poll_timeout(), None);
}

#[test]
fn a_server_that_shuts_down_is_left_for_the_next_node() {
    let mut pair = Pair::new(Config { nodes: 3, ..Config::volatile("test") }, 1);
    pair.server.goodbye_to_hello = Some(GoodbyeReason::ShuttingDown);
    pair.begin("x");
    pair.drive(10);
    pair.server.goodbye_to_hello = None;
    pair.settle_all();
    let nodes: Vec<usize> = pair
        .said
        .iter()
        .filter_map(|output| match output {
            Output::Welcomed { node, .. } => Some(*node),
            _ => None,
        })
        .collect();
    assert_eq!(nodes, [1]);
}

#[test]
fn no_more_await_an_answer_than_the_server_takes() {
    let mut pair = Pair::volatile();
    (pair.server.in_flight_max, pair.server.slots_max) = (4, 64);
    pair.drive(10);
    pair.server.silent = true;
    for n in 0..10 {
        pair.begin(&format!("x{n}"));
    }
    pair.drive(100);
    let calls = pair.server.received.iter().filter(|frame| matches!(frame, ClientFrame::Call(_)));
    assert_eq!(calls.count(), 2, "the other half is for cancels");
    pair.server.silent = false;
    pair.break_connection();
    pair.settle_all();
    assert_eq!(pair.server.executed.len(), 10);
}

#[test]
fn a_body_over_the_services_limit_is_not_sent() {
    let mut pair = Pair::volatile();
    let key = pair.begin(&"x".repeat(1_001));
    pair.drive(100);
    let (service, bytes, limit) = ("bank".to_owned(), 1_001, 1_000);
    let reason = NeverSent::OverLimit { service, bytes, limit };
    assert!(pair.said.contains(&Output::NeverSent { key, reason }));
}

#[test]
fn garbage_from_the_server_ends_the_connection_and_nothing_else() {
    let mut pair = Pair::volatile();
    pair.drive(10);
    pair.begin("x");
    pair.carry_out();
    pair.client.handle_bytes(pair.now_ms, b"HTTP/1.1 400 Bad Request\r\n\r\n");
    pair.settle_all();
    assert_eq!(*pair.end("x"), End::Done(b"x".to_vec()));
    assert!(matches!(pair.alarms()[..], [Alarm::ProtocolBroken { .. }]));
}

#[test]
fn another_node_of_the_same_store_answers_what_was_sent_to_the_first() {
    let mut pair = Pair::new(Config { nodes: 2, ..Config::volatile("test") }, 1);
    pair.drive(10);
    pair.begin("x");
    pair.carry_out();
    pair.drive(11);
    pair.break_connection();
    pair.settle_all();
    let nodes = pair.said.iter().filter_map(|output| match output {
        Output::Welcomed { node, .. } => Some(*node),
        _ => None,
    });
    assert_eq!(nodes.collect::<Vec<_>>(), [0, 1]);
    assert_eq!(pair.server.executions("x"), 1);
}

#[test]
fn on_a_lossy_link_a_door_that_refuses_the_cancel_too_proves_nothing() {
    let mut pair = Pair::new(Config { link: LinkKind::Lossy, ..Config::volatile("test") }, 1);
    pair.server.turns_cancels_away = true;
    pair.begin("forbidden");
    pair.drive(1_000);
    assert!(matches!(pair.unresolved()[..], [Unresolved::TurnedAway(_)]), "a doubled frame may still come");
}

#[test]
fn an_unresolved_call_stays_open_and_is_shown_as_being_cancelled() {
    let mut pair = Pair::volatile();
    pair.drive(10);
    pair.server.silent = true;
    let key = pair.begin("x");
    pair.drive(20);
    pair.client.cancel(20, key);
    pair.drive(5_100);
    assert_eq!(pair.unresolved(), [&Unresolved::NoAnswer]);
    let [view] = &pair.client.calls().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((view.key, &view.state), (key, &CallState::Cancelling));
}
