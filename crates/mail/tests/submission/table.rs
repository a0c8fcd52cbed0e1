//! Every row of the published tables, in virtual time.

use switchboard_mail::smtp::{Fate, Report};

use crate::rows::{self, Row};
use crate::virtual_time::{Cut, Flow, assert_honest, run};

#[test]
fn every_row_ends_as_the_table_says() {
    check(Flow::AtOnce, |row| !row.is_streamed());
}

#[test]
fn rows_end_the_same_when_all_is_said_together() {
    // Where the message and its end leave together, there is no time between them.
    check(Flow::Together, |row| !row.at.iter().any(|at| at == "body"));
}

fn check(flow: Flow, wanted: impl Fn(&Row) -> bool) {
    let rows = rows::all();
    let wrong: Vec<_> = rows
        .iter()
        .filter(|row| wanted(row))
        .filter_map(|row| {
            let ended = run(row, Cut::Never, flow);
            assert_honest(&ended, &row.line);
            difference(row, &ended.reports)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// In words, when the reports are not what the row says.
pub(crate) fn difference(row: &Row, reports: &[Report]) -> Option<String> {
    let of_message =
        |report: &Report| report.recipients.iter().map(|one| one.fate.clone()).collect::<Vec<_>>();
    let fates: Vec<_> = reports.iter().map(of_message).collect();
    // Where fates differ, the columns are about the first that was not accepted.
    let all: Vec<_> = fates.iter().flatten().collect();
    let decisive = all.iter().find(|fate| fate.name() != "accepted").or(all.first())?;
    let cause = match decisive {
        Fate::NotSent { cause, .. } | Fate::InDoubt { cause } => cause.name().to_owned(),
        Fate::Accepted(said) | Fate::Refused { said, .. } => said.code.to_string(),
    };
    let names: Vec<Vec<_>> =
        fates.iter().map(|fates| fates.iter().map(|fate| fate.name().to_owned()).collect()).collect();
    // How much of a second envelope left before the connection ended is a matter of time.
    let not_begun = ["not_begun".to_owned(), "not_begun".to_owned()];
    let same = row.results.iter().enumerate().all(|(at, expected)| match names.get(at) {
        Some(names) => names == expected || (*expected == not_begun && names[0] == "not_sent"),
        None => *expected == not_begun,
    }) && decisive.phase().name() == row.phase
        && cause == row.why;
    (!same).then(|| format!("{}\n  ended as {fates:?}", row.line))
}
