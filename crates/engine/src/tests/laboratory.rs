//! An engine over a real store in a folder of its own, a clock to set, and a recorder of what it answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use switchboard_call::answer::{Answer, Outcome};
use switchboard_call::frame::{Call, Cancel, OutcomeQuery, Read, Reference, Reply, ServerFrame};
use switchboard_call::id::{CallId, Nonce, ReplyHash, Sequence, SessionId, Slot};
use switchboard_store::{Durability, Folder, Options, Store};

use super::counter::{Command, Counter, number};
use crate::{Config, DigestKeys, Engine, Principal, Registry, Replies, Request};

pub(super) const START_US: u64 = 1_790_000_000_000_000;
pub(super) const DAY_US: u64 = 24 * 60 * 60 * 1_000_000;

pub(super) struct Laboratory {
    pub(super) engine: Engine,
    pub(super) counter: Counter,
    pub(super) now_us: Arc<AtomicU64>,
    store: Store,
    _folder: Folder,
    _dir: tempfile::TempDir,
}

#[derive(Default)]
pub(super) struct Recorder {
    frames: Mutex<Vec<ServerFrame>>,
    changed: Condvar,
}

impl Replies for Recorder {
    fn deliver(&self, frame: ServerFrame) {
        self.frames.lock().unwrap().push(frame);
        self.changed.notify_all();
    }
}

impl Recorder {
    /// Waits until there are `count` frames and takes them.
    pub(super) fn take(&self, count: usize) -> Vec<ServerFrame> {
        let mut frames = self.frames.lock().unwrap();
        while frames.len() < count {
            frames = self.changed.wait(frames).unwrap();
        }
        std::mem::take(&mut *frames)
    }
}

/// What one call was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) bytes: Vec<u8>,
    pub(super) replayed: bool,
}

impl Laboratory {
    pub(super) fn new() -> Self {
        Self::with_threads(0)
    }

    pub(super) fn with_threads(prepare_threads: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::hold(dir.path(), Durability::Full).unwrap();
        let (store, writer) = Store::open(&folder, &Options::default(), START_US).unwrap();
        let now_us = Arc::new(AtomicU64::new(START_US));
        let clock = Arc::clone(&now_us);
        let counter = Counter::default();
        let engine = Engine::start(Config {
            store: store.clone(),
            writer,
            registry: Registry::new().with(counter.clone()),
            keys: DigestKeys::new([3; 32], &[]),
            clock: Arc::new(move || clock.load(Ordering::SeqCst)),
            slots_max: 64,
            prepare_threads,
            on_fatal: Box::new(|error| panic!("{error}")),
        });
        Self { engine: engine.unwrap(), counter, now_us, store, _folder: folder, _dir: dir }
    }

    /// Another node on the same store, which grants so many slots.
    pub(super) fn beside(&self, slots_max: u16) -> Engine {
        let (store, writer) =
            Store::open_file(self.store.path(), None, &Options::default(), START_US).unwrap();
        let clock = Arc::clone(&self.now_us);
        let engine = Engine::start(Config {
            store,
            writer,
            registry: Registry::new().with(self.counter.clone()),
            keys: DigestKeys::new([3; 32], &[]),
            clock: Arc::new(move || clock.load(Ordering::SeqCst)),
            slots_max,
            prepare_threads: 0,
            on_fatal: Box::new(|error| panic!("{error}")),
        });
        engine.unwrap()
    }

    /// Hands in one batch as one principal; the frames that came back, in order.
    pub(super) fn hand_in(&self, principal: Principal, requests: Vec<Request>) -> Vec<ServerFrame> {
        let recorder = Arc::new(Recorder::default());
        let replies: Arc<dyn Replies> = recorder.clone();
        let count = requests.len();
        self.engine.hand_in(principal, requests, &replies);
        recorder.take(count)
    }

    pub(super) fn send(&self, request: Request) -> Answered {
        self.send_as(Principal::Operator, request)
    }

    pub(super) fn send_as(&self, principal: Principal, request: Request) -> Answered {
        let mut frames = self.hand_in(principal, vec![request]);
        answered(frames.pop().expect("one answer for one request"))
    }

    pub(super) fn outcome(&self, principal: Principal, id: CallId) -> Outcome {
        let frames = self.hand_in(principal, vec![Request::Outcome(OutcomeQuery { id, nonce: None })]);
        match frames.as_slice() {
            [ServerFrame::Outcome(reply)] if reply.id == id => reply.outcome.clone(),
            other => panic!("no outcome: {other:?}"),
        }
    }

    /// The committed value of a counter.
    pub(super) fn row(&self, key: &[u8]) -> u64 {
        number(self.store.snapshot(|view| view.rows("counter")?.find(key)).unwrap())
    }

    pub(super) fn count(&self) -> u64 {
        self.row(b"count")
    }

    pub(super) fn set_time(&self, now_us: u64) {
        self.now_us.store(now_us, Ordering::SeqCst);
    }
}

/// What this engine answers to an operator's request.
pub(super) fn answered_by(engine: &Engine, request: Request) -> Answered {
    let recorder = Arc::new(Recorder::default());
    let replies: Arc<dyn Replies> = recorder.clone();
    engine.hand_in(Principal::Operator, vec![request], &replies);
    answered(recorder.take(1).pop().expect("one answer for one request"))
}

pub(super) fn answered(frame: ServerFrame) -> Answered {
    let ServerFrame::Reply(Reply { answer, replayed, .. }) = frame else { panic!("no reply: {frame:?}") };
    Answered { answer: Answer::from_bytes(&answer).unwrap(), bytes: answer, replayed }
}

/// Replies by what they answer.
pub(super) fn by_reference(frames: Vec<ServerFrame>) -> BTreeMap<String, Answered> {
    let key = |frame: &ServerFrame| {
        let ServerFrame::Reply(Reply { reference: Reference::Call(id), .. }) = frame else {
            panic!("no reply to a call: {frame:?}")
        };
        id.to_string()
    };
    frames.into_iter().map(|frame| (key(&frame), answered(frame))).collect()
}

pub(super) fn session(birth_us: u64, number: u8) -> SessionId {
    SessionId::mint(birth_us / 1000, [number; 10])
}

/// A client's slot as a well-behaved client keeps it.
#[derive(Clone, Copy)]
pub(super) struct ClientSlot {
    pub(super) id: CallId,
    pub(super) previous: ReplyHash,
}

impl ClientSlot {
    pub(super) fn new(number: u8, slot: u16) -> Self {
        Self::born(START_US, number, slot)
    }

    pub(super) fn born(birth_us: u64, number: u8, slot: u16) -> Self {
        let session = session(birth_us, number);
        let id = CallId { session, slot: Slot(slot), sequence: Sequence::FIRST };
        Self { id, previous: ReplyHash::NONE }
    }

    pub(super) fn call(&self, command: &Command) -> Call {
        let mut nonce = *self.id.session.as_bytes();
        nonce[..2].copy_from_slice(&self.id.slot.0.to_be_bytes());
        nonce[2..10].copy_from_slice(&self.id.sequence.number().to_be_bytes());
        Call {
            service: "counter".to_owned(),
            id: self.id,
            nonce: Nonce(nonce),
            previous: self.previous,
            version: 1,
            not_after_us: None,
            attempt: 1,
            body: minicbor::to_vec(command).unwrap(),
        }
    }

    pub(super) fn request(&self, command: &Command) -> Request {
        Request::Call(self.call(command))
    }

    pub(super) fn cancel(&self) -> Request {
        let nonce = Some(self.call(&Command::Add).nonce);
        Request::Cancel(Cancel { id: self.id, previous: Some(self.previous), nonce })
    }

    /// The slot after its call was answered with these bytes.
    pub(super) fn after(&self, answer: &[u8]) -> Self {
        let sequence = self.id.sequence.next().unwrap();
        Self { id: CallId { sequence, ..self.id }, previous: ReplyHash::of(self.id, answer) }
    }
}

pub(super) fn read(tag: u64, command: &Command) -> Request {
    let body = minicbor::to_vec(command).unwrap();
    Request::Read(Read { tag, service: "counter".to_owned(), version: 1, body })
}
