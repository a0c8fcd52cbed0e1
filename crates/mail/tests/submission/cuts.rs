//! Every dialogue of the tables, cut at every byte of either side: never "accepted" when it was not, never "not sent" when it could have
//! been, and in doubt only when the whole message left. So too when several messages are under way together.

use switchboard_mail::smtp::Fate;

use crate::rows::{self, Action, Connection, Row};
use crate::virtual_time::{Cut, Ended, Flow, assert_honest, options, run, run_messages};

#[test]
fn whatever_the_server_was_saying() {
    for (row, flow) in dialogues() {
        let whole = run(&row, Cut::Never, flow);
        for cut in 0..whole.from_server.min(2000) {
            let ended = run(&row, Cut::FromServer(cut), flow);
            let what = format!("{} cut after {cut} bytes of the server", row.line);
            assert_honest(&ended, &what);
            assert_doubt_only_after_the_end(&ended, &what, usize::MAX);
        }
    }
}

#[test]
fn whatever_the_client_was_saying() {
    for (row, flow) in dialogues() {
        let whole = run(&row, Cut::Never, flow);
        for cut in 0..whole.to_server.len() {
            let taken = run(&row, Cut::ToServer(cut), flow);
            let what = format!("{} cut after {cut} bytes of the client", row.line);
            assert_honest(&taken, &what);
            assert_doubt_only_after_the_end(&taken, &what, usize::MAX);

            // When this side knows that the end never left, there is no doubt.
            let kept = run(&row, Cut::AtClient(cut), flow);
            assert_honest(&kept, &what);
            assert_doubt_only_after_the_end(&kept, &what, cut);
        }
    }
}

#[test]
fn when_five_messages_are_under_way() {
    for connection in [Connection::TwoPipelined, Connection::TwoChunking] {
        let row = Row::usual(connection);
        let five = |cut| run_messages(&row, 5, options(connection), cut, Flow::Together);
        let whole = five(Cut::Never);
        assert_eq!(whole.server_accepted, [true; 5]);
        for cut in 0..whole.to_server.len() {
            let what = format!("{connection:?} cut after {cut} bytes of the client");
            assert_honest(&five(Cut::ToServer(cut)), &what);
            let kept = five(Cut::AtClient(cut));
            assert_honest(&kept, &what);
            assert_doubt_only_after_the_end(&kept, &what, cut);
        }
        for cut in 0..whole.from_server {
            let what = format!("{connection:?} cut after {cut} bytes of the server");
            let ended = five(Cut::FromServer(cut));
            assert_honest(&ended, &what);
            assert_doubt_only_after_the_end(&ended, &what, usize::MAX);
        }
    }
}

/// The usual ones, and those of the table that do not flood.
fn dialogues() -> Vec<(Row, Flow)> {
    let connections = [
        Connection::Plain,
        Connection::Pipelined,
        Connection::Chunking,
        Connection::ChunkingLockstep,
        Connection::Chunks,
        Connection::ChunksLockstep,
        Connection::Two,
        Connection::TwoPipelined,
        Connection::TwoChunking,
        Connection::LoginChunking,
        Connection::StartTls,
        Connection::Implicit,
        Connection::Login,
    ];
    let brief = |row: &Row| !row.actions.iter().any(|action| matches!(action, Action::Flood(_)));
    let rows = connections.into_iter().map(Row::usual).chain(rows::all().into_iter().filter(brief));
    rows.flat_map(|row| [(row.clone(), Flow::AtOnce), (row, Flow::Together)]).collect()
}

/// In doubt is only what left whole, within the first `taken` bytes.
fn assert_doubt_only_after_the_end(ended: &Ended, what: &str, taken: usize) {
    let ends = ends_of_messages(&ended.to_server);
    for (at, report) in ended.reports.iter().enumerate() {
        let doubt = report.recipients.iter().any(|one| matches!(one.fate, Fate::InDoubt { .. }));
        let left = ends.get(at).copied().flatten().is_some_and(|end| end <= taken);
        assert!(!doubt || left, "{what}: message {at} is in doubt, and its end never left");
    }
}

/// For each MAIL, where the message after it ends in what the client sent.
fn ends_of_messages(sent: &[u8]) -> Vec<Option<usize>> {
    let text = std::str::from_utf8(sent).unwrap();
    let begins: Vec<_> = text.match_indices("MAIL FROM:<").map(|(at, _)| at).collect();
    let end_within = |begin: usize, segment: &str| {
        if let Some(dot) = segment.find("\r\n.\r\n") {
            return Some(begin + dot + 5);
        }
        let (before, after) = segment.split_once(" LAST\r\n")?;
        let length: usize = before.rsplit_once("BDAT ")?.1.parse().unwrap();
        (after.len() >= length).then_some(begin + before.len() + 7 + length)
    };
    let bounds = begins.iter().skip(1).copied().chain([text.len()]);
    begins.iter().zip(bounds).map(|(&begin, bound)| end_within(begin, &text[begin..bound])).collect()
}
