//! What probability theory expects, to be drawn below what was measured. With p the share of requests lost and q that of
//! replies, an attempt succeeds with (1 - p)(1 - q), whatever happened to those before, so their number is geometric.

use switchboard_call::limits::{RETRANSMISSION_MS_MAX, RETRANSMISSION_MS_MIN};

use super::fixed::WAIT_US;
use super::quantity::{Case, Loss};

/// Share of the wait that jitter leaves on average: from 1 down to 3/4 in 256 steps.
const JITTER_LEAVES: f64 = 1.0 - 127.5 / 1024.0;

/// Mean number of attempts, 1 / ((1 - p)(1 - q)), the successful one included.
pub(crate) fn attempts(case: Case, loss: Loss) -> f64 {
    1.0 / success(case, loss)
}

/// Mean time in seconds of a client that sends again every second: all waits but none after the last attempt, and one
/// round trip.
pub(crate) fn fixed_seconds(case: Case, loss: Loss, round_trip_us: u64) -> f64 {
    (attempts(case, loss) - 1.0) * seconds(WAIT_US) + seconds(round_trip_us)
}

/// Mean time in seconds of our client once it knows the round trip: waits that start at the estimate, double, and end at the
/// bound, each taken with the probability that all attempts before it failed.
pub(crate) fn adaptive_seconds(case: Case, loss: Loss, round_trip_us: u64) -> f64 {
    let failure = 1.0 - success(case, loss);
    let first_ms = RETRANSMISSION_MS_MIN.max(round_trip_us / 1000).min(RETRANSMISSION_MS_MAX);
    let (mut expected_ms, mut reached, mut wait_ms) = (0.0, failure, first_ms);
    while wait_ms < RETRANSMISSION_MS_MAX {
        expected_ms += reached * milliseconds(wait_ms);
        reached *= failure;
        wait_ms = (wait_ms * 2).min(RETRANSMISSION_MS_MAX);
    }
    // Every further wait is as long as the bound: a geometric series.
    expected_ms += reached / (1.0 - failure) * milliseconds(RETRANSMISSION_MS_MAX);
    expected_ms * JITTER_LEAVES / 1000.0 + seconds(round_trip_us)
}

fn success(case: Case, loss: Loss) -> f64 {
    let (requests, replies) = case.split(loss);
    (1.0 - requests) * (1.0 - replies)
}

fn seconds(us: u64) -> f64 {
    milliseconds(us) / 1e6
}

fn milliseconds(ms: u64) -> f64 {
    // Far below 2^53, where an f64 stops to be exact.
    ms as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
    }

    #[test]
    fn attempts_are_the_inverse_of_the_chance_of_success() {
        let loss = "0.5".parse().unwrap();
        close(attempts(Case::Requests, loss), 2.0);
        close(attempts(Case::Replies, loss), 2.0);
        close(attempts(Case::Both, loss), 4.0);
        close(attempts(Case::Both, Loss::NONE), 1.0);
    }

    #[test]
    fn times_are_sums_of_waits_and_one_round_trip() {
        let loss = "0.5".parse().unwrap();
        close(fixed_seconds(Case::Both, loss, 10_000), 3.01);
        close(fixed_seconds(Case::Both, Loss::NONE, 10_000), 0.01);
        close(adaptive_seconds(Case::Both, Loss::NONE, 10_000), 0.01);
        // 20, 40, ... 640 ms with chances 1/2, 1/4, ... 1/64: 10 each; then 1 s each, 1/64 in sum.
        close(
            adaptive_seconds(Case::Requests, loss, 10_000),
            (60.0 + 1000.0 / 64.0) * JITTER_LEAVES / 1e3 + 0.01,
        );
    }
}
