//! Many threads at one door: the role is never lost, copies attach, cancels and originals agree.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use switchboard_call::answer::Answer;
use switchboard_call::frame::ServerFrame;

use super::counter::Command;
use super::laboratory::{ClientSlot, Laboratory, Recorder, answered};
use crate::limits::{BATCH_CALLS_MAX, TENURE_BATCHES_MAX};
use crate::{Principal, Replies};

#[test]
fn every_call_of_many_threads_is_answered_and_executed_once() {
    let lab = Laboratory::new();
    const THREADS: u8 = 8;
    const CALLS: u64 = 200;
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let lab = &lab;
            scope.spawn(move || {
                let mut slot = ClientSlot::new(number, 0);
                for _ in 0..CALLS {
                    slot = slot.after(&lab.send(slot.request(&Command::Add)).bytes);
                }
            });
        }
    });
    assert_eq!(lab.count(), u64::from(THREADS) * CALLS);
}

#[test]
fn sustained_load_is_left_to_the_relief_thread_and_every_call_is_answered() {
    let lab = Laboratory::with_threads(1);
    let recorder = Arc::new(Recorder::default());
    let replies: Arc<dyn Replies> = recorder.clone();
    // More calls than one tenure takes: the thread that hands them in returns, and all are answered.
    let calls = BATCH_CALLS_MAX * (TENURE_BATCHES_MAX as usize + 2);
    let numbers = 0..u8::try_from(calls / 64).unwrap();
    let slots = numbers.flat_map(|number| (0..64).map(move |slot| ClientSlot::new(number, slot)));
    let requests: Vec<_> = slots.map(|slot| slot.request(&Command::Add)).collect();
    let count = requests.len();
    lab.engine.hand_in(Principal::Operator, requests, &replies);
    recorder.take(count);
    assert_eq!(lab.count(), u64::try_from(count).unwrap());
}

#[test]
fn copies_and_a_cancel_from_many_threads_agree() {
    let lab = Laboratory::with_threads(2);
    for number in 0..60 {
        let slot = ClientSlot::new(number, 0);
        let command = if number % 2 == 0 { Command::Add } else { Command::AddSlowly };
        let before = lab.count();
        let start = Barrier::new(4);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let (lab, start) = (&lab, &start);
                    let request = if thread == 3 { slot.cancel() } else { slot.request(&command) };
                    scope.spawn(move || {
                        start.wait();
                        lab.send(request).bytes
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        let executed = matches!(Answer::from_bytes(&answers[0]), Ok(Answer::Done(_)));
        assert_eq!(lab.count() - before, u64::from(executed));
    }
}

#[test]
fn a_copy_of_a_call_in_preparation_attaches_instead_of_being_prepared_again() {
    let lab = Laboratory::with_threads(1);
    let recorder = Arc::new(Recorder::default());
    let replies: Arc<dyn Replies> = recorder.clone();
    let slot = ClientSlot::new(1, 0);
    let copies = vec![slot.request(&Command::AddSlowly); 10];
    // One hand-in: the copies are at the door before the preparing thread can have finished and left.
    lab.engine.hand_in(Principal::Operator, copies, &replies);
    let answers: Vec<_> = recorder.take(10).into_iter().map(answered).collect();
    assert!(answers.iter().all(|answer| answer.bytes == answers[0].bytes));
    assert_eq!(lab.count(), 1);
    assert!(lab.counter.prepared.load(Ordering::SeqCst) >= 1);
}

/// An outbox that panics at one of its frames.
struct Panics {
    at: usize,
    seen: AtomicUsize,
}

impl Replies for Panics {
    fn deliver(&self, _: ServerFrame) {
        assert!(self.seen.fetch_add(1, Ordering::SeqCst) != self.at, "as asked");
    }
}

#[test]
fn an_outbox_that_panics_harms_nobody_else() {
    let lab = Laboratory::with_threads(1);
    let slots: Vec<_> = (0..4).map(|slot| ClientSlot::new(1, slot)).collect();
    let requests = || slots.iter().map(|slot| slot.request(&Command::Add)).collect();
    let panics: Arc<dyn Replies> = Arc::new(Panics { at: 0, seen: AtomicUsize::new(0) });
    lab.engine.hand_in(Principal::Operator, requests(), &panics);
    let again = lab.hand_in(Principal::Operator, requests());
    assert!(again.into_iter().map(answered).all(|answer| answer.replayed));
    assert_eq!(lab.count(), 4);
}
