//! The rooms that threads share under a schedule explorer: the same files compiled once more with the
//! explorer's primitives, so every lock and every wake-up is a place where another thread may go on. A thread
//! that waits for an answer that never comes is a deadlock, which the explorer reports.
//!
//! `SWITCHBOARD_LONG=1` explores 20 times as many schedules. A failure prints its schedule;
//! `SWITCHBOARD_SCHEDULE` runs that one again.

mod desk;
mod explorer;
#[expect(clippy::duplicate_mod, reason = "once with each set of primitives")]
#[path = "../in_hand.rs"]
mod in_hand;
mod planted;
#[expect(clippy::duplicate_mod, reason = "once with each set of primitives")]
#[path = "../prepare.rs"]
mod prepare;
#[expect(clippy::duplicate_mod, reason = "once with each set of primitives")]
#[path = "../role.rs"]
mod role;

mod sync {
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use shuttle::thread;
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::thread;

use crate::limits;
use desk::{Answer, BATCH_JOBS_MAX, Desk, Kind, bounds};
use explorer::explore;
use in_hand::{Attached, InHand};
use prepare::Pool;

#[test]
fn every_job_is_run_once_and_answered_once_in_order_of_arrival() {
    explore(2_000, || {
        let desk = Desk::with_relief();
        let clerks = (0..3).map(|clerk| desk.spawn(move |desk| desk.hand_in(clerk, 3, Kind::Call)));
        let clerks: Vec<_> = clerks.collect();
        desk.await_answers(9);
        desk.drain();
        desk.check_each_once(9);
        clerks.into_iter().for_each(|clerk| clerk.join().unwrap());
    });
}

#[test]
fn whoever_uses_the_tool_for_something_else_leaves_nobody_waiting() {
    explore(2_000, || {
        let desk = Desk::inline();
        let clerk = desk.spawn(|desk| desk.hand_in(0, 2, Kind::Call));
        let housekeeper = desk.spawn(|desk| {
            desk.keep_house();
            desk.keep_house();
        });
        desk.await_answers(2);
        desk.check_each_once(2);
        clerk.join().unwrap();
        housekeeper.join().unwrap();
    });
}

#[test]
fn a_batch_that_panics_answers_its_jobs_and_gives_the_role_back() {
    explore(2_000, || {
        let desk = Desk::with_relief();
        let clerk = desk.spawn(|desk| desk.hand_in(0, 3, Kind::Call));
        let unlucky = desk.spawn(|desk| desk.hand_in(1, 2, Kind::Panics));
        desk.await_answers(5);
        desk.drain();
        desk.check_answered_once(5);
        clerk.join().unwrap();
        unlucky.join().unwrap();
    });
}

#[test]
fn a_tool_that_cannot_be_trusted_is_used_by_nobody_any_more() {
    explore(2_000, || {
        let desk = Desk::with_relief();
        let clerks: Vec<_> = [Kind::Call, Kind::Fatal, Kind::Call]
            .into_iter()
            .zip(0..)
            .map(|(kind, clerk)| desk.spawn(move |desk| desk.hand_in(clerk, 1, kind)))
            .collect();
        clerks.into_iter().for_each(|clerk| clerk.join().unwrap());
        desk.drain();
        assert_eq!(desk.ends(), 1);
        assert!(desk.answers().len() <= 2);
    });
}

#[test]
fn a_tool_that_was_spoilt_beside_the_jobs_is_used_by_nobody_any_more() {
    explore(2_000, || {
        let desk = Desk::with_relief();
        let clerk = desk.spawn(|desk| desk.hand_in(0, 2, Kind::Call));
        let housekeeper = desk.spawn(|desk| assert!(desk.spoil_tool()));
        clerk.join().unwrap();
        housekeeper.join().unwrap();
        assert!(!desk.spoil_tool(), "there is no tool any more");
        desk.drain();
        assert_eq!(desk.ends(), 1);
    });
}

#[test]
fn a_cancel_overtakes_the_calls_that_have_not_begun() {
    explore(2_000, || {
        let desk = Desk::inline();
        let bystander = desk.spawn(Desk::drive);
        desk.keep_house_with(|| {
            let clerk = desk.spawn(|desk| {
                desk.hand_in(0, 2, Kind::Call);
                desk.hand_in(1, 1, Kind::Cancel(101));
            });
            clerk.join().unwrap();
        });
        bystander.join().unwrap();
        desk.check_answered_once(3);
        assert_eq!((desk.runs(101), desk.runs(102)), (0, 1));
    });
}

#[test]
fn drain_returns_when_all_is_answered_and_nothing_runs_after_it() {
    explore(3_000, || {
        let desk = Desk::with_relief();
        drain_races(&desk, 2, Desk::drain);
        assert_eq!(desk.answers().len() + desk.given_back(), 4);
        desk.check_each_once(desk.answers().len());
        assert_eq!(Arc::strong_count(&desk), 1, "the relief thread outlives the drain");
    });
}

#[test]
fn a_cancel_that_comes_with_a_drain_is_answered_or_given_back() {
    explore(2_000, || {
        let desk = Desk::with_relief();
        let canceller = desk.spawn(|desk| desk.hand_in(0, 2, Kind::Cancel(1_000)));
        desk.drain();
        canceller.join().unwrap();
        desk.check_answered_once(2 - desk.given_back());
    });
}

fn drain_races(desk: &Arc<Desk>, jobs: u32, drain: fn(&Arc<Desk>)) {
    let clerks = (0..2).map(|clerk| desk.spawn(move |desk| desk.hand_in(clerk, jobs, Kind::Call)));
    let clerks: Vec<_> = clerks.collect();
    desk.drain_by(drain);
    clerks.into_iter().for_each(|clerk| clerk.join().unwrap());
}

#[test]
fn a_full_queue_gives_back_what_it_does_not_run() {
    explore(2_000, || gives_back_two_of_three(role::Bounds { jobs_max: 1, urgent_max: 1, ..bounds() }));
}

#[test]
fn a_queue_that_weighs_too_much_gives_back_what_it_does_not_run() {
    explore(2_000, || gives_back_two_of_three(role::Bounds { bytes_max: 0, urgent_max: 1, ..bounds() }));
}

/// And one of two cancels.
fn gives_back_two_of_three(bounds: role::Bounds) {
    let desk = Desk::new(1, bounds);
    let clerk = desk.spawn(|desk| {
        desk.keep_house_with(|| {
            let full = desk.spawn(|desk| {
                desk.hand_in(0, 3, Kind::Call);
                desk.hand_in(1, 2, Kind::Cancel(1_000));
            });
            full.join().unwrap();
        });
    });
    clerk.join().unwrap();
    desk.drain();
    assert_eq!((desk.answers().len(), desk.given_back()), (2, 3));
}

#[test]
fn a_batch_ends_when_it_weighs_enough() {
    explore(2_000, || {
        let desk =
            Desk::new(1, role::Bounds { batch_jobs_max: 64, batch_bytes_max: BATCH_JOBS_MAX, ..bounds() });
        let clerks = (0..2).map(|clerk| desk.spawn(move |desk| desk.hand_in(clerk, 3, Kind::Call)));
        let clerks: Vec<_> = clerks.collect();
        desk.await_answers(6);
        desk.drain();
        desk.check_each_once(6);
        clerks.into_iter().for_each(|clerk| clerk.join().unwrap());
    });
}

#[test]
fn copies_share_one_answer_and_a_cancel_finds_the_call_run_or_ends_it() {
    explore(3_000, || {
        let desk = Desk::with_relief();
        let copies: Vec<_> = (0..3).map(|copy| desk.spawn(move |desk| desk.hand_in_copy(7, copy))).collect();
        let cancel = desk.spawn(|desk| desk.hand_in(9, 1, Kind::Cancel(7)));
        desk.await_answers(4);
        desk.drain();
        copies.into_iter().for_each(|copy| copy.join().unwrap());
        cancel.join().unwrap();
        desk.check_answered_once(4);
        let expected = if desk.runs(7) == 0 { Answer::Cancelled } else { Answer::Done };
        assert!(desk.runs(7) <= 1);
        assert!(desk.answers().iter().all(|(_, answer)| *answer == expected));
    });
}

/// Where copies meet their original; planted mistakes stand in for it.
trait Register: Default + Send + Sync + 'static {
    fn attach(&self, waiter: u32) -> Attached;
    fn release(&self) -> Vec<u32>;
}

struct Real(InHand<u32, u32, u32>);

impl Default for Real {
    fn default() -> Self {
        Self(InHand::new(limits::COPIES_PER_CALL_MAX))
    }
}

impl Register for Real {
    fn attach(&self, waiter: u32) -> Attached {
        self.0.attach(7, 1, &waiter)
    }

    fn release(&self) -> Vec<u32> {
        self.0.release(&7)
    }
}

#[test]
fn a_copy_is_answered_with_its_original_or_becomes_one() {
    explore(1_000, copies_meet_originals::<Real>);
}

fn copies_meet_originals<R: Register>() {
    let (register, answered) = (Arc::new(R::default()), Arc::new(AtomicUsize::new(0)));
    let clerks = (0..3).map(|clerk| {
        let (register, answered) = (Arc::clone(&register), Arc::clone(&answered));
        thread::spawn(move || match register.attach(clerk) {
            Attached::Original => {
                answered.fetch_add(1 + register.release().len(), Ordering::SeqCst);
            }
            Attached::Copy => {}
            Attached::TooMany | Attached::Stranger => {
                panic!("three copies of one call were taken for others")
            }
        })
    });
    let clerks: Vec<_> = clerks.collect();
    clerks.into_iter().for_each(|clerk| clerk.join().unwrap());
    assert_eq!(answered.load(Ordering::SeqCst), 3, "a copy without an answer");
}

#[test]
fn a_closing_pool_finishes_what_it_took_and_takes_no_more() {
    explore(1_000, || {
        let pool = Arc::new(Pool::start("pool", 2).unwrap());
        let (taken, ran) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let giver = thread::spawn({
            let (pool, taken, ran) = (Arc::clone(&pool), Arc::clone(&taken), Arc::clone(&ran));
            move || {
                for _ in 0..3 {
                    let ran = Arc::clone(&ran);
                    let task = Box::new(move || {
                        ran.fetch_add(1, Ordering::SeqCst);
                    });
                    taken.fetch_add(usize::from(pool.submit(task).is_ok()), Ordering::SeqCst);
                }
            }
        });
        pool.close();
        let finished = ran.load(Ordering::SeqCst);
        giver.join().unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), taken.load(Ordering::SeqCst));
        assert_eq!(ran.load(Ordering::SeqCst), finished, "a task ran after the pool was closed");
    });
}
