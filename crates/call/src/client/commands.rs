//! What an application asks of the machine: begin, read, cancel, outcome, acknowledge, retry, abandon,
//! close. Absent: what the server says to it.

use super::calls::{Body, Call, Stage};
use super::config::{BeginError, CallKey, CallView, NewCall, NewRead, ReadKey, StopReason};
use super::exchange::Exchange;
use super::link::State;
use super::output::{NeverSent, Output, Unresolved};
use super::questions::{Query, ReadQuestion};
use super::settling::Waiting;
use super::{Machine, Subject};
use crate::frame::{ClientFrame, Goodbye, GoodbyeReason};
use crate::id::CallId;
use crate::journal::Entry;
use crate::limits::{
    BODY_BYTES_MAX, CALL_BODIES_BYTES_MAX, CALLS_QUEUED_MAX, JOURNAL_BYTES_MAX, LABEL_BYTES_MAX,
    QUESTIONS_OPEN_MAX, SERVICE_NAME_BYTES_MAX,
};

impl Machine {
    /// Takes a command that is to be executed once. Its outcome follows as an output.
    ///
    /// # Errors
    /// When it was not taken; nothing was sent then.
    pub fn begin(&mut self, now_ms: u64, command: NewCall) -> Result<CallKey, BeginError> {
        self.now_ms = self.now_ms.max(now_ms);
        self.may_begin(&command)?;
        let key = self.new_key();
        self.body_bytes += command.body.len();
        let call = Call {
            service: command.service,
            version: command.version,
            body: Some(Body(command.body)),
            secret: command.secret,
            label: command.label,
            not_after: command.not_after,
            ticket: None,
            deadline_ms: command.deadline_ms,
            report_ms: None,
            stage: Stage::Queued,
            cancelling: false,
            recovered: false,
            exchange: Exchange::due_at(0),
            copies: 0,
            first_connection: None,
            door: None,
            cancel_door: None,
            answer_bytes_max: 0,
        };
        self.calls.insert(key, call);
        self.queue.push_back(key);
        self.arm(key);
        self.pump();
        Ok(key)
    }

    fn may_begin(&self, command: &NewCall) -> Result<(), BeginError> {
        self.may_ask(&command.service, &command.body)?;
        if command.label.len() > LABEL_BYTES_MAX {
            return Err(BeginError::NameTooLong);
        }
        let body_bytes = self.body_bytes.saturating_add(command.body.len());
        if self.queue.len() >= CALLS_QUEUED_MAX || body_bytes > CALL_BODIES_BYTES_MAX {
            return Err(BeginError::TooManyOpen);
        }
        let journal_full =
            self.journal.as_ref().is_some_and(|journal| journal.file_bytes() >= JOURNAL_BYTES_MAX);
        if journal_full && !self.unacknowledged.is_empty() {
            return Err(BeginError::JournalClosed);
        }
        Ok(())
    }

    fn may_ask(&self, service: &str, body: &[u8]) -> Result<(), BeginError> {
        if let Some(reason) = self.stopped {
            return Err(BeginError::Stopped(reason));
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(BeginError::BodyTooLong { bytes: body.len(), limit: BODY_BYTES_MAX });
        }
        if service.len() > SERVICE_NAME_BYTES_MAX {
            return Err(BeginError::NameTooLong);
        }
        Ok(())
    }

    /// Asks a question without effect.
    ///
    /// # Errors
    /// When it was not taken.
    pub fn read(&mut self, now_ms: u64, question: NewRead) -> Result<ReadKey, BeginError> {
        self.now_ms = self.now_ms.max(now_ms);
        self.may_ask(&question.service, &question.body)?;
        let body_bytes = self.body_bytes.saturating_add(question.body.len());
        if self.reads.len() >= QUESTIONS_OPEN_MAX || body_bytes > CALL_BODIES_BYTES_MAX {
            return Err(BeginError::TooManyOpen);
        }
        self.body_bytes = body_bytes;
        let key = ReadKey(self.new_key().0);
        self.reads.insert(key, ReadQuestion { question, exchange: Exchange::due_at(0) });
        self.arm_read(key);
        self.pump();
        Ok(key)
    }

    /// Wants a call to end unexecuted. What it ended with follows as an output: it may have been executed
    /// before. Nothing happens when it has ended.
    pub fn cancel(&mut self, now_ms: u64, key: CallKey) {
        self.now_ms = self.now_ms.max(now_ms);
        if self.stopped.is_none() {
            self.want_cancel(key, NeverSent::Cancelled);
            self.pump();
        }
    }

    /// Tries a call again that is reported as unresolved: the same bytes under the same id.
    pub fn retry(&mut self, now_ms: u64, key: CallKey) {
        self.now_ms = self.now_ms.max(now_ms);
        if self.stopped.is_some() {
            return;
        }
        if let Some(call) = self.calls.get_mut(&key).filter(|call| matches!(call.stage, Stage::Parked(_))) {
            call.stage = Stage::Open;
            call.cancelling = call.body.is_none();
            self.send_again_at(key, now_ms);
            self.pump();
        }
    }

    /// Takes a call off the list of open ones because a person found out what became of it, or gave up.
    /// Not a cancel: a copy may still be executed. Returns whether it was open.
    pub fn abandon(&mut self, id: CallId) -> bool {
        let Some(key) = self.by_id.get(&id).copied() else {
            return false;
        };
        let settling = |call: &Call| matches!(call.stage, Stage::Settling { .. } | Stage::Journalling);
        if self.calls.get(&key).is_none_or(settling) {
            return false;
        }
        self.journal_now(&Entry::Abandoned { id });
        self.sessions.settle_unrecorded(id);
        self.remove_call(key);
        true
    }

    /// Asks the server what became of a call id, of this client or another. The answer follows as an
    /// output.
    ///
    /// # Errors
    /// When it was not taken.
    pub fn outcome(&mut self, now_ms: u64, id: CallId) -> Result<(), BeginError> {
        self.now_ms = self.now_ms.max(now_ms);
        if let Some(reason) = self.stopped {
            return Err(BeginError::Stopped(reason));
        }
        if self.queries.len() >= QUESTIONS_OPEN_MAX {
            return Err(BeginError::TooManyOpen);
        }
        self.ask(id, |query: &mut Query| query.for_application = true);
        self.pump();
        Ok(())
    }

    /// The application has taken the answer of this call over: it will not be handed over again.
    pub fn acknowledge(&mut self, id: CallId) {
        if !self.unacknowledged.remove(&id) {
            return;
        }
        if self.stopped == Some(StopReason::Closed) {
            // The mark of a clean shutdown must stay last.
            return self.journal_then(&[&Entry::Acknowledged { id }, &Entry::Closed], Waiting::Closed);
        }
        self.journal_now(&Entry::Acknowledged { id });
        self.rewrite_if_idle();
    }

    /// Ends the machine in order: says goodbye and marks the journal, so that its sessions may be used
    /// again. Open calls are reported as unresolved and go on when the journal is opened next. Wait for
    /// [`Output::Closed`].
    pub fn close(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        if self.stopped.is_some() {
            return self.outputs.push_back(Output::Closed);
        }
        if self.link.is_up() {
            self.link.send(&ClientFrame::Goodbye(Goodbye::new(GoodbyeReason::Done, "")));
            let last_words = self.link.take_outgoing().map(Output::Send);
            self.outputs.extend(last_words);
        }
        self.stop(StopReason::Closed);
        if self.journal.is_some() {
            self.journal_then(&[&Entry::Closed], Waiting::Closed);
        } else {
            self.outputs.push_back(Output::Closed);
        }
    }

    /// Calls that have not ended, in the order of their beginning.
    pub fn calls(&self) -> impl Iterator<Item = CallView> {
        self.calls.iter().map(|(key, call)| call.view(*key))
    }

    /// The name for ever of an open call, once it has one.
    #[must_use]
    pub fn call_id(&self, key: CallKey) -> Option<CallId> {
        self.calls.get(&key).and_then(|call| call.ticket).map(|ticket| ticket.id)
    }

    /// The open call with this id.
    #[must_use]
    pub fn call_key(&self, id: CallId) -> Option<CallKey> {
        self.by_id.get(&id).copied()
    }

    /// The server's clock as far as it is known, microseconds since 1970.
    #[must_use]
    pub fn server_time_us(&self, now_ms: u64) -> Option<u64> {
        self.link.server.as_ref().map(|server| server.time_us(now_ms))
    }

    /// Whether the server has greeted and the connection stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.is_up()
    }

    /// Why the machine does nothing more, if so.
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.stopped
    }

    /// Ends everything from this side; open calls stay open in the journal.
    pub(super) fn stop(&mut self, reason: StopReason) {
        self.stopped = Some(reason);
        match self.link.state {
            State::Connecting { .. } | State::Greeting { .. } | State::Up => {
                self.outputs.push_back(Output::Disconnect);
                self.connection_lost(0);
            }
            State::Down { .. } | State::Stopped => {}
        }
        self.link.state = State::Stopped;
        if reason != StopReason::Closed {
            self.outputs.push_back(Output::Alarm(super::Alarm::Stopped(reason)));
        }
        for key in self.calls.keys().copied().collect::<Vec<_>>() {
            self.stop_call(key, reason);
        }
        self.stop_questions(reason);
        self.due.clear();
        self.urgent.clear();
    }

    fn stop_call(&mut self, key: CallKey, reason: StopReason) {
        self.timers.set(Subject::Call(key), None);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        match &call.stage {
            Stage::Queued => self.never_sent(key, NeverSent::Stopped(reason)),
            Stage::Settling { .. } if reason != StopReason::JournalFailed => {}
            Stage::Settling { .. }
            | Stage::Journalling
            | Stage::Open
            | Stage::Asking(_)
            | Stage::Parked(_) => {
                (call.deadline_ms, call.report_ms) = (None, None);
                self.park(key, Unresolved::Stopped(reason));
            }
        }
    }

    fn new_key(&mut self) -> CallKey {
        self.next_key += 1;
        CallKey(self.next_key)
    }

    pub(super) fn next_recovered_key(&mut self) -> CallKey {
        self.new_key()
    }
}
