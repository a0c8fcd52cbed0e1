//! The client machine, fed whatever a server, a network, a disk and an application can do to it, in any order.
//!
//! Held: an end that is handed over was told by a server, under that very id; each call ends once; a durable client sends
//! nothing and hands nothing over that its journal does not hold; a call's copies are equal; it comes to rest.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_call::answer::{Answer, DoorCause, Outcome, TransientCause};
use switchboard_call::client::{CallKey, Config, End, Machine, NewCall, NewRead, NotAfter, Output};
use switchboard_call::frame::{
    Call, ClientFrame, Goodbye, GoodbyeReason, Inbox, OutcomeReply, Reference, Reply, ServerFrame, Welcome,
};
use switchboard_call::id::{CallId, StoreId};
use switchboard_call::journal::{Binding, recover};
use switchboard_call::limits::FRAME_BYTES_MAX;

use crate::input::Input;
use crate::wire::{STORE, framed};

/// Most outputs of one step.
const OUTPUTS_MAX: usize = 4096;

/// First byte: with or without a journal. Then steps.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut driver = Driver::new(!input.byte().is_multiple_of(2));
    driver.step(8, &mut Input::new(&[]));
    while let Some(what) = input.next() {
        driver.step(what, &mut input);
        driver.drain();
    }
}

/// Does what the client's driver does, and watches.
struct Driver {
    machine: Machine,
    now_ms: u64,
    durable: bool,
    link: Link,
    /// The server's bytes as the client has to understand them.
    inbox: Inbox,
    /// Frames of the client, cut as a server cuts them.
    sent: Inbox,
    journal: JournalFile,
    keys: Vec<CallKey>,
    reads: u64,
    begun: Vec<CallId>,
    copies: BTreeMap<CallId, Call>,
    /// Everything that a server said about an id.
    told: BTreeMap<CallId, Vec<End>>,
    ended: BTreeSet<CallKey>,
    handed_over: Vec<CallId>,
}

#[derive(PartialEq, Eq, Clone, Copy, Debug)]
enum Link {
    Down,
    Connecting,
    Up,
}

#[derive(Default)]
struct JournalFile {
    bytes: Vec<u8>,
    durable_bytes: usize,
    /// Position behind the bytes, as the machine counts.
    position: u64,
    durable_position: u64,
}

fn here() -> Binding {
    Binding::new("machine", "operator")
}

/// A source that repeats: the same bytes are the same story.
fn random() -> switchboard_call::client::Random {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    Box::new(move |buffer| {
        for byte in buffer {
            // Marsaglia, Xorshift RNGs (2003).
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state.to_be_bytes()[0];
        }
    })
}

impl Driver {
    fn new(durable: bool) -> Self {
        let config = if durable { Config::durable("fuzz", here()) } else { Config::volatile("fuzz") };
        Self {
            machine: Machine::new(config, random()),
            now_ms: 0,
            durable,
            link: Link::Down,
            inbox: Inbox::new(FRAME_BYTES_MAX),
            sent: Inbox::new(FRAME_BYTES_MAX),
            journal: JournalFile::default(),
            keys: Vec::new(),
            reads: 0,
            begun: Vec::new(),
            copies: BTreeMap::new(),
            told: BTreeMap::new(),
            ended: BTreeSet::new(),
            handed_over: Vec::new(),
        }
    }

    fn step(&mut self, what: u8, input: &mut Input<'_>) {
        match what % 16 {
            0 => self.receive(input.piece()),
            1 => {
                let frame = framed(input.byte() % 16, input.byte() % 2, input.piece());
                self.receive(&frame);
            }
            2 => self.connected(),
            3 => {
                let welcome = welcome(input.byte());
                self.receive_frame(&ServerFrame::Welcome(welcome));
            }
            4 | 5 => self.begin(input.byte(), input.piece()),
            6 | 7 => self.reply(input),
            8 => self.pass(u64::from(input.byte()).pow(2)),
            9 => self.sync(),
            10 => self.outcome(input),
            11 => self.cancel_or_retry(input.byte(), input.byte()),
            12 => self.acknowledge(input.byte()),
            13 => self.read(input.byte(), input.piece()),
            14 => self.lose_link(),
            _ => self.goodbye(input.byte()),
        }
    }

    fn connected(&mut self) {
        if self.link == Link::Connecting {
            self.link = Link::Up;
            (self.inbox, self.sent) = (Inbox::new(FRAME_BYTES_MAX), Inbox::new(FRAME_BYTES_MAX));
            self.machine.handle_connected(self.now_ms, Some(b"credential".to_vec()));
        }
    }

    fn lose_link(&mut self) {
        if self.link != Link::Down {
            self.link = Link::Down;
            self.machine.handle_disconnected(self.now_ms);
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.machine.handle_timer(self.now_ms);
    }

    fn receive_frame(&mut self, frame: &ServerFrame) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.receive(&bytes);
    }

    /// What a server said counts from the moment its bytes are there, whatever the client makes of them.
    fn receive(&mut self, bytes: &[u8]) {
        if self.link != Link::Up {
            return;
        }
        self.inbox.push(bytes);
        while let Ok(Some(raw)) = self.inbox.next_frame() {
            match ServerFrame::decode(raw) {
                Ok(ServerFrame::Reply(Reply { reference: Reference::Call(id), answer, .. })) => {
                    let end = Answer::from_bytes(&answer).ok().and_then(End::of);
                    self.told.entry(id).or_default().extend(end);
                }
                Ok(ServerFrame::Outcome(reply)) => {
                    self.told.entry(reply.id).or_default().extend(end_of_outcome(&reply.outcome));
                }
                Ok(_) | Err(_) => {}
            }
        }
        self.machine.handle_bytes(self.now_ms, bytes);
    }

    fn begin(&mut self, how: u8, body: &[u8]) {
        let call = NewCall {
            service: "bank".to_owned(),
            version: 1,
            body: body.to_vec(),
            not_after: (how & 1 > 0).then_some(NotAfter::WithinMs(u64::from(how))),
            deadline_ms: (how & 2 > 0).then_some(self.now_ms + u64::from(how) * 16),
            secret: how & 4 > 0,
            label: "label".to_owned(),
        };
        if let Ok(key) = self.machine.begin(self.now_ms, call) {
            self.keys.push(key);
        }
    }

    fn id(&self, which: u8) -> Option<CallId> {
        let count = self.begun.len();
        (count > 0).then(|| self.begun[usize::from(which) % count])
    }

    fn reply(&mut self, input: &mut Input<'_>) {
        let (which, attempt, code, body) = (input.byte(), input.byte(), input.byte(), input.piece());
        if let Some(id) = self.id(which) {
            let reference = Reference::Call(id);
            let answer = answer(code, body);
            let attempt = u32::from(attempt % 4);
            self.receive_frame(&ServerFrame::Reply(Reply { reference, attempt, replayed: false, answer }));
        }
    }

    fn outcome(&mut self, input: &mut Input<'_>) {
        let (which, code, body) = (input.byte(), input.byte(), input.piece());
        let Some(id) = self.id(which) else { return };
        let outcome = match code % 10 {
            0 => Outcome::Done(answer(code / 10, body)),
            1 => Outcome::Cancelled,
            2 => Outcome::NotYet,
            3 => Outcome::Superseded,
            4 => Outcome::Expired,
            5 => Outcome::Forgotten,
            6 => Outcome::NotYours,
            7 => Outcome::Unavailable { retry_after_ms: u32::from(code) },
            8 => Outcome::CopiedJournal,
            _ => {
                let _ = self.machine.outcome(self.now_ms, id);
                return;
            }
        };
        self.receive_frame(&ServerFrame::Outcome(OutcomeReply { id, outcome }));
    }

    fn cancel_or_retry(&mut self, what: u8, which: u8) {
        if self.keys.is_empty() {
            return;
        }
        let key = self.keys[usize::from(which) % self.keys.len()];
        match what % 4 {
            0 | 1 => self.machine.cancel(self.now_ms, key),
            2 => self.machine.retry(self.now_ms, key),
            _ => {
                if let Some(id) = self.machine.call_id(key)
                    && self.machine.abandon(id)
                {
                    self.ended.insert(key);
                }
            }
        }
    }

    fn acknowledge(&mut self, which: u8) {
        if !self.handed_over.is_empty() {
            let id = self.handed_over[usize::from(which) % self.handed_over.len()];
            self.machine.acknowledge(id);
        }
    }

    fn read(&mut self, how: u8, body: &[u8]) {
        if how.is_multiple_of(2) {
            let question =
                NewRead { service: "bank".to_owned(), version: 1, body: body.to_vec(), deadline_ms: None };
            let _ = self.machine.read(self.now_ms, question);
            self.reads += 1;
        } else {
            let reference = Reference::Read(u64::from(how) % (self.reads + 2));
            let answer = answer(how, body);
            self.receive_frame(&ServerFrame::Reply(Reply { reference, attempt: 0, replayed: false, answer }));
        }
    }

    fn goodbye(&mut self, what: u8) {
        let reason = match what % 9 {
            0 => GoodbyeReason::Done,
            1 => GoodbyeReason::ProtocolError,
            2 => GoodbyeReason::UnsupportedVersion,
            3 => GoodbyeReason::ShuttingDown,
            4 => GoodbyeReason::Overloaded,
            5 => GoodbyeReason::TimedOut,
            6 => GoodbyeReason::WrongStore,
            7 => GoodbyeReason::BadCredential,
            _ => return self.machine.close(self.now_ms),
        };
        self.receive_frame(&ServerFrame::Goodbye(Goodbye::new(reason, "why")));
    }

    fn sync(&mut self) {
        self.journal.durable_bytes = self.journal.bytes.len();
        self.journal.durable_position = self.journal.position;
        self.machine.handle_journalled(self.journal.position);
    }

    fn drain(&mut self) {
        for count in 0.. {
            let Some(output) = self.machine.poll_output() else { break };
            assert!(count < OUTPUTS_MAX, "a client that does not come to rest");
            self.carry_out(output);
        }
        assert!(self.machine.stop_reason().is_some() || self.machine.poll_timeout().is_some());
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Journal { position, bytes, .. } => {
                self.journal.bytes.extend(bytes);
                self.journal.position = position;
            }
            Output::RewriteJournal { position, bytes } => {
                self.journal = JournalFile { bytes, position, ..JournalFile::default() };
                self.sync();
            }
            Output::Send(bytes) => self.look_at_sent(&bytes),
            Output::Connect { .. } => {
                assert_eq!(self.link, Link::Down);
                self.link = Link::Connecting;
            }
            Output::Disconnect => self.link = Link::Down,
            Output::Begun { key, id } => {
                assert!(self.keys.contains(&key) && !self.begun.contains(&id), "an id is given once");
                self.begun.push(id);
            }
            Output::Answer(settled) => {
                let told = self.told.get(&settled.id).is_some_and(|ends| ends.contains(&settled.end));
                assert!(told, "{settled:?} was made up");
                assert!(self.ended.insert(settled.key), "{settled:?} ends twice");
                assert!(
                    !self.durable || self.journal_holds(settled.id, Held::Answer),
                    "{settled:?} could be lost"
                );
                self.handed_over.push(settled.id);
            }
            Output::NeverSent { key, .. } => assert!(self.ended.insert(key), "{key:?} ends twice"),
            Output::Alarm(alarm) => assert!(!alarm.to_string().is_empty()),
            Output::Goodbye { .. }
            | Output::Welcomed { .. }
            | Output::Unresolved { .. }
            | Output::ReadAnswer { .. }
            | Output::ReadFailed { .. }
            | Output::OutcomeKnown { .. }
            | Output::Closed => {}
        }
    }

    fn look_at_sent(&mut self, bytes: &[u8]) {
        self.sent.push(bytes);
        let mut calls = Vec::new();
        while let Some(raw) = self.sent.next_frame().expect("a client sends frames") {
            match ClientFrame::decode(raw).expect("a client sends what a server understands") {
                ClientFrame::Call(call) => calls.push(call),
                ClientFrame::Hello(_)
                | ClientFrame::Read(_)
                | ClientFrame::Cancel(_)
                | ClientFrame::Outcome(_)
                | ClientFrame::Ping(_)
                | ClientFrame::Pong(_)
                | ClientFrame::Goodbye(_) => {}
            }
        }
        for call in calls {
            let id = call.id;
            assert!(
                !self.durable || self.journal_holds(id, Held::Call),
                "{id} was sent and could be forgotten"
            );
            let call = Call { attempt: 0, ..call };
            let first = self.copies.entry(id).or_insert_with(|| call.clone());
            assert_eq!(*first, call, "a copy differs");
        }
    }

    /// Whether a client that wakes up now finds the call open, or its answer.
    fn journal_holds(&self, id: CallId, what: Held) -> bool {
        let durable = &self.journal.bytes[..self.journal.durable_bytes];
        let recovered = recover(durable, &here()).expect("what the client writes is sound");
        match what {
            Held::Call => recovered.open.iter().any(|call| call.id == id),
            Held::Answer => recovered.answered.iter().any(|call| call.id == id),
        }
    }
}

#[derive(Clone, Copy)]
enum Held {
    Call,
    Answer,
}

fn welcome(what: u8) -> Welcome {
    Welcome {
        version: 1 + u16::from(what == 255),
        store: if what % 8 == 7 { StoreId([8; 16]) } else { STORE },
        generation: 1 + u64::from(what / 128),
        server_time_us: 1_800_000_000_000_000,
        mint_time_ms: 1_800_000_000_000,
        slots_max: u16::from(what % 4),
        frame_bytes_max: if what & 16 > 0 { 1100 } else { 1024 * 1024 },
        in_flight_max: u32::from(what % 16),
        idle_ms_max: u32::from(what) * 100,
        services: Vec::new(),
        greeting: "hello".to_owned(),
        principal: "anonymous".to_owned(),
    }
}

/// The bytes of any answer, or of none.
fn answer(code: u8, body: &[u8]) -> Vec<u8> {
    let answer = match code % 24 {
        0..=3 => Answer::Done(body.to_vec()),
        4 => Answer::Refused(body.to_vec()),
        5 => Answer::Cancelled,
        6 => Answer::TooLate,
        7 => Answer::Expired,
        8 => Answer::CopiedJournal,
        9 => Answer::CallIdReused,
        10 => Answer::Superseded,
        11 => Answer::Forgotten,
        12 => Answer::Gap,
        13 => Answer::NotYours,
        14 => Answer::WrongStore,
        15 => Answer::door(DoorCause::Malformed, "no"),
        16 => Answer::door(DoorCause::OverLimit, "no"),
        17 => Answer::transient(TransientCause::Overloaded, u32::from(code)),
        18 => Answer::transient(TransientCause::InProgress, 0),
        19 => Answer::transient(TransientCause::SessionsTooFast, u32::MAX),
        _ => return body.to_vec(),
    };
    answer.to_bytes()
}

fn end_of_outcome(outcome: &Outcome) -> Option<End> {
    match outcome {
        Outcome::Done(answer) => Answer::from_bytes(answer).ok().and_then(End::of),
        Outcome::Cancelled => Some(End::Cancelled),
        Outcome::Expired => Some(End::Expired),
        Outcome::CopiedJournal
        | Outcome::NotYet
        | Outcome::Superseded
        | Outcome::Forgotten
        | Outcome::NotYours
        | Outcome::Unavailable { .. } => None,
    }
}
