//! What each answer of a server means for an open call: the table "answer, an outcome?, what the client
//! may do" of docs/exactly-once.md. A reply is matched by its full call id; anything but an open call's
//! is dropped. Absent: how an end becomes durable.

use super::Machine;
use super::calls::{Call, Stage, Ticket};
use super::config::CallKey;
use super::output::{Alarm, End, Output, Unresolved};
use super::questions::retry_ms;
use super::settling::Waiting;
use crate::answer::{Answer, Door, Outcome};
use crate::flaw::{Flaw, planted};
use crate::frame::{Reference, Reply};
use crate::id::{CallId, ReplyHash};
use crate::journal::Entry;

impl Machine {
    pub(super) fn reply(&mut self, reply: Reply) {
        match reply.reference {
            Reference::Read(tag) => self.read_reply(super::ReadKey(tag), &reply),
            Reference::Call(id) => self.call_reply(id, &reply),
        }
    }

    fn call_reply(&mut self, id: CallId, reply: &Reply) {
        let id = if planted(Flaw::ReplyMatchedBySlot) { self.open_in_slot_of(id) } else { id };
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
            Answer::Transient(_) if planted(Flaw::NewIdAfterTransient) && !of_cancel => {
                self.move_to_successor(key, id);
            }
            Answer::Transient(transient) => {
                self.try_again(key, of_cancel, retry_ms(transient.retry_after_ms));
            }
        }
    }

    /// Any open call of the same session and slot.
    fn open_in_slot_of(&self, id: CallId) -> CallId {
        let same_slot = |open: &&CallId| (open.session, open.slot) == (id.session, id.slot);
        self.by_id.keys().find(same_slot).copied().unwrap_or(id)
    }

    fn cancelled(&mut self, key: CallKey, hash: Option<ReplyHash>) {
        let door = self.calls.get_mut(&key).and_then(|call| call.door.take());
        self.settle(key, door.map_or(End::Cancelled, End::TurnedAway), hash);
    }

    /// Another call holds this id: ours was not executed and never will be under it. It goes on under its
    /// successor, also when it is to end: a copy of this journal may have gone on there before.
    fn copied_journal(&mut self, key: CallKey, id: CallId) {
        self.stop_session(id.session);
        self.outputs.push_back(Output::Alarm(Alarm::JournalCopied { id }));
        self.move_to_successor(key, id);
    }

    /// The call goes on under the one id that every copy of its journal finds for it, with the same nonce and
    /// the same bytes. So it is executed once, however many copies there are.
    pub(super) fn move_to_successor(&mut self, key: CallKey, id: CallId) {
        self.drop_from_sending(key);
        let session = self.sessions.find(id.session).map(|session| (session.store, session.generation));
        let Some((store, generation)) = session else {
            return;
        };
        let Some((call, ticket)) =
            self.calls.get_mut(&key).and_then(|call| call.ticket.map(|ticket| (call, ticket)))
        else {
            return;
        };
        let successor = id.successor(ticket.nonce);
        call.ticket = Some(Ticket { id: successor, previous: ReplyHash::NONE, replaces: Some(id), ..ticket });
        call.stage = Stage::Journalling;
        // A copy of the journal may have sent it before.
        (call.copies, call.first_connection, call.recovered) = (1, None, false);
        (call.door, call.cancel_door) = (None, None);
        self.by_id.remove(&id);
        self.by_id.insert(successor, key);
        self.sessions.settle_unrecorded(id);
        self.sessions.adopt(successor.session, store, generation);
        let cancelling = call.cancelling;
        let (Some(journal), Some(begun)) = (&mut self.journal, call.begun()) else {
            return self.begun(key);
        };
        let session = Entry::Session { id: successor.session, store, generation };
        let (begun, cancel) = (Entry::Begun(begun), Entry::CancelWanted { id: successor });
        let entries = [&session, &begun, &cancel];
        let appended = journal.append(if cancelling { &entries } else { &entries[..2] });
        self.waiting.push_back((appended.position, Waiting::Begun(key)));
        self.outputs.push_back(appended.into_output(true));
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
        let of_this_id = |call: &&Call| call.ticket.is_some_and(|ticket| ticket.id == id);
        let Some(Stage::Asking(why)) = self.calls.get(&key).filter(of_this_id).map(|call| &call.stage) else {
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
