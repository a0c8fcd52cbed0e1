//! What is said of a message before it: MAIL, RCPT, DATA or BDAT. With PIPELINING all at once (RFC 2920), behind whatever was said before; else
//! one after the other, and what is refused for all is not begun.

use super::body::Chunk;
use super::options::Avoidable;
use super::report::{Cause, Fate, Phase};
use super::transaction::Transaction;
use super::{Smtp, Step, Turn};
use crate::limits::{
    CHUNK_MS_MAX, COMMAND_MS_MAX, DATA_BLOCK_MS_MAX, DATA_MS_MAX, FINAL_MS_MAX, QUIT_MS_MAX,
    UNANSWERED_MESSAGES_MAX,
};
use crate::mime::Content;

/// What of an envelope is said next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Reset,
    Mail,
    /// The recipient of this index.
    Recipient(usize),
    Content,
}

/// A command whose answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Awaited {
    pub(super) what: Command,
    /// The number of the message.
    pub(super) message: u64,
    /// Where in what is sent it is complete.
    pub(super) end: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Reset,
    Mail,
    /// The recipient of this index.
    Recipient(usize),
    Data,
    Chunk,
    /// The dot, or the chunk that is the last.
    End,
    Quit,
}

impl Command {
    pub(super) fn phase(self) -> Phase {
        match self {
            Self::Reset | Self::Mail => Phase::Mail,
            Self::Recipient(_) => Phase::Rcpt,
            Self::Data => Phase::Data,
            Self::Chunk => Phase::Body,
            Self::End => Phase::Final,
            Self::Quit => Phase::Quit,
        }
    }

    fn allowed_ms(self) -> u64 {
        match self {
            Self::Reset | Self::Mail | Self::Recipient(_) => COMMAND_MS_MAX,
            Self::Data => DATA_MS_MAX,
            Self::Chunk => CHUNK_MS_MAX,
            Self::End => FINAL_MS_MAX,
            Self::Quit => QUIT_MS_MAX,
        }
    }
}

impl Smtp {
    /// The way is free for messages.
    pub(super) fn begin_submitting(&mut self, now_ms: u64) {
        if self.stops_after(Phase::Auth) {
            return self.give_up(now_ms, Cause::Stopped);
        }
        for avoided in &self.options.avoided {
            match avoided {
                Avoidable::Pipelining => self.extensions.pipelining = false,
                Avoidable::Chunking => self.extensions.chunking = false,
            }
        }
        self.expect(now_ms, Step::Submitting, COMMAND_MS_MAX);
        self.advance(now_ms);
    }

    /// Says whatever can be said now.
    pub(super) fn advance(&mut self, now_ms: u64) {
        while matches!(self.step, Step::Submitting) && !self.shut {
            match self.turn {
                Turn::Given if self.has_room() => self.begin(),
                Turn::Envelope(_) if self.may_speak() && !self.is_current_open() => self.turn = Turn::Between,
                Turn::Envelope(ask) if self.stops_before(ask) => {
                    if self.awaited.is_empty() {
                        self.give_up(now_ms, Cause::Stopped);
                    }
                    return;
                }
                Turn::Envelope(ask) if self.may_speak() => self.say_envelope(now_ms, ask),
                Turn::Chunks(_) | Turn::Commit(_) if !self.is_current_open() => self.turn = Turn::Between,
                Turn::Chunks(_) if self.may_speak() && self.has_full_chunk() => self.say_chunk(now_ms),
                Turn::Commit(_) if self.awaited.is_empty() => self.say_commit(now_ms),
                Turn::Between if self.no_more && self.may_speak() => {
                    self.turn = Turn::Quit;
                    self.command(now_ms, "QUIT", Command::Quit);
                }
                Turn::Between
                | Turn::Given
                | Turn::Envelope(_)
                | Turn::Data
                | Turn::Text(_)
                | Turn::Chunks(_)
                | Turn::Commit(_)
                | Turn::Quit => return,
            }
        }
    }

    /// Whether no more of the envelope is wanted.
    fn stops_before(&self, ask: Ask) -> bool {
        match ask {
            Ask::Reset | Ask::Mail => false,
            Ask::Recipient(_) => self.stops_after(Phase::Mail),
            Ask::Content => self.stops_after(Phase::Rcpt),
        }
    }

    /// Whether a command may be said before the answers to those before it.
    pub(super) fn may_speak(&self) -> bool {
        self.extensions.pipelining || self.awaited.is_empty()
    }

    /// Whether another message may begin.
    pub(super) fn has_room(&self) -> bool {
        let unanswered = self.transactions.iter().filter(|one| one.end.is_some() && one.is_open()).count();
        let bound = self.options.unanswered_max.clamp(1, UNANSWERED_MESSAGES_MAX);
        self.may_speak() && (self.awaited.is_empty() || unanswered < bound)
    }

    /// Whether something of the message that was given last is still to be said.
    pub(super) fn is_saying(&self) -> bool {
        !matches!(self.turn, Turn::Between | Turn::Quit)
    }

    /// The message that was given last.
    pub(super) fn current(&mut self) -> &mut Transaction {
        self.transactions.back_mut().expect("a message was given")
    }

    fn is_current_open(&self) -> bool {
        self.transactions.back().is_some_and(Transaction::is_open)
    }

    pub(super) fn current_number(&self) -> u64 {
        (self.reported + self.transactions.len() as u64).saturating_sub(1)
    }

    /// Says a command of the current message.
    pub(super) fn command(&mut self, now_ms: u64, line: &str, what: Command) {
        self.say(line);
        self.await_answer(now_ms, what);
    }

    /// An answer will come to what ends here.
    pub(super) fn await_answer(&mut self, now_ms: u64, what: Command) {
        let was_idle = self.awaited.is_empty();
        let end = self.said_bytes();
        self.awaited.push_back(Awaited { what, message: self.current_number(), end });
        if was_idle {
            self.be_patient(now_ms);
        }
    }

    /// How many bytes were said in all.
    pub(super) fn said_bytes(&self) -> u64 {
        self.given + self.outgoing.len() as u64
    }

    /// Gives the time that what comes next may take, from now.
    pub(super) fn be_patient(&mut self, now_ms: u64) {
        let answer_ms = self.awaited.front().map_or(0, |awaited| awaited.what.allowed_ms());
        let body_ms = match self.turn {
            Turn::Text(_) | Turn::Chunks(_) => DATA_BLOCK_MS_MAX,
            Turn::Between | Turn::Given | Turn::Envelope(_) | Turn::Data | Turn::Commit(_) | Turn::Quit => 0,
        };
        match answer_ms.max(body_ms) {
            0 => self.allow(now_ms, COMMAND_MS_MAX),
            allowed_ms => self.allow(now_ms, allowed_ms),
        }
    }

    fn begin(&mut self) {
        match self.obstacle() {
            Some(cause) => {
                self.turn = Turn::Between;
                let fate = Fate::NotSent { phase: Phase::Mail, cause: cause.clone() };
                let transaction = self.current();
                transaction.settle(&fate);
                transaction.trouble = Some((Phase::Mail, cause));
            }
            None => self.turn = Turn::Envelope(if self.clean { Ask::Mail } else { Ask::Reset }),
        }
    }

    /// Why the server cannot take the message, as far as it said so beforehand.
    fn obstacle(&self) -> Option<Cause> {
        let submission = &self.transactions.back()?.submission;
        let bytes = submission.message_bytes;
        if let Some(bytes_max) = self.extensions.size.and_then(|size| size.bytes_max)
            && bytes > bytes_max
        {
            return Some(Cause::TooLarge { bytes, bytes_max });
        }
        let lacks = |extension, why| Some(Cause::Unsupported { extension, why });
        if submission.is_internationalized() && !self.extensions.smtputf8 {
            return lacks(
                "SMTPUTF8",
                "an address or a field of the message has letters beyond ASCII, which cannot be sent without it; use another \
                 address of the person, or another server",
            );
        }
        if submission.content > Content::SevenBit && !self.extensions.eight_bit {
            return lacks(
                "8BITMIME",
                "the message has bytes beyond ASCII; encode its text as quoted-printable or base64, or use another server",
            );
        }
        if submission.notices.are_wanted() && !self.extensions.dsn {
            return lacks("DSN", "notices of delivery are asked for; send without asking for them");
        }
        None
    }

    fn say_envelope(&mut self, now_ms: u64, ask: Ask) {
        let next = match ask {
            Ask::Reset => {
                self.command(now_ms, "RSET", Command::Reset);
                Ask::Mail
            }
            Ask::Mail => {
                let mail = self.mail_command();
                self.command(now_ms, &mail, Command::Mail);
                self.clean = false;
                Ask::Recipient(0)
            }
            Ask::Recipient(index) => match self.recipient_command(index) {
                Some(rcpt) => {
                    self.command(now_ms, &rcpt, Command::Recipient(index));
                    Ask::Recipient(index + 1)
                }
                None => Ask::Content,
            },
            Ask::Content => {
                if self.extensions.chunking {
                    self.turn = Turn::Chunks(Chunk::default());
                    self.be_patient(now_ms);
                } else {
                    self.turn = Turn::Data;
                    self.command(now_ms, "DATA", Command::Data);
                }
                return;
            }
        };
        self.turn = Turn::Envelope(next);
    }

    fn mail_command(&self) -> String {
        let Some(Transaction { submission, .. }) = self.transactions.back() else { return String::new() };
        let mut said = format!("MAIL FROM:<{}>", submission.envelope.sender());
        if self.extensions.size.is_some() {
            said.push_str(&format!(" SIZE={}", submission.message_bytes));
        }
        if submission.content > Content::SevenBit {
            said.push_str(" BODY=8BITMIME");
        }
        if submission.is_internationalized() {
            said.push_str(" SMTPUTF8");
        }
        said + &submission.notices.of_mail()
    }

    fn recipient_command(&self, index: usize) -> Option<String> {
        let submission = &self.transactions.back()?.submission;
        let address = submission.envelope.recipients().get(index)?;
        Some(format!("RCPT TO:<{address}>{}", submission.notices.of_recipient(address)))
    }

    /// How far the message of this number is.
    pub(super) fn phase_of(&self, number: u64) -> Phase {
        if let Some(awaited) = self.awaited.iter().find(|awaited| awaited.message == number) {
            return awaited.what.phase();
        }
        match self.turn {
            Turn::Text(_) | Turn::Chunks(_) | Turn::Commit(_) if number == self.current_number() => {
                Phase::Body
            }
            Turn::Between
            | Turn::Given
            | Turn::Envelope(_)
            | Turn::Data
            | Turn::Text(_)
            | Turn::Chunks(_)
            | Turn::Commit(_)
            | Turn::Quit => Phase::Mail,
        }
    }
}
