//! The server of a row: what it has read, at which step it is, what it does there. It knows what it really accepted.

use crate::rows::{Action, Connection, Row};

/// One connection of it. Bytes and actions only; the test owns time and transport.
pub(crate) struct Scripted {
    row: Row,
    read: Vec<u8>,
    reading: Reading,
    secured: bool,
    /// Whether it listens no more. One that says that it closes may go on.
    closed: bool,
    /// How many recipients were named for the message.
    named: usize,
    /// How many of them it took; `None` when it took no sender.
    taken: Option<usize>,
    /// For each MAIL: whether the whole message came and a yes to it was due.
    pub(crate) accepted: Vec<bool>,
}

enum Reading {
    Commands,
    /// Until the dot; whether anything came.
    Text {
        begun: bool,
    },
    Chunk {
        left: usize,
        last: bool,
        begun: bool,
    },
}

impl Scripted {
    pub(crate) fn new(row: &Row) -> Self {
        Self {
            row: row.clone(),
            read: Vec::new(),
            reading: Reading::Commands,
            secured: false,
            closed: false,
            named: 0,
            taken: None,
            accepted: Vec::new(),
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
        while !self.closed
            && let Some(more) = self.read_one()
        {
            actions.extend(more);
        }
        actions
    }

    fn read_one(&mut self) -> Option<Vec<Action>> {
        match &mut self.reading {
            Reading::Text { begun: begun @ false }
            | Reading::Chunk { begun: begun @ false, left: 1.., .. }
                if !self.read.is_empty() =>
            {
                *begun = true;
                if self.row.at.iter().any(|at| at == "body") {
                    let actions = self.act("body");
                    // What it said no to it does not take when it ends.
                    if actions.iter().any(is_refusal) {
                        self.taken = None;
                    }
                    return Some(actions);
                }
                self.read_one()
            }
            Reading::Text { .. } => {
                // The line before the message ended the command.
                let end =
                    if self.read.starts_with(b".\r\n") { 3 } else { find(&self.read, b"\r\n.\r\n")? + 5 };
                self.read.drain(..end);
                Some(self.end("dot"))
            }
            Reading::Chunk { left, last, .. } => {
                let came = self.read.len().min(*left);
                self.read.drain(..came);
                *left -= came;
                if *left > 0 {
                    return None;
                }
                if *last {
                    return Some(self.end("last"));
                }
                self.reading = Reading::Commands;
                Some(self.act("chunk"))
            }
            Reading::Commands => {
                let end = find(&self.read, b"\r\n")?;
                let line: Vec<u8> = self.read.drain(..end + 2).collect();
                self.command(&String::from_utf8(line).unwrap())
            }
        }
    }

    /// A message came whole.
    fn end(&mut self, step: &str) -> Vec<Action> {
        self.reading = Reading::Commands;
        let wanted = self.taken.is_some_and(|taken| taken > 0);
        let actions = self.act(step);
        if let Some(accepted) = self.accepted.last_mut() {
            *accepted = wanted && !actions.iter().any(is_refusal);
        }
        self.taken = None;
        self.named = 0;
        actions
    }

    fn command(&mut self, line: &str) -> Option<Vec<Action>> {
        if let Some(words) = line.strip_prefix("BDAT ") {
            let (length, last) = match words.trim_end().split_once(' ') {
                Some((length, "LAST")) => (length, true),
                None => (words.trim_end(), false),
                Some(_) => panic!("a client never says {line:?}"),
            };
            self.reading = Reading::Chunk { left: length.parse().unwrap(), last, begun: false };
            return self.read_one();
        }
        let step = self.step_of(line);
        if step == "mail" {
            self.accepted.push(false);
        }
        let actions = self.act(step);
        let yes = !actions.iter().any(is_refusal);
        match step {
            "mail" if yes => self.taken = Some(0),
            "rcpt1" | "rcpt2" if yes => self.taken = self.taken.map(|taken| taken + 1),
            "rset" => (self.taken, self.named) = (None, 0),
            "data" if actions.iter().any(|action| says(action, b"354 ")) => {
                self.reading = Reading::Text { begun: false };
            }
            _ => {}
        }
        Some(actions)
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
            () if is("RSET\r\n") => "rset",
            () if is("MAIL FROM:<") => "mail",
            () if is("RCPT TO:<") => {
                self.named += 1;
                if self.named == 1 { "rcpt1" } else { "rcpt2" }
            }
            () if is("DATA\r\n") => "data",
            () if is("QUIT\r\n") => "quit",
            () => panic!("a client never says {line:?}"),
        }
    }

    fn act(&mut self, step: &str) -> Vec<Action> {
        let usual = self.usual(step);
        // At the second message a step has the number 2.
        let second = format!("{step}.2");
        let name = if self.accepted.len() > 1 { second.as_str() } else { step };
        let actions = match self.row.at.iter().any(|at| at == name) {
            true => self.row.actions.iter(),
            false => [Action::Usual].iter(),
        };
        let actions: Vec<_> = actions
            .map(|action| if *action == Action::Usual { Action::Send(usual.clone()) } else { action.clone() })
            .collect();
        self.closed |= actions.iter().any(|action| matches!(action, Action::Close | Action::Silent));
        actions
    }

    fn usual(&self, step: &str) -> Vec<u8> {
        let wanted = self.taken.is_some_and(|taken| taken > 0);
        let reply = match step {
            "greeting" => "220 test\r\n",
            "ehlo" | "ehlo-tls" => self.offers(),
            "helo" => "250 test\r\n",
            "starttls" => "220 go\r\n",
            "auth" => "235 2.7.0 welcome\r\n",
            "cancel" => "501 5.7.0 cancelled\r\n",
            "mail" if self.taken.is_some() => "503 5.5.1 nested MAIL\r\n",
            "mail" | "rset" => "250 2.1.0 ok\r\n",
            "rcpt1" | "rcpt2" if self.taken.is_some() => "250 2.1.5 ok\r\n",
            "data" if wanted => "354 go\r\n",
            "chunk" if wanted => "250 2.0.0 have it\r\n",
            "dot" | "last" if wanted => "250 2.0.0 queued\r\n",
            "rcpt1" | "rcpt2" | "data" | "chunk" | "last" | "dot" => "503 5.5.1 not now\r\n",
            "quit" => "221 bye\r\n",
            _ => "",
        };
        reply.as_bytes().to_vec()
    }

    fn offers(&self) -> &'static str {
        match self.row.connection {
            Connection::Plain | Connection::Implicit | Connection::Two => "250-test\r\n250 SIZE 1000000\r\n",
            Connection::Pipelined | Connection::TwoPipelined => {
                "250-test\r\n250-SIZE 1000000\r\n250 PIPELINING\r\n"
            }
            Connection::Chunking
            | Connection::Chunks
            | Connection::TwoChunking
            | Connection::Streamed
            | Connection::TwoStreamed => "250-test\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
            Connection::ChunkingLockstep | Connection::ChunksLockstep => "250-test\r\n250 CHUNKING\r\n",
            Connection::StartTls if !self.secured => "250-test\r\n250 STARTTLS\r\n",
            Connection::StartTls => "250 test\r\n",
            Connection::Login | Connection::ClearLogin => "250-test\r\n250 AUTH PLAIN\r\n",
            Connection::LoginChunking => "250-test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 AUTH PLAIN\r\n",
            Connection::Scram => "250-test\r\n250 AUTH PLAIN SCRAM-SHA-256\r\n",
        }
    }
}

fn is_refusal(action: &Action) -> bool {
    matches!(action, Action::Send(bytes) if matches!(bytes.first(), Some(b'4' | b'5')))
}

fn says(action: &Action, begin: &[u8]) -> bool {
    matches!(action, Action::Send(bytes) if bytes.starts_with(begin))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
