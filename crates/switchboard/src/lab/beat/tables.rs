//! What was measured as a table for people, as CSV and as JSON. Absent: files, the screen.

use serde_json::{Value, json};

use super::curve::Curve;
use super::{Measured, Panel};
use crate::screen::{Side, table};

/// False alarms of a million beats at which detection is compared.
const LEVELS: [f64; 4] = [1_000.0, 100.0, 10.0, 1.0];

/// The columns of the CSV file.
const COLUMNS: &str = "trace,detector,margin,detection_mean_intervals,detection_p99_intervals,false_alarms,beats,\
    false_alarms_per_million";

/// For people: a table for each trace.
pub(crate) fn text(measured: &Measured) -> String {
    measured.panels.iter().map(panel_text).collect::<Vec<_>>().join("\n\n")
}

fn panel_text(panel: &Panel) -> String {
    let columns = [
        ("false alarms of a million beats", Side::Left),
        ("1000", Side::Right),
        ("100", Side::Right),
        ("10", Side::Right),
        ("1", Side::Right),
    ];
    let row = |curve: &Curve| {
        let at = |level| {
            curve.detection_at(level).map_or_else(|| "-".to_owned(), |detection| format!("{detection:.1}"))
        };
        let [first, second, third, fourth] = LEVELS.map(at);
        [curve.method.name().to_owned(), first, second, third, fourth]
    };
    let rows: Vec<_> = panel.curves.iter().map(row).collect();
    format!("{} ({} sent, {} lost)\n{}", panel.title, panel.sent, panel.lost, table(columns, &rows))
}

/// For spreadsheets: a line for each point of each curve, down to the first without a false alarm.
pub(crate) fn csv(measured: &Measured) -> String {
    let mut text = format!("{COLUMNS}\n");
    for panel in &measured.panels {
        for curve in &panel.curves {
            let last = curve.points.iter().position(|point| point.false_alarms == 0);
            for point in curve.points.iter().take(last.map_or(usize::MAX, |last| last + 1)) {
                text.push_str(&format!(
                    "\"{}\",{},{:.4},{:.3},{:.2},{},{},{:.3}\n",
                    panel.title.replace('"', "'"),
                    curve.method.name(),
                    point.margin,
                    point.detection_mean,
                    point.detection_p99,
                    point.false_alarms,
                    curve.waits,
                    point.per_million,
                ));
            }
        }
    }
    text
}

/// For programs.
pub(crate) fn json(measured: &Measured) -> Value {
    let curve = |curve: &Curve| {
        let points: Vec<Value> = curve
            .points
            .iter()
            .map(|point| {
                json!({
                    "margin": point.margin,
                    "detection_mean_intervals": point.detection_mean,
                    "detection_p99_intervals": point.detection_p99,
                    "false_alarms": point.false_alarms,
                    "false_alarms_per_million": point.per_million,
                })
            })
            .collect();
        json!({ "detector": curve.method.name(), "beats": curve.waits, "points": points })
    };
    let panel = |panel: &Panel| {
        json!({
            "trace": panel.title,
            "sent": panel.sent,
            "lost": panel.lost,
            "curves": panel.curves.iter().map(curve).collect::<Vec<_>>(),
        })
    };
    json!({ "seed": measured.seed, "traces": measured.panels.iter().map(panel).collect::<Vec<_>>() })
}
