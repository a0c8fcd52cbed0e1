//! What each answer means where it comes, up to the login; and the ways out.

use super::report::{Cause, Fate, Phase};
use super::{AfterHandshake, Extensions, Security, Smtp, Step};
use crate::auth::Channel;
use crate::limits::{COMMAND_MS_MAX, QUIT_MS_MAX};
use crate::reply::Reply;

/// The code with which a server ends the dialogue at any moment (RFC 5321 section 3.8).
pub(super) const SHUTTING_DOWN: u16 = 421;

impl Smtp {
    pub(super) fn read_replies(&mut self, now_ms: u64) {
        while !matches!(self.step, Step::Over | Step::Handshake(_)) {
            match self.reader.next_reply() {
                Ok(Some(reply)) => self.on_reply(now_ms, &reply),
                Ok(None) => break,
                Err(error) => return self.handle_trouble(Cause::Malformed(error)),
            }
        }
        let asked = match self.step {
            // Of what was said at once a part may be answered already.
            Step::Submitting => self.is_next_asked(),
            Step::Connecting
            | Step::Handshake(_)
            | Step::Greeting
            | Step::Ehlo
            | Step::Helo
            | Step::StartTls
            | Step::Auth { .. }
            | Step::Cancelled(_)
            | Step::Quit
            | Step::Over => self.is_flushed(),
        };
        self.early |= !asked && self.reader.has_more();
    }

    fn on_reply(&mut self, now_ms: u64, reply: &Reply) {
        self.show(reply);
        let early = std::mem::take(&mut self.early);
        if matches!(self.step, Step::Submitting) {
            let early = early || !self.is_next_asked();
            return self.on_answer(now_ms, reply, early);
        }
        if matches!(self.step, Step::Quit) {
            return self.close();
        }
        if reply.code == SHUTTING_DOWN {
            return self.refuse_and_close(reply);
        }
        if early || !self.is_flushed() {
            return self.fail(Cause::TooEarly);
        }
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Auth { exchange, rounds } => self.on_auth(now_ms, exchange, rounds, reply),
            Step::Cancelled(cause) => {
                self.step = Step::Cancelled(cause.clone());
                self.give_up(now_ms, cause);
            }
            step @ (Step::Connecting
            | Step::Handshake(_)
            | Step::Greeting
            | Step::Ehlo
            | Step::Helo
            | Step::StartTls
            | Step::Submitting
            | Step::Quit
            | Step::Over) => {
                self.step = step;
                self.on_bare_answer(now_ms, reply);
            }
        }
    }

    /// Answers to steps that carry nothing with them.
    fn on_bare_answer(&mut self, now_ms: u64, reply: &Reply) {
        match self.step {
            Step::Greeting => self.on_greeting(now_ms, reply),
            Step::Ehlo => self.on_ehlo(now_ms, reply),
            Step::Helo => self.on_helo(now_ms, reply),
            Step::StartTls => self.on_starttls(now_ms, reply),
            Step::Connecting
            | Step::Handshake(_)
            | Step::Auth { .. }
            | Step::Cancelled(_)
            | Step::Submitting
            | Step::Quit
            | Step::Over => {}
        }
    }

    fn on_greeting(&mut self, now_ms: u64, reply: &Reply) {
        match reply.code {
            220 if self.stops_after(Phase::Greeting) || self.stops_after(Phase::Tls) && self.is_secured() => {
                self.give_up(now_ms, Cause::Stopped);
            }
            220 => self.say_ehlo(now_ms),
            _ if reply.is_negative() => self.refuse(now_ms, reply),
            _ => self.fail(Cause::Unexpected(reply.said())),
        }
    }

    pub(super) fn say_ehlo(&mut self, now_ms: u64) {
        // What was said before TLS may have been said by anybody (RFC 3207 section 4.2).
        self.extensions = Extensions::default();
        let command = format!("EHLO {}", self.hello_name);
        self.say(&command);
        self.expect(now_ms, Step::Ehlo, COMMAND_MS_MAX);
    }

    fn on_ehlo(&mut self, now_ms: u64, reply: &Reply) {
        match reply.code {
            250 => {
                self.extensions = Extensions::of(reply);
                self.greeted(now_ms);
            }
            // A server from before 1995, or one that does not want this client.
            500..=559 => {
                let command = format!("HELO {}", self.hello_name);
                self.say(&command);
                self.expect(now_ms, Step::Helo, COMMAND_MS_MAX);
            }
            _ if reply.is_negative() => self.refuse(now_ms, reply),
            _ => self.fail(Cause::Unexpected(reply.said())),
        }
    }

    fn on_helo(&mut self, now_ms: u64, reply: &Reply) {
        match reply.code {
            250 => self.greeted(now_ms),
            _ if reply.is_negative() => self.refuse(now_ms, reply),
            _ => self.fail(Cause::Unexpected(reply.said())),
        }
    }

    fn greeted(&mut self, now_ms: u64) {
        if self.stops_after(Phase::Hello) {
            return self.give_up(now_ms, Cause::Stopped);
        }
        match (self.options.security, &self.channel) {
            (Security::StartTls, Channel::Clear) if self.extensions.starttls => {
                self.say("STARTTLS");
                self.expect(now_ms, Step::StartTls, COMMAND_MS_MAX);
            }
            (Security::StartTls, Channel::Clear) => {
                self.step = Step::StartTls;
                self.give_up(now_ms, Cause::NoStartTls);
            }
            (Security::StartTls, Channel::Tls { .. }) | (Security::Off | Security::Implicit, _) => {
                self.say_auth_or_begin(now_ms);
            }
        }
    }

    fn on_starttls(&mut self, now_ms: u64, reply: &Reply) {
        match reply.code {
            220 if self.reader.has_more() => self.fail(Cause::Injected),
            220 => self.secure(now_ms, AfterHandshake::Ehlo),
            _ if reply.is_negative() => self.refuse(now_ms, reply),
            _ => self.fail(Cause::Unexpected(reply.said())),
        }
    }

    /// Whether no more is wanted than this phase.
    pub(super) fn stops_after(&self, phase: Phase) -> bool {
        self.options.stop_after == Some(phase)
    }

    fn is_secured(&self) -> bool {
        matches!(self.channel, Channel::Tls { .. })
    }

    /// The server said no to everybody whose fate is open.
    pub(super) fn refuse(&mut self, now_ms: u64, reply: &Reply) {
        self.record_refusal(reply);
        self.say_quit(now_ms);
    }

    /// The same, of a server that listens no longer.
    fn refuse_and_close(&mut self, reply: &Reply) {
        self.record_refusal(reply);
        self.close();
    }

    fn record_refusal(&mut self, reply: &Reply) {
        let (phase, said) = (self.phase(), reply.said());
        let trouble = (phase, Cause::Said(said.clone()));
        self.settle_all(&Fate::Refused { phase, said }, &trouble);
        self.trouble = Some(trouble);
    }

    /// This side does not want to go on, and says goodbye.
    pub(super) fn give_up(&mut self, now_ms: u64, cause: Cause) {
        let phase = self.phase();
        let trouble = (phase, cause.clone());
        self.settle_all(&Fate::NotSent { phase, cause }, &trouble);
        self.trouble = Some(trouble);
        self.say_quit(now_ms);
    }

    fn say_quit(&mut self, now_ms: u64) {
        self.say("QUIT");
        self.expect(now_ms, Step::Quit, QUIT_MS_MAX);
    }
}
