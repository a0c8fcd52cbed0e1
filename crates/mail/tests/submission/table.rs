//! Every row of the published tables, in virtual time.

use switchboard_mail::smtp::Report;

use crate::rows::{self, Row};
use crate::virtual_time::{Cut, assert_honest, run};

#[test]
fn every_row_ends_as_the_table_says() {
    let wrong: Vec<_> = rows::all()
        .iter()
        .filter_map(|row| {
            let ended = run(row, Cut::Never);
            assert_honest(&ended, &row.line);
            difference(row, &ended.report)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// In words, when the report is not what the row says.
pub(crate) fn difference(row: &Row, report: &Report) -> Option<String> {
    let fates: Vec<_> = report.recipients.iter().map(|recipient| &recipient.fate).collect();
    // Where recipients differ, the columns are about the one that was not accepted.
    let decisive = fates.iter().find(|fate| fate.name() != "accepted").or(fates.first()).unwrap();
    let cause = match decisive {
        switchboard_mail::smtp::Fate::NotSent { cause, .. }
        | switchboard_mail::smtp::Fate::InDoubt { cause } => cause.name().to_owned(),
        switchboard_mail::smtp::Fate::Accepted(said) | switchboard_mail::smtp::Fate::Refused { said, .. } => {
            said.code.to_string()
        }
    };
    let same = fates.iter().zip(&row.results).all(|(fate, expected)| fate.name() == expected)
        && decisive.phase().name() == row.phase
        && cause == row.why;
    (!same).then(|| format!("{}\n  ended as {fates:?}", row.line))
}
