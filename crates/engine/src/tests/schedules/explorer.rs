//! How many schedules are tried, by which schedulers, and how a failing one is run again. Seeds are fixed: what
//! passes today passes tomorrow, until the code changes.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use shuttle::Runner;
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};

const SEED: u64 = 0x5eed;
/// Orderings of two events that a mistake may need, which the PCT scheduler bounds (Burckhardt et al., "A
/// Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", 2010).
const DEPTH: usize = 3;
const LONG_FACTOR: usize = 20;

/// Half of the schedules are random, half are chosen by priorities.
pub(super) fn explore(schedules: usize, room: fn()) {
    if let Ok(schedule) = std::env::var("SWITCHBOARD_SCHEDULE") {
        run(ReplayScheduler::new_from_encoded(&schedule), room);
        return;
    }
    let factor = if std::env::var_os("SWITCHBOARD_LONG").is_some() { LONG_FACTOR } else { 1 };
    let half = schedules * factor / 2;
    let explored = catch_unwind(AssertUnwindSafe(|| {
        run(RandomScheduler::new_from_seed(SEED, half), room)
            + run(PctScheduler::new_from_seed(SEED, DEPTH, half), room)
    }));
    match explored {
        Ok(explored) => println!("{explored} schedules explored"),
        Err(failure) => {
            let test = std::thread::current().name().unwrap_or("NAME").to_owned();
            eprintln!(
                "to run the failing schedule above again: SWITCHBOARD_SCHEDULE=THAT_STRING cargo test -p {} {test}",
                env!("CARGO_PKG_NAME")
            );
            resume_unwind(failure);
        }
    }
}

/// The same search must find a planted mistake.
pub(super) fn must_fail(schedules: usize, room: fn()) {
    let found = catch_unwind(AssertUnwindSafe(|| {
        run(RandomScheduler::new_from_seed(SEED, schedules / 2), room);
        run(PctScheduler::new_from_seed(SEED, DEPTH, schedules / 2), room);
    }));
    assert!(found.is_err(), "the planted mistake was not found in {schedules} schedules");
}

fn run(scheduler: impl Scheduler + 'static, room: fn()) -> usize {
    Runner::new(scheduler, shuttle::Config::default()).run(room)
}
