//! An engine with the built-in services over a store in a folder of its own, and [`Laboratory::replay`]:
//! the one function that every command's replay test is made by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use switchboard_call::answer::Answer;
use switchboard_call::frame::{Call, Read, Reply, ServerFrame};
use switchboard_call::id::{CallId, Nonce, ReplyHash, Sequence, SessionId, Slot};
use switchboard_commands::Commands;
use switchboard_commands::bank::{AccountLine, AuditReport, Bank, Command, StatementLine, SuspendedDeposit};
use switchboard_engine::{Config, DigestKeys, Engine, Principal, Replies, Request};
use switchboard_store::{Durability, Folder, Options, Store};

const START_US: u64 = 1_790_000_000_000_000;

pub(crate) struct Laboratory {
    engine: Engine,
    store: Store,
    now_us: Arc<AtomicU64>,
    next: CallId,
    previous: ReplyHash,
    _folder: Folder,
    _dir: tempfile::TempDir,
}

/// All that the bank keeps.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct State {
    accounts: Vec<AccountLine>,
    statements: Vec<Vec<StatementLine>>,
    suspended: Vec<SuspendedDeposit>,
}

#[derive(Default)]
struct Recorder(Mutex<Vec<ServerFrame>>);

impl Replies for Recorder {
    fn deliver(&self, frame: ServerFrame) {
        self.0.lock().unwrap().push(frame);
    }
}

impl Laboratory {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::hold(dir.path(), Durability::Unsafe).unwrap();
        let options = Options { durability: Durability::Unsafe, ..Options::default() };
        let (store, writer) = Store::open(&folder, &options, START_US).unwrap();
        let now_us = Arc::new(AtomicU64::new(START_US));
        let clock = Arc::clone(&now_us);
        let engine = Engine::start(Config {
            store: store.clone(),
            writer,
            registry: switchboard_services::all(),
            keys: DigestKeys::new([3; 32], &[]),
            clock: Arc::new(move || clock.load(Ordering::SeqCst)),
            slots_max: 64,
            prepare_threads: 0,
            on_fatal: Box::new(|error| panic!("{error}")),
        });
        let session = SessionId::mint(START_US / 1000, [7; 10]);
        let next = CallId { session, slot: Slot(0), sequence: Sequence::FIRST };
        let engine = engine.unwrap();
        Self { engine, store, now_us, next, previous: ReplyHash::NONE, _folder: folder, _dir: dir }
    }

    /// Sends the command as a call, then twice more: the answers must be byte-equal, the later ones flagged
    /// as replayed, and what the bank keeps must have moved with the first one only: not at all when it
    /// was refused. Returns what the rule said.
    pub(crate) fn replay<C: Commands>(&mut self, command: &C::Command) -> Result<C::Reply, C::Refusal> {
        let name = C::name(command);
        let before = self.state();
        let (first, replayed) = self.send(Principal::Operator, self.call::<C>(command, 1));
        assert!(!replayed, "{name}");
        let after = self.state();
        for attempt in 2..=3 {
            self.now_us.fetch_add(1_000_000, Ordering::SeqCst);
            let again = self.send(Principal::Operator, self.call::<C>(command, attempt));
            assert_eq!(again, (first.clone(), true), "{name}: another answer to copy {attempt}");
            assert_eq!(self.state(), after, "{name}: copy {attempt} took effect");
        }
        let report = self.audit();
        assert!(report.sound, "{name}: {:?}", report.findings);
        self.previous = ReplyHash::of(self.next, &first);
        self.next.sequence = self.next.sequence.next().unwrap();
        let said = said::<C>(&first);
        assert_eq!(said.is_ok(), before != after, "{name}: a reply moves the state, a refusal does not");
        said
    }

    /// The bank's command, which must succeed, replayed.
    pub(crate) fn done(&mut self, command: Command) -> switchboard_commands::bank::Reply {
        self.replay::<Bank>(&command).unwrap()
    }

    /// The bank's command, which must be refused, replayed.
    pub(crate) fn refused(&mut self, command: Command) -> switchboard_commands::bank::Refusal {
        self.replay::<Bank>(&command).unwrap_err()
    }

    /// Asks a question, as an operator.
    pub(crate) fn read<C: Commands>(&self, command: &C::Command) -> Result<C::Reply, C::Refusal> {
        said::<C>(&self.read_as::<C>(Principal::Operator, command))
    }

    /// The answer's bytes.
    pub(crate) fn read_as<C: Commands>(&self, principal: Principal, command: &C::Command) -> Vec<u8> {
        let body = minicbor::to_vec(command).unwrap();
        let (service, version) = (C::SERVICE.to_owned(), C::VERSION);
        self.send(principal, Request::Read(Read { tag: 1, service, version, body })).0
    }

    /// The answer's bytes to one new call that is sent once; the slot does not move on.
    pub(crate) fn call_as<C: Commands>(&self, principal: Principal, command: &C::Command) -> Vec<u8> {
        self.send(principal, self.call::<C>(command, 1)).0
    }

    pub(crate) fn state(&self) -> State {
        let read = self.store.snapshot(|view| {
            let accounts = view.accounts_page(None, u16::MAX)?;
            let mut statements = Vec::new();
            for account in &accounts {
                statements.push(view.statement_page(account.account, None, u16::MAX)?.unwrap().lines);
            }
            Ok(State { accounts, statements, suspended: view.suspended_page(None, u16::MAX)? })
        });
        read.unwrap()
    }

    fn audit(&self) -> AuditReport {
        self.store.snapshot(|view| view.audit()).unwrap()
    }

    /// The answer's bytes to a new call with any body; the slot does not move on.
    pub(crate) fn raw_call(&self, principal: Principal, service: &str, body: Vec<u8>) -> Vec<u8> {
        self.send(principal, self.request(service, 1, body, 1)).0
    }

    fn call<C: Commands>(&self, command: &C::Command, attempt: u32) -> Request {
        self.request(C::SERVICE, C::VERSION, minicbor::to_vec(command).unwrap(), attempt)
    }

    fn request(&self, service: &str, version: u16, body: Vec<u8>, attempt: u32) -> Request {
        let mut nonce = [9; 16];
        nonce[..8].copy_from_slice(&self.next.sequence.number().to_be_bytes());
        Request::Call(Call {
            service: service.to_owned(),
            id: self.next,
            nonce: Nonce(nonce),
            previous: self.previous,
            version,
            not_after_us: None,
            attempt,
            body,
        })
    }

    /// The answer's bytes, and whether they were recorded earlier.
    fn send(&self, principal: Principal, request: Request) -> (Vec<u8>, bool) {
        let recorder = Arc::new(Recorder::default());
        let replies: Arc<dyn Replies> = recorder.clone();
        self.engine.hand_in(principal, vec![request], &replies);
        let mut frames = std::mem::take(&mut *recorder.0.lock().unwrap());
        assert_eq!(frames.len(), 1, "one reply to one request: {frames:?}");
        let Some(ServerFrame::Reply(Reply { answer, replayed, .. })) = frames.pop() else {
            panic!("no reply to a request");
        };
        (answer, replayed)
    }
}

/// What the service said.
fn said<C: Commands>(answer: &[u8]) -> Result<C::Reply, C::Refusal> {
    let answer = Answer::from_bytes(answer).unwrap();
    if let Answer::Refused(body) = &answer {
        return Err(minicbor::decode(body).unwrap());
    }
    let Answer::Done(body) = answer else { panic!("the service was not asked: {answer:?}") };
    Ok(minicbor::decode(&body).unwrap())
}
