//! Figures against numbers computed by hand, and clocks that disagree against the truth that made them.

use proptest::prelude::*;

use super::*;
use crate::fault::Random;
use crate::time::Timestamp;

#[test]
fn moments_are_exact_and_quantiles_within_a_thousandth() {
    let mut distribution = Distribution::default();
    assert!(distribution.quantiles().is_none());
    for n in 1..=10_000_u64 {
        distribution.record(n * 1_000);
    }
    let of = distribution.quantiles().unwrap();
    assert_eq!((of.count, of.min_ns, of.max_ns), (10_000, 1_000.0, 10_000_000.0));
    assert!((of.mean_ns - 5_000_500.0).abs() < 1e-3, "{}", of.mean_ns);
    // Of 1 to n: the root of (n^2 - 1) / 12.
    assert!((of.deviation_ns - 2_886_751.3).abs() < 1.0, "{}", of.deviation_ns);
    for (found, truth) in [(of.median_ns, 5e6), (of.p90_ns, 9e6), (of.p99_ns, 9.9e6), (of.p999_ns, 9.99e6)] {
        assert!((found - truth).abs() <= truth / 1_000.0, "{found} for {truth}");
    }
}

#[test]
fn shares_rise_from_number_to_number_to_one() {
    let mut distribution = Distribution::default();
    assert_eq!(distribution.shares(), []);
    for ns in [30, 10, 10, 20] {
        distribution.record(ns);
    }
    assert_eq!(distribution.shares(), [(10.0, 0.5), (20.0, 0.75), (30.0, 1.0)]);
}

#[test]
fn jitter_moves_a_sixteenth_of_the_way() {
    let mut jitter = Jitter::default();
    assert_eq!(jitter.nanos(), None);
    jitter.record(160);
    assert_eq!(jitter.nanos(), Some(10.0));
    jitter.record(10);
    assert_eq!(jitter.nanos(), Some(10.0));
}

/// A line, and two clocks at its ends.
#[derive(Clone, Copy, Debug)]
struct Line {
    offset_ns: i64,
    skew_ppm: i64,
    interval_ns: i64,
    /// Least delay of each way, and how much more there is at most.
    up_ns: (i64, u32),
    down_ns: (i64, u32),
}

const LINE: Line = Line {
    offset_ns: 0,
    skew_ppm: 0,
    interval_ns: 10_000_000,
    up_ns: (300_000, 2_000_000),
    down_ns: (100_000, 400_000),
};

/// A run: the true delays of each way, and what the machine makes of them.
fn run(line: Line, probes: u32, seed: u64) -> (OneWay, f64, f64) {
    let (mut clocks, mut random) = (Clocks::new(seed), Random(seed));
    let (mut up_sum, mut down_sum) = (0_i64, 0_i64);
    for n in 0..probes {
        let t1 = i64::from(n) * line.interval_ns;
        let mut delay = |(least, more): (i64, u32)| least + i64::from(random.below(more));
        let (up, down) = (delay(line.up_ns), delay(line.down_ns));
        let theirs = |t: i64| line.offset_ns + t * line.skew_ppm / 1_000_000;
        up_sum += up;
        down_sum += down;
        let sent = Timestamp::from_nanos(1_700_000_000_000_000_000 + t1.unsigned_abs());
        clocks.record(sent, up + theirs(t1), down - theirs(t1));
    }
    let mean = |sum: i64| as_f64(sum.unsigned_abs()) / f64::from(probes);
    (clocks.one_way().unwrap(), mean(up_sum), mean(down_sum))
}

fn as_f64(number: u64) -> f64 {
    distribution::as_f64(number)
}

#[test]
fn delay_each_way_is_within_its_stated_error_of_the_truth() {
    for (offset_ns, skew_ppm, probes) in
        [(0, 0, 10), (5_000_000_000, 50, 1_000), (-86_400_000_000_000, -200, 20_000), (77, 0, 1)]
    {
        for seed in 0..10 {
            let (found, up, down) = run(Line { offset_ns, skew_ppm, ..LINE }, probes, seed);
            let context = format!("{offset_ns} {skew_ppm} {probes} {seed}: {found:?}, {up} {down}");
            assert!((found.up.mean_ns - up).abs() <= found.error_ns, "{context}");
            assert!((found.down.mean_ns - down).abs() <= found.error_ns, "{context}");
            if probes >= 1_000 {
                assert!(found.error_ns < 1_000_000.0, "{context}");
                assert!(
                    (found.skew_ppm - as_f64(skew_ppm.unsigned_abs()) * as_sign(skew_ppm)).abs() < 50.0,
                    "{context}"
                );
            }
        }
    }
}

fn as_sign(number: i64) -> f64 {
    if number < 0 { -1.0 } else { 1.0 }
}

#[test]
fn a_clock_that_was_set_during_the_run_is_noticed() {
    let mut clocks = Clocks::new(1);
    for n in 0..100_u64 {
        let step = if n < 50 { 0 } else { 60_000_000_000 };
        clocks.record(Timestamp::from_nanos(1_000_000_000 + n * 10_000_000), 100_000 + step, 100_000 - step);
    }
    assert_eq!(clocks.one_way(), None);
}

#[test]
fn memory_is_bounded_however_long_it_runs() {
    let mut clocks = Clocks::new(1);
    for n in 0..200_000_u64 {
        clocks.record(Timestamp::from_nanos(n * 1_000_000_000), 100_000, 100_000);
    }
    let sizes = clocks.sizes();
    assert!(sizes.0 <= crate::limits::CLOCK_POINTS_MAX && sizes.1 <= crate::limits::ONE_WAY_SAMPLES_MAX);
    assert_eq!(clocks.one_way().unwrap().up.count, 200_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The stated error is a bound: it has to hold in every run, and not in most.
    #[test]
    fn delay_each_way_is_within_its_stated_error_whatever_the_line_and_the_clocks(
        offset_ns in -1_000_000_000_000_000_i64..1_000_000_000_000_000,
        skew_ppm in -490_i64..490,
        interval_ns in 1_000_i64..1_000_000_000,
        up_ns in (1_i64..300_000_000, 1_u32..300_000_000),
        down_ns in (1_i64..300_000_000, 1_u32..300_000_000),
        probes in 1_u32..600,
        seed in any::<u64>(),
    ) {
        let line = Line { offset_ns, skew_ppm, interval_ns, up_ns, down_ns };
        let (found, up, down) = run(line, probes, seed);
        // Two nanoseconds for stamps that are whole ones.
        prop_assert!((found.up.mean_ns - up).abs() <= found.error_ns + 2.0, "{found:?}, {up}");
        prop_assert!((found.down.mean_ns - down).abs() <= found.error_ns + 2.0, "{found:?}, {down}");
    }

    #[test]
    fn any_stamps_give_some_figures_or_none(stamps in prop::collection::vec(any::<(u64, i64, i64)>(), 1..50)) {
        let mut clocks = Clocks::new(1);
        for (sent, up, down) in stamps {
            clocks.record(Timestamp::from_nanos(sent), up, down);
        }
        let _figures = clocks.one_way();
    }
}
