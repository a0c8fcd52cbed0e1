//! AUTH (RFC 4954): the messages of a mechanism as lines.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::report::Cause;
use super::{Smtp, Step};
use crate::auth::{AuthError, Exchange, Secret};
use crate::limits::{AUTH_LINE_BYTES_MAX, AUTH_ROUNDS_MAX, COMMAND_LINE_BYTES_MAX, COMMAND_MS_MAX};
use crate::reply::Reply;

impl Smtp {
    /// Logs in when somebody is to, else goes on with the messages.
    pub(super) fn say_auth_or_begin(&mut self, now_ms: u64) {
        let Some(login) = &self.options.login else { return self.begin_submitting(now_ms) };
        match login.begin(&self.extensions.auth, &self.channel, self.options.nonce) {
            Ok(exchange) => self.say_auth(now_ms, exchange),
            Err(error) => self.give_up_login(now_ms, error),
        }
    }

    /// Before anything of it was said.
    fn give_up_login(&mut self, now_ms: u64, error: AuthError) {
        self.step = Step::Cancelled(Cause::Auth(error.clone()));
        self.give_up(now_ms, Cause::Auth(error));
    }

    fn say_auth(&mut self, now_ms: u64, mut exchange: Exchange) {
        let name = exchange.mechanism().name();
        let command = format!("AUTH {name}");
        let initial = match exchange.initial().map(encoded).transpose() {
            Ok(message) => message.map(|message| Secret::new(format!("{command} {}", message.expose()))),
            Err(error) => return self.give_up_login(now_ms, error),
        };
        match initial {
            Some(line) if line.expose().len() + 2 <= COMMAND_LINE_BYTES_MAX => {
                self.say_hidden(&format!("{command} "), line.expose());
                exchange.initial_sent();
            }
            Some(_) | None => self.say(&command),
        }
        self.expect(now_ms, Step::Auth { exchange, rounds: 0 }, COMMAND_MS_MAX);
    }

    pub(super) fn on_auth(&mut self, now_ms: u64, mut exchange: Exchange, rounds: u32, reply: &Reply) {
        if reply.code == 334 {
            return match answer(&mut exchange, rounds, reply) {
                Ok(line) => {
                    self.say_hidden("", line.expose());
                    self.expect(now_ms, Step::Auth { exchange, rounds: rounds + 1 }, COMMAND_MS_MAX);
                }
                Err(error) => {
                    self.say("*");
                    self.expect(now_ms, Step::Cancelled(Cause::Auth(error)), COMMAND_MS_MAX);
                }
            };
        }
        self.step = Step::Auth { exchange, rounds };
        if reply.is_negative() {
            return self.refuse(now_ms, reply);
        }
        if !reply.is_positive() {
            return self.fail(Cause::Unexpected(reply.said()));
        }
        let Step::Auth { exchange, .. } = &self.step else { return };
        match exchange.finish() {
            Ok(()) => self.begin_submitting(now_ms),
            Err(error) => self.fail(Cause::Auth(error)),
        }
    }
}

fn answer(exchange: &mut Exchange, rounds: u32, reply: &Reply) -> Result<Secret, AuthError> {
    if rounds >= AUTH_ROUNDS_MAX {
        return Err(AuthError::Challenge("it asks for more than any mechanism has"));
    }
    let [challenge] = reply.lines.as_slice() else {
        return Err(AuthError::Challenge("it has several lines"));
    };
    let challenge =
        STANDARD.decode(challenge.trim()).map_err(|_| AuthError::Challenge("it is not base64"))?;
    let message = exchange.respond(&challenge)?;
    within_a_line(message.expose().as_bytes())
}

/// An empty first message is written as `=`.
fn encoded(message: &[u8]) -> Result<Secret, AuthError> {
    if message.is_empty() { Ok(Secret::new("=".to_owned())) } else { within_a_line(message) }
}

fn within_a_line(message: &[u8]) -> Result<Secret, AuthError> {
    let line = Secret::new(STANDARD.encode(message));
    if line.expose().len() + 2 > AUTH_LINE_BYTES_MAX { Err(AuthError::TooLong) } else { Ok(line) }
}
