//! How a call ends: its answer becomes durable, then its slot is free and the application hears of it.
//! And everything that goes into the journal. Absent: which answer is an end.

use std::collections::BTreeSet;

use super::calls::{Body, Call, Stage, Ticket};
use super::config::{CallKey, StopReason};
use super::exchange::Exchange;
use super::output::{End, NeverSent, Output, Settled, Unresolved};
use super::sessions::Duty;
use super::{Machine, Subject};
use crate::answer::Answer;
use crate::flaw::{Flaw, planted};
use crate::id::{CallId, ReplyHash, SessionId, Slot};
use crate::journal::{AnsweredCall, Appended, Entry, OpenedCall, Recovered, SessionState};
use crate::limits::{BODY_BYTES_MAX, JOURNAL_BYTES_MAX, JOURNAL_ENVELOPE_BYTES_MAX};

/// What happens when the journal is durable up to a position.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiting {
    /// Nobody waits.
    Nothing,
    /// The call may be sent.
    Begun(CallKey),
    /// The answer may be handed over.
    Answered(CallKey),
    /// The driver may go.
    Closed,
}

impl Appended {
    /// What the driver is asked to do.
    pub(super) fn into_output(self, must_sync: bool) -> Output {
        let Self { position, bytes, reserve_bytes } = self;
        Output::Journal { position, bytes, must_sync, reserve_bytes }
    }
}

impl Machine {
    /// The journal is durable up to `position`.
    pub fn handle_journalled(&mut self, position: u64) {
        if let Some(journal) = &mut self.journal {
            journal.synced(position);
        }
        while let Some((at, waiting)) = self.waiting.front().copied() {
            if at > position {
                break;
            }
            self.waiting.pop_front();
            match waiting {
                Waiting::Nothing => {}
                Waiting::Begun(key) => self.begun(key),
                Waiting::Answered(key) => self.hand_over(key),
                Waiting::Closed => self.outputs.push_back(Output::Closed),
            }
        }
        self.rewrite_if_idle();
        self.pump();
    }

    /// The journal could not be written or synced: what it holds is unknown from here on. The machine
    /// stops; calls that were not sent end so, the others stay open for the next start. Without its
    /// mark a shutdown counts as a crash, but it ends.
    pub fn handle_journal_failed(&mut self) {
        self.waiting.clear();
        let closing = self.stopped == Some(StopReason::Closed);
        self.stop(StopReason::JournalFailed);
        if closing {
            self.outputs.push_back(Output::Closed);
        }
    }

    /// The file of [`Output::RewriteJournal`] could not be put in the journal's place, which is as it was:
    /// it says the same in more words, and stays.
    pub fn handle_rewrite_failed(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.keep_old_file();
        }
    }

    /// Ends the call: `hash` is that of the recorded answer, if it was recorded.
    pub(super) fn settle(&mut self, key: CallKey, end: End, hash: Option<ReplyHash>) {
        self.drop_from_sending(key);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(Ticket { id, .. }) = call.ticket else {
            return;
        };
        (call.deadline_ms, call.report_ms) = (None, None);
        if hash.is_none() {
            self.sessions.stop(id.session);
        }
        let Some(journal) = &mut self.journal else {
            call.stage = Stage::Settling { end, hash };
            return self.hand_over(key);
        };
        let answer = end.to_answer().to_bytes();
        // The answer takes the room that was kept for it.
        journal.release(call.answer_bytes_max);
        let appended = journal.append(&[&Entry::Answered { id, answer: &answer, hash }]);
        call.stage = Stage::Settling { end, hash };
        self.waiting.push_back((appended.position, Waiting::Answered(key)));
        self.outputs.push_back(appended.into_output(true));
        if planted(Flaw::AnswerBeforeJournal) {
            self.hand_over(key);
        }
    }

    /// The answer is durable, or need not be.
    fn hand_over(&mut self, key: CallKey) {
        let Some(call) = self.remove_call(key) else {
            return;
        };
        let (Some(Ticket { id, .. }), Stage::Settling { end, hash }) = (call.ticket, call.stage) else {
            return;
        };
        match hash {
            Some(hash) => self.sessions.settle(id, hash),
            None => self.sessions.settle_unrecorded(id),
        }
        if self.journal.is_some() {
            self.unacknowledged.insert(id);
        }
        let (service, version, label) = (call.service, call.version, call.label);
        self.outputs.push_back(Output::Answer(Settled {
            key,
            id,
            service,
            version,
            label,
            end,
            maybe_seen: false,
        }));
    }

    /// Ends a call that never got an id.
    pub(super) fn never_sent(&mut self, key: CallKey, reason: NeverSent) {
        self.remove_call(key);
        self.outputs.push_back(Output::NeverSent { key, reason });
    }

    /// Nothing more to be done about the call from here; it stays open.
    pub(super) fn park(&mut self, key: CallKey, why: Unresolved) {
        self.drop_from_sending(key);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.stage = Stage::Parked(why.clone());
        (call.deadline_ms, call.report_ms) = (None, None);
        if let Some(Ticket { id, .. }) = call.ticket {
            self.outputs.push_back(Output::Unresolved { key, id, why });
        }
    }

    /// The call awaits nothing and is not to be sent.
    pub(super) fn drop_from_sending(&mut self, key: CallKey) {
        self.due.remove(&Subject::Call(key));
        self.urgent.remove(&key);
        self.timers.set(Subject::Call(key), None);
        if let Some(call) = self.calls.get_mut(&key) {
            if call.exchange.is_awaiting() {
                self.awaiting = self.awaiting.saturating_sub(1);
            }
            call.exchange = Exchange::due_at(0);
        }
    }

    pub(super) fn remove_call(&mut self, key: CallKey) -> Option<Call> {
        self.drop_from_sending(key);
        let call = self.calls.remove(&key)?;
        self.body_bytes = self.body_bytes.saturating_sub(call.body_bytes());
        if let Some(ticket) = call.ticket {
            self.by_id.remove(&ticket.id);
            let keeps_room = !matches!(call.stage, Stage::Settling { .. });
            if let Some(journal) = self.journal.as_mut().filter(|_| keeps_room) {
                journal.release(call.answer_bytes_max);
            }
        }
        Some(call)
    }

    /// The session takes no new calls, also after a restart.
    pub(super) fn stop_session(&mut self, session: SessionId) {
        self.sessions.stop(session);
        self.journal_now(&Entry::Stopped { session });
    }

    /// Appends an entry that need not be durable before anything else happens.
    pub(super) fn journal_now(&mut self, entry: &Entry<'_>) {
        if let Some(journal) = &mut self.journal {
            let appended = journal.append(&[entry]);
            self.outputs.push_back(appended.into_output(false));
        }
    }

    /// Appends entries and waits until they are durable.
    pub(super) fn journal_then(&mut self, entries: &[&Entry<'_>], waiting: Waiting) {
        if let Some(journal) = &mut self.journal {
            let appended = journal.append(entries);
            self.waiting.push_back((appended.position, waiting));
            self.outputs.push_back(appended.into_output(true));
        }
    }

    /// A long journal in which nothing is open is written anew.
    pub(super) fn rewrite_if_idle(&mut self) {
        let idle = self.by_id.is_empty() && self.unacknowledged.is_empty() && self.waiting.is_empty();
        let idle = idle && !self.is_verifying(|_| true);
        let Some(journal) = self.journal.as_mut().filter(|_| idle && self.stopped.is_none()) else {
            return;
        };
        if !journal.is_long() {
            return;
        }
        let sessions: Vec<SessionState> = self.sessions.iter().map(carried_over).collect();
        let appended = journal.rewrite(&sessions);
        let Appended { position, bytes, .. } = appended;
        self.outputs.push_back(Output::RewriteJournal { position, bytes });
    }

    /// Goes on where the journal ends.
    pub(super) fn take_over(&mut self, recovered: Recovered) {
        for session in recovered.sessions {
            let open: BTreeSet<Slot> = slots_of(&recovered.open, session.id).collect();
            let goes_on = (recovered.clean || planted(Flaw::OldSessionGoesOn)) && !session.stopped;
            let duty = if goes_on { Duty::TakesCalls } else { Duty::Settles };
            let facts = (session.store, session.generation, duty);
            self.sessions.restore(session.id, facts, session.slots, &open);
        }
        for answered in recovered.answered {
            self.hand_over_again(answered);
        }
        let answer_bytes_max = answer_bytes_max(recovered.open.len());
        for call in recovered.open.into_iter().filter(|_| !planted(Flaw::OpenCallForgotten)) {
            self.reopen(call, answer_bytes_max);
        }
    }

    fn hand_over_again(&mut self, answered: AnsweredCall) {
        let AnsweredCall { id, service, version, label, answer } = answered;
        let Some(end) = Answer::from_bytes(&answer).ok().and_then(End::of) else {
            return;
        };
        let key = self.next_recovered_key();
        self.unacknowledged.insert(id);
        let maybe_seen = !planted(Flaw::MaybeSeenNotMarked);
        let settled = Settled { key, id, service, version, label, end, maybe_seen };
        self.outputs.push_back(Output::Answer(settled));
    }

    fn reopen(&mut self, opened: OpenedCall, answer_bytes_max: usize) {
        let OpenedCall { id, nonce, previous, service, version, not_after_us, body, label, cancel_wanted } =
            opened;
        let key = self.next_recovered_key();
        let cancelling = cancel_wanted || body.is_none();
        self.body_bytes += body.as_ref().map_or(0, Vec::len);
        let call = Call {
            service,
            version,
            secret: body.is_none(),
            body: body.map(Body),
            label,
            not_after: None,
            ticket: Some(Ticket { id, nonce, previous, not_after_us, replaces: None }),
            deadline_ms: None,
            report_ms: None,
            stage: Stage::Open,
            cancelling,
            recovered: true,
            exchange: Exchange::due_at(0),
            // How many left before the crash nobody knows: at least one may have.
            copies: 1,
            first_connection: None,
            door: None,
            cancel_door: None,
            answer_bytes_max,
        };
        if let Some(journal) = &mut self.journal {
            journal.reserve(call.answer_bytes_max);
        }
        self.calls.insert(key, call);
        self.by_id.insert(id, key);
        self.send_again_at(key, 0);
    }
}

/// Room for the answer of each of `open` recovered calls, in bytes. What their services may answer is not
/// known before the welcome: the longest body, unless so many are open that no journal could hold them.
fn answer_bytes_max(open: usize) -> usize {
    let together = usize::try_from(JOURNAL_BYTES_MAX).unwrap_or(usize::MAX);
    (together / open.max(1)).saturating_sub(JOURNAL_ENVELOPE_BYTES_MAX).min(BODY_BYTES_MAX)
}

fn slots_of(open: &[OpenedCall], session: SessionId) -> impl Iterator<Item = Slot> {
    open.iter().filter(move |call| call.id.session == session).map(|call| call.id.slot)
}

fn carried_over((id, session): (SessionId, &super::sessions::Session)) -> SessionState {
    let call = |slot, sequence| CallId { session: id, slot, sequence };
    let settled = session.last_settled().map(|(slot, (sequence, hash))| (call(slot, sequence), hash));
    SessionState {
        id,
        store: session.store,
        generation: session.generation,
        takes_calls: session.takes_calls(),
        settled: settled.collect(),
    }
}
