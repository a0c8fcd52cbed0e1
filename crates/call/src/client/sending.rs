//! When a call gets its id and when a frame leaves: slots for queued calls, room on the connection,
//! deadlines, copies on a lossy link, everything again after a broken connection. Absent: what an answer
//! means.

use super::calls::{Call, Stage, Ticket};
use super::config::{CallKey, NotAfter, ReadKey};
use super::exchange::Exchange;
use super::output::{NeverSent, Output, Unresolved};
use super::retransmission::with_jitter;
use super::sessions::Place;
use super::settling::Waiting;
use super::{Machine, Subject};
use crate::flaw::{Flaw, planted};
use crate::frame::{ClientFrame, OutcomeQuery, Read};
use crate::id::{CallId, Nonce, SessionId};
use crate::journal::Entry;
use crate::limits::JOURNAL_BYTES_MAX;

impl Machine {
    /// Gives ids to queued calls and sends what is due, as far as there is room.
    pub(super) fn pump(&mut self) {
        if !self.link.is_up() {
            return;
        }
        self.give_ids();
        while let Some(key) = self.urgent.pop_first() {
            self.send_call(key);
        }
        let awaiting_max = self.link.server.as_ref().map_or(1, |server| server.awaiting_max);
        while self.awaiting < awaiting_max {
            match self.due.pop_first() {
                Some(Subject::Call(key)) => self.send_call(key),
                Some(Subject::Read(key)) => self.send_read(key),
                Some(Subject::Query(id)) => self.send_query(id),
                None => break,
            }
        }
    }

    fn give_ids(&mut self) {
        while let Some(&key) = self.queue.front() {
            let journal_full =
                self.journal.as_ref().is_some_and(|journal| journal.file_bytes() >= JOURNAL_BYTES_MAX);
            if self.stopped.is_some() || journal_full {
                return;
            }
            if self.refuse_over_limit(key) {
                continue;
            }
            let Some(place) = self.free_place() else {
                return;
            };
            self.queue.pop_front();
            self.give_id(key, place);
        }
    }

    /// Whether the server has told that it takes no body of this length.
    fn refuse_over_limit(&mut self, key: CallKey) -> bool {
        let (Some(call), Some(server)) = (self.calls.get(&key), self.link.server.as_ref()) else {
            return false;
        };
        let (bytes, limit) = (call.body_bytes(), server.body_bytes_max(&call.service));
        if bytes <= limit {
            return false;
        }
        let service = call.service.clone();
        self.queue.pop_front();
        self.never_sent(key, NeverSent::OverLimit { service, bytes, limit });
        true
    }

    /// The lowest free slot, of a new session where one is wanted.
    fn free_place(&mut self) -> Option<Place> {
        let server = self.link.server.as_ref()?;
        let (store, generation, slots_max) = (server.store, server.generation, server.slots_max);
        let mint_time_ms = server.mint_time_ms(self.now_ms);
        if self.sessions.wants_session(mint_time_ms, store) {
            let id = SessionId::mint(mint_time_ms, self.random_bytes());
            self.journal_now(&Entry::Session { id, store, generation });
            self.sessions.open(id, store, generation);
        }
        self.sessions.take(slots_max)
    }

    fn give_id(&mut self, key: CallKey, Place { id, previous }: Place) {
        let nonce = Nonce(self.random_bytes());
        let (Some(call), Some(server)) = (self.calls.get_mut(&key), self.link.server.as_ref()) else {
            return;
        };
        let not_after_us = call.not_after.map(|not_after| match not_after {
            NotAfter::ServerTimeUs(time_us) => time_us,
            NotAfter::WithinMs(ms) => server.time_us(self.now_ms).saturating_add(ms.saturating_mul(1000)),
        });
        call.ticket = Some(Ticket { id, nonce, previous, not_after_us, replaces: None });
        call.stage = Stage::Journalling;
        call.answer_bytes_max = server.reply_bytes_max(&call.service);
        self.by_id.insert(id, key);
        let Some(journal) = &mut self.journal else {
            return self.begun(key);
        };
        let Some(begun) = call.begun() else {
            return;
        };
        journal.reserve(call.answer_bytes_max);
        let appended = journal.append(&[&Entry::Begun(begun)]);
        self.waiting.push_back((appended.position, Waiting::Begun(key)));
        self.outputs.push_back(appended.into_output(true));
        if planted(Flaw::SentBeforeJournal) {
            self.begun(key);
        }
    }

    /// The call is durable, or need not be: it may leave.
    pub(super) fn begun(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if let (Some(ticket), Stage::Journalling) = (call.ticket, &call.stage) {
            call.stage = Stage::Open;
            self.outputs.push_back(Output::Begun { key, id: ticket.id });
            self.send_again_at(key, self.now_ms);
        }
    }

    /// The call, or its cancel, is to be sent from `due_ms` on.
    pub(super) fn send_again_at(&mut self, key: CallKey, due_ms: u64) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let awaited = call.exchange.is_awaiting();
        call.exchange.again_at(due_ms);
        self.awaiting = self.awaiting.saturating_sub(usize::from(awaited));
        self.arm(key);
    }

    fn make_due(&mut self, key: CallKey, cancelling: bool) {
        if cancelling {
            self.due.remove(&Subject::Call(key));
            self.urgent.insert(key);
        } else {
            self.due.insert(Subject::Call(key));
        }
    }

    fn send_call(&mut self, key: CallKey) {
        let random = self.random_byte();
        let resend_ms = |exchange: &Exchange| self.resend_ms(exchange, random);
        let Some(call) = self.calls.get(&key).filter(|call| matches!(call.stage, Stage::Open)) else {
            return;
        };
        let Some(frame) = call.next_frame() else {
            return;
        };
        let (attempt, resend_ms) = (call.next_attempt(), resend_ms(&call.exchange));
        self.link.send(&frame);
        let connection = self.link.number;
        let call = self.calls.get_mut(&key).expect("it was there a moment ago");
        if !call.exchange.is_awaiting() {
            self.awaiting += 1;
        }
        call.exchange.copy_sent(attempt, self.now_ms, resend_ms);
        if !call.cancelling {
            call.copies += 1;
            call.first_connection.get_or_insert(connection);
        }
        self.arm(key);
    }

    fn send_read(&mut self, key: ReadKey) {
        let random = self.random_byte();
        let Some(read) = self.reads.get(&key) else {
            return;
        };
        let resend_ms = self.resend_ms(&read.exchange, random);
        let question = &read.question;
        let (service, version, body) = (question.service.clone(), question.version, question.body.clone());
        self.link.send(&ClientFrame::Read(Read { tag: key.0, service, version, body }));
        if let Some(read) = self.reads.get_mut(&key) {
            self.awaiting += 1;
            read.exchange.copy_sent(0, self.now_ms, resend_ms);
        }
        self.arm_read(key);
    }

    fn send_query(&mut self, id: CallId) {
        let random = self.random_byte();
        let Some(query) = self.queries.get(&id) else {
            return;
        };
        let resend_ms = self.resend_ms(&query.exchange, random);
        let own = self.by_id.get(&id).and_then(|key| self.calls.get(key)?.ticket);
        let nonce = own.map(|ticket| ticket.nonce);
        self.link.send(&ClientFrame::Outcome(OutcomeQuery { id, nonce }));
        if let Some(query) = self.queries.get_mut(&id) {
            self.awaiting += 1;
            query.exchange.copy_sent(0, self.now_ms, resend_ms);
        }
        self.arm_query(id);
    }

    /// On a lossy link: when the next copy leaves unless an answer comes. Nothing is sent twice on a
    /// stream.
    fn resend_ms(&self, exchange: &Exchange, random: u8) -> Option<u64> {
        let timeout_ms = self.estimator.timeout_ms(exchange.doublings);
        self.link.is_lossy().then(|| self.now_ms + with_jitter(timeout_ms, random))
    }

    pub(super) fn call_timer(&mut self, key: CallKey) {
        let now_ms = self.now_ms;
        let passed = |time: Option<u64>| time.is_some_and(|at_ms| at_ms <= now_ms);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if passed(call.deadline_ms) {
            call.deadline_ms = None;
            return self.want_cancel(key, NeverSent::DeadlinePassed);
        }
        if passed(call.report_ms) {
            call.report_ms = None;
            if let (Some(ticket), Stage::Open | Stage::Asking(_)) = (call.ticket, &call.stage) {
                let why = Unresolved::NoAnswer;
                self.outputs.push_back(Output::Unresolved { key, id: ticket.id, why });
            }
        }
        if matches!(call.stage, Stage::Open) && call.exchange.is_overdue(now_ms) {
            call.exchange.resend(now_ms);
            self.awaiting = self.awaiting.saturating_sub(1);
        }
        self.arm(key);
    }

    /// Sets the call's alarm; what is due waits for room or a connection, not for a time.
    pub(super) fn arm(&mut self, key: CallKey) {
        let now_ms = self.now_ms;
        let Some(call) = self.calls.get(&key) else {
            return self.timers.set(Subject::Call(key), None);
        };
        let is_due = matches!(call.stage, Stage::Open) && call.exchange.is_due(now_ms);
        let of_application = [call.deadline_ms, call.report_ms].into_iter().flatten().min();
        let alarm_ms = if is_due { of_application } else { call.alarm_ms() };
        let cancelling = call.cancelling;
        if is_due {
            self.make_due(key, cancelling);
        }
        self.timers.set(Subject::Call(key), alarm_ms);
    }

    /// The call is to end unexecuted; when it has no id yet, it ends at once, as `reason` says.
    pub(super) fn want_cancel(&mut self, key: CallKey, reason: NeverSent) {
        let report_ms = self.now_ms + self.config.cancel_ms_max;
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.deadline_ms = None;
        match (&call.stage, call.ticket) {
            (Stage::Queued, _) => {
                self.queue.retain(|queued| *queued != key);
                self.never_sent(key, reason);
            }
            (Stage::Settling { .. }, _) | (_, None) => {}
            (Stage::Journalling | Stage::Open | Stage::Asking(_) | Stage::Parked(_), Some(ticket)) => {
                let (in_journal, first_time) = (matches!(call.stage, Stage::Journalling), !call.cancelling);
                call.report_ms = Some(report_ms);
                call.cancelling = true;
                if matches!(call.stage, Stage::Parked(_)) {
                    call.stage = Stage::Open;
                }
                if first_time {
                    self.journal_now(&Entry::CancelWanted { id: ticket.id });
                    self.due.remove(&Subject::Call(key));
                }
                if first_time && !in_journal || self.is_idle(key) {
                    self.send_again_at(key, self.now_ms);
                }
                self.arm(key);
            }
        }
    }

    /// Open, but neither to be sent nor sent: put back from the parked calls.
    fn is_idle(&self, key: CallKey) -> bool {
        let idle = |call: &Call| matches!(call.stage, Stage::Open) && !call.exchange.is_awaiting();
        self.calls.get(&key).is_some_and(idle)
    }

    /// After a broken connection nothing is known about what was sent on it.
    pub(super) fn ask_everything_again(&mut self) {
        self.awaiting = 0;
        for key in self.open_keys() {
            let call = self.calls.get_mut(&key).expect("an open key names a call");
            if call.exchange.is_awaiting() {
                call.exchange.again_at(self.now_ms);
                call.cancel_door = None;
                let renamed = planted(Flaw::NewIdAfterBrokenConnection) && !call.cancelling;
                if let Some(ticket) = call.ticket.filter(|_| renamed) {
                    self.move_to_successor(key, ticket.id);
                }
            }
            self.arm(key);
        }
        for key in self.reads.keys().copied().collect::<Vec<_>>() {
            let read = self.reads.get_mut(&key).expect("a key names a read");
            if read.exchange.is_awaiting() {
                read.exchange.again_at(self.now_ms);
            }
            self.arm_read(key);
        }
        for id in self.queries.keys().copied().collect::<Vec<_>>() {
            let query = self.queries.get_mut(&id).expect("a key names a query");
            if query.exchange.is_awaiting() {
                query.exchange.again_at(self.now_ms);
            }
            self.arm_query(id);
        }
    }

    /// Of the calls from before a crash: what was secret, or is past its time, is cancelled.
    pub(super) fn cancel_what_cannot_be_sent_again(&mut self) {
        let Some(server_time_us) = self.link.server.as_ref().map(|server| server.time_us(self.now_ms)) else {
            return;
        };
        for key in self.open_keys() {
            let call = self.calls.get_mut(&key).expect("an open key names a call");
            let too_late = call.ticket.and_then(|ticket| ticket.not_after_us);
            let too_late = call.recovered && too_late.is_some_and(|not_after| not_after < server_time_us);
            if (call.body.is_none() || too_late) && !call.cancelling {
                call.cancelling = true;
                self.send_again_at(key, self.now_ms);
                self.due.remove(&Subject::Call(key));
            }
        }
    }
}
