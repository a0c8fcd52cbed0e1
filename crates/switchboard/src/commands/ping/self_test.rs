//! What `ping --self-test` tells of this machine. Absent: the testing; that is the probe's.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_probe::statistics::Distribution;
use switchboard_probe::udp::self_test::SelfTest;

use super::report::quantiles_json;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Screen, Side, table};

/// Tries this machine's timers and loopback.
pub(super) fn run(screen: &Screen) -> Result<Exit, Failure> {
    let found = SelfTest::run()?;
    screen.answer(|| as_json(&found), || as_text(&found))?;
    Ok(Exit::Done)
}

fn as_json(found: &SelfTest) -> Value {
    let nanos = |time: Option<Duration>| time.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    let [wall, rising] = found.resolution.map(nanos);
    let [wall_step, rising_step] = found.smallest_step.map(nanos);
    json!({
        "event": "self_test",
        "clocks": {
            "wall": { "resolution_ns": wall, "smallest_step_ns": wall_step },
            "rising": { "resolution_ns": rising, "smallest_step_ns": rising_step },
            "reading_ns": nanos(Some(found.reading)),
            "synchronized": found.clock.synchronized,
            "error_ns": nanos(found.clock.error),
        },
        "sleep_overshoot": distribution(&found.sleep),
        "spin_overshoot": distribution(&found.spin),
        "loopback": {
            "rtt": distribution(&found.loopback),
            "user_rtt": distribution(&found.loopback_user),
            "answered": found.counts.answered,
            "kernel_stamps": found.counts.kernel,
        },
        "kernel_stamps": { "sent": found.stamps.sent, "received": found.stamps.received },
        "hardware_clocks": found.hardware_clocks,
    })
}

fn distribution(of: &Distribution) -> Option<Value> {
    of.quantiles().map(|of| quantiles_json(&of))
}

fn as_text(found: &SelfTest) -> String {
    let rows = [
        ("sleep of 1 ms ends late by", &found.sleep),
        ("spin of 1 ms ends late by", &found.spin),
        ("round trip on loopback", &found.loopback),
        ("the same as seen here", &found.loopback_user),
    ];
    let micros = |ns: f64| format!("{:.1}", ns / 1e3);
    let row = |(name, of): (&str, &Distribution)| {
        let of = of.quantiles()?;
        let figures = [of.min_ns, of.median_ns, of.p90_ns, of.p99_ns, of.max_ns].map(micros);
        let [min, median, p90, p99, max] = figures;
        Some([name.to_owned(), min, median, p90, p99, max])
    };
    let rows: Vec<[String; 6]> = rows.into_iter().filter_map(row).collect();
    let columns = [
        ("µs", Side::Left),
        ("min", Side::Right),
        ("median", Side::Right),
        ("p90", Side::Right),
        ("p99", Side::Right),
        ("max", Side::Right),
    ];
    format!("{}\n{}", table(columns, &rows), facts(found).join("\n"))
}

fn facts(found: &SelfTest) -> Vec<String> {
    let time = |time: Option<Duration>| time.map_or("unknown".to_owned(), |time| format!("{time:?}"));
    let [wall, rising] = found.smallest_step;
    let [resolution, _] = found.resolution;
    let clock = match (found.clock.synchronized, found.clock.error) {
        (true, Some(error)) => format!("kept at UTC within {error:?}"),
        (true, None) => "kept at UTC".to_owned(),
        (false, _) => {
            "kept by nobody: one-way delay rests on the estimate of the clocks' difference alone".to_owned()
        }
    };
    let (kernel, answered) = (found.counts.kernel, found.counts.answered);
    let stamps = match (found.stamps.sent, found.stamps.received) {
        (true, true) => {
            format!("software, of what is sent and received: {kernel} of {answered} round trips rest on them")
        }
        (true, false) => "software, of what is sent only: round trips include waking up".to_owned(),
        (false, true) => "software, of what is received only: round trips include sending".to_owned(),
        (false, false) => "none: round trips include sending and waking up".to_owned(),
    };
    let hardware = match found.hardware_clocks.as_slice() {
        [] => "no network interface has a clock of its own".to_owned(),
        names => format!("{} could stamp in hardware (not used)", names.join(", ")),
    };
    vec![
        format!(
            "clocks: resolution {}, smallest step seen {} (wall), {} (rising), a reading takes {:?}",
            time(resolution),
            time(wall),
            time(rising),
            found.reading
        ),
        format!("wall clock: {clock}"),
        format!("kernel stamps: {stamps}"),
        format!("hardware stamps: {hardware}"),
    ]
}
