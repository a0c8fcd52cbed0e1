//! Reads and outcome queries: questions without effect, asked again when a connection breaks, answered
//! or given up. Absent: calls.

use super::config::{CallKey, NewRead, ReadKey, StopReason};
use super::exchange::Exchange;
use super::output::{Alarm, Output, ReadFailure};
use super::sessions::Session;
use super::{Machine, Subject};
use crate::answer::{Answer, Outcome, Settles};
use crate::flaw::{Flaw, planted};
use crate::frame::{OutcomeReply, Reply};
use crate::id::{CallId, Generation, ReplyHash, SessionId, StoreId};
use crate::journal::Entry;
use crate::limits::{RETRY_MS_MAX, RETRY_MS_MIN};

/// An open read.
pub(super) struct ReadQuestion {
    pub(super) question: NewRead,
    pub(super) exchange: Exchange,
}

/// An open outcome query, and everyone who waits for its answer.
pub(super) struct Query {
    pub(super) exchange: Exchange,
    pub(super) for_application: bool,
    /// An open call that met `Superseded`, `Forgotten` or `CallIdReused`.
    pub(super) for_call: Option<CallKey>,
    /// A settled call that a restored store must still know.
    pub(super) verify: Option<(ReplyHash, Generation)>,
}

impl Machine {
    /// Asks after a call id, or joins those who do.
    pub(super) fn ask(&mut self, id: CallId, join: impl FnOnce(&mut Query)) {
        let fresh =
            || Query { exchange: Exchange::due_at(0), for_application: false, for_call: None, verify: None };
        let mut is_new = false;
        join(self.queries.entry(id).or_insert_with(|| {
            is_new = true;
            fresh()
        }));
        if is_new {
            self.arm_query(id);
        }
    }

    /// A restored store must still know the last settled call of every slot.
    pub(super) fn verify_generation(&mut self, store: StoreId, generation: Generation) {
        if planted(Flaw::GenerationIgnored) {
            return;
        }
        let changed: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.store == store && session.generation != generation)
            .map(|(id, _)| id)
            .collect();
        for (id, hash) in self.sessions.note_generation(store, generation) {
            self.ask(id, |query| query.verify = Some((hash, generation)));
        }
        for id in changed {
            self.journal_generation(id);
        }
    }

    /// The journal names a new generation only once every slot was asked after: a client that is stopped before
    /// that asks again.
    fn journal_generation(&mut self, id: SessionId) {
        if self.is_verifying(|call| call.session == id) {
            return;
        }
        if let Some(&Session { store, generation, .. }) = self.sessions.find(id) {
            self.journal_now(&Entry::Session { id, store, generation });
        }
    }

    /// Whether a restored store has still to be asked after one of these calls.
    pub(super) fn is_verifying(&self, about: impl Fn(&CallId) -> bool) -> bool {
        self.queries.iter().any(|(id, query)| about(id) && query.verify.is_some())
    }

    pub(super) fn outcome_reply(&mut self, reply: OutcomeReply) {
        let OutcomeReply { id, outcome } = reply;
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        if let Outcome::Unavailable { retry_after_ms } = outcome {
            if query.exchange.is_awaiting() {
                self.awaiting = self.awaiting.saturating_sub(1);
            }
            query.exchange.again_at(self.now_ms + retry_ms(retry_after_ms));
            return self.arm_query(id);
        }
        let Some(query) = self.remove_query(id) else {
            return;
        };
        if let Some((hash, generation)) = query.verify {
            self.verified(id, (hash, generation), &outcome);
            self.journal_generation(id.session);
        }
        if let Some(key) = query.for_call {
            self.outcome_of_call(key, id, &outcome);
        }
        if query.for_application {
            self.outputs.push_back(Output::OutcomeKnown { id, outcome });
        }
    }

    fn verified(&mut self, id: CallId, (hash, generation): (ReplyHash, Generation), outcome: &Outcome) {
        let kept = match outcome {
            Outcome::Done(answer) => ReplyHash::of(id, answer) == hash,
            Outcome::Cancelled => ReplyHash::of(id, &Answer::Cancelled.to_bytes()) == hash,
            // The slot's next call named this answer's hash when it was claimed.
            Outcome::Superseded => true,
            // Too old to tell.
            Outcome::Forgotten | Outcome::Unavailable { .. } => true,
            Outcome::NotYet | Outcome::Expired | Outcome::CopiedJournal => false,
            Outcome::NotYours => {
                self.stop_session(id.session);
                return self.outputs.push_back(Output::Alarm(Alarm::NotYours { id }));
            }
        };
        if !kept {
            self.stop_session(id.session);
            self.outputs.push_back(Output::Alarm(Alarm::StoreLost { id, generation }));
        }
    }

    pub(super) fn read_reply(&mut self, key: ReadKey, reply: &Reply) {
        let Some(read) = self.reads.get_mut(&key) else {
            return;
        };
        if !read.exchange.is_awaiting() && !self.link.is_lossy() {
            return;
        }
        let answer = match Answer::from_bytes(&reply.answer) {
            Ok(answer) => answer,
            Err(error) => return self.protocol_broken(format!("an answer to a read: {error}")),
        };
        match answer.settles() {
            Settles::TryAgain => {
                let Answer::Transient(transient) = answer else {
                    return;
                };
                if read.exchange.is_awaiting() {
                    self.awaiting = self.awaiting.saturating_sub(1);
                }
                read.exchange.again_at(self.now_ms + retry_ms(transient.retry_after_ms));
                self.arm_read(key);
            }
            Settles::Ended
            | Settles::Elsewhere
            | Settles::AskOutcome
            | Settles::StopSession
            | Settles::CancelIt => {
                self.remove_read(key);
                self.outputs.push_back(Output::ReadAnswer { key, answer });
            }
        }
    }

    pub(super) fn read_timer(&mut self, key: ReadKey) {
        let now_ms = self.now_ms;
        let Some(read) = self.reads.get_mut(&key) else {
            return;
        };
        if read.question.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms) {
            self.remove_read(key);
            let reason = ReadFailure::DeadlinePassed;
            return self.outputs.push_back(Output::ReadFailed { key, reason });
        }
        if read.exchange.is_overdue(now_ms) {
            self.awaiting = self.awaiting.saturating_sub(1);
            read.exchange.resend(now_ms);
        }
        self.arm_read(key);
    }

    pub(super) fn query_timer(&mut self, id: CallId) {
        let now_ms = self.now_ms;
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        if query.exchange.is_overdue(now_ms) {
            self.awaiting = self.awaiting.saturating_sub(1);
            query.exchange.resend(now_ms);
        }
        self.arm_query(id);
    }

    /// Sets the query's alarm; what is due waits for room or a connection, not for a time.
    pub(super) fn arm_query(&mut self, id: CallId) {
        let due = self.queries.get(&id).is_some_and(|query| query.exchange.is_due(self.now_ms));
        if due {
            self.due.insert(Subject::Query(id));
        }
        let alarm_ms = self.queries.get(&id).and_then(|query| query.exchange.alarm_ms());
        self.timers.set(Subject::Query(id), alarm_ms.filter(|_| !due));
    }

    /// The same for a read.
    pub(super) fn arm_read(&mut self, key: ReadKey) {
        let Some(read) = self.reads.get(&key) else {
            return self.timers.set(Subject::Read(key), None);
        };
        let due = read.exchange.is_due(self.now_ms);
        let sending_ms = read.exchange.alarm_ms().filter(|_| !due);
        let alarm_ms = [sending_ms, read.question.deadline_ms].into_iter().flatten().min();
        if due {
            self.due.insert(Subject::Read(key));
        }
        self.timers.set(Subject::Read(key), alarm_ms);
    }

    fn remove_read(&mut self, key: ReadKey) {
        if let Some(read) = self.reads.remove(&key) {
            self.body_bytes = self.body_bytes.saturating_sub(read.question.body.len());
            if read.exchange.is_awaiting() {
                self.awaiting = self.awaiting.saturating_sub(1);
            }
        }
        self.due.remove(&Subject::Read(key));
        self.timers.set(Subject::Read(key), None);
    }

    fn remove_query(&mut self, id: CallId) -> Option<Query> {
        let query = self.queries.remove(&id)?;
        if query.exchange.is_awaiting() {
            self.awaiting = self.awaiting.saturating_sub(1);
        }
        self.due.remove(&Subject::Query(id));
        self.timers.set(Subject::Query(id), None);
        Some(query)
    }

    pub(super) fn stop_questions(&mut self, reason: StopReason) {
        for key in self.reads.keys().copied().collect::<Vec<_>>() {
            self.remove_read(key);
            let reason = ReadFailure::Stopped(reason);
            self.outputs.push_back(Output::ReadFailed { key, reason });
        }
        for id in self.queries.keys().copied().collect::<Vec<_>>() {
            if self.remove_query(id).is_some_and(|query| query.for_application) {
                let outcome = Outcome::Unavailable { retry_after_ms: 0 };
                self.outputs.push_back(Output::OutcomeKnown { id, outcome });
            }
        }
    }
}

/// How long to wait when a server asks for it, within our own bounds, in milliseconds.
pub(super) fn retry_ms(asked_ms: u32) -> u64 {
    u64::from(asked_ms).clamp(RETRY_MS_MIN, RETRY_MS_MAX)
}
