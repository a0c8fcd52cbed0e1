//! The report on web servers: tables for a terminal and for BENCHMARKS.md, and charts.
//!
//! Promised: every figure and verdict is computed from the measurements at hand, none is typed.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::case::{Case, MATRIX};
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

const LOAD: [Figure; 2] = [Figure::Rate, Figure::Cpu];
const PARTS: &[Part] = &[
    Part {
        title: "Small files and short answers",
        file: "web-small.svg",
        cases: &[Case::Small, Case::Pipelined, Case::NotModified, Case::NotFound],
        drawn: LOAD,
    },
    Part { title: "Larger files", file: "web-large.svg", cases: &[Case::Medium, Case::Large], drawn: LOAD },
    Part {
        title: "New connections",
        file: "web-connect.svg",
        cases: &[Case::Connect, Case::TlsConnect],
        drawn: LOAD,
    },
    Part { title: "TLS and HTTP/2", file: "web-tls.svg", cases: &[Case::TlsSmall, Case::Http2], drawn: LOAD },
    Part {
        title: "Latency at a steady rate",
        file: "web-latency.svg",
        cases: &[Case::Steady],
        drawn: [Figure::P50, Figure::P99],
    },
    Part {
        title: "Memory",
        file: "web-memory.svg",
        cases: &[Case::Memory],
        drawn: [Figure::Idle, Figure::Crowded],
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
    document::write(root, "web", &markdown(results), &charts)
}

fn markdown(results: &Results) -> String {
    let mut text = format!("\n{} By `{}`.\n", conditions(results), results.command);
    for skipped in &results.skipped {
        let _infallible = writeln!(text, "\nLeft out: {skipped}.");
    }
    let verdicts = goals::verdicts(results);
    if !verdicts.is_empty() {
        let _infallible =
            write!(text, "\n### Goals of web serving\n\n{}", verdict::table(&verdicts).markdown());
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
    let versions: Vec<&str> = results.versions.iter().map(|(_, version)| version.as_str()).collect();
    let rounds = results.samples.iter().map(|sample| sample.round).max().unwrap_or(0);
    format!(
        "{}; TCP by {}; {} {} for every server. {}. {rounds} {}, peers taking turns: median (lowest to highest).",
        results.machine.in_words(),
        results.congestion_control,
        results.workers,
        if results.workers == 1 { "worker" } else { "workers" },
        versions.join(", "),
        if rounds == 1 { "round" } else { "rounds" },
    )
}

/// A case: every peer's figures, and Switchboard's over them.
fn figures(results: &Results, case: Case) -> Table {
    if case == Case::Memory {
        return memory(results);
    }
    let heading = [
        "",
        "requests/s",
        "CPU per request",
        "median latency",
        "99 %",
        "Switchboard's requests/s",
        "Switchboard's CPU",
    ];
    let mut table = Table::new(&heading);
    for peer in Peer::ALL {
        let summary = |figure| results.summary(case, *peer, figure);
        let (Some(rate), Some(cpu)) = (summary(Figure::Rate), summary(Figure::Cpu)) else { continue };
        let latency = |figure| summary(figure).map_or_else(String::new, micros);
        let times = |figure| {
            let of_ours = results.ratio(case, figure, *peer)?;
            (!peer.is_ours()).then(|| format!("{} x", interval(of_ours)))
        };
        table.push([
            peer.title().to_owned(),
            interval(rate),
            micros(cpu),
            latency(Figure::P50),
            latency(Figure::P99),
            times(Figure::Rate).unwrap_or_default(),
            times(Figure::Cpu).unwrap_or_default(),
        ]);
    }
    table
}

fn memory(results: &Results) -> Table {
    let mut table = Table::new(&["", "alone", "with idle connections"]);
    for peer in Peer::ALL {
        let summary = |figure| results.summary(Case::Memory, *peer, figure);
        let (Some(idle), Some(crowded)) = (summary(Figure::Idle), summary(Figure::Crowded)) else { continue };
        let mebibytes = |summary: Summary| format!("{} MiB", interval(summary));
        table.push([peer.title().to_owned(), mebibytes(idle), mebibytes(crowded)]);
    }
    table
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
        Figure::Rate => "requests per second: longer is better",
        Figure::Cpu => "server CPU per request in µs: shorter is better",
        Figure::P50 => "median latency in µs: shorter is better",
        Figure::P99 => "latency of 99 % in µs: shorter is better",
        Figure::Idle => "alone, in MiB: shorter is better",
        Figure::Crowded => "with idle connections, in MiB: shorter is better",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::results::tests::two_rounds;

    #[test]
    fn every_case_of_the_matrix_belongs_to_one_part() {
        let parts_of = |case| PARTS.iter().filter(|part| part.cases.contains(case)).count();
        assert!(MATRIX.iter().all(|case| parts_of(case) == 1));
    }

    #[test]
    fn the_report_says_what_was_measured_and_what_was_left_out() {
        let shown = text(&two_rounds());
        for needle in ["nginx 1", "150,000 (100,000 to 200,000)", "2.00 x", "12.0 MiB", "left out: Caddy"] {
            assert!(shown.contains(needle), "{needle} is missing in {shown}");
        }
        assert!(!shown.contains("HTTP/2"), "{shown}");
    }

    #[test]
    fn what_was_measured_is_written_and_drawn() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("BENCHMARKS.md"), "<!-- web -->\n<!-- /web -->\n").unwrap();
        write(&two_rounds(), root.path()).unwrap();
        let document = std::fs::read_to_string(root.path().join("BENCHMARKS.md")).unwrap();
        assert!(document.contains("| lighttpd |") && document.contains("| 4.00 MiB |"), "{document}");
        let drawn = |file: &str| root.path().join(CHARTS).join(file).is_file();
        assert!(drawn("web-small.svg") && drawn("web-memory.svg") && !drawn("web-tls.svg"));
    }
}
