//! What one call of a batch does to the others: nothing.

use std::collections::BTreeMap;

use proptest::prelude::*;
use switchboard_call::answer::{Answer, TransientCause};
use switchboard_call::frame::{Reference, Reply, ServerFrame};
use switchboard_call::id::CallId;

use super::counter::Command;
use super::laboratory::{ClientSlot, Laboratory, answered, by_reference};
use crate::{Principal, Request};

#[test]
fn a_panic_a_fault_and_a_refusal_leave_the_rest_of_their_batch_executed() {
    let lab = Laboratory::new();
    let commands = [
        Command::Add,
        Command::Panic,
        Command::Add,
        Command::Fail,
        Command::Refuse,
        Command::SneakyRefuse,
        Command::Add,
    ];
    let slots: Vec<_> = (0..).map(|slot| ClientSlot::new(1, slot)).take(commands.len()).collect();
    let requests = slots.iter().zip(&commands).map(|(slot, command)| slot.request(command)).collect();
    let answers = by_reference(lab.hand_in(Principal::Operator, requests));
    for (slot, command) in slots.iter().zip(&commands) {
        let answer = &answers[&slot.id.to_string()].answer;
        match command {
            Command::Add => assert!(matches!(answer, Answer::Done(_)), "{answer:?}"),
            Command::Refuse => assert!(matches!(answer, Answer::Refused(_)), "{answer:?}"),
            Command::Panic | Command::Fail | Command::SneakyRefuse => {
                assert!(
                    matches!(answer, Answer::Transient(t) if t.cause == TransientCause::Fault),
                    "{answer:?}"
                );
            }
            Command::AddThenRefuse
            | Command::AddSlowly
            | Command::Count
            | Command::Hello
            | Command::PanicPreparing => panic!("not in this batch"),
        }
    }
    assert_eq!(lab.count(), 3);
}

#[test]
fn copies_in_one_batch_are_executed_once() {
    let lab = Laboratory::new();
    let slot = ClientSlot::new(1, 0);
    let frames = lab.hand_in(Principal::Operator, vec![slot.request(&Command::Add); 5]);
    let answers: Vec<_> = frames.into_iter().map(answered).collect();
    assert!(answers.iter().all(|answer| answer.bytes == answers[0].bytes));
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert_eq!(lab.count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However calls, copies, cancels and calls that fail are mixed in batches, while slots move on: each call
    /// has one answer for ever (or its slot has moved on), it was executed at most once, and the count is
    /// the number of calls answered `Done`.
    #[test]
    fn batching_changes_nothing(
        batches in prop::collection::vec((prop::collection::vec((0u16..6, 0u8..8), 1..12), any::<u8>()), 1..25),
    ) {
        let lab = Laboratory::new();
        let mut slots: Vec<_> = (0..6).map(|slot| Follower::new(ClientSlot::new(1, slot))).collect();
        let mut answers = BTreeMap::new();
        let mut failures = 6;
        for (steps, moves_on) in batches {
            let requests = steps.iter().map(|(slot, action)| {
                failures += 1;
                slots[usize::from(*slot)].request(*action, ClientSlot::new(2, failures % 64))
            });
            for frame in lab.hand_in(Principal::Operator, requests.collect()) {
                let ServerFrame::Reply(Reply { reference: Reference::Call(id), answer, .. }) = frame else {
                    panic!("no reply to a call: {frame:?}")
                };
                if id.session != slots[0].now.id.session {
                    continue;
                }
                let moved_on = answer == Answer::Superseded.to_bytes();
                let known = answers.entry(id).or_insert_with(|| answer.clone());
                prop_assert!(moved_on || *known == answer, "{id}: {known:?} then {answer:?}");
            }
            for (_, slot) in slots.iter_mut().enumerate().filter(|(bit, _)| moves_on >> bit & 1 == 1) {
                slot.follow(&answers);
            }
        }
        let done = |answer: &&Vec<u8>| matches!(Answer::from_bytes(answer), Ok(Answer::Done(_)));
        let executed = answers.values().filter(done).count();
        prop_assert_eq!(lab.count(), u64::try_from(executed).unwrap());
    }
}

/// A slot of a client that moves on when its call has an answer, and remembers the call before.
struct Follower {
    now: ClientSlot,
    before: Option<ClientSlot>,
}

impl Follower {
    fn new(now: ClientSlot) -> Self {
        Self { now, before: None }
    }

    /// A copy of the call, a cancel, a copy of the call before; or a call of `other` that spoils its batch.
    fn request(&self, action: u8, other: ClientSlot) -> Request {
        match action {
            4 => self.now.cancel(),
            5 => call(self.before.unwrap_or(self.now)),
            6 => other.request(&Command::Panic),
            7 => other.request(&Command::Fail),
            _ => call(self.now),
        }
    }

    fn follow(&mut self, answers: &BTreeMap<CallId, Vec<u8>>) {
        if let Some(answer) = answers.get(&self.now.id) {
            (self.before, self.now) = (Some(self.now), self.now.after(answer));
        }
    }
}

/// The one command that this call id stands for.
fn call(slot: ClientSlot) -> Request {
    slot.request(match (u64::from(slot.id.slot.0) + slot.id.sequence.number()) % 3 {
        0 => &Command::Refuse,
        1 => &Command::AddThenRefuse,
        _ => &Command::Add,
    })
}
