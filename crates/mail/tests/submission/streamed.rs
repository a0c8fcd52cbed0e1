//! Many messages on one connection to real servers, by BDAT without waiting between them, and by DATA: each arrives once, whole, as its own.

use switchboard_mail::deliver::{Event, Mail, Server as At, deliver_all};
use switchboard_mail::mime::{Draft, Stamp};
use switchboard_mail::smtp::{Avoidable, Envelope, Line, Options, Security, Submission};
use switchboard_tls::Trust;

use crate::servers::{Server, one_form};
use crate::submit::plain;

const MESSAGES: u8 = 40;

#[test]
fn postfix_gets_each_of_many_messages_once() {
    if xtask::needs::skipped("postfix") {
        return;
    }
    each_arrives_once(&Server::postfix());
}

#[test]
fn exim_gets_each_of_many_messages_once() {
    if xtask::needs::skipped("exim4-daemon-light") {
        return;
    }
    each_arrives_once(&Server::exim());
}

fn each_arrives_once(server: &Server) {
    let mut sent = 0;
    for avoided in [vec![], vec![Avoidable::Chunking]] {
        let by_data = !avoided.is_empty();
        let lines = send(server, sent, avoided);
        sent += usize::from(MESSAGES);
        assert_eq!(has_waited_for_no_answer(&lines), !by_data, "{lines:?}");
    }
    let parts = Server::parts(&server.messages("inbox", sent));
    assert_eq!(parts.len(), sent);
    let mut seen = vec![0; sent];
    for part in parts {
        let number: usize = part.subject.strip_prefix("number ").unwrap().parse().unwrap();
        seen[number] += 1;
        assert_eq!(part.text(), one_form(&text(number)), "number {number}");
    }
    assert!(seen.iter().all(|&times| times == 1), "{seen:?}");
}

/// Sends the messages from number `first` on one connection; returns what was said.
fn send(server: &Server, first: usize, avoided: Vec<Avoidable>) -> Vec<Line> {
    let at =
        At { host: server.address.ip().to_string(), port: server.address.port(), trust: Trust::SystemRoots };
    let mut options = Options::new(Security::Off, [5; 18]);
    options.avoided = avoided;
    let mut left = first..first + usize::from(MESSAGES);
    let (mut lines, mut accepted) = (Vec::new(), 0);
    let mut on = |event: Event<'_>| match event {
        Event::Line(line) => lines.push(line.clone()),
        Event::Report(report) => {
            assert!(report.all_accepted(), "{report:?}");
            accepted += 1;
        }
        Event::Taken(_) => {}
    };
    let ending = deliver_all(&at, options, &mut || left.next().map(mail), &mut on).unwrap();
    assert_eq!((accepted, ending.trouble), (MESSAGES, None));
    lines
}

fn mail(number: usize) -> Mail {
    let date = "2026-03-01T10:00:00+01:00[+01:00]".parse().unwrap();
    let mut random = [0; 16];
    random[..8].copy_from_slice(&number.to_le_bytes());
    let draft = Draft { subject: format!("number {number}"), text: Some(text(number)), ..plain() };
    let message = draft.compose(&Stamp { date, random }).unwrap();
    let recipients = draft.to.iter().map(|mailbox| mailbox.address().clone()).collect();
    let envelope = Envelope::new(draft.from.address().clone(), recipients).unwrap();
    Mail { submission: Submission::new(envelope, &message), message }
}

/// Every tenth is of several chunks.
fn text(number: usize) -> String {
    let lines = if number % 10 == 9 { 12_000 } else { 1 + number };
    format!("line of number {number}\n.\n").repeat(lines)
}

/// Whether somewhere a message was begun before the answer to the one before it.
fn has_waited_for_no_answer(lines: &[Line]) -> bool {
    let said: Vec<&Line> = lines.iter().filter(|line| !matches!(line, Line::Note(_))).collect();
    said.windows(2).any(|pair| {
        matches!(pair, [Line::Client(end), Line::Client(next)] if end.ends_with(" LAST") && next != "QUIT")
    })
}
