//! What was measured as a table for people, as CSV and as JSON. Absent: files, the screen.

use serde_json::{Value, json};

use super::PACE;
use super::experiment::{Measured, Point, Theory};
use super::quantity::{Case, Loss};
use super::sockets::OnSockets;
use super::statistics::Summary;
use crate::screen::{Side, table};

/// The columns of the CSV file.
const COLUMNS: &str = "lost,loss,threshold,client,measured,calls,attempts_theory,attempts_mean,attempts_mean_error,\
    attempts_p10,attempts_p50,attempts_p90,attempts_p99,copies_mean,seconds_theory,seconds_mean,seconds_mean_error,\
    seconds_p10,seconds_p50,seconds_p90,seconds_p99";

/// For people: a table for each case.
pub(crate) fn text(measured: &Measured) -> String {
    Case::ALL.map(|case| case_text(measured, case)).join("\n\n")
}

fn case_text(measured: &Measured, case: Case) -> String {
    let columns = [
        ("lost", Side::Right),
        ("T", Side::Right),
        ("attempts: theory", Side::Right),
        ("virtual", Side::Right),
        ("sockets", Side::Right),
        ("seconds: every 1 s", Side::Right),
        ("ours", Side::Right),
        ("p50", Side::Right),
        ("p90", Side::Right),
        ("p99", Side::Right),
        ("sockets", Side::Right),
    ];
    let rows: Vec<_> = measured.of(case).map(row).collect();
    format!("{}\n{}", case.title(), table(columns, &rows))
}

fn row(point: &Point) -> [String; 11] {
    let (ours, fixed) = (&point.simulated.adaptive, &point.simulated.fixed);
    let sockets = point.sockets.as_ref().map(|found| &found.summary);
    let or_none =
        |value: Option<f64>, digits| value.map_or_else(String::new, |value| format!("{value:.digits$}"));
    [
        point.loss.to_string(),
        threshold(point.loss),
        format!("{:.2}", point.theory.attempts),
        format!("{:.2}", ours.attempts.mean),
        or_none(sockets.map(|summary| summary.attempts.mean), 2),
        format!("{:.3}", fixed.seconds.mean),
        format!("{:.3}", ours.seconds.mean),
        format!("{:.3}", ours.seconds.p50),
        format!("{:.3}", ours.seconds.p90),
        format!("{:.3}", ours.seconds.p99),
        or_none(sockets.map(|summary| summary.seconds.mean), 3),
    ]
}

/// For spreadsheets: a line for each client at each point.
pub(crate) fn csv(measured: &Measured) -> String {
    let mut text = format!("{COLUMNS}\n");
    for point in &measured.points {
        let Theory { adaptive_s, fixed_s, .. } = point.theory;
        text.push_str(&csv_line(point, "switchboard,virtual", &point.simulated.adaptive, adaptive_s));
        text.push_str(&csv_line(point, "every-second,virtual", &point.simulated.fixed, fixed_s));
        if let Some(found) = &point.sockets {
            let round_trip_us = measured.socket_round_trip_us().unwrap_or(measured.plan.round_trip_us);
            let expected = Theory::of(point.case, point.loss, round_trip_us).adaptive_s;
            text.push_str(&csv_line(point, "switchboard,sockets", &found.summary, expected));
        }
    }
    text
}

fn csv_line(point: &Point, who: &str, summary: &Summary, seconds_theory: f64) -> String {
    let Summary { calls, attempts, seconds, copies_mean, .. } = summary;
    let numbers = [
        point.theory.attempts,
        attempts.mean,
        attempts.mean_error,
        attempts.p10,
        attempts.p50,
        attempts.p90,
        attempts.p99,
        *copies_mean,
        seconds_theory,
        seconds.mean,
        seconds.mean_error,
        seconds.p10,
        seconds.p50,
        seconds.p90,
        seconds.p99,
    ];
    let numbers: Vec<String> = numbers.iter().map(|number| format!("{number:.6}")).collect();
    let (case, loss) = (point.case.name(), point.loss);
    format!("{case},{loss},{},{who},{calls},{}\n", threshold(loss), numbers.join(","))
}

/// For programs: everything.
pub(crate) fn json(measured: &Measured) -> Value {
    let plan = &measured.plan;
    json!({
        "seed": plan.seed,
        "round_trip_ms": plan.round_trip_us / 1000,
        "sockets": plan.sockets.as_ref().map(|sockets| json!({
            "calls": sockets.calls,
            "wall_ms_per_second": 1000 / PACE,
            "round_trip_seconds": measured.socket_round_trip_us().map(|us| f64::from(u32::try_from(us).unwrap_or(u32::MAX)) / 1e6),
            "booked": "each withdrawal exactly once",
        })),
        "points": measured.points.iter().map(json_point).collect::<Vec<_>>(),
    })
}

fn json_point(point: &Point) -> Value {
    let Theory { attempts, adaptive_s, fixed_s } = point.theory;
    json!({
        "lost": point.case.name(),
        "loss": point.loss.probability(),
        "threshold": point.loss.threshold(),
        "theory": { "attempts": attempts, "switchboard_seconds": adaptive_s, "every_second_seconds": fixed_s },
        "virtual": {
            "switchboard": point.simulated.adaptive,
            "every_second": point.simulated.fixed,
        },
        "sockets": point.sockets.as_ref().map(json_sockets),
    })
}

fn json_sockets(found: &OnSockets) -> Value {
    let [requests, replies] = found.counts;
    json!({
        "switchboard": found.summary,
        "clients": found.clients,
        "requests": { "sent": requests.arrived, "lost": requests.lost },
        "replies": { "sent": replies.arrived, "lost": replies.lost, "recorded_earlier": replies.replayed },
    })
}

fn threshold(loss: Loss) -> String {
    loss.threshold().map_or_else(String::new, |threshold| threshold.to_string())
}
