//! What one call of a batch does to the others: nothing.

use proptest::prelude::*;
use switchboard_call::answer::{Answer, TransientCause};

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

    /// However calls, copies and cancels are cut into batches: each call has one answer for ever, it was
    /// executed at most once, and the count is the number of calls answered `Done`.
    #[test]
    fn batching_changes_nothing(
        script in prop::collection::vec((0u8..6, 0u8..4), 1..60),
        cuts in prop::collection::vec(1usize..9, 1..30),
    ) {
        let lab = Laboratory::new();
        let command = |which: u8| match which {
            0 => Command::Refuse,
            1 => Command::AddThenRefuse,
            _ => Command::Add,
        };
        let slots: Vec<_> = (0..6).map(|slot| ClientSlot::new(1, slot)).collect();
        let mut requests: Vec<Request> = script
            .iter()
            .map(|(slot, action)| {
                let slot = slots[usize::from(*slot)];
                if *action == 3 { slot.cancel() } else { slot.request(&command(u8::try_from(slot.id.slot.0 % 3).unwrap())) }
            })
            .collect();
        let mut first_answer = std::collections::BTreeMap::new();
        let mut cut = cuts.iter().cycle();
        while !requests.is_empty() {
            let size = (*cut.next().unwrap()).min(requests.len());
            let batch: Vec<_> = requests.drain(..size).collect();
            for frame in lab.hand_in(Principal::Operator, batch) {
                let switchboard_call::frame::ServerFrame::Reply(reply) = &frame else { panic!("{frame:?}") };
                let known = first_answer.entry(format!("{:?}", reply.reference)).or_insert_with(|| reply.answer.clone());
                prop_assert_eq!(&*known, &reply.answer);
            }
        }
        let executed = first_answer
            .values()
            .filter(|answer| matches!(Answer::from_bytes(answer), Ok(Answer::Done(_))))
            .count();
        prop_assert_eq!(lab.count(), u64::try_from(executed).unwrap());
    }
}
