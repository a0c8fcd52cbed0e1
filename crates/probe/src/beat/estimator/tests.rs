//! Deadlines of the three methods on small schedules whose answers are known by hand.

use super::*;

const SECOND: u64 = 1_000_000_000;

fn at_ms(milliseconds: u64) -> Moment {
    Moment::from_nanos(milliseconds * 1_000_000)
}

/// Beats with these numbers at these milliseconds.
fn heard(beats: &[(u64, u64)]) -> Estimator {
    let mut estimator = Estimator::new();
    beats.iter().for_each(|(sequence, ms)| estimator.heard(*sequence, at_ms(*ms), SECOND));
    estimator
}

#[test]
fn a_time_out_runs_from_the_last_arrival() {
    let estimator = heard(&[(0, 5_000), (1, 6_100)]);
    assert_eq!(estimator.deadline(Method::TimeOut, SECOND, 2.5), Some(at_ms(8_600)));
    assert_eq!(Estimator::new().deadline(Method::TimeOut, SECOND, 2.5), None);
}

#[test]
fn a_late_beat_moves_the_expected_arrival_by_its_share_of_the_window() {
    // On time, on time, 300 ms late: the mean is 100 ms behind.
    let estimator = heard(&[(10, 5_000), (11, 6_000), (12, 7_300)]);
    assert_eq!(estimator.deadline(Method::Expected, SECOND, 0.0), Some(at_ms(8_100)));
    assert_eq!(estimator.deadline(Method::Expected, SECOND, 0.5), Some(at_ms(8_600)));
    assert!((estimator.margin_at(Method::Expected, SECOND, at_ms(7_900)).unwrap() + 0.2).abs() < 1e-9);
    // A lost beat does not.
    let estimator = heard(&[(10, 5_000), (11, 6_000), (13, 8_000)]);
    assert_eq!(estimator.deadline(Method::Expected, SECOND, 0.0), Some(at_ms(9_000)));
}

#[test]
fn the_window_forgets_what_is_older_than_it() {
    let late = (0..100).map(|n| (n, 5_000 + n * 1_000 + if n < 60 { 200 } else { 0 }));
    let estimator = heard(&late.collect::<Vec<_>>());
    assert_eq!(estimator.deadline(Method::Expected, SECOND, 0.0), Some(at_ms(105_000)));
}

#[test]
fn clocks_that_drift_apart_for_a_year_are_followed() {
    // 200 ppm fast, a beat a minute.
    let mut estimator = Estimator::new();
    let minute = 60 * SECOND;
    for n in 0..525_600_u64 {
        let at = Moment::from_nanos(n * (minute - minute / 5_000));
        if let Some(expected) = estimator.deadline(Method::Expected, minute, 0.0) {
            assert!(expected.nanos().abs_diff(at.nanos()) < SECOND, "{n}");
        }
        estimator.heard(n, at, minute);
    }
}

#[test]
fn a_shift_of_the_schedule_begins_the_estimate_anew() {
    for shifted in [9_100, 2_000_000] {
        let estimator = heard(&[(0, 5_000), (1, 6_000), (2, 7_000), (3, shifted)]);
        assert_eq!(estimator.deadline(Method::Expected, SECOND, 0.0), Some(at_ms(shifted + 1_000)));
    }
    // The numbers went on while the monitor's clock stood still.
    let estimator = heard(&[(0, 5_000), (1, 6_000), (31, 6_500)]);
    assert_eq!(estimator.deadline(Method::Expected, SECOND, 0.0), Some(at_ms(7_500)));
    let estimator = heard(&[(0, 5_000), (u64::MAX, 6_500)]);
    assert_eq!(estimator.deadline(Method::Expected, SECOND, 0.0), Some(at_ms(7_500)));
}

#[test]
fn suspicion_grows_with_the_deviation_of_the_intervals() {
    let even = heard(&(0..500).map(|n| (n, n * 1_000)).collect::<Vec<_>>());
    let uneven = heard(&(0..500).map(|n| (n, n * 1_000 + n % 2 * 400)).collect::<Vec<_>>());
    let wait = |estimator: &Estimator| {
        let deadline = estimator.deadline(Method::Accrual, SECOND, 4.0).unwrap();
        seconds(deadline.nanos_since(estimator.last().unwrap()))
    };
    // The least deviation is a tenth of the interval; the other one is 400 ms about a second.
    assert!((wait(&even) - 1.4).abs() < 0.01, "{}", wait(&even));
    assert!((wait(&uneven) - 2.6).abs() < 0.05, "{}", wait(&uneven));
}

#[test]
fn the_margin_of_a_deadline_is_the_margin_it_was_made_with() {
    let estimator = heard(&(0..100).map(|n| (n, n * 1_000 + n * n % 300)).collect::<Vec<_>>());
    for method in Method::ALL {
        for margin in [0.5, 3.0, 17.0] {
            let deadline = estimator.deadline(method, SECOND, margin).unwrap();
            let found = estimator.margin_at(method, SECOND, deadline).unwrap();
            assert!((found - margin).abs() < 1e-6, "{method:?} {margin} {found}");
        }
    }
}

#[test]
fn the_deviation_of_delay_is_measured_and_an_interruption_forgets_the_schedule() {
    let mut estimator = heard(&(0..2_000).map(|n| (n, n * 1_000 + n % 2 * 100)).collect::<Vec<_>>());
    let deviation = estimator.deviation_s().unwrap();
    assert!((deviation - 0.05).abs() < 0.002, "{deviation}");
    estimator.interrupted();
    assert_eq!((estimator.last(), estimator.deadline(Method::Expected, SECOND, 0.0)), (None, None));
    estimator.heard(9_000, at_ms(123), SECOND);
    assert_eq!(estimator.deadline(Method::Expected, SECOND, 0.0), Some(at_ms(1_123)));
}
