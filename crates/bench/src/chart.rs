//! A chart as SVG: bars on the left, bars on the right, a group for each case.
//!
//! The bars of a group share their scale, so that peers are compared; groups do not, since a lone connection and a
//! thousand calls in flight would not be seen on one. A thin line spans the lowest and the highest round.

use std::fmt::Write as _;

use crate::numbers::significant;
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

/// What is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// Above all.
    pub(crate) title: String,
    /// What the bars on the left and on the right say.
    pub(crate) panels: [&'static str; 2],
    /// One below the other; without any there is no drawing.
    pub(crate) groups: Vec<Group>,
}

/// Bars that share their scale.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
}

/// A bar on each side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) shade: Shade,
    pub(crate) figures: [Summary; 2],
}

/// Whose bar it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shade {
    Ours,
    OursTls,
    Others,
}

impl Chart {
    /// As SVG; nothing when nothing was measured.
    pub(crate) fn draw(mut self) -> Option<String> {
        self.groups.retain(|group| !group.rows.is_empty());
        if self.groups.is_empty() {
            return None;
        }
        let mut body = String::new();
        let mut y = HEAD;
        for group in &self.groups {
            y = group.draw(&mut body, y);
        }
        Some(self.frame(&body, y + MARGIN - CASE_GAP))
    }

    fn frame(&self, body: &str, height: f64) -> String {
        let Self { title, panels: [left_panel, right_panel], .. } = self;
        let mut head = String::new();
        text(&mut head, MARGIN, 34.0, &format!("font-size=\"17\" font-weight=\"600\" fill=\"{INK}\""), title);
        let left = MARGIN + LABELS;
        let pale = format!("fill=\"{PALE}\"");
        let to_the_right = format!("text-anchor=\"end\" {pale}");
        let note = "a scale for each case; thin lines: lowest to highest round";
        text(&mut head, WIDTH - MARGIN, 34.0, &to_the_right, note);
        text(&mut head, left, 64.0, &pale, left_panel);
        text(&mut head, left + PANEL + 20.0, 64.0, &pale, right_panel);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
             height=\"{height:.0}\" font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" \
             font-size=\"12.5\" role=\"img\" aria-label=\"{title}\">\n\
             <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#ffffff\"/>\n{head}{body}</svg>\n"
        )
    }
}

impl Group {
    /// Draws below `y`; returns where the next one begins.
    fn draw(&self, body: &mut String, y: f64) -> f64 {
        text(body, MARGIN, y + 14.0, &format!("font-weight=\"600\" fill=\"{INK}\""), &self.title);
        let longest = |side: usize| self.rows.iter().map(|row| row.figures[side].max).fold(0.0, f64::max);
        let (left_max, right_max) = (longest(0), longest(1));
        let mut top = y + CASE_HEAD;
        for row in &self.rows {
            let label = format!("text-anchor=\"end\" fill=\"{INK}\"");
            text(body, MARGIN + LABELS - 10.0, top + 11.5, &label, row.title);
            let left = MARGIN + LABELS;
            bar(body, left, top, row.shade, row.figures[0], left_max);
            bar(body, left + PANEL + 20.0, top, row.shade, row.figures[1], right_max);
            top += ROW;
        }
        top + CASE_GAP
    }
}

fn bar(body: &mut String, x: f64, y: f64, shade: Shade, figure: Summary, longest: f64) {
    let scale = (PANEL - FIGURE) / longest;
    let (width, low, high) = (figure.median * scale, x + figure.min * scale, x + figure.max * scale);
    let middle = y + BAR / 2.0;
    let (colour, weight) = match shade {
        Shade::Ours => (OURS, " font-weight=\"600\""),
        Shade::OursTls => (OURS_TLS, " font-weight=\"600\""),
        Shade::Others => (OTHERS, ""),
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
    let style = format!("fill=\"{INK}\"{weight}");
    text(body, high.max(x + width) + 6.0, y + 11.5, &style, &significant(figure.median));
}

fn text(body: &mut String, x: f64, y: f64, style: &str, words: &str) {
    let _infallible = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_its_panel_and_the_others_are_in_proportion() {
        let row = |title, shade, median| Row {
            title,
            shade,
            figures: [Summary { median, min: 1.0, max: 80.0 }; 2],
        };
        let rows = vec![row("Switchboard", Shade::Ours, 60.0), row("Redis", Shade::Others, 30.0)];
        let groups = vec![Group { title: "64 connections".into(), rows }];
        let chart = Chart { title: "Withdrawals".into(), panels: ["left", "right"], groups };
        let svg = chart.clone().draw().unwrap();
        let widths: Vec<f64> = svg
            .lines()
            .filter(|line| line.contains("rx=\"2\""))
            .filter_map(|line| line.split("width=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        // 60 and 30 of at most 80.
        let room = PANEL - FIGURE;
        assert!(
            (widths[0] - room * 0.75).abs() < 0.1 && (widths[2] - room * 0.375).abs() < 0.1,
            "{widths:?}"
        );
        assert!(svg.contains(">60.0<") && svg.contains("Redis"), "{svg}");
        assert_eq!(Chart { groups: Vec::new(), ..chart }.draw(), None);
    }
}
