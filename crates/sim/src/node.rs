//! A simulated server node: the real connection machines and the real engine with the real services, over the real
//! store on a simulated disk, with this driver in the place of the one that owns sockets and clocks.
//!
//! What several connections have received meanwhile is handed in from within the first answer, while the writer role
//! is held: just as other threads would, it joins the queue and makes one batch.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_call::answer::Answer;
use switchboard_call::frame::{Goodbye, GoodbyeReason, Hello, Reference, Reply, ServerFrame};
use switchboard_call::server::{Config as ConnectionConfig, Connection, Introduction, Output, Request};
use switchboard_commands::bank;
use switchboard_engine::{Config, DigestKeys, Engine, Principal, Replies};
use switchboard_store::{Options, Store};

use crate::chance::Chance;
use crate::client::principal;
use crate::disk::{self, Disk, VFS};
use crate::network::{End, LinkId, Parcel};
use crate::scene::{Event, Scene};
use crate::teller::{self, Asked, Trouble};

/// The database's file on the store's disk.
pub const DATABASE: &str = "switchboard.db";

/// When the simulated world begins: microseconds since 1970.
pub const START_US: u64 = 1_790_000_000_000_000;

const HOUSE_US: u64 = 60_000_000;
const TRY_AGAIN_US: u64 = 1_000_000;

/// A node and its machine.
#[derive(Debug)]
pub struct Node {
    index: usize,
    life: Option<Life>,
    lives: u32,
    chance: Chance,
    clock_us: Arc<AtomicU64>,
    /// Until when its process is stopped, in microseconds.
    pub paused_until_us: u64,
    /// How far its clock is ahead, in milliseconds.
    pub ahead_ms: i64,
    /// Slots that it grants.
    pub slots_max: u16,
    /// Whether it takes a new digest key at each start.
    pub changes_keys: bool,
    /// Whether its program understands the second encoding.
    pub is_newest: bool,
    /// What its rules meet.
    pub trouble: Trouble,
}

/// One process.
struct Life {
    number: u32,
    engine: Engine,
    store: Store,
    connection: ConnectionConfig,
    served: BTreeMap<LinkId, Served>,
    received: Vec<Received>,
    runs: bool,
    sink: Arc<Sink>,
    fatal: Arc<AtomicBool>,
    housed_us: u64,
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Life").field("number", &self.number).finish_non_exhaustive()
    }
}

/// A connection.
struct Served {
    machine: Connection,
    principal: Principal,
    /// Received, and left in the transport for the time being.
    waiting: Vec<u8>,
    wakes_us: Option<u64>,
}

/// What one connection has received.
struct Received {
    link: LinkId,
    principal: Principal,
    requests: Vec<Request>,
}

type Meanwhile = Box<dyn FnOnce() + Send>;

/// Where the answers of a node go; a dead process sends nothing.
struct Sink {
    frames: Mutex<Vec<(LinkId, Principal, ServerFrame)>>,
    meanwhile: Mutex<Option<Meanwhile>>,
    disk: Disk,
    fatal: Arc<AtomicBool>,
}

struct Outbox {
    link: LinkId,
    principal: Principal,
    sink: Arc<Sink>,
}

impl Replies for Outbox {
    fn deliver(&self, frame: ServerFrame) {
        if !self.sink.is_dead() {
            lock(&self.sink.frames).push((self.link, self.principal, frame));
        }
        self.sink.go_on();
    }
}

impl Sink {
    fn is_dead(&self) -> bool {
        self.disk.is_off() || self.fatal.load(Ordering::SeqCst)
    }

    fn go_on(&self) {
        let meanwhile = lock(&self.meanwhile).take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
    }
}

/// What a node did in one go.
#[derive(Debug, Default)]
pub struct Done {
    /// Its answers.
    pub answers: Vec<(LinkId, Principal, ServerFrame)>,
    /// Balances that were asked for while nothing else went on: connection, tag, account.
    pub balances: Vec<(LinkId, u64, i64)>,
    /// What its clock showed, in microseconds since 1970.
    pub clock_us: u64,
    /// Its process cannot go on.
    pub is_dead: bool,
}

impl Node {
    /// The node with this number.
    #[must_use]
    pub fn new(index: usize, seed: u64, slots_max: u16) -> Self {
        Self {
            index,
            life: None,
            lives: 0,
            chance: Chance::of(seed, "node", u64::try_from(index).expect("a few nodes")),
            clock_us: Arc::new(AtomicU64::new(START_US)),
            paused_until_us: 0,
            ahead_ms: 0,
            slots_max,
            changes_keys: false,
            is_newest: true,
            trouble: Trouble::default(),
        }
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.life.is_some()
    }

    /// Whether this process still runs.
    #[must_use]
    pub fn lives(&self, life: u32) -> bool {
        self.life.as_ref().is_some_and(|now| now.number == life)
    }

    /// The store it serves.
    #[must_use]
    pub fn store(&self) -> Option<&Store> {
        self.life.as_ref().map(|life| &life.store)
    }

    /// The engine, for what the simulation does by itself.
    #[must_use]
    pub fn engine(&self) -> Option<&Engine> {
        self.life.as_ref().map(|life| &life.engine)
    }

    /// Starts a process over the store on this disk; tells why it cannot.
    pub fn start(&mut self, scene: &mut Scene, disk: &Disk) -> Option<String> {
        if self.life.is_some() || disk.is_off() {
            return None;
        }
        let node = self.index;
        self.set_clock(scene);
        match self.open(scene, disk) {
            Ok(life) => {
                scene.tell(|| format!("node {node}    starts (life {})", life.number));
                scene.after(HOUSE_US, Event::NodeKeepsHouse { node, life: life.number });
                self.life = Some(life);
                None
            }
            Err(why) => {
                // The number of a disk depends on what else this process simulates.
                let why = why.replace(&disk.path(DATABASE).display().to_string(), DATABASE);
                scene.tell(|| format!("node {node}    cannot start: {why}"));
                scene.after(TRY_AGAIN_US, Event::NodeStarts { node });
                Some(why)
            }
        }
    }

    fn open(&mut self, scene: &Scene, disk: &Disk) -> Result<Life, String> {
        let (vfs, write_again) =
            (Some(VFS.to_owned()), Some(disk::write_again as fn(&Path) -> std::io::Result<()>));
        let options = Options { vfs, write_again, ..Options::default() };
        let now_us = self.clock_us.load(Ordering::SeqCst);
        let text = |error: &dyn std::error::Error| {
            error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
        };
        let (store, writer) =
            Store::open_file(&disk.path(DATABASE), None, &options, now_us).map_err(|error| text(&error))?;
        let meta = store.meta().map_err(|error| text(&error))?;
        self.lives += 1;
        let fatal = Arc::new(AtomicBool::new(false));
        let (clock, dies) = (Arc::clone(&self.clock_us), Arc::clone(&fatal));
        let engine = Engine::start(Config {
            store: store.clone(),
            writer,
            registry: teller::registry(self.is_newest, &self.trouble),
            keys: self.keys(),
            clock: Arc::new(move || clock.load(Ordering::SeqCst)),
            slots_max: self.slots_max,
            prepare_threads: 0,
            on_fatal: Box::new(move |_| dies.store(true, Ordering::SeqCst)),
        });
        let connection = ConnectionConfig {
            store: meta.store,
            in_flight_max: 256,
            handshake_ms_max: 10_000,
            idle_ms_max: 120_000,
            stall_ms_max: 30_000,
            drain_ms_max: 10_000,
            unsent_bytes_max: 32 << 20,
        };
        Ok(Life {
            number: self.lives,
            engine: engine.map_err(|error| text(&error))?,
            store,
            connection,
            served: BTreeMap::new(),
            received: Vec::new(),
            runs: false,
            sink: Arc::new(Sink {
                frames: Mutex::default(),
                meanwhile: Mutex::default(),
                disk: disk.clone(),
                fatal: Arc::clone(&fatal),
            }),
            fatal,
            housed_us: scene.now_us,
        })
    }

    /// The digest key of this life; those of all lives before it stay known.
    fn keys(&self) -> DigestKeys {
        let key = |life: u32| [u8::try_from(life % 200).expect("below 200") + 1; 32];
        if self.changes_keys {
            let older: Vec<[u8; 32]> = (0..self.lives).rev().map(key).collect();
            DigestKeys::new(key(self.lives), &older)
        } else {
            DigestKeys::new(key(0), &[])
        }
    }

    fn set_clock(&self, scene: &Scene) {
        let ahead_us = self.ahead_ms.saturating_mul(1000);
        let now_us = (START_US + scene.now_us).saturating_add_signed(ahead_us);
        self.clock_us.store(now_us, Ordering::SeqCst);
    }

    /// A connection comes in.
    pub fn accept(&mut self, scene: &mut Scene, link: LinkId) {
        let Some(life) = &mut self.life else { return };
        let machine = Connection::new(life.connection, scene.now_ms());
        let served = Served { machine, principal: Principal::Anonymous, waiting: Vec::new(), wakes_us: None };
        life.served.insert(link, served);
        self.pump(scene, link);
    }

    /// Something arrives from a client; false: nobody knows this connection.
    pub fn receive(&mut self, scene: &mut Scene, link: LinkId, parcel: Parcel) -> bool {
        let now_ms = scene.now_ms();
        let Some(served) = self.life.as_mut().and_then(|life| life.served.get_mut(&link)) else {
            return false;
        };
        match parcel {
            Parcel::Bytes(bytes) => served.waiting.extend(bytes),
            Parcel::Finished => {
                let waiting = std::mem::take(&mut served.waiting);
                served.machine.handle_bytes(now_ms, &waiting);
                served.machine.handle_end(now_ms);
            }
            Parcel::Broken => {
                self.hang_up(link);
                return true;
            }
        }
        self.pump(scene, link);
        true
    }

    fn hang_up(&mut self, link: LinkId) {
        if let Some(life) = &mut self.life {
            life.served.remove(&link);
        }
    }

    /// A connection's machine asked to be woken now.
    pub fn wake(&mut self, scene: &mut Scene, link: LinkId) {
        let now = scene.now_us;
        let Some(served) = self.life.as_mut().and_then(|life| life.served.get_mut(&link)) else { return };
        if served.wakes_us.is_some_and(|at_us| at_us > now) {
            return;
        }
        served.wakes_us = None;
        served.machine.handle_timer(scene.now_ms());
        self.pump(scene, link);
    }

    /// Everything that a connection's machine wants done now.
    fn pump(&mut self, scene: &mut Scene, link: LinkId) {
        let (node, now_ms) = (self.index, scene.now_ms());
        self.set_clock(scene);
        loop {
            let Some(life) = &mut self.life else { return };
            let Some(served) = life.served.get_mut(&link) else { return };
            match served.machine.poll_output() {
                Some(Output::Greet(hello)) => greet(&life.engine, served, now_ms, &hello),
                Some(Output::Requests(requests)) => {
                    let principal = served.principal;
                    life.received.push(Received { link, principal, requests });
                    if !std::mem::replace(&mut life.runs, true) {
                        let wait_us = self.chance.below(2_000);
                        scene.after(wait_us, Event::NodeRuns { node, life: life.number });
                    }
                }
                Some(Output::Close(ending)) => {
                    scene.tell(|| format!("node {node}    closes connection {link}: {ending}"));
                    life.served.remove(&link);
                    let sent = scene.network.finish(link, End::Client, scene.now_us);
                    return scene.carry(link, sent);
                }
                None if transmit(scene, served, link, now_ms) => {}
                None if !served.waiting.is_empty() && served.machine.wants_read() => {
                    let waiting = std::mem::take(&mut served.waiting);
                    served.machine.handle_bytes(now_ms, &waiting);
                }
                None => break,
            }
        }
        self.arm(scene, link);
    }

    fn arm(&mut self, scene: &mut Scene, link: LinkId) {
        let node = self.index;
        let Some(life) = &mut self.life else { return };
        let Some(served) = life.served.get_mut(&link) else { return };
        let Some(at_ms) = served.machine.poll_timeout() else { return };
        let at_us = at_ms.saturating_mul(1000).max(scene.now_us);
        if served.wakes_us.is_none_or(|armed_us| at_us < armed_us) {
            served.wakes_us = Some(at_us);
            scene.at(at_us, Event::NodeWakes { node, life: life.number, link });
        }
    }

    /// Has everything answered that was received.
    pub fn run(&mut self, scene: &mut Scene) -> Done {
        self.set_clock(scene);
        let Some(life) = &mut self.life else { return Done::default() };
        life.runs = false;
        let received = std::mem::take(&mut life.received);
        let asks = |request: &Request| matches!(request, Request::Read(_) | Request::Outcome(_));
        let alone = received.iter().all(|received| received.requests.iter().all(asks));
        let mut balances = Vec::new();
        for Received { link, requests, .. } in &received {
            for request in requests {
                scene.model.facts_mut(scene.store).calls.asked(*link, request);
                balances.extend(balance_asked(request).filter(|_| alone).map(|(tag, of)| (*link, tag, of)));
            }
        }
        let mut waiting = received.into_iter().map(|received| {
            let (link, principal) = (received.link, received.principal);
            let outbox: Arc<dyn Replies> = Arc::new(Outbox { link, principal, sink: Arc::clone(&life.sink) });
            (principal, received.requests, outbox)
        });
        if let Some((principal, requests, outbox)) = waiting.next() {
            let (engine, rest) = (life.engine.clone(), waiting.collect::<Vec<_>>());
            *lock(&life.sink.meanwhile) = Some(Box::new(move || {
                for (principal, requests, outbox) in rest {
                    engine.hand_in(principal, requests, &outbox);
                }
            }));
            life.engine.hand_in(principal, requests, &outbox);
            life.sink.go_on();
        }
        life.done(&self.clock_us, balances)
    }

    /// Raises the horizon; returns by how much it may rise at most, in milliseconds.
    pub fn keep_house(&mut self, scene: &mut Scene) -> (u64, Done) {
        self.set_clock(scene);
        let node = self.index;
        let Some(life) = &mut self.life else { return (0, Done::default()) };
        let uptime_ms = (scene.now_us - life.housed_us) / 1000;
        life.housed_us = scene.now_us;
        let kept = life.engine.keep_house(uptime_ms);
        scene.tell(|| format!("node {node}    keeps house after {uptime_ms} ms: {kept:?}"));
        scene.after(HOUSE_US, Event::NodeKeepsHouse { node, life: life.number });
        (2 * uptime_ms, life.done(&self.clock_us, Vec::new()))
    }

    /// Sends its answers on their way.
    pub fn answer(&mut self, scene: &mut Scene, answers: Vec<(LinkId, Principal, ServerFrame)>) {
        let (node, now_ms) = (self.index, scene.now_ms());
        for (link, _, frame) in answers {
            scene.tell(|| format!("node {node}    answers on {link}: {}", spoken(&frame)));
            if let Some(served) = self.life.as_mut().and_then(|life| life.served.get_mut(&link)) {
                served.machine.reply(now_ms, &frame);
                self.pump(scene, link);
            }
        }
    }

    /// Stops it in order: what is in hand is answered first.
    pub fn drain(&mut self, scene: &mut Scene) -> Done {
        let now_ms = scene.now_ms();
        let done = self.run(scene);
        let Some(life) = &mut self.life else { return done };
        for served in life.served.values_mut() {
            served.machine.shut_down(now_ms, 1000);
        }
        // A store that fails now is as durable as before.
        let _folded = life.engine.drain();
        let links: Vec<LinkId> = life.served.keys().copied().collect();
        for link in links {
            self.pump(scene, link);
        }
        done
    }

    /// The process is gone. `speaks`: its kernel still tells the peers.
    pub fn die(&mut self, scene: &mut Scene, speaks: bool) {
        let Some(life) = self.life.take() else { return };
        let node = self.index;
        scene.tell(|| format!("node {node}    is gone"));
        for link in life.served.keys().filter(|_| speaks) {
            let at_us = scene.now_us + scene.network.delay_us();
            let (to, parcel) = (End::Client, Parcel::Broken);
            scene.at(at_us, Event::Arrives { link: *link, to, parcel });
        }
    }
}

impl Life {
    fn done(&self, clock_us: &AtomicU64, balances: Vec<(LinkId, u64, i64)>) -> Done {
        let answers = std::mem::take(&mut *lock(&self.sink.frames));
        let clock_us = clock_us.load(Ordering::SeqCst);
        Done { answers, balances, clock_us, is_dead: self.fatal.load(Ordering::SeqCst) }
    }
}

fn greet(engine: &Engine, served: &mut Served, now_ms: u64, hello: &Hello) {
    let number = hello.credential.as_ref().and_then(|bytes| bytes.as_slice().try_into().ok());
    served.principal = number.map_or(Principal::Anonymous, |number| principal(u64::from_be_bytes(number)));
    match engine.facts() {
        Ok(facts) => served.machine.accept(
            now_ms,
            Introduction {
                generation: facts.generation,
                server_time_us: facts.server_time_us,
                mint_time_ms: facts.mint_time_ms,
                slots_max: facts.slots_max,
                services: facts.services,
                greeting: String::new(),
                principal: served.principal.to_string(),
            },
        ),
        Err(_) => served.machine.refuse(now_ms, Goodbye::new(GoodbyeReason::Overloaded, "the store fails")),
    }
}

/// Bytes to the network; whether there were any.
fn transmit(scene: &mut Scene, served: &mut Served, link: LinkId, now_ms: u64) -> bool {
    let mut bytes = Vec::new();
    served.machine.transmit(&mut bytes);
    if bytes.is_empty() {
        return false;
    }
    served.machine.handle_written(now_ms, bytes.len());
    let sent = scene.network.send(link, End::Client, bytes, scene.now_us);
    scene.carry(link, sent);
    true
}

fn balance_asked(request: &Request) -> Option<(u64, i64)> {
    let Request::Read(read) = request else { return None };
    let Asked(command) = minicbor::decode(&read.body).ok()?;
    match command {
        bank::Command::Balance { account } => Some((read.tag, account.number())),
        bank::Command::OpenAccount { .. }
        | bank::Command::Deposit { .. }
        | bank::Command::Withdraw { .. }
        | bank::Command::Transfer { .. }
        | bank::Command::Settle { .. }
        | bank::Command::TransferMany { .. }
        | bank::Command::Statement { .. }
        | bank::Command::Accounts { .. }
        | bank::Command::Suspended { .. }
        | bank::Command::Audit => None,
    }
}

/// The balance in the answer to a read.
#[must_use]
pub fn balance_told(frame: &ServerFrame, tag: u64) -> Option<i64> {
    let ServerFrame::Reply(Reply { reference: Reference::Read(of), answer, .. }) = frame else { return None };
    let Ok(Answer::Done(body)) = Answer::from_bytes(answer) else { return None };
    match minicbor::decode(&body) {
        Ok(bank::Reply::Balance { balance, .. }) if *of == tag => Some(balance.amount.minor()),
        Ok(_) | Err(_) => None,
    }
}

/// A frame in a few words.
fn spoken(frame: &ServerFrame) -> String {
    match frame {
        ServerFrame::Reply(reply) => {
            let answer = match Answer::from_bytes(&reply.answer) {
                Ok(Answer::Done(body)) => format!("Done ({} B)", body.len()),
                Ok(Answer::Refused(body)) => format!("Refused ({} B)", body.len()),
                Ok(answer) => format!("{answer:?}"),
                Err(error) => error.to_string(),
            };
            let again = if reply.replayed { ", again" } else { "" };
            match reply.reference {
                Reference::Call(id) => format!("{id}: {answer}{again}"),
                Reference::Read(tag) => format!("read {tag}: {answer}"),
            }
        }
        ServerFrame::Outcome(reply) => format!("the outcome of {}: {:?}", reply.id, reply.outcome),
        ServerFrame::Welcome(_) => "welcome".to_owned(),
        ServerFrame::Ping(_) => "ping".to_owned(),
        ServerFrame::Pong(_) => "pong".to_owned(),
        ServerFrame::Goodbye(_) => "goodbye".to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
