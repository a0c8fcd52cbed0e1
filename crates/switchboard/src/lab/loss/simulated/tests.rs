//! Virtual time: the same seed is the same run, the mean is what theory says, and an execution too many is found.

use super::super::quantity::{Case, Loss};
use super::super::statistics::Summary;
use super::super::theory;
use super::*;

const CALLS: u32 = 1500;
const ROUND_TRIP_US: u64 = 10_000;

fn run(case: Case, loss: &str, seed: u64) -> Summary {
    let loss: Loss = loss.parse().unwrap();
    let link = Link::new(case.split(loss), ROUND_TRIP_US, Chance::new(seed, 1));
    Summary::of(&withdraw(CALLS, link, Chance::new(seed, 2)).unwrap()).unwrap()
}

/// The tolerance is three times the interval of 95 %, which is 5.9 standard errors: what is right fails with a chance below
/// one in 10^8, and the seed is fixed besides.
#[test]
fn mean_attempts_agree_with_the_inverse_of_the_chance_of_success() {
    for case in Case::ALL {
        for loss in ["0", "0.1", "0.3", "0.5", "0.7"] {
            let measured = run(case, loss, 11);
            let expected = theory::attempts(case, loss.parse().unwrap());
            let apart = (measured.attempts.mean - expected).abs();
            assert!(
                apart <= 3.0 * measured.attempts.mean_error + 1e-9,
                "{case:?} {loss}: {measured:?}, {expected}"
            );
            // No copy is sent while an answer is under way: the shortest wait is longer than the round trip.
            assert!(
                (measured.copies_mean - measured.attempts.mean).abs() < 1e-9,
                "{case:?} {loss}: {measured:?}"
            );
        }
    }
}

#[test]
fn mean_times_agree_with_the_sum_of_the_waits() {
    for case in Case::ALL {
        for loss in ["0", "0.3", "0.7"] {
            let measured = run(case, loss, 12).seconds;
            let expected = theory::adaptive_seconds(case, loss.parse().unwrap(), ROUND_TRIP_US);
            // The machine counts whole milliseconds, and the first call does not know the round trip.
            let tolerance = 3.0 * measured.mean_error + 0.001;
            assert!(
                (measured.mean - expected).abs() <= tolerance,
                "{case:?} {loss}: {measured:?}, {expected}"
            );
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_another() {
    assert_eq!(run(Case::Both, "0.4", 5), run(Case::Both, "0.4", 5));
    assert_ne!(run(Case::Both, "0.4", 5), run(Case::Both, "0.4", 6));
}

#[test]
fn an_execution_too_many_or_money_astray_ends_the_experiment() {
    assert!(check_books(10, 10, AMOUNT_MINOR).is_ok());
    for (executed, left_minor) in [(11, 0), (11, AMOUNT_MINOR), (9, 2 * AMOUNT_MINOR), (10, AMOUNT_MINOR - 1)]
    {
        let failure = check_books(10, executed, left_minor).unwrap_err();
        assert_eq!(failure.exit(), Exit::Refused, "{failure}");
        assert!(failure.to_string().contains("do not hold"), "{failure}");
    }
}
