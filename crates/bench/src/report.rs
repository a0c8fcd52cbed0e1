//! The report: tables for a terminal and for BENCHMARKS.md, and a chart for each kind of call.
//!
//! Promised: every figure and verdict is computed from the measurements at hand, none is typed.

mod goals;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use crate::calls::case::{Case, MATRIX, Task};
use crate::calls::results::{Figure, Results};
use crate::chart::{Chart, Group, Row, Shade};
use crate::document::{self, CHARTS};
use crate::numbers::{interval, micros};
use crate::peers::Peer;
use crate::statistics::Summary;
use crate::table::Table;
use crate::verdict;

/// Kinds of calls, each with a heading, a chart and tables.
const TASKS: &[(Task, &str, &str)] = &[
    (Task::Withdraw, "Withdrawals from 1000 accounts", "calls-withdraw.svg"),
    (Task::WithdrawHot, "Withdrawals from one hot account", "calls-hot.svg"),
    (Task::Balance, "Reads of a balance", "calls-balance.svg"),
    (Task::Bulk(64), "Bulk transfers, 64 in a call", "calls-bulk-64.svg"),
    (Task::Bulk(8190), "Bulk transfers, 8,190 in a call", "calls-bulk-8190.svg"),
];

/// For a terminal.
#[must_use]
pub fn text(results: &Results) -> String {
    let mut text = format!("\n{}\n\n", conditions(results));
    for case in measured(results) {
        let _infallible = writeln!(text, "{}\n{}", case.title(), figures(results, case).text());
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
///
/// # Errors
/// When a file cannot be written, or the document has lost its marks.
pub fn write(results: &Results, root: &Path) -> Result<()> {
    let charts: Vec<_> =
        TASKS.iter().map(|(task, title, file)| (*file, chart(results, *task, title).draw())).collect();
    document::write(root, "calls", &markdown(results), &charts)
}

fn chart(results: &Results, task: Task, title: &str) -> Chart {
    let of_task = measured(results).filter(|case| case.task == task);
    let group = |case: Case| Group {
        title: case.load(),
        rows: Peer::ALL.iter().filter_map(|peer| row(results, case, *peer)).collect(),
    };
    Chart {
        title: title.to_owned(),
        panels: ["calls per second: longer is better", "server CPU per call in µs: shorter is better"],
        groups: of_task.map(group).collect(),
    }
}

fn row(results: &Results, case: Case, peer: Peer) -> Option<Row> {
    let rate = results.summary(case, peer, Figure::Rate)?;
    let cpu = results.summary(case, peer, Figure::Cpu)?;
    let shade = match peer {
        Peer::Switchboard => Shade::Ours,
        Peer::SwitchboardTls => Shade::OursTls,
        Peer::Redis | Peer::Postgres | Peer::MariaDb | Peer::MariaDbBinlog | Peer::Textbook => Shade::Others,
    };
    Some(Row { title: peer.title(), shade, figures: [rate, cpu] })
}

fn markdown(results: &Results) -> String {
    let mut text = format!("\n{} By `{}`.\n", conditions(results), results.command);
    for skipped in &results.skipped {
        let _infallible = writeln!(text, "\nLeft out: {skipped}.");
    }
    let verdicts = goals::verdicts(results);
    if !verdicts.is_empty() {
        let _infallible = write!(text, "\n### Goals\n\n{}", verdict::table(&verdicts).markdown());
    }
    for (task, title, file) in TASKS {
        let mut cases = measured(results).filter(|case| case.task == *task).peekable();
        if cases.peek().is_none() {
            continue;
        }
        let _infallible = write!(text, "\n### {title}\n\n![{title}]({CHARTS}/{file})\n");
        for case in cases {
            let _infallible = write!(text, "\n**{}**\n\n{}", case.title(), figures(results, case).markdown());
        }
    }
    text + "\n"
}

fn measured(results: &Results) -> impl Iterator<Item = Case> {
    let is_measured = |case: &Case| results.samples.iter().any(|sample| sample.case == *case);
    MATRIX.iter().copied().filter(is_measured)
}

/// Machine, day, versions and rounds in a paragraph.
fn conditions(results: &Results) -> String {
    let mut versions: Vec<&str> = results.versions.iter().map(|(_, version)| version.as_str()).collect();
    versions.dedup();
    let syncs = Summary::of(results.probes.iter().map(|probe| probe.fdatasync_us));
    let rounds = results.samples.iter().map(|sample| sample.round).max().unwrap_or(0);
    format!(
        "{}; fdatasync of 4 KiB {}. {}. {rounds} {}, peers taking turns: median (lowest to highest).",
        results.machine.in_words(),
        syncs.map_or_else(|| "unknown".to_owned(), micros),
        versions.join(", "),
        if rounds == 1 { "round" } else { "rounds" },
    )
}

/// A case: every peer's figures, and Switchboard's over them.
fn figures(results: &Results, case: Case) -> Table {
    let mut table =
        Table::new(&["", "calls/s", "CPU per call", "Switchboard's calls/s", "Switchboard's CPU"]);
    for peer in Peer::ALL {
        let summary = |figure| results.summary(case, *peer, figure);
        let (Some(calls), Some(cpu)) = (summary(Figure::Rate), summary(Figure::Cpu)) else { continue };
        let times = |figure| {
            let of_ours = results.ratio(figure, (case, Peer::Switchboard), (case, *peer))?;
            (!peer.is_ours()).then(|| format!("{} x", interval(of_ours)))
        };
        let cell = |figure| times(figure).unwrap_or_default();
        let row =
            [peer.title().to_owned(), interval(calls), micros(cpu), cell(Figure::Rate), cell(Figure::Cpu)];
        table.push(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::goals::GOALS;
    use super::*;
    use crate::calls::results::tests::two_rounds;

    #[test]
    fn every_case_of_the_matrix_belongs_to_a_heading() {
        assert!(MATRIX.iter().all(|case| TASKS.iter().any(|(task, ..)| *task == case.task)));
        assert!(GOALS.iter().all(|goal| MATRIX.contains(&goal.case) && goal.ours.can(goal.case)));
    }

    #[test]
    fn the_report_says_what_was_measured_and_who_was_left_out() {
        let shown = text(&two_rounds());
        for needle in
            ["Redis", "60,000 (40,000 to 80,000)", "2.00 x", "fdatasync of 4 KiB 100 µs", "left out: MariaDB"]
        {
            assert!(shown.contains(needle), "{needle} is missing in {shown}");
        }
        assert!(!shown.contains("PostgreSQL"), "{shown}");
    }

    #[test]
    fn what_was_measured_is_drawn_and_nothing_else() {
        let svg = chart(&two_rounds(), Task::Withdraw, "Withdrawals").draw().unwrap();
        assert!(svg.contains(">60,000<") && svg.contains("Redis"), "{svg}");
        assert_eq!(chart(&two_rounds(), Task::Balance, "Reads").draw(), None);
    }
}
