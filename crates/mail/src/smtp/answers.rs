//! What each answer means that comes while messages are submitted. Answers come in the order of the commands (RFC 2920 section 3.1).

use super::dialogue::SHUTTING_DOWN;
use super::envelope::{Awaited, Command};
use super::report::{Cause, Fate, Phase};
use super::{Dots, Smtp, Turn};
use crate::reply::Reply;

impl Smtp {
    /// Whether the command that the next answer is about has left whole.
    pub(super) fn is_next_asked(&self) -> bool {
        self.awaited.front().is_some_and(|awaited| awaited.end <= self.taken)
    }

    pub(super) fn on_answer(&mut self, now_ms: u64, reply: &Reply, early: bool) {
        let Some(&awaited) = self.awaited.front().filter(|_| !early) else { return self.on_unasked(reply) };
        if matches!(awaited.what, Command::Quit) {
            return self.close();
        }
        if reply.code == SHUTTING_DOWN {
            self.awaited.pop_front();
            return self.on_shutdown(now_ms, awaited, reply);
        }
        if is_nonsense(awaited.what, reply) {
            return self.fail(Cause::Unexpected(reply.said()));
        }
        self.awaited.pop_front();
        self.on_meaning(now_ms, awaited, reply);
        if self.shut && !self.is_any_doubtful() {
            return self.fail(Cause::Said(reply.said()));
        }
        self.be_patient(now_ms);
        self.advance(now_ms);
    }

    fn on_meaning(&mut self, now_ms: u64, awaited: Awaited, reply: &Reply) {
        let refused = Fate::Refused { phase: awaited.what.phase(), said: reply.said() };
        match awaited.what {
            Command::Recipient(index) if reply.is_negative() => {
                if let Some(transaction) = self.transaction(awaited.message) {
                    transaction.settle_one(index, refused);
                }
            }
            Command::Mail | Command::Chunk if reply.is_negative() => self.settle(awaited.message, &refused),
            Command::Data if reply.is_negative() => {
                self.turn = Turn::Between;
                self.settle(awaited.message, &refused);
            }
            Command::Data => self.on_go_ahead(now_ms, awaited.message),
            Command::End => self.on_end(awaited, reply),
            Command::Reset | Command::Mail | Command::Recipient(_) | Command::Chunk | Command::Quit => {}
        }
    }

    /// The server waits for the message.
    fn on_go_ahead(&mut self, now_ms: u64, message: u64) {
        match self.transaction(message).is_some_and(|one| one.is_open()) {
            true => self.turn = Turn::Text(Dots::default()),
            false => self.say_empty(now_ms),
        }
    }

    fn on_end(&mut self, awaited: Awaited, reply: &Reply) {
        // What was said after it was said without knowing how it ends.
        let is_last_said = self.awaited.is_empty() && matches!(self.turn, Turn::Between | Turn::Given);
        self.clean |= is_last_said && reply.is_positive();
        if reply.is_negative() {
            let refused = Fate::Refused { phase: Phase::Final, said: reply.said() };
            return self.settle(awaited.message, &refused);
        }
        let Some(transaction) = self.transaction(awaited.message) else { return };
        if transaction.end.is_some() {
            transaction.doubt_refused_sender(&Cause::Unexpected(reply.said()));
        }
        transaction.settle(&Fate::Accepted(reply.said()));
    }

    /// The server says that it closes. Some go on all the same, so what left whole and was not answered is waited for.
    fn on_shutdown(&mut self, now_ms: u64, awaited: Awaited, reply: &Reply) {
        let (phase, said) = (awaited.what.phase(), reply.said());
        self.shut = true;
        self.trouble = Some((phase, Cause::Said(said.clone())));
        let refused = Fate::Refused { phase, said: said.clone() };
        let whole = self.transaction(awaited.message).filter(|transaction| transaction.end.is_some());
        match (awaited.what, whole) {
            (Command::Recipient(index), Some(transaction)) => transaction.settle_one(index, refused),
            (Command::Reset, Some(_)) => {}
            (
                Command::Reset
                | Command::Mail
                | Command::Recipient(_)
                | Command::Data
                | Command::Chunk
                | Command::End
                | Command::Quit,
                _,
            ) => self.settle(awaited.message, &refused),
        }
        if self.is_any_doubtful() {
            self.be_patient(now_ms);
        } else {
            self.fail(Cause::Said(said));
        }
    }

    /// Said before what it would answer was out: a no to the message under way is a no, a yes is about nothing.
    fn on_unasked(&mut self, reply: &Reply) {
        let ending = match self.awaited.front().map(|awaited| awaited.what) {
            Some(Command::Chunk | Command::End) => true,
            None => matches!(self.turn, Turn::Text(_) | Turn::Chunks(_) | Turn::Commit(_)),
            Some(Command::Reset | Command::Mail | Command::Recipient(_) | Command::Data | Command::Quit) => {
                false
            }
        };
        let told = reply.code == SHUTTING_DOWN || (ending && reply.is_negative());
        if told {
            self.refuse_under_way(reply);
        } else {
            self.fail(Cause::TooEarly);
        }
    }

    /// The server said no to the message that it is about to hear, and hears no more.
    fn refuse_under_way(&mut self, reply: &Reply) {
        let (phase, said) = (self.phase(), reply.said());
        self.shut = true;
        self.trouble = Some((phase, Cause::Said(said.clone())));
        let first = self.awaited.front().map(|awaited| awaited.message);
        let refused = first.or_else(|| self.is_saying().then(|| self.current_number()));
        if let Some(message) = refused {
            self.settle(message, &Fate::Refused { phase, said: said.clone() });
        }
        self.fail(Cause::Said(said));
    }

    /// Whether a message left whole and its fate is open.
    fn is_any_doubtful(&self) -> bool {
        self.transactions.iter().any(|one| one.end.is_some() && one.is_open())
    }

    fn settle(&mut self, message: u64, fate: &Fate) {
        if let Some(transaction) = self.transaction(message)
            && transaction.settle(fate)
            && let Fate::Refused { phase, said } = fate
            && *phase != Phase::Rcpt
        {
            transaction.trouble = Some((*phase, Cause::Said(said.clone())));
        }
    }
}

/// Whether it is no answer to that command.
fn is_nonsense(what: Command, reply: &Reply) -> bool {
    match what {
        Command::Data => reply.code != 354 && !reply.is_negative(),
        Command::Reset
        | Command::Mail
        | Command::Recipient(_)
        | Command::Chunk
        | Command::End
        | Command::Quit => reply.is_intermediate(),
    }
}
