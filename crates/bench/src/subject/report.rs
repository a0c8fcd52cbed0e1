//! The report on a subject: tables for a terminal and for BENCHMARKS.md, and charts.
//!
//! Promised: every figure and verdict is computed from the measurements at hand, none is typed.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::Subject;
use super::results::Results;
use crate::chart::{Chart, Group, Row, Shade};
use crate::document::{self, CHARTS};
use crate::numbers::interval;
use crate::statistics::Summary;
use crate::table::Table;
use crate::verdict;

/// Cases that belong together: a heading, a chart and tables.
#[derive(Debug)]
pub(crate) struct Part<S: Subject> {
    pub(crate) title: &'static str,
    /// Of the chart.
    pub(crate) file: &'static str,
    pub(crate) cases: &'static [S::Case],
    /// On the left and on the right.
    pub(crate) drawn: [S::Figure; 2],
}

/// A column of a case's table.
#[derive(Debug)]
pub(crate) struct Column<S: Subject> {
    pub(crate) heading: &'static str,
    pub(crate) figure: S::Figure,
    pub(crate) cell: Cell,
}

/// What stands in a column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    /// The peer's figure, written so.
    Own(fn(Summary) -> String),
    /// How many times as large Switchboard's is.
    Over,
}

impl<S: Subject> Column<S> {
    /// The peer's figure, written so.
    pub(crate) const fn own(
        heading: &'static str,
        figure: S::Figure,
        written: fn(Summary) -> String,
    ) -> Self {
        Self { heading, figure, cell: Cell::Own(written) }
    }

    /// Switchboard's figure over the peer's.
    pub(crate) const fn over(heading: &'static str, figure: S::Figure) -> Self {
        Self { heading, figure, cell: Cell::Over }
    }

    fn of(&self, results: &Results<S>, case: S::Case, peer: S::Peer) -> Option<String> {
        match self.cell {
            Cell::Own(written) => results.summary(case, peer, self.figure).map(written),
            Cell::Over if peer == S::OURS => None,
            Cell::Over => {
                results.ratio(case, self.figure, peer).map(|times| format!("{} x", interval(times)))
            }
        }
    }
}

/// A case: every peer that has figures, a row each.
pub(crate) fn table<S: Subject>(results: &Results<S>, case: S::Case, columns: &[Column<S>]) -> Table {
    let heading: Vec<_> = std::iter::once("").chain(columns.iter().map(|column| column.heading)).collect();
    let mut table = Table::new(&heading);
    for peer in S::PEERS {
        let cells: Vec<_> = columns.iter().map(|column| column.of(results, case, *peer)).collect();
        if cells.iter().any(Option::is_some) {
            let mut row = vec![S::peer_title(*peer).to_owned()];
            row.extend(cells.into_iter().map(Option::unwrap_or_default));
            table.push(row);
        }
    }
    table
}

/// For a terminal.
pub(crate) fn text<S: Subject>(results: &Results<S>) -> String {
    let mut text = format!("\n{}\n\n", conditions(results));
    for case in S::CASES.iter().filter(|case| results.has(**case)) {
        let _infallible = writeln!(text, "{}\n{}", S::title(*case), S::table(results, *case).text());
    }
    let verdicts = S::verdicts(results);
    if !verdicts.is_empty() {
        let _infallible = writeln!(text, "Goals\n{}", verdict::table(&verdicts).text());
    }
    for skipped in &results.skipped {
        let _infallible = writeln!(text, "left out: {skipped}");
    }
    text
}

/// Writes the charts, and the part of the document between its marks.
///
/// # Errors
/// When a file cannot be written, or the document has lost its marks.
pub(crate) fn write<S: Subject>(results: &Results<S>, root: &Path) -> Result<()> {
    let charts: Vec<_> = S::PARTS.iter().map(|part| (part.file, part.chart(results).draw())).collect();
    document::write(root, S::NAME, &markdown(results), &charts)
}

fn markdown<S: Subject>(results: &Results<S>) -> String {
    let mut text = format!("\n{} By `{}`.\n", conditions(results), results.command);
    for skipped in &results.skipped {
        let _infallible = writeln!(text, "\nLeft out: {skipped}.");
    }
    let verdicts = S::verdicts(results);
    if !verdicts.is_empty() {
        let table = verdict::table(&verdicts).markdown();
        let _infallible = write!(text, "\n### Goals of {}\n\n{table}", S::GOALS_OF);
    }
    for Part { title, file, cases, .. } in S::PARTS {
        let mut cases = cases.iter().filter(|case| results.has(**case)).peekable();
        if cases.peek().is_none() {
            continue;
        }
        let _infallible = write!(text, "\n### {title}\n\n![{title}]({CHARTS}/{file})\n");
        for case in cases {
            let table = S::table(results, *case).markdown();
            let _infallible = write!(text, "\n**{}**\n\n{table}", S::title(*case));
        }
    }
    text + "\n"
}

/// Machine, day, versions and rounds in a paragraph.
fn conditions<S: Subject>(results: &Results<S>) -> String {
    let rounds = results.samples.iter().map(|sample| sample.round).max().unwrap_or(0);
    format!(
        "{}; {}. {}. {rounds} {}, peers taking turns: median (lowest to highest).",
        results.machine.in_words(),
        S::conditions(&results.conditions),
        results.versions.join(", "),
        if rounds == 1 { "round" } else { "rounds" },
    )
}

impl<S: Subject> Part<S> {
    fn chart(&self, results: &Results<S>) -> Chart {
        let row = |case: S::Case, peer: S::Peer| {
            let left = results.summary(case, peer, self.drawn[0])?;
            let right = results.summary(case, peer, self.drawn[1])?;
            let shade = if S::is_ours(peer) { Shade::Ours } else { Shade::Others };
            Some(Row { title: S::peer_title(peer), shade, figures: [left, right] })
        };
        let group = |case: &S::Case| Group {
            title: S::title(*case),
            rows: S::PEERS.iter().filter_map(|peer| row(*case, *peer)).collect(),
        };
        Chart {
            title: self.title.to_owned(),
            panels: self.drawn.map(S::panel),
            groups: self.cases.iter().map(group).collect(),
        }
    }
}
