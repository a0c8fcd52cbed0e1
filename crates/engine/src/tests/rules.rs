//! One test for each server rule, by its number in docs/exactly-once.md.

use switchboard_call::answer::{Answer, Door, DoorCause, Outcome, TransientCause};
use switchboard_call::frame::{Cancel, OutcomeQuery, OutcomeReply, ServerFrame};
use switchboard_call::id::{Nonce, ReplyHash};

use super::counter::Command;
use super::laboratory::{ClientSlot, DAY_US, Laboratory, START_US, answered_by, read};
use crate::{MachineId, Principal, Request};

fn done(count: u64) -> Answer {
    Answer::Done(minicbor::to_vec(count).unwrap())
}

fn machine(number: u64) -> Principal {
    Principal::Machine(MachineId::new(number).unwrap())
}

#[track_caller]
fn assert_door(answer: &Answer, cause: DoorCause, says: &str) {
    let Answer::Door(Door { cause: found, explanation }) = answer else {
        panic!("not turned away at the door: {answer:?}")
    };
    assert_eq!(*found, cause);
    assert!(explanation.contains(says), "{explanation:?} does not say {says:?}");
}

#[test]
fn rule_0_the_door_refuses_and_records_nothing() {
    let lab = Laboratory::new();
    let slot = ClientSlot::new(1, 0);
    let call = slot.call(&Command::Add);
    let mut bad = call.clone();
    bad.service = "nobody".to_owned();
    assert_door(&lab.send(Request::Call(bad)).answer, DoorCause::UnknownCommand, "this server has: counter");
    let mut bad = call.clone();
    bad.version = 9;
    assert_door(&lab.send(Request::Call(bad)).answer, DoorCause::UnknownCommand, "1 to 2");
    let mut bad = call.clone();
    bad.body = vec![0xff];
    assert_door(&lab.send(Request::Call(bad)).answer, DoorCause::Malformed, "no command of counter");
    let mut bad = call.clone();
    bad.body.push(0);
    assert_door(&lab.send(Request::Call(bad)).answer, DoorCause::Malformed, "after its command");
    let far = ClientSlot::new(1, 64);
    assert_door(&lab.send(far.request(&Command::Add)).answer, DoorCause::OverLimit, "slot 64");
    let beyond = ClientSlot::new(1, 1024);
    assert_door(&lab.send(beyond.cancel()).answer, DoorCause::OverLimit, "slot 1024");
    let cancel = lab.send_as(Principal::Anonymous, slot.cancel());
    assert_door(&cancel.answer, DoorCause::NotPermitted, "nothing to cancel");
    let anonymous = lab.send_as(Principal::Anonymous, Request::Call(call.clone()));
    assert_door(&anonymous.answer, DoorCause::NotPermitted, "anonymous");
    assert_door(&lab.send(slot.request(&Command::Count)).answer, DoorCause::Malformed, "send it as a read");
    assert_door(&lab.send(read(1, &Command::Add)).answer, DoorCause::Malformed, "send it as a call");
    assert_eq!(lab.outcome(Principal::Operator, slot.id), Outcome::NotYet);
    assert_eq!(lab.send(Request::Call(call)).answer, done(1));
}

#[test]
fn rule_0_fewer_slots_than_before_leave_no_call_unanswered() {
    let lab = Laboratory::new();
    let (done_before, open_before) = (ClientSlot::new(1, 7), ClientSlot::new(1, 8));
    let answered = lab.send(done_before.request(&Command::Add));
    let smaller = lab.beside(4);
    let send = |request| answered_by(&smaller, request);
    assert_eq!(send(done_before.request(&Command::Add)).bytes, answered.bytes);
    assert_eq!(send(done_before.after(&answered.bytes).request(&Command::Add)).answer, done(2));
    assert_door(&send(open_before.request(&Command::Add)).answer, DoorCause::OverLimit, "slot 8");
    assert_eq!(send(open_before.cancel()).answer, Answer::Cancelled);
    assert_eq!(send(open_before.request(&Command::Add)).answer, Answer::Cancelled);
}

#[test]
fn rule_1_each_call_takes_effect_once_and_the_slot_goes_on() {
    let lab = Laboratory::new();
    let mut slot = ClientSlot::new(1, 0);
    for count in 1..=5 {
        let first = lab.send(slot.request(&Command::Add));
        assert_eq!((first.answer.clone(), first.replayed), (done(count), false));
        slot = slot.after(&first.bytes);
    }
    assert_eq!(lab.count(), 5);
}

#[test]
fn rule_2_a_copy_gets_the_recorded_reply_byte_for_byte() {
    let lab = Laboratory::new();
    for (number, command) in [(1, Command::Add), (2, Command::Refuse), (3, Command::AddThenRefuse)] {
        let slot = ClientSlot::new(number, 0);
        let first = lab.send(slot.request(&command));
        let count = lab.count();
        let mut copy = slot.call(&command);
        copy.attempt = 7;
        copy.not_after_us = Some(1);
        let again = lab.send(Request::Call(copy));
        assert_eq!(again.bytes, first.bytes, "{command:?}");
        assert!(again.replayed && !first.replayed);
        assert_eq!(lab.count(), count);
    }
}

#[test]
fn rule_2_a_session_belongs_to_one_principal() {
    let lab = Laboratory::new();
    let slot = ClientSlot::new(1, 0);
    let first = lab.send_as(machine(1), slot.request(&Command::Add));
    let next = slot.after(&first.bytes);
    let other_slot = ClientSlot::new(1, 5);
    for foreign in [slot, next, other_slot] {
        assert_eq!(lab.send_as(machine(2), foreign.request(&Command::Add)).answer, Answer::NotYours);
        assert_eq!(lab.send_as(machine(2), foreign.cancel()).answer, Answer::NotYours);
    }
    assert_eq!(lab.outcome(machine(2), slot.id), Outcome::NotYours);
    assert_eq!(lab.send_as(Principal::Operator, next.request(&Command::Add)).answer, Answer::NotYours);
    assert_eq!(lab.send_as(machine(1), next.request(&Command::Add)).answer, done(2));
}

#[test]
fn rule_3_another_nonce_is_a_copied_journal_and_other_bytes_are_a_reused_id() {
    let lab = Laboratory::new();
    let slot = ClientSlot::new(1, 0);
    lab.send(slot.request(&Command::Add));
    let mut copied = slot.call(&Command::Add);
    copied.nonce = Nonce([9; 16]);
    assert_eq!(lab.send(Request::Call(copied)).answer, Answer::CopiedJournal);
    let nonce = Some(Nonce([9; 16]));
    let cancel = Cancel { id: slot.id, previous: Some(slot.previous), nonce };
    assert_eq!(lab.send(Request::Cancel(cancel)).answer, Answer::CopiedJournal, "not the other's reply");
    let asked = lab.hand_in(Principal::Operator, vec![Request::Outcome(OutcomeQuery { id: slot.id, nonce })]);
    let copied = OutcomeReply { id: slot.id, outcome: Outcome::CopiedJournal };
    assert_eq!(asked, [ServerFrame::Outcome(copied)]);
    assert_eq!(lab.send(slot.request(&Command::Refuse)).answer, Answer::CallIdReused);
    let mut upgraded = slot.call(&Command::Add);
    upgraded.version = 2;
    assert_eq!(lab.send(Request::Call(upgraded)).answer, Answer::CallIdReused);
    assert_eq!(lab.count(), 1);
}

#[test]
fn rule_4_superseded_and_gap() {
    let lab = Laboratory::new();
    let first = ClientSlot::new(1, 0);
    let second = first.after(&lab.send(first.request(&Command::Add)).bytes);
    let third = second.after(&lab.send(second.request(&Command::Add)).bytes);
    assert_eq!(lab.send(first.request(&Command::Add)).answer, Answer::Superseded);
    assert_eq!(lab.send(first.cancel()).answer, Answer::Superseded);
    assert_eq!(lab.outcome(Principal::Operator, first.id), Outcome::Superseded);
    let fourth = third.after(b"a reply that was never made");
    assert_eq!(lab.send(fourth.request(&Command::Add)).answer, Answer::Gap, "the store lost call 3");
    let mut forged = third;
    forged.previous = ReplyHash([1; 8]);
    assert_eq!(lab.send(forged.request(&Command::Add)).answer, Answer::Gap, "another reply 2");
    let lost = ClientSlot::new(2, 0).after(b"acknowledged once");
    assert_eq!(lab.send(lost.request(&Command::Add)).answer, Answer::Gap, "no row at all");
    assert_eq!(lab.count(), 2);
    assert_eq!(lab.send(third.request(&Command::Add)).answer, done(3));
}

#[test]
fn rule_5_expired_and_forgotten_by_the_horizon_and_never_by_the_clock() {
    let lab = Laboratory::new();
    let begun = ClientSlot::new(1, 0);
    let next = begun.after(&lab.send(begun.request(&Command::Add)).bytes);
    let never = ClientSlot::new(2, 0);
    lab.set_time(START_US + 3650 * DAY_US);
    assert_eq!(lab.send(never.request(&Command::Refuse)).answer, Answer::Refused(encoded("no")));
    let never = ClientSlot::new(3, 0);
    raise_horizon(&lab, 31);
    assert_eq!(lab.send(never.request(&Command::Add)).answer, Answer::Expired);
    assert_eq!(lab.outcome(Principal::Operator, never.id), Outcome::Expired);
    assert_eq!(lab.send(next.request(&Command::Add)).answer, Answer::Expired);
    assert_eq!(lab.send(begun.request(&Command::Add)).answer, done(1), "recorded, so replayed");
    assert_eq!(lab.send(never.after(b"x").request(&Command::Add)).answer, Answer::Gap);
    raise_horizon(&lab, 31);
    assert_eq!(lab.send(begun.request(&Command::Add)).answer, Answer::Forgotten);
    assert_eq!(lab.outcome(Principal::Operator, begun.id), Outcome::Forgotten);
    assert_eq!(lab.count(), 1);
    let mint_time_ms = lab.engine.facts().unwrap().mint_time_ms;
    let fresh = ClientSlot::born(mint_time_ms * 1000, 4, 0);
    assert_eq!(lab.send(fresh.request(&Command::Add)).answer, done(2), "a new session works at once");
}

#[test]
fn rule_5_a_clock_that_goes_back_does_not_stop_new_sessions() {
    let lab = Laboratory::new();
    lab.set_time(START_US + 400 * DAY_US);
    raise_horizon(&lab, 300);
    lab.set_time(START_US - 400 * DAY_US);
    let mint_time_ms = lab.engine.facts().unwrap().mint_time_ms;
    let fresh = ClientSlot::born(mint_time_ms * 1000, 1, 0);
    assert_eq!(lab.send(fresh.request(&Command::Add)).answer, done(1));
}

#[test]
fn one_housekeeping_deletes_all_old_rows() {
    let lab = Laboratory::new();
    let old: Vec<_> =
        (0..11).flat_map(|session| (0..50).map(move |slot| ClientSlot::new(session, slot))).collect();
    for slot in &old {
        lab.send(slot.request(&Command::Refuse));
    }
    lab.set_time(START_US + 3650 * DAY_US);
    assert_eq!(lab.engine.keep_house(62 * DAY_US / 1000 / 2).unwrap(), old.len());
    assert_eq!(lab.engine.keep_house(0).unwrap(), 0);
}

/// Two horizon days per day of uptime at most.
fn raise_horizon(lab: &Laboratory, days: u64) {
    lab.engine.keep_house(days * DAY_US / 1000 / 2).unwrap();
}

fn encoded(refusal: &str) -> Vec<u8> {
    minicbor::to_vec(refusal).unwrap()
}

#[test]
fn rule_6_a_refusal_takes_back_the_rules_writes_and_keeps_its_own() {
    let lab = Laboratory::new();
    let slot = ClientSlot::new(1, 0);
    let refused = lab.send(slot.request(&Command::AddThenRefuse));
    assert_eq!(refused.answer, Answer::Refused(encoded("after all, no")));
    assert_eq!((lab.count(), lab.row(b"refused")), (0, 1));
    lab.send(slot.request(&Command::AddThenRefuse));
    assert_eq!((lab.count(), lab.row(b"refused")), (0, 1), "counted once");
    let next = slot.after(&refused.bytes);
    assert_eq!(lab.send(next.request(&Command::Add)).answer, done(1));
}

#[test]
fn rule_6_a_rule_that_refuses_after_an_unannounced_write_is_a_fault() {
    let lab = Laboratory::new();
    let slot = ClientSlot::new(1, 0);
    let answer = lab.send(slot.request(&Command::SneakyRefuse)).answer;
    assert!(matches!(answer, Answer::Transient(t) if t.cause == TransientCause::Fault), "{answer:?}");
    assert_eq!(lab.count(), 0);
}

#[test]
fn rule_7_past_its_not_after_a_call_is_too_late_for_ever() {
    let lab = Laboratory::new();
    let slot = ClientSlot::new(1, 0);
    let mut call = slot.call(&Command::Add);
    call.not_after_us = Some(START_US - 1);
    let late = lab.send(Request::Call(call.clone()));
    assert_eq!(late.answer, Answer::TooLate);
    lab.set_time(START_US - DAY_US);
    let again = lab.send(Request::Call(call));
    assert_eq!((again.bytes.clone(), again.replayed), (late.bytes, true));
    assert_eq!(lab.count(), 0);
    assert_eq!(lab.send(slot.after(&again.bytes).request(&Command::Add)).answer, done(1));
}

#[test]
fn rule_7_a_transient_failure_records_nothing() {
    let lab = Laboratory::new();
    for (number, command) in [(1, Command::Panic), (2, Command::Fail), (3, Command::PanicPreparing)] {
        let slot = ClientSlot::new(number, 0);
        let answer = lab.send(slot.request(&command)).answer;
        assert!(matches!(answer, Answer::Transient(t) if t.cause == TransientCause::Fault), "{answer:?}");
        assert_eq!(lab.outcome(Principal::Operator, slot.id), Outcome::NotYet);
        assert_eq!(lab.send(slot.cancel()).answer, Answer::Cancelled);
    }
    assert_eq!(lab.count(), 0);
}

#[test]
fn rule_9_a_cancelled_call_is_never_executed_and_an_executed_one_answers_its_cancel() {
    let lab = Laboratory::new();
    let cancelled = ClientSlot::new(1, 0);
    let first = lab.send(cancelled.cancel());
    assert_eq!((first.answer, first.replayed), (Answer::Cancelled, false));
    let copy = lab.send(cancelled.request(&Command::Add));
    assert_eq!((copy.answer, copy.replayed), (Answer::Cancelled, true));
    assert_eq!(lab.outcome(Principal::Operator, cancelled.id), Outcome::Cancelled);
    let next = cancelled.after(&copy.bytes);
    let executed = lab.send(next.request(&Command::Add));
    assert_eq!(lab.send(next.cancel()).bytes, executed.bytes);
    assert_eq!(lab.count(), 1);
}

#[test]
fn rule_9_an_operator_cancels_what_is_not_his_and_the_owner_is_told() {
    let lab = Laboratory::new();
    let slot = ClientSlot::new(1, 0);
    let by_operator = |id| Request::Cancel(Cancel { id, previous: None, nonce: None });
    let not_allowed = lab.send_as(machine(1), by_operator(slot.id));
    assert_door(&not_allowed.answer, DoorCause::NotPermitted, "only an operator");
    assert_eq!(lab.send(by_operator(slot.id)).answer, Answer::Cancelled);
    let told = lab.send_as(machine(1), slot.request(&Command::Add));
    assert_eq!(told.answer, Answer::Cancelled);
    let next = slot.after(&told.bytes);
    assert_eq!(lab.send_as(machine(1), next.request(&Command::Add)).answer, done(1), "still the owner's");
    let third = next.after(&lab.send_as(machine(1), next.request(&Command::Add)).bytes);
    assert_eq!(lab.send(by_operator(third.id)).answer, Answer::Cancelled);
    assert_eq!(lab.send_as(machine(1), third.request(&Command::Add)).answer, Answer::Cancelled);
    assert_eq!(lab.send_as(machine(2), third.request(&Command::Add)).answer, Answer::NotYours);
}

#[test]
fn rule_9_a_slot_that_an_operator_cancelled_first_is_still_of_the_sessions_owner() {
    let lab = Laboratory::new();
    let (used, cancelled) = (ClientSlot::new(1, 0), ClientSlot::new(1, 1));
    assert_eq!(lab.send_as(machine(1), used.request(&Command::Add)).answer, done(1));
    let by_operator = lab.send(cancelled.cancel());
    assert_eq!(by_operator.answer, Answer::Cancelled);
    let next = cancelled.after(&by_operator.bytes);
    assert_eq!(lab.send_as(machine(2), cancelled.request(&Command::Add)).answer, Answer::NotYours);
    assert_eq!(lab.send_as(machine(2), next.request(&Command::Add)).answer, Answer::NotYours);
    assert_eq!(lab.outcome(machine(2), cancelled.id), Outcome::NotYours);
    assert_eq!(lab.send_as(machine(1), cancelled.request(&Command::Add)).answer, Answer::Cancelled);
    assert_eq!(lab.send_as(machine(1), next.request(&Command::Add)).answer, done(2));
}

#[test]
fn rule_9_an_operators_cancel_with_the_hash_leaves_the_session_to_its_owner() {
    let lab = Laboratory::new();
    let owned = ClientSlot::new(1, 0);
    let next = owned.after(&lab.send_as(machine(7), owned.request(&Command::Add)).bytes);
    assert_eq!(lab.send(next.cancel()).answer, Answer::Cancelled);
    let unbound = ClientSlot::new(2, 0);
    let first = lab.send(unbound.cancel());
    let second = lab.send(unbound.after(&first.bytes).cancel());
    assert_eq!(second.answer, Answer::Cancelled);
    let third = unbound.after(&first.bytes).after(&second.bytes);
    assert_eq!(lab.send_as(machine(7), third.request(&Command::Add)).answer, done(2));
    let mut wrong = third.after(b"never made");
    wrong.previous = ReplyHash([1; 8]);
    assert_eq!(lab.send(wrong.cancel()).answer, Answer::Gap);
}

#[test]
fn rule_10_the_outcome_of_a_call() {
    let lab = Laboratory::new();
    let slot = ClientSlot::new(1, 0);
    assert_eq!(lab.outcome(machine(1), slot.id), Outcome::NotYet);
    let executed = lab.send_as(machine(1), slot.request(&Command::Add));
    assert_eq!(lab.outcome(machine(1), slot.id), Outcome::Done(executed.bytes.clone()));
    assert_eq!(lab.outcome(Principal::Operator, slot.id), Outcome::Done(executed.bytes.clone()));
    assert_eq!(lab.outcome(machine(1), slot.after(&executed.bytes).id), Outcome::NotYet);
}

#[test]
fn a_read_is_answered_over_what_is_committed() {
    let lab = Laboratory::new();
    lab.send(ClientSlot::new(1, 0).request(&Command::Add));
    assert_eq!(lab.send(read(1, &Command::Count)).answer, done(1));
    assert_eq!(lab.send_as(Principal::Anonymous, read(2, &Command::Hello)).answer, done(42));
    assert_door(
        &lab.send_as(Principal::Anonymous, read(3, &Command::Count)).answer,
        DoorCause::NotPermitted,
        "operator key",
    );
}

#[test]
fn a_draining_engine_takes_no_new_calls() {
    let lab = Laboratory::new();
    lab.engine.drain().unwrap();
    let answer = lab.send(ClientSlot::new(1, 0).request(&Command::Add)).answer;
    assert!(matches!(answer, Answer::Transient(t) if t.cause == TransientCause::ShuttingDown), "{answer:?}");
    assert_eq!(lab.count(), 0);
}
