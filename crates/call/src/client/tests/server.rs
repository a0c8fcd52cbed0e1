//! A model of the server: the slot table with its rules in memory, and a count of every execution.

use std::collections::{BTreeMap, VecDeque};

use crate::answer::{Answer, DoorCause, Outcome, TransientCause};
use crate::frame::{
    Call, Cancel, ClientFrame, Goodbye, GoodbyeReason, OutcomeQuery, OutcomeReply, Reference, Reply,
    ServerFrame, ServiceLimits, Welcome,
};
use crate::id::{CallId, Nonce, ReplyHash, Sequence, SessionId, Slot, StoreId};
use crate::limits::FRAME_BYTES_MAX;

pub(super) const STORE: StoreId = StoreId([7; 16]);
pub(super) const MINT_TIME_MS: u64 = 1_800_000_000_000;

#[derive(Clone)]
struct Row {
    sequence: Sequence,
    /// Absent when a cancel made the claim.
    call: Option<(Nonce, Vec<u8>)>,
    answer: Vec<u8>,
}

impl Row {
    /// Whether it holds another call than the one with this nonce.
    fn is_another(&self, nonce: Option<Nonce>) -> bool {
        let held = self.call.as_ref().map(|(held, _)| *held);
        matches!((held, nonce), (Some(held), Some(nonce)) if held != nonce)
    }
}

/// What a restart of the server keeps.
#[derive(Clone)]
pub(super) struct ModelServer {
    pub(super) store: StoreId,
    pub(super) generation: u64,
    pub(super) slots_max: u16,
    pub(super) in_flight_max: u32,
    pub(super) mint_time_ms: u64,
    /// Microseconds since 1970.
    pub(super) time_us: u64,
    rows: BTreeMap<(SessionId, Slot), Row>,
    /// Bodies and how often each was executed.
    pub(super) executed: BTreeMap<Vec<u8>, u32>,
    /// Answers to give to the next calls and cancels instead of its own.
    pub(super) scripted: VecDeque<Option<Answer>>,
    pub(super) scripted_outcomes: VecDeque<Outcome>,
    /// Everything that came, for assertions.
    pub(super) received: Vec<ClientFrame>,
    pub(super) goodbye_to_hello: Option<GoodbyeReason>,
    pub(super) silent: bool,
    /// Turns bodies that begin with "forbidden" away.
    pub(super) has_door: bool,
    pub(super) turns_cancels_away: bool,
}

impl ModelServer {
    pub(super) fn new() -> Self {
        Self {
            store: STORE,
            generation: 1,
            slots_max: 4,
            in_flight_max: 64,
            mint_time_ms: MINT_TIME_MS,
            time_us: MINT_TIME_MS * 1000,
            rows: BTreeMap::new(),
            executed: BTreeMap::new(),
            scripted: VecDeque::new(),
            scripted_outcomes: VecDeque::new(),
            received: Vec::new(),
            goodbye_to_hello: None,
            silent: false,
            has_door: true,
            turns_cancels_away: false,
        }
    }

    pub(super) fn executions(&self, body: &str) -> u32 {
        self.executed.get(body.as_bytes()).copied().unwrap_or(0)
    }

    pub(super) fn handle(&mut self, frame: ClientFrame) -> Option<ServerFrame> {
        self.received.push(frame.clone());
        if self.silent {
            return None;
        }
        match frame {
            ClientFrame::Hello(_) => Some(match self.goodbye_to_hello {
                Some(reason) => ServerFrame::Goodbye(Goodbye::new(reason, "no")),
                None => ServerFrame::Welcome(self.welcome()),
            }),
            ClientFrame::Call(call) => {
                let (id, attempt) = (call.id, call.attempt);
                let (answer, replayed) = match self.scripted.pop_front().flatten() {
                    Some(answer) => (answer.to_bytes(), false),
                    None => self.call(call),
                };
                Some(reply(Reference::Call(id), attempt, replayed, answer))
            }
            ClientFrame::Cancel(cancel) => {
                let (answer, replayed) = match self.scripted.pop_front().flatten() {
                    Some(answer) => (answer.to_bytes(), false),
                    None => self.cancel(cancel),
                };
                Some(reply(Reference::Call(cancel.id), 0, replayed, answer))
            }
            ClientFrame::Read(read) => {
                let answer = self.scripted.pop_front().flatten().unwrap_or(Answer::Done(read.body));
                Some(reply(Reference::Read(read.tag), 0, false, answer.to_bytes()))
            }
            ClientFrame::Outcome(query) => {
                let scripted = self.scripted_outcomes.pop_front();
                let outcome = scripted.unwrap_or_else(|| self.outcome(query));
                Some(ServerFrame::Outcome(OutcomeReply { id: query.id, outcome }))
            }
            ClientFrame::Ping(token) => Some(ServerFrame::Pong(token)),
            ClientFrame::Pong(_) | ClientFrame::Goodbye(_) => None,
        }
    }

    fn welcome(&self) -> Welcome {
        Welcome {
            version: 1,
            store: self.store,
            generation: self.generation,
            server_time_us: self.time_us,
            mint_time_ms: self.mint_time_ms,
            slots_max: self.slots_max,
            frame_bytes_max: u32::try_from(FRAME_BYTES_MAX).unwrap(),
            in_flight_max: self.in_flight_max,
            idle_ms_max: 60_000,
            services: vec![ServiceLimits {
                service: "bank".to_owned(),
                version_min: 1,
                version_max: 1,
                body_bytes_max: 1000,
                reply_bytes_max: 1000,
            }],
            greeting: "model".to_owned(),
            principal: "operator".to_owned(),
        }
    }

    fn call(&mut self, call: Call) -> (Vec<u8>, bool) {
        let body = call.body.clone();
        if self.has_door && body.starts_with(b"forbidden") {
            return (Answer::door(DoorCause::NotPermitted, "not for you").to_bytes(), false);
        }
        if let Err(answer) = self.claimable(call.id, Some(call.previous)) {
            let Some(row) = self.rows.get(&(call.id.session, call.id.slot)) else {
                return (answer.to_bytes(), false);
            };
            if row.sequence != call.id.sequence {
                return (answer.to_bytes(), false);
            }
            return match &row.call {
                None => (row.answer.clone(), true),
                Some((nonce, _)) if *nonce != call.nonce => (Answer::CopiedJournal.to_bytes(), false),
                Some((_, first)) if *first != call.body => (Answer::CallIdReused.to_bytes(), false),
                Some(_) => (row.answer.clone(), true),
            };
        }
        let answer = if call.not_after_us.is_some_and(|not_after| not_after < self.time_us) {
            Answer::TooLate
        } else {
            *self.executed.entry(body.clone()).or_default() += 1;
            if body.starts_with(b"refused") {
                Answer::Refused(body.clone())
            } else {
                Answer::Done(body.clone())
            }
        };
        (self.record(call.id, Some((call.nonce, body)), &answer), false)
    }

    fn cancel(&mut self, cancel: Cancel) -> (Vec<u8>, bool) {
        if self.turns_cancels_away {
            return (Answer::door(DoorCause::NotPermitted, "no cancel either").to_bytes(), false);
        }
        match self.claimable(cancel.id, cancel.previous) {
            Ok(()) => (self.record(cancel.id, None, &Answer::Cancelled), false),
            Err(answer) => match self.rows.get(&(cancel.id.session, cancel.id.slot)) {
                Some(row) if row.sequence == cancel.id.sequence && row.is_another(cancel.nonce) => {
                    (Answer::CopiedJournal.to_bytes(), false)
                }
                Some(row) if row.sequence == cancel.id.sequence => (row.answer.clone(), true),
                _ => (answer.to_bytes(), false),
            },
        }
    }

    fn record(&mut self, id: CallId, call: Option<(Nonce, Vec<u8>)>, answer: &Answer) -> Vec<u8> {
        let answer = answer.to_bytes();
        let row = Row { sequence: id.sequence, call, answer: answer.clone() };
        self.rows.insert((id.session, id.slot), row);
        answer
    }

    /// Whether a claim of `id` would meet the row before it; otherwise what a stranger to the row hears.
    fn claimable(&self, id: CallId, previous: Option<ReplyHash>) -> Result<(), Answer> {
        let row = self.rows.get(&(id.session, id.slot));
        let (last, hash) = match row {
            None => (0, ReplyHash::NONE),
            Some(row) => {
                let of = CallId { sequence: row.sequence, ..id };
                (row.sequence.number(), ReplyHash::of(of, &row.answer))
            }
        };
        match id.sequence.number() {
            n if n < last => Err(Answer::Superseded),
            n if n == last + 1 && previous.is_none_or(|previous| previous == hash) => Ok(()),
            _ => Err(Answer::Gap),
        }
    }

    fn outcome(&self, OutcomeQuery { id, nonce }: OutcomeQuery) -> Outcome {
        match self.rows.get(&(id.session, id.slot)) {
            Some(row) if row.sequence == id.sequence && row.answer == Answer::Cancelled.to_bytes() => {
                Outcome::Cancelled
            }
            Some(row) if row.sequence == id.sequence && row.is_another(nonce) => Outcome::CopiedJournal,
            Some(row) if row.sequence == id.sequence => Outcome::Done(row.answer.clone()),
            Some(row) if row.sequence > id.sequence => Outcome::Superseded,
            Some(_) | None => Outcome::NotYet,
        }
    }
}

pub(super) fn overloaded() -> Answer {
    Answer::transient(TransientCause::Overloaded, 20)
}

fn reply(reference: Reference, attempt: u32, replayed: bool, answer: Vec<u8>) -> ServerFrame {
    ServerFrame::Reply(Reply { reference, attempt, replayed, answer })
}
