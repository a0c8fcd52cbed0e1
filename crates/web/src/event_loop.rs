//! One thread, one epoll, many connections.
//!
//! ```text
//! wait --> changed files --> new connections --> each that is ready: read, answer, send --> deadlines --> log --> wait
//! ```
//!
//! *Promises* for a request on an open connection one read and one write, beside a wait that is shared by all that are
//! ready; bounds and deadlines on everything a peer can hold; that a change of a file is known before a request is
//! answered that came after it. (The kernel lists what is ready in the order in which it became so. A change is in its queue
//! before the call that made it returns, so it is listed before the request, and it is looked at before all requests.)
//!
//! Edge-triggered: a connection is registered once, for reading and writing, and the kernel is not asked again until a read
//! or a write came up short. *Absent:* locks, and waiting anywhere but in epoll. A file that is not in the page cache is waited for.

mod accept;
mod answer;
mod clock;
mod connection;
mod deadlines;
mod http2;
mod listen;
mod log;
mod outgoing;
mod serve;
mod tls;
mod transport;

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::io::Errno;

use crate::access_log::Notes;
use crate::admission::Admission;
use crate::background::{Made, Queue};
use crate::limits;
use crate::metrics::Counters;
use crate::plan::Policy;
use crate::settings::Limits;
use crate::tree::{Keeper, Now, Share, Sites, Tree};

use connection::{Connection, Then, Waits};
use h2::Reason;
use outgoing::{Outgoing, Piece};
use serve::Fate;

pub(crate) use answer::Answer;
pub(crate) use clock::Clock;
pub use listen::Address;
pub(crate) use listen::{Bound, Listening, SocketFile, bound, failure};
pub(crate) use tls::{HTTP1, HTTP2};

/// What a loop is made from.
#[derive(Debug)]
pub(crate) struct Parts {
    /// One of each listener.
    pub(crate) listeners: Vec<Listening>,
    /// The folders.
    pub(crate) sites: Arc<Sites>,
    /// Shared with the other loops.
    pub(crate) admission: Arc<Admission>,
    /// Of this loop alone.
    pub(crate) counters: Arc<Counters>,
    /// What the log is told with.
    pub(crate) log: Option<Notes>,
    /// Who makes more of files.
    pub(crate) background: Queue,
    /// Whether files are compressed.
    pub(crate) compress: bool,
    /// Bounds.
    pub(crate) limits: Limits,
    /// What it may keep of files.
    pub(crate) share: Share,
    /// How it is told something.
    pub(crate) control: Arc<Control>,
    /// What is said with every answer under TLS.
    pub(crate) policy_of_tls: Policy,
}

/// How a loop is told something from another thread.
#[derive(Debug)]
pub(crate) struct Control {
    wake: OwnedFd,
    orders: Mutex<VecDeque<Order>>,
}

/// What a loop can be told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Serve these folders from now on.
    Serve(Arc<Sites>),
    /// Keep what was made of a file.
    Keep(Made),
    /// Take no more connections, finish what was asked, end.
    Stop,
}

impl Control {
    /// Nothing ordered yet.
    pub(crate) fn new() -> Result<Self, Errno> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { wake, orders: Mutex::default() })
    }

    /// Tells the loop.
    pub(crate) fn order(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push_back(order);
        // Fails when the counter is full: then it is awake anyway.
        let _woken = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn taken(&self) -> VecDeque<Order> {
        let mut counter = [0; 8];
        let _read = rustix::io::read(&self.wake, &mut counter);
        std::mem::take(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An event loop; all of it belongs to one thread.
#[derive(Debug)]
pub(crate) struct Loop {
    epoll: OwnedFd,
    listeners: Vec<Listening>,
    /// A listener may have more, or could not be read for lack of descriptors until this millisecond.
    accepting: Vec<(usize, u64)>,
    tree: Tree,
    connections: Vec<Slot>,
    free: Vec<usize>,
    /// When each connection's wait ends, in milliseconds; beside the slots, since all are looked at together.
    deadlines: Vec<u64>,
    next_deadline_ms: u64,
    swept_ms: u64,
    /// Connections that want another turn.
    again: Vec<u64>,
    /// Connections that wait for a file to settle, and until when.
    settling: VecDeque<(u64, u64)>,
    clock: Clock,
    turn: u64,
    /// How many boundaries were made, and the secret from which.
    boundaries: (u64, RandomState),
    /// Bytes may have come after the kernel was last asked what has changed.
    is_late: bool,
    inbox: Vec<u8>,
    out: Vec<u8>,
    /// What follows the answers in `out`.
    pieces: VecDeque<Piece>,
    /// Memory for answers that do not leave at once.
    #[expect(clippy::vec_box, reason = "a connection holds its answer boxed, and gives the box back")]
    spare: Vec<Box<Outgoing>>,
    key: Vec<u8>,
    scratch: Vec<u8>,
    log: Option<Notes>,
    policy: Policy,
    compressor: Option<Queue>,
    policy_of_tls: Policy,
    limits: Limits,
    share: Share,
    admission: Arc<Admission>,
    counters: Arc<Counters>,
    control: Arc<Control>,
    is_stopping: bool,
    stop_by_ms: u64,
}

/// A place for a connection. The generation tells events of an earlier one from those of this one.
#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

/// Tokens of descriptors that are not connections; those have a slot below.
const WAKE: u64 = u64::MAX;
const FILES: u64 = u64::MAX - 1;
const LISTENERS: u64 = u64::MAX - 0xffff;

const NEVER: u64 = u64::MAX;

impl Loop {
    /// Registers the listeners.
    ///
    /// # Errors
    /// When the system has no descriptor or memory left.
    pub(crate) fn new(parts: Parts) -> Result<Self, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let keeper = Keeper { queue: parts.background.clone(), control: Arc::clone(&parts.control) };
        let tree = Tree::new(parts.sites, parts.share.clone(), keeper);
        watch(&epoll, &parts.control.wake, WAKE, EventFlags::IN)?;
        if let Some(files) = tree.descriptor() {
            watch(&epoll, files, FILES, EventFlags::IN)?;
        }
        for (listener, token) in parts.listeners.iter().zip(LISTENERS..) {
            // A socket that several loops wait for wakes one of them.
            watch(&epoll, &listener.socket, token, EventFlags::IN | EventFlags::EXCLUSIVE | EventFlags::ET)?;
        }
        Ok(Self {
            epoll,
            listeners: parts.listeners,
            accepting: Vec::new(),
            tree,
            connections: Vec::new(),
            free: Vec::new(),
            deadlines: Vec::new(),
            next_deadline_ms: NEVER,
            swept_ms: 0,
            again: Vec::new(),
            settling: VecDeque::new(),
            clock: Clock::new(),
            turn: 0,
            boundaries: (0, RandomState::new()),
            is_late: false,
            inbox: vec![0; limits::INBOX_BYTES],
            out: Vec::with_capacity(limits::OUTBOX_BYTES),
            pieces: VecDeque::new(),
            spare: Vec::new(),
            key: Vec::new(),
            scratch: vec![0; limits::COPY_BYTES],
            log: parts.log,
            policy: Policy::default(),
            compressor: parts.compress.then_some(parts.background),
            policy_of_tls: parts.policy_of_tls,
            limits: parts.limits,
            share: parts.share,
            admission: parts.admission,
            counters: parts.counters,
            control: parts.control,
            is_stopping: false,
            stop_by_ms: NEVER,
        })
    }

    /// Serves until it was told to stop and the last answer is sent, or the time for that is over.
    pub(crate) fn run(mut self) {
        let mut events = vec![MaybeUninit::uninit(); limits::EVENTS_PER_TURN_MAX];
        while !self.is_over() {
            let timeout = self.timeout();
            match epoll::wait(&self.epoll, events.as_mut_slice(), timeout.as_ref()) {
                Ok((ready, _)) => self.take_turn(ready),
                Err(Errno::INTR) => self.take_turn(&[]),
                // Nothing but a fault of this program; to go on would be to spin.
                Err(_) => break,
            }
        }
        // Answers that are cut now have their lines as well.
        for index in 0..self.connections.len() {
            if let Some(connection) = self.connections[index].connection.take() {
                self.close(index, *connection);
            }
        }
        self.end_log_turn();
        self.hand_over_log();
    }

    fn take_turn(&mut self, ready: &[Event]) {
        self.clock.read();
        self.turn += 1;
        let mut woken = false;
        for event in ready {
            match event.data.u64() {
                FILES => self.tree.drain(),
                WAKE => woken = true,
                token if token >= LISTENERS => {
                    let listener = usize::try_from(token - LISTENERS).expect("there are few listeners");
                    if self.accepting.iter().all(|(own, _)| *own != listener) {
                        self.accepting.push((listener, 0));
                    }
                }
                _ => {}
            }
        }
        if woken {
            self.obey();
        }
        self.is_late = true;
        self.serve_waiting();
        self.is_late = false;
        for event in ready {
            if event.data.u64() < LISTENERS {
                self.serve_event(event.data.u64(), event.flags);
            }
        }
        self.accept_all();
        self.sweep();
        self.end_log_turn();
    }

    fn is_over(&self) -> bool {
        self.is_stopping && (self.free.len() == self.connections.len() || self.clock.ms() >= self.stop_by_ms)
    }

    /// Until something has to be done without an event.
    fn timeout(&self) -> Option<Timespec> {
        let now = self.clock.ms();
        if !self.again.is_empty() || self.accepting.iter().any(|(_, until)| *until <= now) {
            return Some(Timespec { tv_sec: 0, tv_nsec: 0 });
        }
        let log = self.log.as_ref().and_then(|log| log.due_ms()).unwrap_or(NEVER);
        let settling = self.settling.front().map_or(NEVER, |(_, until)| *until);
        let accepting = self.accepting.iter().map(|(_, until)| *until).min().unwrap_or(NEVER);
        let deadline = self.next_deadline_ms.max(self.swept_ms + limits::SWEEP_MS);
        let next = [log, settling, accepting, deadline, self.stop_by_ms].into_iter().min().unwrap_or(NEVER);
        if next == NEVER {
            return None;
        }
        let wait = next.saturating_sub(now).max(1);
        let seconds = i64::try_from(wait / 1_000).unwrap_or(i64::MAX);
        let nanoseconds = i64::try_from(wait % 1_000 * 1_000_000).unwrap_or(0);
        Some(Timespec { tv_sec: seconds, tv_nsec: nanoseconds })
    }

    fn obey(&mut self) {
        for order in self.control.taken() {
            match order {
                Order::Serve(sites) => {
                    let events = self.tree.replace_sites(Arc::clone(&sites), self.share.clone());
                    if events.is_some_and(|events| watch(&self.epoll, events, FILES, EventFlags::IN).is_err())
                    {
                        // Nobody would read the events, so none may be relied on.
                        self.tree.replace_sites(sites, self.share.clone().without_watches());
                    }
                }
                Order::Keep(made) => {
                    let (now, counters) = (self.now(), &self.counters);
                    let counter = if made.is_compressed { &counters.compressed } else { &counters.held };
                    if self.tree.add(made, now) {
                        counter.one();
                    }
                }
                Order::Stop => self.stop(),
            }
        }
    }

    fn stop(&mut self) {
        if self.is_stopping {
            return;
        }
        // Who is in the queue already has been promised a connection.
        self.accepting = (0..self.listeners.len()).map(|listener| (listener, 0)).collect();
        while !self.accepting.is_empty() {
            self.accepting.iter_mut().for_each(|(_, until)| *until = 0);
            let before = self.free.len().abs_diff(self.connections.len());
            self.accept_all();
            if self.free.len().abs_diff(self.connections.len()) == before {
                break;
            }
        }
        self.accepting.clear();
        self.listeners.clear();
        self.is_stopping = true;
        self.is_late = true;
        self.stop_by_ms = self.clock.ms().saturating_add(millis(self.limits.shutdown_time_max));
        for index in 0..self.connections.len() {
            let Some(mut connection) = self.connections[index].connection.take() else { continue };
            // A request that is in the kernel's buffer already is still answered.
            connection.readable = true;
            let fate = self.serve(&mut connection);
            if let Some(http2) = &mut connection.http2 {
                http2.end_gracefully();
            }
            if connection.is_idle() && matches!(fate, Fate::Waits(_)) && connection.then == Then::Next {
                self.close(index, *connection);
            } else {
                self.settle(index, connection, fate);
            }
            self.relieve_log();
        }
    }

    /// Connections that wanted another turn, and those whose files had time to settle.
    fn serve_waiting(&mut self) {
        let now = self.clock.ms();
        for token in std::mem::take(&mut self.again) {
            self.serve_event(token, EventFlags::empty());
        }
        while self.settling.front().is_some_and(|(_, until)| *until <= now) {
            let Some((token, _)) = self.settling.pop_front() else { break };
            self.serve_event(token, EventFlags::empty());
        }
    }

    fn serve_event(&mut self, token: u64, flags: EventFlags) {
        let (index, generation) = parts(token);
        let Some(slot) = self.connections.get_mut(index).filter(|slot| slot.generation == generation) else {
            return;
        };
        let Some(mut connection) = slot.connection.take() else { return };
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
            connection.readable = true;
        }
        if flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
            connection.ended = true;
        }
        let fate = if flags.contains(EventFlags::ERR) { Fate::Over } else { self.serve(&mut connection) };
        self.settle(index, connection, fate);
        self.relieve_log();
    }

    /// Puts a connection where its fate wants it.
    fn settle(&mut self, index: usize, mut connection: Box<Connection>, fate: Fate) {
        let now = self.clock.ms();
        let token = token(index, self.connections[index].generation);
        match fate {
            Fate::Over => return self.close(index, *connection),
            Fate::Again => self.again.push(token),
            // It is looked at once when the wait is over, whatever else wakes it before.
            Fate::Waits(Waits::Settling) if connection.settles_ms > now => {}
            Fate::Waits(Waits::Settling) => {
                connection.settles_ms = now + limits::SETTLE_HURRIED_MS;
                self.settling.push_back((token, connection.settles_ms));
            }
            Fate::Waits(Waits::Idle) if self.is_stopping && connection.then == Then::Next => {
                return self.close(index, *connection);
            }
            Fate::Waits(what) => connection.wait(what, now),
        }
        let deadline = self.deadline(&connection, fate);
        self.deadlines[index] = deadline;
        self.next_deadline_ms = self.next_deadline_ms.min(deadline);
        self.connections[index].connection = Some(connection);
    }

    fn close(&mut self, index: usize, mut connection: Connection) {
        if connection.outgoing.is_some() {
            self.finish(&mut connection);
        }
        self.part(&mut connection, Reason::NO_ERROR);
        connection.transport.part();
        self.leave(index);
        self.counters.closed.one();
    }

    fn leave(&mut self, index: usize) {
        let slot = &mut self.connections[index];
        slot.generation = slot.generation.wrapping_add(1) & GENERATIONS;
        self.deadlines[index] = NEVER;
        self.free.push(index);
    }

    fn now(&self) -> Now {
        Now { ms: self.clock.ms(), turn: self.turn, realtime: self.clock.file_time() }
    }

    /// A number that no peer foresees: a keyed hash of a count, with a key from the system.
    fn boundary(&mut self) -> u128 {
        let (count, secret) = &mut self.boundaries;
        *count += 1;
        let (high, low) = (secret.hash_one((*count, 0_u8)), secret.hash_one((*count, 1_u8)));
        (u128::from(high) << 64) | u128::from(low)
    }
}

/// So that no token of a connection is one of the others.
const GENERATIONS: u32 = 0x7fff_ffff;

fn token(index: usize, generation: u32) -> u64 {
    (u64::from(generation) << 32) | u64::try_from(index).expect("a slot has a small number")
}

fn parts(token: u64) -> (usize, u32) {
    let generation = u32::try_from(token >> 32).expect("half of 64 bits are 32");
    let index = usize::try_from(token & u64::from(u32::MAX)).expect("masked to 32 bits");
    (index, generation)
}

fn watch(epoll: &OwnedFd, source: impl rustix::fd::AsFd, token: u64, flags: EventFlags) -> Result<(), Errno> {
    epoll::add(epoll.as_fd(), source.as_fd(), EventData::new_u64(token), flags)
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
