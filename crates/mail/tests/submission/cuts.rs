//! Every dialogue of the tables, cut at every byte of either side: never "accepted" when it was not, never "not sent" when it could have
//! been, and in doubt only when the whole message left.

use switchboard_mail::smtp::Fate;

use crate::rows::{self, Action, Connection, Row};
use crate::virtual_time::{Cut, Ended, assert_honest, run};

#[test]
fn whatever_the_server_was_saying() {
    for row in dialogues() {
        let whole = run(&row, Cut::Never);
        for cut in 0..whole.from_server.min(2000) {
            let ended = run(&row, Cut::FromServer(cut));
            let what = format!("{} cut after {cut} bytes of the server", row.line);
            assert_honest(&ended, &what);
            assert_doubt_only_after_the_dot(&ended, &what);
        }
    }
}

#[test]
fn whatever_the_client_was_saying() {
    for row in dialogues() {
        let whole = run(&row, Cut::Never);
        for cut in 0..whole.to_server.len() {
            let taken = run(&row, Cut::ToServer(cut));
            let what = format!("{} cut after {cut} bytes of the client", row.line);
            assert_honest(&taken, &what);
            assert_doubt_only_after_the_dot(&taken, &what);

            // When this side knows that the end never left, there is no doubt.
            let kept = run(&row, Cut::AtClient(cut));
            assert_honest(&kept, &what);
            let doubt = kept.report.recipients.iter().any(|one| matches!(one.fate, Fate::InDoubt { .. }));
            let dot = end_of_message(&kept.to_server);
            assert!(!doubt || dot.is_some_and(|dot| dot <= cut), "{what}: in doubt, and the dot never left");
        }
    }
}

/// The usual ones, and those of the table that do not wait or flood.
fn dialogues() -> Vec<Row> {
    let connections = [
        Connection::Plain,
        Connection::Pipelined,
        Connection::StartTls,
        Connection::Implicit,
        Connection::Login,
    ];
    let brief = |row: &Row| !row.actions.iter().any(|action| matches!(action, Action::Flood(_)));
    connections.into_iter().map(Row::usual).chain(rows::all().into_iter().filter(brief)).collect()
}

fn assert_doubt_only_after_the_dot(ended: &Ended, what: &str) {
    let doubt = ended.report.recipients.iter().any(|one| matches!(one.fate, Fate::InDoubt { .. }));
    assert!(!doubt || end_of_message(&ended.to_server).is_some(), "{what}: in doubt before the dot");
}

/// Where the message ends in what the client sent.
fn end_of_message(sent: &[u8]) -> Option<usize> {
    sent.windows(5).position(|window| window == b"\r\n.\r\n").map(|at| at + 5)
}
