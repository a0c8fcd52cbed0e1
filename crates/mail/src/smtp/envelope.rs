//! MAIL, RCPT and DATA: with PIPELINING all of MAIL and RCPT in one write (RFC 2920), else one after the other. DATA follows the last
//! answer, so that a message whose recipients are all refused is never begun.

use super::report::{Cause, Fate, Phase};
use super::{Output, Smtp, Step};
use crate::limits::{COMMAND_MS_MAX, DATA_BLOCK_MS_MAX, DATA_MS_MAX, FINAL_MS_MAX};
use crate::reply::Reply;

/// A command whose answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    Mail,
    /// The recipient of this index.
    Recipient(usize),
}

impl Smtp {
    /// Begins with the sender.
    pub(super) fn say_envelope(&mut self, now_ms: u64) {
        let bytes = self.options.message_bytes;
        if let Some(bytes_max) = self.extensions.size.and_then(|size| size.bytes_max)
            && bytes > bytes_max
        {
            self.expect(now_ms, Step::Envelope, COMMAND_MS_MAX);
            return self.give_up(now_ms, Cause::TooLarge { bytes, bytes_max });
        }
        let size = if self.extensions.size.is_some() { format!(" SIZE={bytes}") } else { String::new() };
        let mail = format!("MAIL FROM:<{}>{size}", self.options.envelope.sender());
        self.say(&mail);
        self.awaited.push_back(Awaited::Mail);
        self.unasked = 0;
        self.expect(now_ms, Step::Envelope, COMMAND_MS_MAX);
        if self.extensions.pipelining {
            while self.say_recipient() {}
        }
    }

    /// Names the next recipient; false when there is none.
    fn say_recipient(&mut self) -> bool {
        let Some(address) = self.options.envelope.recipients().get(self.unasked) else { return false };
        let rcpt = format!("RCPT TO:<{address}>");
        self.say(&rcpt);
        self.awaited.push_back(Awaited::Recipient(self.unasked));
        self.unasked += 1;
        true
    }

    pub(super) fn on_envelope(&mut self, now_ms: u64, reply: &Reply) {
        if reply.is_intermediate() {
            return self.fail(Cause::Unexpected(reply.said()));
        }
        match self.awaited.pop_front() {
            Some(Awaited::Mail) if reply.is_negative() => {
                self.settle(&Fate::Refused { phase: Phase::Mail, said: reply.said() });
                self.mail_refused = true;
            }
            Some(Awaited::Recipient(index)) if reply.is_negative() && !self.mail_refused => {
                let refused = Fate::Refused { phase: Phase::Rcpt, said: reply.said() };
                if let Some(open) = self.fates.get_mut(index) {
                    *open = Some(refused);
                }
            }
            Some(Awaited::Mail | Awaited::Recipient(_)) | None => {}
        }
        self.expect(now_ms, Step::Envelope, COMMAND_MS_MAX);
        if !self.awaited.is_empty() {
            return;
        }
        if !self.mail_refused && self.say_recipient() {
            return;
        }
        match self.fates.iter().any(Option::is_none) {
            true => {
                self.say("DATA");
                self.expect(now_ms, Step::Data, DATA_MS_MAX);
            }
            false => self.say_quit(now_ms),
        }
    }

    pub(super) fn on_data(&mut self, now_ms: u64, reply: &Reply) {
        match reply.code {
            354 => {
                self.wants = Some(Output::Body);
                self.expect(now_ms, Step::Body, DATA_BLOCK_MS_MAX);
            }
            _ if reply.is_negative() => self.refuse(now_ms, reply),
            _ => self.fail(Cause::Unexpected(reply.said())),
        }
    }

    /// The message is complete.
    pub fn handle_body_end(&mut self, now_ms: u64) {
        if !matches!(self.step, Step::Body) {
            return;
        }
        if self.dots.end(&mut self.outgoing).is_err() {
            return self.fail(Cause::Message("it ends with a bare CR".to_owned()));
        }
        self.note(format!("message, {} bytes, and the final dot", self.options.message_bytes));
        self.flushed = false;
        self.expect(now_ms, Step::Final, FINAL_MS_MAX);
    }

    /// An answer while the message is still being sent can only be a no.
    pub(super) fn on_body(&mut self, reply: &Reply) {
        if reply.is_negative() {
            self.refuse_and_close(reply);
        } else {
            self.fail(Cause::TooEarly);
        }
    }

    pub(super) fn on_final(&mut self, now_ms: u64, reply: &Reply) {
        if reply.is_positive() {
            self.settle(&Fate::Accepted(reply.said()));
            self.say_quit(now_ms);
        } else if reply.is_negative() {
            self.refuse(now_ms, reply);
        } else {
            self.fail(Cause::Unexpected(reply.said()));
        }
    }
}
