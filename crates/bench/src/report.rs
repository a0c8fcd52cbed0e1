//! The report: tables for a terminal and for BENCHMARKS.md, and a chart for each kind of call.
//!
//! Promised: every figure and verdict is computed from the measurements at hand, none is typed.

mod chart;
mod goals;
mod table;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::calls::case::{Case, MATRIX, Task};
use crate::calls::results::{Figure, Results};
use crate::numbers::significant;
use crate::peers::Peer;
use crate::statistics::Summary;
use goals::{Bound, Verdict};
use table::Table;

/// The document, and what surrounds the part that is written here.
const DOCUMENT: &str = "BENCHMARKS.md";
const BEGIN: &str = "<!-- calls -->";
const END: &str = "<!-- /calls -->";
/// Where the charts stand.
const CHARTS: &str = "docs/benchmarks";
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
        let _infallible = writeln!(text, "Goals\n{}", goals_table(&verdicts).text());
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
    let charts = root.join(CHARTS);
    fs::create_dir_all(&charts)?;
    for (task, title, file) in TASKS {
        if let Some(svg) = chart::draw(results, *task, title) {
            fs::write(charts.join(file), svg).with_context(|| format!("cannot write {CHARTS}/{file}"))?;
        }
    }
    let path = root.join(DOCUMENT);
    let document = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let replaced = replace(&document, &markdown(results))?;
    fs::write(&path, replaced).with_context(|| format!("cannot write {DOCUMENT}"))
}

fn replace(document: &str, part: &str) -> Result<String> {
    let lost = || format!("{DOCUMENT} needs a line {BEGIN} and below it a line {END}");
    let (before, rest) = document.split_once(BEGIN).with_context(lost)?;
    let (_, after) = rest.split_once(END).with_context(lost)?;
    Ok(format!("{before}{BEGIN}\n{part}{END}{after}"))
}

fn markdown(results: &Results) -> String {
    let mut text = format!("\n{} By `{}`.\n", conditions(results), results.command);
    for skipped in &results.skipped {
        let _infallible = writeln!(text, "\nLeft out: {skipped}.");
    }
    let verdicts = goals::verdicts(results);
    if !verdicts.is_empty() {
        let _infallible = write!(text, "\n### Goals\n\n{}", goals_table(&verdicts).markdown());
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
    let machine = &results.machine;
    let mut versions: Vec<&str> = results.versions.iter().map(|(_, version)| version.as_str()).collect();
    versions.dedup();
    let syncs = Summary::of(results.probes.iter().map(|probe| probe.fdatasync_us));
    let rounds = results.samples.iter().map(|sample| sample.round).max().unwrap_or(0);
    format!(
        "Measured {} on {} cores of {}, {} GiB, Linux {}, load and server sharing the cores; fdatasync of 4 KiB {}. \
         {}. {rounds} {}, peers taking turns: median (lowest to highest).",
        machine.date,
        machine.cores,
        machine.cpu,
        machine.memory_gib,
        machine.kernel,
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

fn goals_table(verdicts: &[Verdict]) -> Table {
    let mut table = Table::new(&["goal", "wanted", "measured", ""]);
    for verdict in verdicts {
        let times = if verdict.goal.is_times() { " x" } else { "" };
        let wanted = match verdict.goal.bound {
            Bound::AtLeast(bound) => format!("at least {}{times}", significant(bound)),
            Bound::AtMost(bound) => format!("at most {}{times}", significant(bound)),
        };
        let measured = format!("{}{times}", interval(verdict.measured));
        let reached = if verdict.is_reached { "reached" } else { "**not reached**" };
        table.push([verdict.goal.title(), wanted, measured, reached.to_owned()]);
    }
    table
}

fn interval(summary: Summary) -> String {
    let (median, min, max) =
        (significant(summary.median), significant(summary.min), significant(summary.max));
    if min == max { median } else { format!("{median} ({min} to {max})") }
}

fn micros(summary: Summary) -> String {
    format!("{} µs", interval(summary))
}

#[cfg(test)]
mod tests {
    use super::goals::GOALS;
    use super::*;
    use crate::calls::results::tests::two_rounds;

    #[test]
    fn the_part_between_the_marks_is_replaced_and_nothing_else() {
        let document = format!("# Title\n{BEGIN}\nold\n{END}\nbelow\n");
        assert_eq!(replace(&document, "new\n").unwrap(), format!("# Title\n{BEGIN}\nnew\n{END}\nbelow\n"));
        let told = replace("# Title\n", "new").unwrap_err().to_string();
        assert!(told.contains(BEGIN) && told.contains(END), "{told}");
    }

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
    fn writing_replaces_the_part_and_draws_what_was_measured() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(DOCUMENT), format!("{BEGIN}\n{END}\n")).unwrap();
        write(&two_rounds(), root.path()).unwrap();
        let document = fs::read_to_string(root.path().join(DOCUMENT)).unwrap();
        assert!(document.contains("| Redis"), "{document}");
        assert!(root.path().join(CHARTS).join("calls-withdraw.svg").is_file());
        assert!(!root.path().join(CHARTS).join("calls-hot.svg").exists());
    }
}
