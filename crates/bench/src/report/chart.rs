//! A chart as SVG: bars for calls a second on the left, for CPU time on the right, a group for each case.
//!
//! The bars of a group share their scale, so that peers are compared; groups do not, since a lone connection and a
//! thousand calls in flight would not be seen on one. A thin line spans the lowest and the highest round.

use std::fmt::Write as _;

use crate::calls::case::{Case, MATRIX, Task};
use crate::calls::results::{Figure, Results};
use crate::numbers::significant;
use crate::peers::Peer;
use crate::statistics::Summary;

/// Widths and heights, in pixels of the drawing.
const WIDTH: f64 = 960.0;
const MARGIN: f64 = 24.0;
const LABELS: f64 = 224.0;
const PANEL: f64 = 332.0;
/// Room for the figure behind the longest bar.
const FIGURE: f64 = 66.0;
const HEAD: f64 = 84.0;
const CASE_HEAD: f64 = 30.0;
const ROW: f64 = 22.0;
const BAR: f64 = 14.0;
const CASE_GAP: f64 = 16.0;

const OURS: &str = "#0b7a75";
const OURS_TLS: &str = "#55aca7";
const OTHERS: &str = "#b4bcc8";
const INK: &str = "#1f2430";
const PALE: &str = "#667085";

/// The chart of a kind of calls; nothing when none was measured.
pub(super) fn draw(results: &Results, task: Task, title: &str) -> Option<String> {
    let of_task = MATRIX.iter().copied().filter(|case| case.task == task);
    let groups: Vec<(Case, Vec<Row>)> =
        of_task.map(|case| (case, rows(results, case))).filter(|(_, rows)| !rows.is_empty()).collect();
    if groups.is_empty() {
        return None;
    }
    let mut body = String::new();
    let mut y = HEAD;
    for (case, rows) in &groups {
        y = group(&mut body, y, *case, rows);
    }
    Some(frame(&body, y + MARGIN - CASE_GAP, title))
}

struct Row {
    peer: Peer,
    rate: Summary,
    cpu: Summary,
}

fn rows(results: &Results, case: Case) -> Vec<Row> {
    let row = |peer: &Peer| {
        let rate = results.summary(case, *peer, Figure::Rate)?;
        let cpu = results.summary(case, *peer, Figure::Cpu)?;
        Some(Row { peer: *peer, rate, cpu })
    };
    Peer::ALL.iter().filter_map(row).collect()
}

/// Draws a case below `y`; returns where the next one begins.
fn group(body: &mut String, y: f64, case: Case, rows: &[Row]) -> f64 {
    let name = case.load();
    text(body, MARGIN, y + 14.0, &format!("font-weight=\"600\" fill=\"{INK}\""), &name);
    let longest = |of: fn(&Row) -> Summary| rows.iter().map(|row| of(row).max).fold(0.0, f64::max);
    let (rate_max, cpu_max) = (longest(|row| row.rate), longest(|row| row.cpu));
    let mut top = y + CASE_HEAD;
    for row in rows {
        let label = format!("text-anchor=\"end\" fill=\"{INK}\"");
        text(body, MARGIN + LABELS - 10.0, top + 11.5, &label, row.peer.title());
        let left = MARGIN + LABELS;
        bar(body, left, top, row.peer, row.rate, rate_max);
        bar(body, left + PANEL + 20.0, top, row.peer, row.cpu, cpu_max);
        top += ROW;
    }
    top + CASE_GAP
}

fn bar(body: &mut String, x: f64, y: f64, peer: Peer, figure: Summary, longest: f64) {
    let scale = (PANEL - FIGURE) / longest;
    let (width, low, high) = (figure.median * scale, x + figure.min * scale, x + figure.max * scale);
    let middle = y + BAR / 2.0;
    let colour = match peer {
        Peer::Switchboard => OURS,
        Peer::SwitchboardTls => OURS_TLS,
        Peer::Redis | Peer::Postgres | Peer::MariaDb | Peer::MariaDbBinlog | Peer::Textbook => OTHERS,
    };
    let _infallible = writeln!(
        body,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{colour}\"/>"
    );
    if high - low >= 1.0 {
        let _infallible = writeln!(
            body,
            "<path d=\"M{low:.1} {middle:.1}H{high:.1}M{low:.1} {top:.1}v6M{high:.1} {top:.1}v6\" stroke=\"{INK}\" \
             stroke-opacity=\"0.6\" fill=\"none\"/>",
            top = middle - 3.0,
        );
    }
    let weight = if peer.is_ours() { " font-weight=\"600\"" } else { "" };
    let style = format!("fill=\"{INK}\"{weight}");
    text(body, high.max(x + width) + 6.0, y + 11.5, &style, &significant(figure.median));
}

fn text(body: &mut String, x: f64, y: f64, style: &str, words: &str) {
    let _infallible = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{words}</text>");
}

fn frame(body: &str, height: f64, title: &str) -> String {
    let mut head = String::new();
    text(&mut head, MARGIN, 34.0, &format!("font-size=\"17\" font-weight=\"600\" fill=\"{INK}\""), title);
    let left = MARGIN + LABELS;
    let pale = format!("fill=\"{PALE}\"");
    let to_the_right = format!("text-anchor=\"end\" {pale}");
    let note = "a scale for each case; thin lines: lowest to highest round";
    text(&mut head, WIDTH - MARGIN, 34.0, &to_the_right, note);
    text(&mut head, left, 64.0, &pale, "calls per second: longer is better");
    text(&mut head, left + PANEL + 20.0, 64.0, &pale, "server CPU per call in µs: shorter is better");
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
         height=\"{height:.0}\" font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" \
         font-size=\"12.5\" role=\"img\" aria-label=\"{title}: calls per second and server CPU per call\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#ffffff\"/>\n{head}{body}</svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::results::tests::two_rounds;

    #[test]
    fn the_longest_bar_fills_its_panel_and_the_others_are_in_proportion() {
        let svg = draw(&two_rounds(), Task::Withdraw, "Withdrawals").unwrap();
        let widths: Vec<f64> = svg
            .lines()
            .filter(|line| line.contains("rx=\"2\""))
            .filter_map(|line| line.split("width=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        // Rates 60,000 and 30,000 of at most 80,000.
        let room = PANEL - FIGURE;
        assert!(
            (widths[0] - room * 0.75).abs() < 0.1 && (widths[2] - room * 0.375).abs() < 0.1,
            "{widths:?}"
        );
        assert!(svg.contains(">60,000<") && svg.contains("Redis"), "{svg}");
    }

    #[test]
    fn what_was_not_measured_has_no_chart() {
        assert_eq!(draw(&two_rounds(), Task::Balance, "Reads"), None);
    }
}
