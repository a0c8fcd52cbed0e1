//! The dialogue as a person reads it. Secrets are hidden here, before anything leaves the machine.

use super::Smtp;
use crate::reply::{Reply, printable};

/// One line of the dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// What the client said.
    Client(String),
    /// What the server said.
    Server(String),
    /// What happened without words: a handshake, a message, a break.
    Note(String),
}

/// What stands for what is not shown.
const HIDDEN: &str = "[hidden]";

impl Smtp {
    /// Says a line of commands, and shows it.
    pub(super) fn say(&mut self, command: &str) {
        self.lines.push_back(Line::Client(command.to_owned()));
        self.put(command);
    }

    /// Says a line that holds a secret; `shown` is what may be seen of it.
    pub(super) fn say_hidden(&mut self, shown: &str, line: &str) {
        self.lines.push_back(Line::Client(format!("{shown}{HIDDEN}")));
        self.put(line);
    }

    fn put(&mut self, line: &str) {
        debug_assert!(!line.contains(char::is_control), "a command is one line");
        self.outgoing.extend_from_slice(line.as_bytes());
        self.outgoing.extend_from_slice(b"\r\n");
    }

    /// Shows a reply. The challenges of a login are as good as the password to who guesses, so they are hidden.
    pub(super) fn show(&mut self, reply: &Reply) {
        let last = reply.lines.len().saturating_sub(1);
        for (at, line) in reply.lines.iter().enumerate() {
            let line = if reply.code == 334 { HIDDEN.to_owned() } else { printable(line) };
            let hyphen = if at == last { ' ' } else { '-' };
            self.lines.push_back(Line::Server(format!("{}{hyphen}{line}", reply.code).trim_end().to_owned()));
        }
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.lines.push_back(Line::Note(text.into()));
    }
}
