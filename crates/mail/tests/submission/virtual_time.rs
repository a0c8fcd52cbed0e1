//! The machine and a scripted server on one thread, time a number.

use std::net::{IpAddr, Ipv4Addr};

use switchboard_mail::auth::{Login, Secret};
use switchboard_mail::smtp::{Cause, Envelope, Fate, Options, Output, Phase, Report, Security, Smtp};

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

/// What came of a dialogue.
pub(crate) struct Ended {
    pub(crate) report: Report,
    pub(crate) server_accepted: bool,
    pub(crate) to_server: Vec<u8>,
    pub(crate) from_server: usize,
}

pub(crate) fn options(connection: Connection) -> Options {
    let recipients = ["ada@example.org", "bob@example.org"].map(|text| text.parse().unwrap());
    let password = || Login::with_password("user", Secret::new("pencil".to_owned())).unwrap();
    Options {
        security: match connection {
            Connection::Plain | Connection::Pipelined | Connection::ClearLogin => Security::Off,
            Connection::StartTls => Security::StartTls,
            Connection::Implicit | Connection::Login | Connection::Scram => Security::Implicit,
        },
        login: matches!(connection, Connection::Login | Connection::Scram | Connection::ClearLogin)
            .then(password),
        envelope: Envelope::new("me@example.org".parse().unwrap(), recipients.to_vec()).unwrap(),
        message_bytes: MESSAGE.len() as u64,
        nonce: [7; 18],
    }
}

pub(crate) fn run(row: &Row, cut: Cut) -> Ended {
    let mut world = World {
        smtp: Smtp::new(options(row.connection)),
        server: Scripted::new(row),
        now_ms: 0,
        cut,
        to_server: Vec::new(),
        delivered: 0,
        from_server: 0,
        dead: false,
    };
    world.smtp.handle_connected(0, IpAddr::V4(Ipv4Addr::LOCALHOST));
    world.run();
    let report = world.smtp.report();
    Ended {
        report,
        server_accepted: world.server.accepted,
        to_server: world.to_server,
        from_server: world.from_server,
    }
}

struct World {
    smtp: Smtp,
    server: Scripted,
    now_ms: u64,
    cut: Cut,
    to_server: Vec<u8>,
    delivered: usize,
    from_server: usize,
    dead: bool,
}

impl World {
    fn run(&mut self) {
        let mut greeted = false;
        for _ in 0..10_000 {
            match self.smtp.poll_output() {
                Output::Send(bytes) => {
                    let actions = self.send(&bytes);
                    self.act(actions);
                }
                Output::Body => self.body(),
                Output::Secure => {
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
                    let actions = self.server.at("greeting");
                    self.act(actions);
                }
                Output::Wait { until_ms } => {
                    self.now_ms = until_ms;
                    self.smtp.handle_timer(until_ms);
                }
                Output::Close => return,
            }
        }
        panic!("the dialogue does not end");
    }

    fn body(&mut self) {
        for piece in MESSAGE.chunks(15) {
            self.smtp.handle_body(piece);
            while let Output::Send(bytes) = self.smtp.poll_output() {
                let actions = self.send(&bytes);
                self.act(actions);
            }
        }
        self.smtp.handle_body_end(self.now_ms);
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
    assert_report_honest(&ended.report, ended.server_accepted, what);
}

pub(crate) fn assert_report_honest(report: &Report, server_accepted: bool, what: &str) {
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
