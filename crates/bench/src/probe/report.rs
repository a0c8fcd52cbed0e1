//! The report on probes and reflectors: tables for a terminal and for BENCHMARKS.md, and charts.
//!
//! Promised: every figure and verdict is computed from the measurements at hand, none is typed.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::case::{Case, Kind, MATRIX};
use super::goals;
use super::peers::Peer;
use super::results::{Figure, Results};
use crate::chart::{Chart, Group, Row, Shade};
use crate::document::{self, CHARTS};
use crate::numbers::{interval, micros};
use crate::statistics::Summary;
use crate::table::Table;
use crate::verdict;

/// Cases that belong together: a heading, a chart and tables.
struct Part {
    title: &'static str,
    file: &'static str,
    cases: &'static [Case],
    drawn: [Figure; 2],
}

const PARTS: &[Part] = &[
    Part {
        title: "Reflectors",
        file: "probe-reflectors.svg",
        cases: &[Case::Load64, Case::Load128, Case::Alone],
        drawn: [Figure::Rate, Figure::Cpu],
    },
    Part {
        title: "Round trips",
        file: "probe-round-trips.svg",
        cases: &[Case::RoundTrip],
        drawn: [Figure::P50, Figure::P99],
    },
    Part {
        title: "Sending on time",
        file: "probe-sending.svg",
        cases: &[Case::Send1ms, Case::Send100us],
        drawn: [Figure::P50, Figure::P99],
    },
];

/// For a terminal.
pub(super) fn text(results: &Results) -> String {
    let mut text = format!("\n{}\n\n", conditions(results));
    for case in MATRIX.iter().filter(|case| is_measured(results, **case)) {
        let _infallible = writeln!(text, "{}\n{}", case.title(), figures(results, *case).text());
    }
    let verdicts = goals::verdicts(results);
    if !verdicts.is_empty() {
        let _infallible = writeln!(text, "Goals\n{}", verdict::table(&verdicts).text());
    }
    for skipped in &results.skipped {
        let _infallible = writeln!(text, "left out: {skipped}");
    }
    text
}

/// Writes the charts, and the part of the document between its marks.
pub(super) fn write(results: &Results, root: &Path) -> Result<()> {
    let charts: Vec<_> = PARTS.iter().map(|part| (part.file, part.chart(results).draw())).collect();
    document::write(root, "probe", &markdown(results), &charts)
}

fn markdown(results: &Results) -> String {
    let mut text = format!("\n{} By `{}`.\n", conditions(results), results.command);
    for skipped in &results.skipped {
        let _infallible = writeln!(text, "\nLeft out: {skipped}.");
    }
    let verdicts = goals::verdicts(results);
    if !verdicts.is_empty() {
        let _infallible = write!(text, "\n### Goals of probing\n\n{}", verdict::table(&verdicts).markdown());
    }
    for Part { title, file, cases, .. } in PARTS {
        let mut cases = cases.iter().filter(|case| is_measured(results, **case)).peekable();
        if cases.peek().is_none() {
            continue;
        }
        let _infallible = write!(text, "\n### {title}\n\n![{title}]({CHARTS}/{file})\n");
        for case in cases {
            let _infallible =
                write!(text, "\n**{}**\n\n{}", case.title(), figures(results, *case).markdown());
        }
    }
    text + "\n"
}

fn is_measured(results: &Results, case: Case) -> bool {
    results.samples.iter().any(|sample| sample.case == case)
}

/// Machine, day, versions and rounds in a paragraph.
fn conditions(results: &Results) -> String {
    let rounds = results.samples.iter().map(|sample| sample.round).max().unwrap_or(0);
    format!(
        "{}; loopback, reflectors on one core and whoever sends on another. {}. {rounds} {}, peers taking turns: median (lowest \
         to highest).",
        results.machine.in_words(),
        results.versions.join(", "),
        if rounds == 1 { "round" } else { "rounds" },
    )
}

/// A case: every peer's figures.
fn figures(results: &Results, case: Case) -> Table {
    match case.kind() {
        Kind::Reflect { .. } => reflectors(results, case),
        Kind::RoundTrip => times(results, case, &[Figure::P50, Figure::P99], "without an answer"),
        Kind::Send { .. } => {
            times(results, case, &[Figure::P50, Figure::P99, Figure::Max], "places left out")
        }
    }
}

fn reflectors(results: &Results, case: Case) -> Table {
    let heading = ["", "replies/s", "lost", "CPU per packet", "packets per s of CPU", "Switchboard's CPU"];
    let mut table = Table::new(&heading);
    for peer in Peer::ALL {
        let summary = |figure| results.summary(case, *peer, figure);
        let figures = (summary(Figure::Rate), summary(Figure::Cpu), summary(Figure::PerCore));
        let (Some(rate), Some(cpu), Some(per_core)) = figures else { continue };
        let over = results.ratio(case, Figure::Cpu, *peer).filter(|_| !peer.is_ours());
        table.push([
            peer.title().to_owned(),
            interval(rate),
            summary(Figure::Missing).map_or_else(String::new, percent),
            micros(cpu),
            interval(per_core),
            over.map(|times| format!("{} x", interval(times))).unwrap_or_default(),
        ]);
    }
    table
}

/// Times with their quantiles, and the share that is missing.
fn times(results: &Results, case: Case, shown: &[Figure], missing: &str) -> Table {
    let mut heading = vec!["", "median", "99 %"];
    if shown.contains(&Figure::Max) {
        heading.push("most");
    }
    heading.push(missing);
    let mut table = Table::new(&heading);
    for peer in Peer::ALL {
        let summaries = shown.iter().map(|figure| results.summary(case, *peer, *figure));
        let Some(summaries) = summaries.collect::<Option<Vec<Summary>>>() else { continue };
        let mut row = vec![peer.title().to_owned()];
        row.extend(summaries.into_iter().map(micros));
        row.push(results.summary(case, *peer, Figure::Missing).map_or_else(String::new, percent));
        table.push(row);
    }
    table
}

/// A share; none is said to be none.
fn percent(share: Summary) -> String {
    if share.max == 0.0 { "none".to_owned() } else { format!("{} %", interval(share)) }
}

impl Part {
    fn chart(&self, results: &Results) -> Chart {
        let row = |case: Case, peer: &Peer| {
            let left = results.summary(case, *peer, self.drawn[0])?;
            let right = results.summary(case, *peer, self.drawn[1])?;
            let shade = if peer.is_ours() { Shade::Ours } else { Shade::Others };
            Some(Row { title: peer.title(), shade, figures: [left, right] })
        };
        let group = |case: &Case| Group {
            title: case.title(),
            rows: Peer::ALL.iter().filter_map(|peer| row(*case, peer)).collect(),
        };
        Chart {
            title: self.title.to_owned(),
            panels: self.drawn.map(words),
            groups: self.cases.iter().map(group).collect(),
        }
    }
}

fn words(figure: Figure) -> &'static str {
    match figure {
        Figure::Rate => "replies per second: longer is better",
        Figure::Cpu => "reflector CPU per packet in µs: shorter is better",
        Figure::PerCore => "packets per second of CPU: longer is better",
        Figure::P50 => "median in µs: shorter is better",
        Figure::P99 => "99 % in µs: shorter is better",
        Figure::Max => "most in µs: shorter is better",
        Figure::Missing => "missing, of 100: shorter is better",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::results::tests::two_rounds;

    #[test]
    fn every_case_of_the_matrix_belongs_to_one_part() {
        let parts_of = |case| PARTS.iter().filter(|part| part.cases.contains(case)).count();
        assert!(MATRIX.iter().all(|case| parts_of(case) == 1));
    }

    #[test]
    fn the_report_says_what_was_measured_and_what_was_left_out() {
        let shown = text(&two_rounds());
        let needles =
            ["irtt 0.9", "150,000 (100,000 to 200,000)", "55.0 µs", "8.00 %", "none", "left out: fping"];
        for needle in needles {
            assert!(shown.contains(needle), "{needle} is missing in {shown}");
        }
        assert!(!shown.contains("128 octets"), "{shown}");
    }

    #[test]
    fn what_was_measured_is_written_and_drawn() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("BENCHMARKS.md"), "<!-- probe -->\n<!-- /probe -->\n").unwrap();
        write(&two_rounds(), root.path()).unwrap();
        let document = std::fs::read_to_string(root.path().join("BENCHMARKS.md")).unwrap();
        assert!(
            document.contains("| plain C, recvmmsg |") && document.contains("**not reached**"),
            "{document}"
        );
        assert!(root.path().join(CHARTS).join("probe-sending.svg").is_file());
    }
}
