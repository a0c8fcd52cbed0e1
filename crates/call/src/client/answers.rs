//! What each answer of a server means for an open call: the table "answer, an outcome?, what the client
//! may do" of docs/exactly-once.md. A reply is matched by its full call id; anything but an open call's
//! is dropped. Absent: how an end becomes durable.

use super::Machine;
use super::calls::{Stage, Ticket};
use super::config::{CallKey, NotAfter};
use super::output::{Alarm, End, Output, Unresolved};
use super::questions::retry_ms;
use crate::answer::{Answer, Door, Outcome};
use crate::frame::{Reference, Reply};
use crate::id::{CallId, ReplyHash};

impl Machine {
    pub(super) fn reply(&mut self, reply: Reply) {
        match reply.reference {
            Reference::Read(tag) => self.read_reply(super::ReadKey(tag), &reply),
            Reference::Call(id) => self.call_reply(id, &reply),
        }
    }

    fn call_reply(&mut self, id: CallId, reply: &Reply) {
        let Some(&key) = self.by_id.get(&id) else {
            return;
        };
        let Some(call) = self.calls.get(&key).filter(|call| call.can_settle()) else {
            return;
        };
        let answer = match Answer::from_bytes(&reply.answer) {
            Ok(answer) => answer,
            Err(error) => return self.protocol_broken(format!("the answer to call {id}: {error}")),
        };
        if let Some(sent_ms) = call.exchange.sent_at(reply.attempt) {
            self.estimator.sample(self.now_ms.saturating_sub(sent_ms));
        }
        let of_cancel = reply.attempt == 0;
        let hash = answer.is_recorded().then(|| ReplyHash::of(id, &reply.answer));
        match answer {
            Answer::Done(_) | Answer::Refused(_) | Answer::TooLate | Answer::Expired => {
                let end = End::of(answer).expect("each of these four is an end");
                self.settle(key, end, hash);
            }
            Answer::Cancelled => self.cancelled(key, hash),
            Answer::CopiedJournal => self.copied_journal(key, id),
            Answer::CallIdReused => {
                self.ask_after(key, Some(Alarm::CallIdReused { id }), Unresolved::CallIdReused(None));
            }
            Answer::Superseded => {
                self.ask_after(key, Some(Alarm::Superseded { id }), Unresolved::Superseded);
            }
            Answer::Forgotten => self.ask_after(key, None, Unresolved::Forgotten),
            Answer::Gap => self.stop_and_park(key, Alarm::Gap { id }, Unresolved::Gap),
            Answer::NotYours => self.stop_and_park(key, Alarm::NotYours { id }, Unresolved::NotYours),
            Answer::WrongStore => self.call_of_wrong_store(key),
            Answer::Door(door) if of_cancel => self.cancel_turned_away(key, door),
            Answer::Door(door) => self.turned_away(key, door),
            Answer::Transient(transient) => {
                self.try_again(key, of_cancel, retry_ms(transient.retry_after_ms));
            }
        }
    }

    fn cancelled(&mut self, key: CallKey, hash: Option<ReplyHash>) {
        let door = self.calls.get_mut(&key).and_then(|call| call.door.take());
        self.settle(key, door.map_or(End::Cancelled, End::TurnedAway), hash);
    }

    /// Another call holds this id: ours was not executed and never will be under it. It is sent again
    /// from a new session, unless it was to end anyway or its bytes are gone.
    fn copied_journal(&mut self, key: CallKey, id: CallId) {
        self.stop_session(id.session);
        self.outputs.push_back(Output::Alarm(Alarm::JournalCopied { id }));
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        if call.cancelling || call.body.is_none() || self.stopped.is_some() {
            return self.settle(key, End::CopiedJournal, None);
        }
        self.drop_from_sending(key);
        let call = self.calls.get_mut(&key).expect("it was there a moment ago");
        call.not_after = call
            .not_after
            .or_else(|| call.ticket.and_then(|ticket| ticket.not_after_us).map(NotAfter::ServerTimeUs));
        call.ticket = None;
        call.stage = Stage::Queued { replaces: Some(id) };
        (call.copies, call.first_connection, call.recovered) = (0, None, false);
        (call.door, call.cancel_door) = (None, None);
        let answer_bytes_max = call.answer_bytes_max;
        self.by_id.remove(&id);
        self.sessions.settle_unrecorded(id);
        if let Some(journal) = &mut self.journal {
            journal.release(answer_bytes_max);
        }
        self.queue.push_front(key);
        self.arm(key);
    }

    /// A call between its spoilt id and its new one is to end: it was never executed.
    pub(super) fn end_copied(&mut self, key: CallKey, spoilt: CallId) {
        if let Some(call) = self.calls.get_mut(&key) {
            let (nonce, previous) = (crate::id::Nonce([0; 16]), ReplyHash::NONE);
            let ticket = Ticket { id: spoilt, nonce, previous, not_after_us: None, replaces: None };
            call.ticket = Some(ticket);
            if let Some(journal) = &mut self.journal {
                journal.reserve(call.answer_bytes_max);
            }
            self.by_id.insert(spoilt, key);
            self.settle(key, End::CopiedJournal, None);
        }
    }

    /// Never again under this id, perhaps already: the outcome is asked for.
    fn ask_after(&mut self, key: CallKey, alarm: Option<Alarm>, why: Unresolved) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let (Some(Ticket { id, .. }), Stage::Open) = (call.ticket, &call.stage) else {
            return;
        };
        self.stop_session(id.session);
        self.outputs.extend(alarm.map(Output::Alarm));
        self.drop_from_sending(key);
        if let Some(call) = self.calls.get_mut(&key) {
            call.stage = Stage::Asking(why);
        }
        self.ask(id, |query| query.for_call = Some(key));
        self.arm(key);
    }

    pub(super) fn outcome_of_call(&mut self, key: CallKey, id: CallId, outcome: &Outcome) {
        let Some(Stage::Asking(why)) = self.calls.get(&key).map(|call| &call.stage) else {
            return;
        };
        let why = why.clone();
        if let Unresolved::CallIdReused(_) = why {
            // What is known there is the fate of other bytes: no answer to ours.
            return self.park(key, Unresolved::CallIdReused(Some(outcome.clone())));
        }
        match outcome {
            Outcome::Done(bytes) => match Answer::from_bytes(bytes).ok().and_then(End::of) {
                Some(end) => self.settle(key, end, Some(ReplyHash::of(id, bytes))),
                None => self.park(key, why),
            },
            Outcome::Cancelled => {
                let hash = ReplyHash::of(id, &Answer::Cancelled.to_bytes());
                self.cancelled(key, Some(hash));
            }
            Outcome::Expired => self.settle(key, End::Expired, None),
            Outcome::Superseded => self.park(key, Unresolved::Superseded),
            Outcome::Forgotten => self.park(key, Unresolved::Forgotten),
            Outcome::NotYours => self.stop_and_park(key, Alarm::NotYours { id }, Unresolved::NotYours),
            Outcome::CopiedJournal => self.copied_journal(key, id),
            Outcome::NotYet | Outcome::Unavailable { .. } => self.park(key, why),
        }
    }

    fn stop_and_park(&mut self, key: CallKey, alarm: Alarm, why: Unresolved) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        if let (Some(ticket), false) = (call.ticket, matches!(call.stage, Stage::Parked(_))) {
            self.stop_session(ticket.id.session);
            self.outputs.push_back(Output::Alarm(alarm));
            self.park(key, why);
        }
    }

    fn call_of_wrong_store(&mut self, key: CallKey) {
        let ticket = self.calls.get(&key).and_then(|call| call.ticket);
        let session = ticket.and_then(|ticket| self.sessions.find(ticket.id.session));
        let Some(expected) = session.map(|session| session.store) else {
            return;
        };
        let found = self.link.server.as_ref().map(|server| server.store);
        let alarm = Alarm::WrongStore { node: self.link.node(), expected, found };
        self.stop_and_park(key, alarm, Unresolved::WrongStore);
    }

    /// The same bytes would be turned away again: cancel.
    fn turned_away(&mut self, key: CallKey, door: Door) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| matches!(call.stage, Stage::Open)) else {
            return;
        };
        call.door = Some(door);
        if !call.cancelling {
            call.cancelling = true;
            return self.send_again_at(key, self.now_ms);
        }
        if let Some(cancel_door) = call.cancel_door.clone() {
            self.cancel_turned_away(key, cancel_door);
        }
    }

    /// Not even the cancel came in. When the one copy that ever left was answered by the door on this
    /// same connection, no copy is left that could be executed.
    fn cancel_turned_away(&mut self, key: CallKey, door: Door) {
        let connection = self.link.number;
        let is_lossy = self.link.is_lossy();
        let Some(call) = self.calls.get_mut(&key).filter(|call| matches!(call.stage, Stage::Open)) else {
            return;
        };
        let here = call.first_connection == Some(connection);
        let never_left = call.copies == 0;
        match call.door.take() {
            Some(first) if call.copies == 1 && here && !is_lossy => {
                self.settle(key, End::TurnedAway(first), None);
            }
            None if never_left => self.settle(key, End::TurnedAway(door), None),
            // The call itself is still to be answered here.
            None if here && !is_lossy => call.cancel_door = Some(door),
            Some(first) => self.park(key, Unresolved::TurnedAway(first)),
            None => self.park(key, Unresolved::TurnedAway(door)),
        }
    }

    /// No outcome: the same bytes under the same id again.
    fn try_again(&mut self, key: CallKey, of_cancel: bool, wait_ms: u64) {
        let now_ms = self.now_ms;
        let Some(call) = self.calls.get(&key).filter(|call| matches!(call.stage, Stage::Open)) else {
            return;
        };
        // An answer to a copy that is no longer what is being asked.
        if of_cancel == call.cancelling && call.exchange.is_awaiting() {
            self.send_again_at(key, now_ms + wait_ms);
        }
    }
}
