//! The server of a row: what it has read, at which step it is, what it does there. It knows what it really accepted.

use crate::rows::{Action, Connection, Row};

/// One connection of it. Bytes and actions only; the test owns time and transport.
pub(crate) struct Scripted {
    row: Row,
    read: Vec<u8>,
    in_message: bool,
    body_begun: bool,
    secured: bool,
    recipients: usize,
    /// Whether the whole message came and a yes to it was due.
    pub(crate) accepted: bool,
}

impl Scripted {
    pub(crate) fn new(row: &Row) -> Self {
        Self {
            row: row.clone(),
            read: Vec::new(),
            in_message: false,
            body_begun: false,
            secured: false,
            recipients: 0,
            accepted: false,
        }
    }

    pub(crate) fn connection(&self) -> Connection {
        self.row.connection
    }

    /// What it does at a step that the client does not speak at: `greeting`, `tls`.
    pub(crate) fn at(&mut self, step: &str) -> Vec<Action> {
        if step == "tls" {
            self.secured = true;
        }
        self.act(step)
    }

    /// What it does about these bytes.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Vec<Action> {
        self.read.extend_from_slice(bytes);
        let mut actions = Vec::new();
        loop {
            if self.in_message {
                if !self.body_begun && !self.read.is_empty() {
                    self.body_begun = true;
                    if self.row.at.iter().any(|at| at == "body") {
                        actions.extend(self.act("body"));
                    }
                }
                let Some(end) = find(&self.read, b"\r\n.\r\n") else { return actions };
                self.read.drain(..end + 5);
                self.in_message = false;
                let act = self.act("dot");
                self.accepted = !act.iter().any(is_refusal);
                actions.extend(act);
            } else {
                let Some(end) = find(&self.read, b"\r\n") else { return actions };
                let line: Vec<u8> = self.read.drain(..end + 2).collect();
                let step = self.step_of(&String::from_utf8(line).unwrap());
                actions.extend(self.act(step));
            }
        }
    }

    fn step_of(&mut self, line: &str) -> &'static str {
        let is = |command: &str| line.starts_with(command);
        match () {
            () if is("EHLO ") && self.secured && self.row.connection == Connection::StartTls => "ehlo-tls",
            () if is("EHLO ") => "ehlo",
            () if is("HELO ") => "helo",
            () if is("STARTTLS\r\n") => "starttls",
            () if is("AUTH ") => "auth",
            () if is("*\r\n") => "cancel",
            () if is("MAIL FROM:<") => "mail",
            () if is("RCPT TO:<") => {
                self.recipients += 1;
                if self.recipients == 1 { "rcpt1" } else { "rcpt2" }
            }
            () if is("DATA\r\n") => "data",
            () if is("QUIT\r\n") => "quit",
            () => panic!("a client never says {line:?}"),
        }
    }

    fn act(&mut self, step: &str) -> Vec<Action> {
        let usual = self.usual(step);
        let actions = match self.row.at.iter().any(|at| at == step) {
            true => self.row.actions.iter(),
            false => [Action::Usual].iter(),
        };
        let actions: Vec<_> = actions
            .map(|action| if *action == Action::Usual { Action::Send(usual.clone()) } else { action.clone() })
            .collect();
        self.in_message |= step == "data"
            && actions
                .iter()
                .any(|action| matches!(action, Action::Send(bytes) if bytes.starts_with(b"354 ")));
        actions
    }

    fn usual(&self, step: &str) -> Vec<u8> {
        let offers = match self.row.connection {
            Connection::Plain | Connection::Implicit => "250-test\r\n250 SIZE 1000000\r\n",
            Connection::Pipelined => "250-test\r\n250-SIZE 1000000\r\n250 PIPELINING\r\n",
            Connection::StartTls if !self.secured => "250-test\r\n250 STARTTLS\r\n",
            Connection::StartTls => "250 test\r\n",
            Connection::Login | Connection::ClearLogin => "250-test\r\n250 AUTH PLAIN\r\n",
            Connection::Scram => "250-test\r\n250 AUTH PLAIN SCRAM-SHA-256\r\n",
        };
        let reply = match step {
            "greeting" => "220 test\r\n",
            "ehlo" | "ehlo-tls" => offers,
            "helo" => "250 test\r\n",
            "starttls" => "220 go\r\n",
            "auth" => "235 2.7.0 welcome\r\n",
            "cancel" => "501 5.7.0 cancelled\r\n",
            "mail" | "rcpt1" | "rcpt2" => "250 2.1.0 ok\r\n",
            "data" => "354 go\r\n",
            "dot" => "250 2.0.0 queued\r\n",
            "quit" => "221 bye\r\n",
            _ => "",
        };
        reply.as_bytes().to_vec()
    }
}

fn is_refusal(action: &Action) -> bool {
    matches!(action, Action::Send(bytes) if matches!(bytes.first(), Some(b'4' | b'5')))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
