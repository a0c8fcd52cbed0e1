//! Each row of the table "answer, an outcome?, what the client may do".

use super::pair::Pair;
use super::server::{STORE, overloaded};
use super::*;
use crate::answer::{Answer, DoorCause, Outcome, TransientCause};
use crate::id::StoreId;

/// A pair whose server gives these answers to the first calls and cancels; `None` is its own answer.
fn scripted(answers: &[Option<Answer>]) -> Pair {
    let mut pair = Pair::volatile();
    pair.server.scripted = answers.iter().cloned().collect();
    pair.begin("x");
    pair.drive(1_000);
    pair
}

#[test]
fn recorded_replies_end_the_call_and_the_slot_goes_on() {
    let mut pair = Pair::volatile();
    pair.begin("x");
    pair.begin("refused");
    pair.settle_all();
    assert_eq!(*pair.end("x"), End::Done(b"x".to_vec()));
    assert_eq!(*pair.end("refused"), End::Refused(b"refused".to_vec()));
    pair.begin("y");
    pair.settle_all();
    let (x, y) = (pair.id("x"), pair.id("y"));
    assert_eq!((y.session, y.slot, y.sequence), (x.session, x.slot, x.sequence.next().unwrap()));
}

#[test]
fn cancelled_ends_the_call_and_the_slot_goes_on() {
    let mut pair = Pair::volatile();
    pair.server.scripted = [Some(overloaded())].into();
    let key = pair.begin("x");
    pair.drive(5);
    pair.client.cancel(pair.now_ms, key);
    pair.settle_all();
    assert_eq!(*pair.end("x"), End::Cancelled);
    assert_eq!(pair.server.executions("x"), 0);
    pair.begin("y");
    pair.settle_all();
    assert_eq!(pair.id("y").sequence, pair.id("x").sequence.next().unwrap());
}

#[test]
fn too_late_ends_the_call_and_the_slot_goes_on() {
    let mut pair = Pair::volatile();
    pair.begin_with(NewCall { not_after: Some(NotAfter::ServerTimeUs(1)), ..command("x") });
    pair.settle_all();
    assert_eq!(*pair.end("x"), End::TooLate);
    pair.begin("y");
    pair.settle_all();
    assert_eq!(pair.id("y").session, pair.id("x").session);
}

#[test]
fn expired_ends_the_call_and_the_session() {
    let mut pair = scripted(&[Some(Answer::Expired)]);
    assert_eq!(*pair.end("x"), End::Expired);
    pair.begin("y");
    pair.settle_all();
    assert_ne!(pair.id("y").session, pair.id("x").session);
}

#[test]
fn copied_journal_goes_on_under_the_successor_and_reports() {
    let pair = scripted(&[Some(Answer::CopiedJournal)]);
    assert_eq!(*pair.end("x"), End::Done(b"x".to_vec()));
    let copies = pair.copies("x");
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[1].id, copies[0].id.successor(copies[0].nonce));
    assert_eq!(copies[0].nonce, copies[1].nonce);
    assert_eq!(pair.alarms(), [&Alarm::JournalCopied { id: copies[0].id }]);
}

#[test]
fn call_id_reused_asks_for_the_outcome_and_never_takes_it_for_its_own() {
    let pair = scripted(&[Some(Answer::CallIdReused)]);
    let id = pair.copies("x")[0].id;
    assert_eq!(pair.alarms(), [&Alarm::CallIdReused { id }]);
    assert_eq!(pair.unresolved(), [&Unresolved::CallIdReused(Some(Outcome::NotYet))]);
    assert!(pair.answers("x").is_empty());
}

#[test]
fn superseded_asks_for_the_outcome() {
    let mut pair = Pair::volatile();
    pair.server.scripted = [Some(Answer::Superseded)].into();
    pair.server.scripted_outcomes = [Outcome::Unavailable { retry_after_ms: 30 }, Outcome::Superseded].into();
    pair.begin("x");
    pair.drive(1_000);
    assert_eq!(pair.unresolved(), [&Unresolved::Superseded]);
    assert!(matches!(pair.alarms()[..], [Alarm::Superseded { .. }]));
    pair.begin("y");
    pair.drive(2_000);
    assert_ne!(pair.id("y").session, pair.copies("x")[0].id.session);
}

#[test]
fn superseded_with_a_known_outcome_ends() {
    let mut pair = Pair::volatile();
    pair.server.scripted = [Some(Answer::Superseded)].into();
    pair.server.scripted_outcomes = [Outcome::Done(Answer::Done(b"r".to_vec()).to_bytes())].into();
    pair.begin("x");
    pair.settle_all();
    assert_eq!(*pair.end("x"), End::Done(b"r".to_vec()));
}

#[test]
fn forgotten_asks_for_the_outcome() {
    let mut pair = Pair::volatile();
    pair.server.scripted = [Some(Answer::Forgotten)].into();
    pair.server.scripted_outcomes = [Outcome::Forgotten].into();
    pair.begin("x");
    pair.drive(1_000);
    assert_eq!(pair.unresolved(), [&Unresolved::Forgotten]);
}

#[test]
fn gap_stops_the_session_loudly() {
    let mut pair = scripted(&[Some(Answer::Gap)]);
    assert!(matches!(pair.alarms()[..], [Alarm::Gap { .. }]));
    assert_eq!(pair.unresolved(), [&Unresolved::Gap]);
    pair.begin("y");
    pair.drive(2_000);
    assert_ne!(pair.id("y").session, pair.copies("x")[0].id.session);
    assert_eq!(pair.copies("x").len(), 1, "nothing is sent again");
}

#[test]
fn not_yours_stops_the_session_loudly() {
    let pair = scripted(&[Some(Answer::NotYours)]);
    assert!(matches!(pair.alarms()[..], [Alarm::NotYours { .. }]));
    assert_eq!(pair.unresolved(), [&Unresolved::NotYours]);
}

#[test]
fn wrong_store_stops_the_session_loudly() {
    let pair = scripted(&[Some(Answer::WrongStore)]);
    let expected = Alarm::WrongStore { node: 0, expected: STORE, found: Some(STORE) };
    assert_eq!(pair.alarms(), [&expected]);
    assert_eq!(pair.unresolved(), [&Unresolved::WrongStore]);
}

#[test]
fn a_server_of_another_store_stops_a_client_with_open_calls() {
    let mut pair = scripted(&[Some(overloaded()), Some(overloaded())]);
    pair.begin("y");
    pair.server.silent = true;
    pair.drive(pair.now_ms + 20);
    pair.server.silent = false;
    pair.server.store = StoreId([9; 16]);
    pair.begin("z");
    pair.break_connection();
    pair.drive(pair.now_ms + 1_000);
    assert_eq!(pair.client.stop_reason(), Some(StopReason::WrongStore));
    let found = Some(StoreId([9; 16]));
    assert_eq!(pair.alarms()[0], &Alarm::WrongStore { node: 0, expected: STORE, found });
    assert_eq!(pair.copies("y").len(), 1, "nothing is sent to another store");
    assert!(pair.client.begin(pair.now_ms, command("w")).is_err());
}

#[test]
fn a_replaced_store_is_taken_when_nothing_is_open_and_reported() {
    let mut pair = scripted(&[]);
    pair.server = super::server::ModelServer::new();
    pair.server.store = StoreId([9; 16]);
    pair.break_connection();
    pair.begin("y");
    pair.settle_all();
    assert!(matches!(pair.alarms()[..], [Alarm::WrongStore { .. }]));
    assert_eq!(*pair.end("y"), End::Done(b"y".to_vec()));
}

#[test]
fn transient_refusals_send_the_same_bytes_under_the_same_id_again() {
    let causes = [
        TransientCause::Overloaded,
        TransientCause::StoreUnavailable,
        TransientCause::InProgress,
        TransientCause::Fault,
        TransientCause::ShuttingDown,
        TransientCause::SessionsTooFast,
    ];
    let pair = scripted(&causes.map(|cause| Some(Answer::transient(cause, 15))));
    assert_eq!(*pair.end("x"), End::Done(b"x".to_vec()));
    let copies = pair.copies("x");
    assert_eq!(copies.len(), 7);
    for (copy, attempt) in copies.iter().zip(1..) {
        let first = crate::frame::Call { attempt, ..copies[0].clone() };
        assert_eq!(**copy, first);
    }
}

#[test]
fn a_door_refusal_is_cancelled() {
    let mut pair = Pair::volatile();
    pair.begin("forbidden");
    pair.settle_all();
    let End::TurnedAway(door) = pair.end("forbidden") else {
        panic!("{:?}", pair.said);
    };
    assert_eq!((door.cause, door.explanation.as_str()), (DoorCause::NotPermitted, "not for you"));
    assert_eq!(pair.cancels_seen(), 1);
    pair.begin("y");
    pair.settle_all();
    assert_eq!(pair.id("y").session, pair.id("forbidden").session, "the cancel was recorded");
}

#[test]
fn a_door_that_refuses_the_cancel_too_ends_an_only_copy() {
    let mut pair = Pair::volatile();
    pair.server.turns_cancels_away = true;
    pair.begin("forbidden");
    pair.settle_all();
    assert!(matches!(pair.end("forbidden"), End::TurnedAway(_)));
    pair.begin("y");
    pair.settle_all();
    assert_ne!(pair.id("y").session, pair.id("forbidden").session, "that session takes no new calls");
}

#[test]
fn a_door_after_an_earlier_copy_leaves_it_unresolved() {
    let mut pair = Pair::volatile();
    pair.server.turns_cancels_away = true;
    pair.server.scripted = [Some(overloaded())].into();
    pair.begin("forbidden");
    pair.drive(1_000);
    assert!(matches!(pair.unresolved()[..], [Unresolved::TurnedAway(_)]));
    assert!(pair.answers("forbidden").is_empty());
}

#[test]
fn a_door_on_a_later_connection_leaves_it_unresolved() {
    let mut pair = Pair::volatile();
    pair.server.turns_cancels_away = true;
    pair.drive(10);
    pair.server.silent = true;
    pair.begin("forbidden");
    pair.drive(20);
    pair.server.silent = false;
    pair.break_connection();
    pair.drive(1_000);
    assert!(matches!(pair.unresolved()[..], [Unresolved::TurnedAway(_)]));
}

#[test]
fn a_cancel_that_meets_an_executed_call_hands_over_its_reply() {
    let mut pair = Pair::volatile();
    pair.drive(10);
    let key = pair.begin("x");
    pair.carry_out();
    pair.client.cancel(pair.now_ms, key);
    pair.settle_all();
    assert_eq!(*pair.end("x"), End::Done(b"x".to_vec()));
}
