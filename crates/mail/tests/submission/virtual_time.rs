//! The machine and a scripted server on one thread, time a number.

use std::net::{IpAddr, Ipv4Addr};

use switchboard_mail::auth::{Login, Secret};
use switchboard_mail::limits::CHUNK_BYTES_MAX;
use switchboard_mail::mime::Content;
use switchboard_mail::smtp::dsn::Notices;
use switchboard_mail::smtp::{
    Cause, Envelope, Fate, Options, Output, Phase, Report, Security, Smtp, Submission,
};

use crate::rows::{Action, Connection, Row};
use crate::server::Scripted;

/// Two lines, one begins with a dot.
pub(crate) const MESSAGE: &[u8] = b"Subject: x\r\n\r\n.hello\r\n";

/// How the transport ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Never,
    /// After so many bytes of the server.
    FromServer(usize),
    /// After so many bytes of the client, the rest of which the network had taken.
    ToServer(usize),
    /// After so many bytes of the client; the network took no more.
    AtClient(usize),
}

/// When what the client says leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Piece by piece, and each is answered before the next.
    AtOnce,
    /// When the client has nothing more to say: as much as can be is under way together.
    Together,
}

/// What came of a dialogue.
pub(crate) struct Ended {
    /// One for each message that was given.
    pub(crate) reports: Vec<Report>,
    /// One for each MAIL that the server heard.
    pub(crate) server_accepted: Vec<bool>,
    pub(crate) to_server: Vec<u8>,
    pub(crate) from_server: usize,
    /// How often the client had nothing to say and waited for the server.
    pub(crate) round_trips: usize,
}

pub(crate) fn options(connection: Connection) -> Options {
    let security = match connection {
        Connection::Plain
        | Connection::Pipelined
        | Connection::Chunking
        | Connection::ChunkingLockstep
        | Connection::Chunks
        | Connection::ChunksLockstep
        | Connection::Two
        | Connection::TwoPipelined
        | Connection::TwoChunking
        | Connection::Streamed
        | Connection::TwoStreamed
        | Connection::ClearLogin => Security::Off,
        Connection::StartTls => Security::StartTls,
        Connection::Implicit | Connection::Login | Connection::LoginChunking | Connection::Scram => {
            Security::Implicit
        }
    };
    let logs_in = [Connection::Login, Connection::LoginChunking, Connection::Scram, Connection::ClearLogin];
    let mut options = Options::new(security, [7; 18]);
    if logs_in.contains(&connection) {
        options.login = Some(Login::with_password("user", Secret::new("pencil".to_owned())).unwrap());
    }
    let several = matches!(connection, Connection::Chunks | Connection::ChunksLockstep);
    options.chunk_bytes_max = if several { 8 } else { CHUNK_BYTES_MAX };
    options
}

pub(crate) fn envelope() -> Envelope {
    let recipients = ["ada@example.org", "bob@example.org"].map(|text| text.parse().unwrap());
    Envelope::new("me@example.org".parse().unwrap(), recipients.to_vec()).unwrap()
}

pub(crate) fn submission() -> Submission {
    Submission {
        envelope: envelope(),
        message_bytes: MESSAGE.len() as u64,
        content: Content::SevenBit,
        notices: Notices::default(),
    }
}

pub(crate) fn run(row: &Row, cut: Cut, flow: Flow) -> Ended {
    run_messages(row, row.connection.messages(), options(row.connection), cut, flow)
}

pub(crate) fn run_messages(row: &Row, messages: usize, options: Options, cut: Cut, flow: Flow) -> Ended {
    let mut world = World {
        smtp: Smtp::new(options),
        server: Scripted::new(row),
        now_ms: 0,
        cut,
        flow,
        held: Vec::new(),
        messages,
        body_left: MESSAGE,
        reports: Vec::new(),
        to_server: Vec::new(),
        delivered: 0,
        from_server: 0,
        round_trips: 0,
        dead: false,
    };
    world.next();
    world.smtp.handle_connected(0, IpAddr::V4(Ipv4Addr::LOCALHOST));
    world.run();
    world.collect();
    Ended {
        reports: world.reports,
        server_accepted: world.server.accepted,
        to_server: world.to_server,
        from_server: world.from_server,
        round_trips: world.round_trips,
    }
}

struct World {
    smtp: Smtp,
    server: Scripted,
    now_ms: u64,
    cut: Cut,
    flow: Flow,
    /// What was said and has not left.
    held: Vec<u8>,
    /// How many are still to be given.
    messages: usize,
    body_left: &'static [u8],
    reports: Vec<Report>,
    to_server: Vec<u8>,
    delivered: usize,
    from_server: usize,
    round_trips: usize,
    dead: bool,
}

impl World {
    fn run(&mut self) {
        let mut greeted = false;
        for _ in 0..10_000 {
            self.collect();
            match self.smtp.poll_output() {
                Output::Send(bytes) => {
                    self.held.extend(bytes);
                    if self.flow == Flow::AtOnce {
                        self.release();
                    }
                }
                Output::Next { .. } => self.next(),
                Output::Body { .. } => self.body(),
                Output::Secure => {
                    self.round_trips += 1;
                    self.release();
                    let actions = self.server.at("tls");
                    let works = actions.iter().all(|action| *action == Action::Send(Vec::new()));
                    if works {
                        self.smtp.handle_secured(self.now_ms, Some(vec![9; 32]));
                    } else {
                        // A server without a handshake has nothing to say.
                        greeted = true;
                        self.act(actions);
                    }
                }
                Output::Wait { .. } if !greeted => {
                    greeted = true;
                    self.round_trips += 1;
                    let actions = self.server.at("greeting");
                    self.act(actions);
                }
                Output::Wait { .. } if !self.held.is_empty() => self.release(),
                Output::Wait { until_ms } => {
                    self.now_ms = until_ms;
                    self.smtp.handle_timer(until_ms);
                }
                Output::Close => return,
            }
        }
        panic!("the dialogue does not end");
    }

    fn collect(&mut self) {
        self.reports.extend(std::iter::from_fn(|| self.smtp.poll_report()));
    }

    fn next(&mut self) {
        if self.messages == 0 {
            return self.smtp.handle_no_more(self.now_ms);
        }
        self.messages -= 1;
        self.body_left = MESSAGE;
        self.smtp.handle_message(self.now_ms, submission());
    }

    fn body(&mut self) {
        let (piece, rest) = self.body_left.split_at(self.body_left.len().min(15));
        self.body_left = rest;
        if piece.is_empty() {
            self.smtp.handle_body_end(self.now_ms);
        } else {
            self.smtp.handle_body(self.now_ms, piece);
        }
    }

    /// What was said leaves.
    fn release(&mut self) {
        if self.held.is_empty() {
            return;
        }
        self.round_trips += 1;
        let bytes = std::mem::take(&mut self.held);
        let actions = self.send(&bytes);
        self.act(actions);
    }

    /// Gives bytes to the network; what the server does about them.
    fn send(&mut self, bytes: &[u8]) -> Vec<Action> {
        if self.dead {
            self.smtp.handle_written(self.now_ms, bytes.len());
            return Vec::new();
        }
        self.to_server.extend_from_slice(bytes);
        let reaches = match self.cut {
            Cut::ToServer(bound) | Cut::AtClient(bound) => self.to_server.len().min(bound),
            Cut::Never | Cut::FromServer(_) => self.to_server.len(),
        };
        let arrived = self.to_server[self.delivered..reaches].to_vec();
        self.delivered = reaches;
        let actions = self.server.read(&arrived);
        let cut_off = self.to_server.len() - reaches;
        let waiting = if matches!(self.cut, Cut::AtClient(_)) { cut_off } else { 0 };
        self.smtp.handle_written(self.now_ms, waiting);
        if cut_off > 0 {
            self.die();
            return Vec::new();
        }
        actions
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(bytes) => self.reply(&bytes),
                Action::Usual => unreachable!("a server says what the usual is"),
                Action::Wait { seconds } => self.pass(seconds * 1000),
                Action::Drip(bytes) => {
                    for byte in bytes {
                        self.pass(60_000);
                        self.reply(&[byte]);
                    }
                }
                Action::Flood(bytes) => (0..20_000).for_each(|_| self.reply(&bytes)),
                Action::Close => self.die(),
                Action::Silent => return,
            }
        }
    }

    fn reply(&mut self, bytes: &[u8]) {
        if self.dead {
            return;
        }
        let bound = if let Cut::FromServer(bound) = self.cut { bound } else { usize::MAX };
        let reaches = bytes.len().min(bound.saturating_sub(self.from_server));
        self.from_server += bytes.len();
        self.smtp.handle_input(self.now_ms, &bytes[..reaches]);
        if reaches < bytes.len() {
            self.die();
        }
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now_ms += milliseconds;
        self.smtp.handle_timer(self.now_ms);
    }

    fn die(&mut self) {
        self.dead = true;
        self.smtp.handle_trouble(Cause::Lost);
    }
}

/// A result never says more than is so.
pub(crate) fn assert_honest(ended: &Ended, what: &str) {
    assert_reports_honest(&ended.reports, &ended.server_accepted, what);
}

pub(crate) fn assert_reports_honest(reports: &[Report], server_accepted: &[bool], what: &str) {
    for (at, report) in reports.iter().enumerate() {
        assert_report_honest(report, server_accepted.get(at).is_some_and(|&accepted| accepted), what);
    }
    assert!(!server_accepted.iter().skip(reports.len()).any(|&accepted| accepted), "{what}: not reported");
}

fn assert_report_honest(report: &Report, server_accepted: bool, what: &str) {
    for recipient in &report.recipients {
        match &recipient.fate {
            Fate::Accepted(_) => assert!(server_accepted, "{what}: called accepted, and was not"),
            // A recipient may be refused while the message is accepted for another.
            Fate::Refused { phase: Phase::Rcpt, .. } | Fate::InDoubt { .. } => {}
            Fate::Refused { .. } => assert!(!server_accepted, "{what}: called refused, and was accepted"),
            Fate::NotSent { .. } => assert!(!server_accepted, "{what}: called not sent, and was accepted"),
        }
    }
}
