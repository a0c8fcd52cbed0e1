//! Several targets side by side: a row for each. Absent: one-way delay and changes; they stand with each target.

use switchboard_probe::statistics::Statistics;

use super::{ms, of};
use crate::commands::ping::target::Named;
use crate::screen::Side;

pub(super) const COLUMNS: [(&str, Side); 11] = [
    ("target", Side::Left),
    ("sent", Side::Right),
    ("not in time", Side::Right),
    ("there", Side::Right),
    ("back", Side::Right),
    ("min ms", Side::Right),
    ("median", Side::Right),
    ("p90", Side::Right),
    ("p99", Side::Right),
    ("max", Side::Right),
    ("jitter", Side::Right),
];

pub(super) fn row(named: &Named, statistics: &Statistics) -> [String; 11] {
    const NOTHING: &str = "-";
    let counts = statistics.counts();
    let share = 100.0 * of(counts.no_answer, counts.answered + counts.no_answer);
    let lost = statistics.loss_by_direction();
    let lost =
        lost.map_or([NOTHING; 2].map(str::to_owned), |lost| [lost.up, lost.down].map(|n| n.to_string()));
    let figures = match statistics.rtt().quantiles() {
        Some(of) => [of.min_ns, of.median_ns, of.p90_ns, of.p99_ns, of.max_ns].map(ms),
        None => [NOTHING; 5].map(str::to_owned),
    };
    let jitter = statistics.jitter().round_trip.nanos().map_or(NOTHING.to_owned(), ms);
    let [there, back] = lost;
    let [min, median, p90, p99, max] = figures;
    let not_in_time = format!("{} ({share:.1} %)", counts.no_answer);
    [
        named.name.clone(),
        counts.sent.to_string(),
        not_in_time,
        there,
        back,
        min,
        median,
        p90,
        p99,
        max,
        jitter,
    ]
}
