//! Requests that no honest client sends, and those next to them that honest ones do: each with the answer that the
//! RFCs, read strictly, ask for. However the bytes are cut on their way, the answers are the same.

mod site;
mod socket;
mod table;

use switchboard_web::date::{self, UnixSeconds};
use switchboard_web::http1::{
    self, Connection, Drain, Drained, Framing, Head, Parsed, Refusal, Scheme, respond,
};
use switchboard_web::plan::{self, Moment, Plan, Policy};
use switchboard_web::status::Status;
use switchboard_web::target::Target;

use table::Case;

const MOMENT: Moment = Moment { now: UnixSeconds(1_700_000_000), boundary: 7 };

/// A connection as the pure half of the server sees it.
struct Wire {
    unread: Vec<u8>,
    at: At,
    statuses: Vec<u16>,
}

enum At {
    Head,
    /// In a body, with the answer that follows it.
    Body(Drain, Answer),
    Closed,
}

struct Answer {
    plan: Plan,
    connection: Connection,
}

impl Wire {
    fn new() -> Self {
        Self { unread: Vec::new(), at: At::Head, statuses: Vec::new() }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        while self.advance() {}
    }

    /// The peer sends nothing more: what is left unfinished ends in 408.
    fn end(mut self) -> (Vec<u16>, bool) {
        if matches!(self.at, At::Body(..)) || (matches!(self.at, At::Head) && !self.unread.is_empty()) {
            self.answer(&Answer {
                plan: plan::closing(Status::RequestTimeout, &Policy::default()),
                connection: Connection::Closes,
            });
        }
        (self.statuses, matches!(self.at, At::Closed))
    }

    /// Whether something came of the bytes that are there.
    fn advance(&mut self) -> bool {
        match std::mem::replace(&mut self.at, At::Head) {
            At::Closed => {
                self.at = At::Closed;
                false
            }
            At::Head => match http1::parse(&self.unread) {
                Ok(Parsed::Incomplete) => false,
                Ok(Parsed::Whole(head)) => {
                    let (taken, judged) = (head.len(), judge(&head));
                    self.unread.drain(..taken);
                    match judged {
                        Ok((answer, framing)) => self.at = At::Body(Drain::new(framing), answer),
                        Err(refusal) => self.refuse(&refusal),
                    }
                    true
                }
                Err(refusal) => {
                    self.refuse(&refusal);
                    true
                }
            },
            At::Body(mut drain, answer) => match drain.feed(&self.unread) {
                Ok(Drained::More) => {
                    self.unread.clear();
                    self.at = At::Body(drain, answer);
                    false
                }
                Ok(Drained::Done { taken }) => {
                    self.unread.drain(..taken);
                    self.answer(&answer);
                    true
                }
                Err(refusal) => {
                    self.refuse(&refusal);
                    true
                }
            },
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        assert!(refusal.reason.contains("RFC "), "a reason names its source: {}", refusal.reason);
        self.answer(&Answer {
            plan: plan::refused(refusal, &Policy::default()),
            connection: Connection::Closes,
        });
    }

    fn answer(&mut self, answer: &Answer) {
        check_rendered(&answer.plan, answer.connection);
        self.statuses.push(answer.plan.status.code());
        if answer.connection == Connection::Closes {
            self.at = At::Closed;
        }
    }
}

fn judge(head: &Head<'_>) -> Result<(Answer, Framing), Refusal> {
    let target = Target::parse(head.resource)?;
    let kept = site::lookup(&target);
    let plan = plan::plan(&head.asked(&target, Scheme::Http), &kept.found(), &Policy::default(), MOMENT);
    let connection = Connection::after(head, &plan);
    // Whoever waits for a word before the body is answered at once, and the body never comes.
    let framing = if head.expects_continue { Framing::Nothing } else { head.framing };
    Ok((Answer { plan, connection }, framing))
}

/// No answer has a byte of the peer where it could end a line, and each says when it was made.
fn check_rendered(plan: &Plan, connection: Connection) {
    let mut bytes = Vec::new();
    let date = date::format(MOMENT.now);
    let date_at = respond::write_head(plan, connection, &date, &mut bytes);
    assert_eq!(bytes[date_at..date_at + date.len()], date);
    let text = String::from_utf8(bytes).expect("heads are ASCII");
    let lines: Vec<&str> = text.strip_suffix("\r\n\r\n").expect("a blank line").split("\r\n").collect();
    assert!(lines[0].starts_with("HTTP/1.1 "), "{text}");
    assert_eq!(lines[1], "Date: Tue, 14 Nov 2023 22:13:20 GMT");
    for line in &lines {
        assert!(line.bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{text}");
    }
    for line in &lines[1..] {
        assert!(line.split_once(": ").is_some_and(|(name, _)| !name.contains(' ')), "{text}");
    }
}

fn verdict(pieces: &[&[u8]]) -> (Vec<u16>, bool) {
    let mut wire = Wire::new();
    for piece in pieces {
        wire.feed(piece);
    }
    wire.end()
}

/// What is wrong with the answers to a case whose bytes come in these pieces.
fn fault(case: &Case, pieces: &[&[u8]], cut: &str) -> Option<String> {
    differs(case, verdict(pieces), cut)
}

fn differs(case: &Case, answered: (Vec<u16>, bool), how: &str) -> Option<String> {
    let expected = (case.statuses.clone(), case.closes);
    (answered != expected).then(|| {
        format!("{}, {how}: {answered:?}, not {expected:?} ({}: {})", case.name, case.source, case.why)
    })
}

fn expect_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults[..faults.len().min(40)].join("\n"));
}

#[test]
fn every_request_has_the_answer_that_the_table_says() {
    let cases = table::cases();
    assert!(cases.len() >= 350, "only {} cases", cases.len());
    let faults: Vec<String> =
        cases.iter().filter_map(|case| fault(case, &[&case.bytes], "in one piece")).collect();
    expect_none(&faults);
}

#[test]
fn names_in_the_table_are_unique() {
    let mut names: Vec<String> = table::cases().into_iter().map(|case| case.name).collect();
    names.sort();
    let twice: Vec<&[String]> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn a_cut_anywhere_changes_no_answer() {
    let mut faults = Vec::new();
    for case in table::cases() {
        let step = if case.bytes.len() > 2000 { 251 } else { 1 };
        for at in (0..=case.bytes.len()).step_by(step) {
            let (first, second) = case.bytes.split_at(at);
            faults.extend(fault(&case, &[first, second], &format!("cut at {at}")));
        }
    }
    expect_none(&faults);
}

#[test]
fn bytes_that_trickle_in_change_no_answer() {
    let mut faults = Vec::new();
    for case in table::cases() {
        let size = if case.bytes.len() > 2000 { 61 } else { 1 };
        let pieces: Vec<&[u8]> = case.bytes.chunks(size).collect();
        faults.extend(fault(&case, &pieces, "in pieces"));
    }
    expect_none(&faults);
}
