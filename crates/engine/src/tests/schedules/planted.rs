//! Planted mistakes, each in its own variant of a room: the search that finds nothing in the real one has to
//! find them.

use std::collections::VecDeque;
use std::sync::Arc;

use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;

use super::desk::Desk;
use super::explorer::must_fail;
use super::in_hand::Attached;
use super::{Register, copies_meet_originals, drain_races};

/// A role whose holder does not look at the queue again after giving the role back.
#[derive(Default)]
struct Careless {
    queue: Mutex<VecDeque<u32>>,
    tool: Mutex<()>,
    answered: Mutex<usize>,
    changed: Condvar,
}

impl Careless {
    fn hand_in(&self, job: u32) {
        self.queue.lock().unwrap().push_back(job);
        let Ok(_held) = self.tool.try_lock() else { return };
        loop {
            let taken = self.queue.lock().unwrap().pop_front();
            if taken.is_none() {
                return;
            }
            *self.answered.lock().unwrap() += 1;
            self.changed.notify_all();
        }
    }
}

#[test]
fn a_holder_that_does_not_look_again_is_found() {
    must_fail(2_000, || {
        let role = Arc::new(Careless::default());
        for job in 0..3 {
            let role = Arc::clone(&role);
            thread::spawn(move || role.hand_in(job));
        }
        let mut answered = role.answered.lock().unwrap();
        while *answered < 3 {
            answered = role.changed.wait(answered).unwrap();
        }
    });
}

#[test]
fn a_drain_that_leaves_the_last_batch_to_its_holder_is_found() {
    must_fail(3_000, || drain_races(&Desk::inline(), 1, Desk::drive));
}

/// Looks under one lock, inserts under another.
#[derive(Default)]
struct LooksThenInserts(Mutex<Option<Vec<u32>>>);

impl Register for LooksThenInserts {
    fn attach(&self, waiter: u32) -> Attached {
        let in_hand = self.0.lock().unwrap().is_some();
        let mut original = self.0.lock().unwrap();
        if in_hand {
            if let Some(copies) = original.as_mut() {
                copies.push(waiter);
            }
            return Attached::Copy;
        }
        *original = Some(Vec::new());
        Attached::Original
    }

    fn release(&self) -> Vec<u32> {
        self.0.lock().unwrap().take().unwrap_or_default()
    }
}

#[test]
fn a_register_that_looks_and_then_inserts_is_found() {
    must_fail(1_000, copies_meet_originals::<LooksThenInserts>);
}
