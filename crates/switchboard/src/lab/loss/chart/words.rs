//! What the chart says in words: the finding, what was done, under which conditions.

use crate::lab::loss::PACE;
use crate::lab::loss::experiment::{Measured, Point};
use crate::lab::loss::quantity::Case;

/// The share at which the finding is told, when it was measured, in per mille.
const TOLD_PERMILLE: u16 = 300;

/// The finding in one line.
pub(super) fn finding(measured: &Measured) -> String {
    let Some(point) = told(measured) else { return "Nothing was measured".to_owned() };
    let (ours, fixed) = (point.simulated.adaptive.seconds.mean, point.simulated.fixed.seconds.mean);
    let percent = point.loss.probability() * 100.0;
    let booked = if measured.plan.sockets.is_some() { "booked" } else { "executed" };
    format!(
        "With {percent:.0} % of all messages lost a withdrawal takes {}, not {}, and is {booked} exactly once",
        duration(ours),
        duration(fixed)
    )
}

/// What is shown, in lines.
pub(super) fn subject(measured: &Measured) -> Vec<String> {
    let plan = &measured.plan;
    let mut lines = vec![format!(
        "Time and attempts until a withdrawal is done, by the share of messages lost: {} withdrawals at each point in virtual \
         time.",
        grouped(plan.calls)
    )];
    if let Some(sockets) = &plan.sockets {
        lines.push(format!(
            "Diamonds: {} withdrawals over real sockets, after which accounts and ledger were checked: each is booked exactly \
             once.",
            grouped(sockets.calls)
        ));
    }
    lines
}

/// Under which conditions, in lines.
pub(super) fn conditions(measured: &Measured) -> Vec<String> {
    let plan = &measured.plan;
    let mut lines = vec![format!(
        "Virtual time: round trip {} ms. Theory: 1/((1-p)(1-q)) attempts when the shares p of requests and q of replies are \
         lost; the time is that of their waits. Seed {}, switchboard {}.",
        plan.round_trip_us / 1000,
        plan.seed,
        env!("CARGO_PKG_VERSION")
    )];
    if let Some(round_trip_us) = measured.socket_round_trip_us() {
        lines.push(format!(
            "Sockets: TLS over loopback, a nominal second played in {} ms; so a round trip of {} µs with its durable commit \
             counts as {} ms. Dashed: theory for that round trip.",
            1000 / PACE,
            round_trip_us / PACE,
            round_trip_us / 1000
        ));
    }
    lines
}

/// The figures behind the finding, for who cannot see the chart.
pub(super) fn description(measured: &Measured) -> String {
    let mut text = subject(measured).join(" ");
    for case in Case::ALL {
        let Some(point) = measured.of(case).max_by_key(|point| point.loss.permille() == TOLD_PERMILLE) else {
            continue;
        };
        text.push_str(&format!(
            " {} of {}: {:.2} attempts, theory {:.2}; {} instead of {}.",
            case.title(),
            point.loss,
            point.simulated.adaptive.attempts.mean,
            point.theory.attempts,
            duration(point.simulated.adaptive.seconds.mean),
            duration(point.simulated.fixed.seconds.mean)
        ));
    }
    text
}

/// Both directions at the share that is told, or in the middle of what was measured.
fn told(measured: &Measured) -> Option<&Point> {
    let both: Vec<&Point> = measured.of(Case::Both).collect();
    let at_share = both.iter().find(|point| point.loss.permille() == TOLD_PERMILLE);
    at_share.or_else(|| both.get(both.len() / 2)).copied()
}

fn duration(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}

/// 10000 as 10,000.
fn grouped(number: u32) -> String {
    match number / 1000 {
        0 => number.to_string(),
        thousands => format!("{},{:03}", grouped(thousands), number % 1000),
    }
}
