//! What ping tells of a line, held against a capture at both of its ends and against the counters of what spoils it.
//!
//! ```text
//!   user-mode-linux
//!     near: ping        <--veth-->  middle: forwards, netem on each side  <--veth-->  far: reflect
//!           tcpdump                         drops, delays, doubles, ...               tcpdump
//! ```
//!
//! All three are network namespaces of one machine with one clock, so that the capture knows the delay on each way too, which
//! ping has to find out without it. `SWITCHBOARD_LONG=1` sends more probes, over more lines.
//!
//! Absent: lines on which a packet is doubled and one of the copies lost, or overtaken and lost at the very end; nobody at the near
//! end can tell that from another loss.
#![expect(clippy::unwrap_used, reason = "in a test a broken assumption is a failure, helpers included")]

mod capture;
mod guest;
#[path = "../power/machine.rs"]
#[allow(dead_code, reason = "the power tests cut it off")]
mod machine;
mod told;

use std::path::Path;

use capture::Truth;
use guest::{Guest, Line};
use told::{Told, dropped};

/// Probes on each line.
const PROBES: u32 = 250;
/// The same with `SWITCHBOARD_LONG=1`.
const PROBES_LONG: u32 = 10_000;

/// What is done to packets on each way, in the words of netem.
const LINES: &[Line] = &[
    Line { name: "loss", up: "delay 3ms loss 10%", down: "delay 2ms loss 5%" },
    Line { name: "bursts", up: "delay 4ms loss gemodel 4% 30%", down: "delay 4ms loss gemodel 3% 40%" },
    Line { name: "duplicates", up: "delay 5ms duplicate 6%", down: "delay 4ms duplicate 8%" },
    Line { name: "reorder", up: "delay 12ms reorder 70% 50%", down: "delay 9ms reorder 80%" },
    Line { name: "all", up: "delay 15ms loss 5%", down: "rate 2mbit delay 8ms 6ms loss 4%" },
];
/// More of them with `SWITCHBOARD_LONG=1`.
const LINES_LONG: &[Line] = &[
    Line { name: "delay", up: "delay 10ms", down: "delay 25ms" },
    Line { name: "jitter", up: "delay 12ms 5ms", down: "delay 6ms 2ms" },
    Line { name: "loss-there", up: "delay 3ms loss 15%", down: "delay 3ms" },
    Line { name: "loss-back", up: "delay 3ms", down: "delay 3ms loss 15%" },
    Line { name: "rate", up: "rate 400kbit", down: "rate 300kbit" },
];

#[test]
fn ping_tells_what_a_capture_at_both_ends_tells() {
    for package in ["user-mode-linux", "tcpdump", "kmod", "iproute2"] {
        if xtask::needs::skipped(package) {
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (probes, more) = if xtask::needs::long() { (PROBES_LONG, LINES_LONG) } else { (PROBES, &[][..]) };
    let lines = [LINES, more].concat();
    let seen = Guest { folder: folder.path(), program: env!("CARGO_BIN_EXE_switchboard").as_ref(), probes }
        .run(&lines);
    let mut complaints = Vec::new();
    for line in &lines {
        let (summary, wrong) = judge(line, &seen, probes);
        println!("{summary}");
        complaints.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", line.name)));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// A line of figures, and all that does not hold.
fn judge(line: &Line, seen: &Path, probes: u32) -> (String, Vec<String>) {
    let file = |what: &str| seen.join(format!("{}.{what}", line.name));
    let truth = Truth::of(&file("near"), &file("far"));
    let told = Told::read(&file("ping"));
    let mut wrong = Vec::new();
    let mut equal = |what: &str, told: u64, truth: u64| {
        if told != truth {
            wrong.push(format!("{what}: ping tells {told}, the capture {truth}"));
        }
    };
    equal("sent", told.sent, u64::from(probes));
    equal("sent", told.sent, truth.sent);
    equal("answered", told.answered, truth.answered);
    equal("lost there", told.lost_up, truth.lost_up);
    equal("lost back", told.lost_down, truth.lost_down);
    equal("lost behind the newest answer", told.lost_unknown, truth.lost_unknown);
    equal("doubled there", told.duplicated_up, truth.duplicated_up);
    equal("doubled back", told.duplicated_down, truth.duplicated_down);
    equal("overtaken", told.overtaken, truth.overtaken);
    // What netem says it dropped was dropped between the two captures.
    equal("dropped there, by netem and by the capture", dropped(&file("up")), truth.missing_up);
    equal("dropped back, by netem and by the capture", dropped(&file("down")), truth.missing_down);
    let rtt_error_us = (told.rtt_mean_ns - truth.rtt_mean_ns) / 1e3;
    let allowed_us = RTT_ERROR_US_MAX + truth.rtt_mean_ns / 1e3 * RTT_ERROR_SHARE_MAX;
    if rtt_error_us.abs() > allowed_us {
        wrong
            .push(format!("the mean round trip is {rtt_error_us:.1} us off, {allowed_us:.1} us are allowed"));
    }
    let back_ns = truth.down_mean_ns + truth.written_before_ns;
    for (way, told_ns, truth_ns) in
        [("there", told.up_mean_ns, truth.up_mean_ns), ("back", told.down_mean_ns, back_ns)]
    {
        if (told_ns - truth_ns).abs() > told.one_way_error_ns + STAMP_ERROR_NS_MAX {
            let (told, truth, error) = (told_ns / 1e6, truth_ns / 1e6, told.one_way_error_ns / 1e6);
            wrong.push(format!("mean delay {way} {told:.3} +- {error:.3} ms does not contain {truth:.3} ms"));
        }
    }
    let summary = format!(
        "{:10} rtt {:8.3} ms, off by {rtt_error_us:7.1} us, the reflector's lead {:7.1} told {:7.1} us; there {:7.3} told {:7.3}, back {:7.3} told {:7.3}, +- {:6.3} ms; \
         lost {} + {} + {}, doubled {} + {}, overtaken {}",
        line.name,
        truth.rtt_mean_ns / 1e6,
        truth.written_before_ns / 1e3,
        told.lead_mean_ns / 1e3,
        truth.up_mean_ns / 1e6,
        told.up_mean_ns / 1e6,
        truth.down_mean_ns / 1e6,
        told.down_mean_ns / 1e6,
        told.one_way_error_ns / 1e6,
        truth.lost_up,
        truth.lost_down,
        truth.lost_unknown,
        truth.duplicated_up,
        truth.duplicated_down,
        truth.overtaken
    );
    (summary, wrong)
}

/// How far off a mean round trip may be.
const RTT_ERROR_US_MAX: f64 = 50.0;
/// And of it this share more.
const RTT_ERROR_SHARE_MAX: f64 = 0.001;
/// What one-way delays may be off beyond what they are said to be right within: stamps of the same packet differ by so much.
const STAMP_ERROR_NS_MAX: f64 = 50_000.0;
