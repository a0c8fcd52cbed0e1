//! What handles want of the driver, passed on to the machine. Absent: the answers, which come as its outputs.

use std::sync::Arc;
use std::time::Duration;

use switchboard_call::client::NewCall;
use switchboard_call::id::CallId;
use switchboard_call::limits::{BODY_BYTES_MAX, JOURNAL_ENVELOPE_BYTES_MAX};
use tokio::sync::oneshot;

use super::waiters::{AnswerSender, hand};
use super::{Driver, Nudge, Wish, recovered};
use crate::error::{CallError, JournalError};
use crate::limits::WISHES_PER_FLUSH_MAX;

impl Driver {
    /// Takes this wish and those behind it, so that their journal entries share a flush.
    pub(super) fn wishes(&mut self, first: Wish) {
        self.wish(first);
        for _ in 1..WISHES_PER_FLUSH_MAX {
            match self.parts.wishes.try_recv() {
                Ok(wish) if self.closing.is_none() => self.wish(wish),
                Ok(_) | Err(_) => break,
            }
        }
    }

    fn wish(&mut self, wish: Wish) {
        let now_ms = self.now_ms();
        match wish {
            Wish::Call { call, deadline, begun, answer } => {
                self.begin(now_ms, (call, deadline), begun, answer)
            }
            Wish::Read { mut read, deadline, answer } => {
                read.deadline_ms = deadline.map(|wait| at_ms(now_ms, wait));
                match self.parts.machine.read(now_ms, read) {
                    Ok(key) => self.waiters.read(key, answer),
                    Err(error) => hand(answer, Err(error.into())),
                }
            }
            Wish::Await { id, nudge, answer } => self.await_end(now_ms, id, nudge, answer),
            Wish::Abandon { id, done } => hand(done, self.parts.machine.abandon(id)),
            Wish::Outcome { id, answer } => match self.parts.machine.outcome(now_ms, id) {
                Ok(()) => self.waiters.outcome(id, answer),
                Err(error) => hand(answer, Err(error.into())),
            },
            Wish::Acknowledge { id, done } => {
                self.unclaimed.acknowledged(id);
                self.parts.machine.acknowledge(id);
                hand(done, ());
            }
            Wish::Recovered { answer } => hand(answer, self.unclaimed.report(&self.parts.machine)),
            Wish::Close { done } => {
                self.closing = Some(done);
                self.parts.machine.close(now_ms);
            }
        }
    }

    fn begin(
        &mut self,
        now_ms: u64,
        (mut call, deadline): (NewCall, Option<Duration>),
        begun: oneshot::Sender<CallId>,
        answer: AnswerSender,
    ) {
        if let Err(error) = self.make_room(call.body.len()) {
            return hand(answer, Err(CallError::NoRoom(Arc::new(error))));
        }
        call.deadline_ms = deadline.map(|wait| at_ms(now_ms, wait));
        match self.parts.machine.begin(now_ms, call) {
            Ok(key) => self.waiters.call(key, Some(begun), answer),
            Err(error) => hand(answer, Err(error.into())),
        }
    }

    /// Room for the call and the longest answer, on top of what is kept for others: asked for before the call is begun.
    fn make_room(&mut self, body_bytes: usize) -> Result<(), JournalError> {
        let call = body_bytes + BODY_BYTES_MAX + 2 * JOURNAL_ENVELOPE_BYTES_MAX;
        let call = u64::try_from(call).expect("a usize fits 64 bits");
        self.parts.journal.as_mut().map_or(Ok(()), |journal| journal.reserve(self.kept_bytes + call))
    }

    fn await_end(&mut self, now_ms: u64, id: CallId, nudge: Nudge, answer: AnswerSender) {
        let Some(key) = self.parts.machine.call_key(id) else {
            return hand(answer, self.unclaimed.find(id).ok_or(CallError::Unknown { id }));
        };
        // A machine that has stopped does nothing about a call, whatever is wanted.
        let passive = nudge == Nudge::Nothing || self.parts.machine.stop_reason().is_some();
        if passive && let Some(why) = recovered::unresolved(&self.parts.machine, id) {
            return hand(answer, Err(CallError::Unresolved { id, why }));
        }
        self.waiters.call(key, None, answer);
        match nudge {
            Nudge::Nothing => {}
            Nudge::SendAgain => self.parts.machine.retry(now_ms, key),
            Nudge::Cancel => self.parts.machine.cancel(now_ms, key),
        }
    }
}

fn at_ms(now_ms: u64, wait: Duration) -> u64 {
    now_ms.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}
