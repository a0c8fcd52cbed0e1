//! The durable client: what is written before what, and what a restart knows.

use super::pair::{Pair, binding};
use super::*;
use crate::answer::{Answer, Outcome};
use crate::id::Generation;
use crate::journal;
use crate::limits::{BODY_BYTES_MAX, JOURNAL_REWRITE_BYTES};

#[test]
fn nothing_is_sent_before_it_is_durable_and_nothing_handed_over_before_its_answer_is() {
    let mut pair = Pair::durable();
    pair.drive(10);
    let key = pair.begin("x");
    let mut positions = Vec::new();
    while let Some(output) = pair.client.poll_output() {
        match output {
            Output::Journal { position, must_sync: true, reserve_bytes, .. } => {
                assert!(reserve_bytes >= 1000, "room for the answer");
                positions.push(position);
            }
            Output::Journal { must_sync: false, .. } => {}
            other => panic!("{other:?} before the call is durable"),
        }
    }
    let [begun] = positions[..] else { panic!("{positions:?}") };
    pair.client.handle_journalled(begun - 1);
    assert!(pair.client.poll_output().is_none());
    pair.client.handle_journalled(begun);
    let id = pair.client.call_id(key).unwrap();
    assert_eq!(pair.client.poll_output(), Some(Output::Begun { key, id }));
    assert!(matches!(pair.client.poll_output(), Some(Output::Send(_))));

    let mut reply = Vec::new();
    let (reference, answer) = (crate::frame::Reference::Call(id), Answer::Done(vec![]).to_bytes());
    let frame = crate::frame::Reply { reference, attempt: 1, replayed: false, answer };
    ServerFrame::Reply(frame).encode(&mut reply);
    pair.client.handle_bytes(11, &reply);
    let Some(Output::Journal { position, must_sync: true, reserve_bytes, .. }) = pair.client.poll_output()
    else {
        panic!("the answer is journalled first");
    };
    assert_eq!(reserve_bytes, 0, "the answer takes its own room");
    assert!(pair.client.poll_output().is_none());
    pair.client.handle_journalled(position);
    assert!(matches!(pair.client.poll_output(), Some(Output::Answer(_))));
}

#[test]
fn a_restarted_client_hands_over_what_was_not_acknowledged_marked_as_maybe_seen() {
    let mut pair = Pair::durable();
    pair.begin("x");
    pair.begin("y");
    pair.settle_all();
    let (x, y) = (pair.id("x"), pair.id("y"));
    assert!(!pair.answers("x")[0].maybe_seen);
    pair.client.acknowledge(x);
    pair.carry_out();
    pair.file.synced = pair.file.bytes.len();
    pair.said.clear();
    pair.crash();
    assert!(pair.answers("x").is_empty());
    let [again] = pair.answers("y")[..] else { panic!("{:?}", pair.said) };
    assert_eq!((again.id, again.maybe_seen, &again.end), (y, true, &End::Done(b"y".to_vec())));
    pair.client.acknowledge(y);
    pair.carry_out();
    pair.file.synced = pair.file.bytes.len();
    pair.said.clear();
    pair.crash();
    assert!(pair.answers("y").is_empty());
}

#[test]
fn a_restarted_client_sends_open_calls_again_byte_equal_and_uses_a_new_session() {
    let mut pair = Pair::durable();
    pair.drive(10);
    pair.server.silent = true;
    pair.begin("x");
    pair.drive(50);
    pair.server.silent = false;
    pair.crash();
    pair.begin("y");
    pair.settle_all();
    let copies = pair.copies("x");
    assert_eq!(copies.len(), 2);
    assert_eq!((copies[0].id, copies[0].nonce), (copies[1].id, copies[1].nonce));
    assert_eq!(*pair.end("x"), End::Done(b"x".to_vec()));
    assert_ne!(pair.id("y").session, pair.id("x").session);
}

#[test]
fn room_for_the_answers_of_recovered_calls_is_asked_for_first_of_all() {
    let mut pair = Pair::durable();
    pair.drive(10);
    pair.begin("answered");
    pair.settle_all();
    pair.server.silent = true;
    pair.begin("x");
    pair.begin("y");
    pair.drive(pair.now_ms + 50);
    let recovered = journal::recover(&pair.file.bytes, &binding()).unwrap();
    assert_eq!((recovered.open.len(), recovered.answered.len()), (2, 1));
    let mut client = Machine::recover(pair.config.clone(), recovered, Box::new(|bytes| bytes.fill(3)));
    let Some(Output::Journal { must_sync: true, reserve_bytes, .. }) = client.poll_output() else {
        panic!("the opening is journalled first");
    };
    assert!(reserve_bytes >= 2 * BODY_BYTES_MAX as u64, "{reserve_bytes}");
    assert!(matches!(client.poll_output(), Some(Output::Answer(_))));
}

#[test]
fn after_a_clean_shutdown_sessions_and_slots_go_on() {
    let mut pair = Pair::durable();
    pair.begin("x");
    pair.settle_all();
    pair.client.acknowledge(pair.id("x"));
    pair.client.close(pair.now_ms);
    pair.drive(pair.now_ms + 100);
    assert_eq!(pair.said.last(), Some(&Output::Closed));
    pair.restart();
    pair.begin("y");
    pair.settle_all();
    let (x, y) = (pair.id("x"), pair.id("y"));
    assert_eq!((y.session, y.slot, Some(y.sequence)), (x.session, x.slot, x.sequence.next()));
    pair.crash();
    pair.begin("z");
    pair.settle_all();
    assert_ne!(pair.id("z").session, x.session, "the mark held once");
}

#[test]
fn an_acknowledgement_after_close_keeps_the_mark_last() {
    let mut pair = Pair::durable();
    pair.begin("x");
    pair.settle_all();
    pair.client.close(pair.now_ms);
    pair.client.acknowledge(pair.id("x"));
    pair.drive(pair.now_ms + 100);
    let recovered = journal::recover(&pair.file.bytes, &binding()).unwrap();
    assert!(recovered.clean && recovered.answered.is_empty());
}

#[test]
fn closing_with_an_open_call_says_so_and_the_next_start_settles_it() {
    let mut pair = Pair::durable();
    pair.drive(10);
    pair.server.silent = true;
    pair.begin("x");
    pair.drive(50);
    pair.client.close(pair.now_ms);
    pair.drive(100);
    assert_eq!(pair.unresolved(), [&Unresolved::Stopped(StopReason::Closed)]);
    pair.server.silent = false;
    pair.restart();
    pair.begin("y");
    pair.settle_all();
    assert_eq!(*pair.end("x"), End::Done(b"x".to_vec()));
    assert_eq!(pair.server.executions("x"), 1);
    assert_eq!(pair.id("y").session, pair.id("x").session);
    assert_ne!(pair.id("y").slot, pair.id("x").slot);
}

#[test]
fn a_secret_is_not_in_the_journal_and_is_recovered_by_cancel() {
    let mut pair = Pair::durable();
    pair.drive(10);
    pair.server.silent = true;
    pair.begin_with(NewCall { secret: true, label: "change pin".to_owned(), ..command("PIN 4711") });
    pair.drive(50);
    assert_eq!(pair.copies("PIN 4711").len(), 1, "the secret itself was sent");
    let needle = b"4711";
    assert!(!pair.file.bytes.windows(needle.len()).any(|window| window == needle));
    pair.server.silent = false;
    pair.crash();
    pair.settle_all();
    assert_eq!(*pair.end("change pin"), End::Cancelled);
    assert_eq!(pair.copies("PIN 4711").len(), 1);
    assert_eq!(pair.cancels_seen(), 1);
    assert_eq!(pair.server.executions("PIN 4711"), 0);
}

#[test]
fn a_recovered_call_past_its_not_after_is_cancelled() {
    let mut pair = Pair::durable();
    pair.drive(10);
    pair.server.silent = true;
    pair.begin_with(NewCall { not_after: Some(NotAfter::WithinMs(1_000)), ..command("x") });
    pair.drive(50);
    pair.server.silent = false;
    pair.now_ms = 5_000;
    pair.crash();
    pair.settle_all();
    assert_eq!(*pair.end("x"), End::Cancelled);
    assert_eq!(pair.copies("x").len(), 1);
}

#[test]
fn a_wish_to_cancel_outlives_a_crash() {
    let mut pair = Pair::durable();
    pair.drive(10);
    pair.server.silent = true;
    let key = pair.begin("x");
    pair.drive(50);
    pair.client.cancel(50, key);
    pair.carry_out();
    pair.file.synced = pair.file.bytes.len();
    pair.server.silent = false;
    pair.crash();
    pair.settle_all();
    assert_eq!(*pair.end("x"), End::Cancelled);
}

#[test]
fn a_copied_journal_is_found_out_and_neither_call_is_lost() {
    let mut first = Pair::durable();
    first.begin("a");
    first.settle_all();
    first.client.acknowledge(first.id("a"));
    first.client.close(first.now_ms);
    first.drive(first.now_ms + 100);
    let mut second = Pair::new(first.config.clone(), 2);
    second.file.bytes = first.file.bytes.clone();
    first.restart();
    second.restart();
    first.begin("b");
    first.settle_all();
    second.server = first.server.clone();
    second.begin("c");
    second.settle_all();
    assert_eq!(*second.end("c"), End::Done(b"c".to_vec()));
    assert_eq!(second.server.executions("b") + second.server.executions("c"), 2);
    assert_eq!(second.alarms(), [&Alarm::JournalCopied { id: first.id("b") }]);
    // The move itself is in the journal: a crash brings neither id back.
    second.client.acknowledge(second.id("c"));
    second.carry_out();
    second.file.synced = second.file.bytes.len();
    second.crash();
    assert_eq!(second.client.calls().count(), 0);
}

#[test]
fn the_session_of_a_successor_is_used_for_nothing_else() {
    let mut pair = Pair::durable();
    pair.server.scripted = [Some(Answer::CopiedJournal)].into();
    pair.begin("a");
    pair.settle_all();
    let successor = pair.id("a").session;
    pair.client.acknowledge(pair.id("a"));
    pair.client.close(pair.now_ms);
    pair.drive(pair.now_ms + 100);
    pair.restart();
    pair.begin("b");
    pair.settle_all();
    assert_ne!(pair.id("b").session, successor);
}

#[test]
fn a_successor_that_is_turned_away_may_have_been_executed_by_a_copy() {
    let mut pair = Pair::durable();
    let refused = || Some(Answer::door(crate::answer::DoorCause::NotPermitted, "no"));
    pair.server.scripted = [Some(Answer::CopiedJournal), refused(), refused()].into();
    pair.begin("a");
    pair.drive(pair.now_ms + 1_000);
    assert!(matches!(pair.unresolved().as_slice(), [Unresolved::TurnedAway(_)]), "{:?}", pair.unresolved());
}

#[test]
fn a_cancel_from_a_copied_journal_is_not_told_the_reply_of_the_other_call() {
    let mut first = Pair::durable();
    first.begin("a");
    first.settle_all();
    first.client.acknowledge(first.id("a"));
    first.client.close(first.now_ms);
    first.drive(first.now_ms + 100);
    let mut second = Pair::new(first.config.clone(), 2);
    second.file.bytes = first.file.bytes.clone();
    first.restart();
    second.restart();
    first.begin("b");
    first.settle_all();
    second.server = first.server.clone();
    second.drive(second.now_ms + 10);
    second.server.silent = true;
    let key = second.begin("c");
    second.drive(second.now_ms + 50);
    second.client.cancel(second.now_ms, key);
    second.carry_out();
    second.file.synced = second.file.bytes.len();
    second.server.silent = false;
    second.crash();
    second.settle_all();
    assert_eq!(*second.end("c"), End::Cancelled);
    assert_eq!(second.server.executions("c"), 0);
}

#[test]
fn copies_of_an_open_call_whose_id_is_taken_go_on_as_one_call() {
    let mut first = Pair::durable();
    first.begin("a");
    first.settle_all();
    first.client.acknowledge(first.id("a"));
    first.client.close(first.now_ms);
    first.drive(first.now_ms + 100);
    let (mut second, mut third) = (Pair::new(first.config.clone(), 2), Pair::new(first.config.clone(), 3));
    second.file.bytes = first.file.bytes.clone();
    first.restart();
    second.restart();
    first.begin("b");
    first.settle_all();
    second.server = first.server.clone();
    second.drive(second.now_ms + 10);
    second.server.silent = true;
    second.begin("c");
    second.drive(second.now_ms + 50);
    third.file.bytes = second.file.bytes.clone();
    second.server.silent = false;
    second.crash();
    second.settle_all();
    assert_eq!(*second.end("c"), End::Done(b"c".to_vec()));
    // The journal as it was before the call moved, put back: the call moves to the same id.
    third.server = second.server.clone();
    third.restart();
    third.settle_all();
    assert_eq!(*third.end("c"), End::Done(b"c".to_vec()));
    assert_eq!(third.server.executions("c"), 1);
}

#[test]
fn a_clean_end_after_a_crash_does_not_bring_the_old_session_back() {
    let mut pair = Pair::durable();
    pair.begin("a");
    pair.settle_all();
    pair.client.acknowledge(pair.id("a"));
    pair.carry_out();
    pair.file.synced = pair.file.bytes.len();
    pair.crash();
    pair.settle_all();
    pair.client.close(pair.now_ms);
    pair.drive(pair.now_ms + 100);
    pair.restart();
    pair.begin("b");
    pair.settle_all();
    assert_ne!(pair.id("b").session, pair.id("a").session);
}

#[test]
fn a_new_generation_is_met_only_when_every_slot_was_asked_after() {
    let mut pair = Pair::durable();
    pair.begin("x");
    pair.settle_all();
    let backup = pair.server.clone();
    pair.begin("y");
    pair.settle_all();
    let id = pair.id("y");
    pair.client.acknowledge(id);
    pair.server = backup;
    pair.server.generation = 2;
    pair.server.scripted_outcomes.push_back(Outcome::Unavailable { retry_after_ms: 30_000 });
    pair.break_connection();
    pair.drive(pair.now_ms + 1_000);
    assert!(pair.alarms().is_empty(), "{:?}", pair.alarms());
    pair.file.synced = pair.file.bytes.len();
    pair.crash();
    pair.drive(pair.now_ms + 1_000);
    assert_eq!(pair.alarms(), [&Alarm::StoreLost { id, generation: Generation(2) }]);
}

#[test]
fn a_long_journal_is_rewritten_when_all_is_acknowledged() {
    let mut pair = Pair::durable();
    let mut n = 0;
    while pair.file.rewrites == 0 {
        let label = format!("{n:0900}");
        pair.begin(&label);
        pair.settle_all();
        pair.client.acknowledge(pair.id(&label));
        pair.carry_out();
        pair.said.clear();
        n += 1;
        assert!(n < 2_000);
    }
    assert!(n * 3_000 > JOURNAL_REWRITE_BYTES);
    assert!(pair.file.bytes.len() < 1_000);
    pair.begin("after");
    pair.settle_all();
    assert_eq!(pair.id("after").sequence.number(), n + 1);
    pair.client.acknowledge(pair.id("after"));
    pair.client.close(pair.now_ms);
    pair.drive(pair.now_ms + 100);
    pair.restart();
    pair.begin("and on");
    pair.settle_all();
    assert_eq!(pair.id("and on").session, pair.id("after").session);
    assert_eq!(pair.id("and on").sequence.number(), n + 2);
}

#[test]
fn a_journal_that_cannot_be_rewritten_goes_on_vouches_for_itself_and_is_tried_again_later() {
    let mut pair = Pair::durable();
    pair.file.refuses_rewrites = true;
    let mut n = 0;
    while pair.file.refused_rewrites < 2 {
        let label = format!("{n:0900}");
        pair.begin(&label);
        pair.settle_all();
        pair.client.acknowledge(pair.id(&label));
        pair.carry_out();
        pair.said.clear();
        n += 1;
        assert!(n < 2_000);
    }
    assert!(pair.file.bytes.len() as u64 > 2 * JOURNAL_REWRITE_BYTES, "not tried at every acknowledgement");
    let last = pair.file.bytes.len() - 20;
    pair.begin("after");
    pair.settle_all();
    pair.client.acknowledge(pair.id("after"));
    pair.carry_out();
    let mut rotten = pair.file.bytes.clone();
    rotten[last] ^= 1;
    let error = journal::recover(&rotten, &binding()).unwrap_err();
    assert!(matches!(error, journal::JournalError::Rotten { .. }), "{error}");
    pair.file.refuses_rewrites = false;
    pair.said.clear();
    pair.restart();
    pair.begin("and on");
    pair.settle_all();
    pair.client.acknowledge(pair.id("and on"));
    pair.carry_out();
    assert_eq!(pair.file.rewrites, 1);
}

#[test]
fn a_journal_that_cannot_be_written_stops_the_client() {
    let mut pair = Pair::durable();
    pair.drive(10);
    let key = pair.begin("x");
    while pair.client.poll_output().is_some() {}
    pair.client.handle_journal_failed();
    pair.carry_out();
    assert!(pair.copies("x").is_empty());
    let why = Unresolved::Stopped(StopReason::JournalFailed);
    assert_eq!(pair.unresolved(), [&why]);
    assert_eq!(pair.client.begin(10, command("y")), Err(BeginError::Stopped(StopReason::JournalFailed)));
    pair.client.cancel(11, key);
    pair.drive(1_000);
    assert_eq!(pair.cancels_seen(), 0);
}

#[test]
fn closing_ends_also_when_its_mark_cannot_be_written() {
    let mut pair = Pair::durable();
    pair.begin("x");
    pair.settle_all();
    pair.client.close(pair.now_ms);
    while let Some(output) = pair.client.poll_output() {
        if matches!(output, Output::Journal { must_sync: true, .. }) {
            pair.client.handle_journal_failed();
        }
        pair.said.push(output);
    }
    assert_eq!(pair.alarms(), [&Alarm::Stopped(StopReason::JournalFailed)]);
    assert_eq!(pair.said.iter().filter(|output| **output == Output::Closed).count(), 1);
    pair.said.clear();
    pair.restart();
    pair.drive(pair.now_ms + 100);
    assert!(pair.answers("x")[0].maybe_seen, "what was not acknowledged comes again");
}

#[test]
fn an_abandoned_call_is_not_asked_for_again() {
    let mut pair = Pair::durable();
    pair.drive(10);
    pair.server.silent = true;
    let key = pair.begin("x");
    pair.drive(50);
    let id = pair.client.call_id(key).unwrap();
    assert!(pair.client.abandon(id) && !pair.client.abandon(id));
    pair.carry_out();
    pair.file.synced = pair.file.bytes.len();
    pair.server.silent = false;
    pair.crash();
    pair.drive(1_000);
    assert_eq!(pair.client.calls().count(), 0);
    assert_eq!(pair.copies("x").len(), 1);
}
