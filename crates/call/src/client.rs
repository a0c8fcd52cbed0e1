//! The client as a pure machine: gives calls their ids, sends them until their outcome is known, hands
//! each outcome over once (a durable client: at least once, marked when perhaps seen before).
//!
//! ```text
//!   begin, read, cancel, outcome, acknowledge ──┐                 ┌── Output: Journal, Send, Connect,
//!   handle_connected / bytes / disconnected ────┼── [ Machine ] ──┤   Disconnect, Answer, Unresolved,
//!   handle_journalled / rewrite_failed / timer ─┘                 └── Alarm ...
//! ```
//!
//! After every input drain [`Machine::poll_output`] until it is `None`, carrying each output out in
//! order; then wait for [`Machine::poll_timeout`] at most and call [`Machine::handle_timer`].
//! A new machine wants its first `handle_timer` at once: that is when it asks for a connection.
//!
//! Time is `now_ms`: milliseconds of any clock that only moves forward. Absent: sockets, files, clocks,
//! a random source of its own, and the meaning of any command.

mod answers;
mod calls;
mod commands;
mod config;
mod exchange;
mod link;
mod output;
mod questions;
mod retransmission;
mod sending;
mod sessions;
mod settling;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::frame::{ClientFrame, Goodbye, GoodbyeReason, Hello, PROTOCOL_VERSION, ServerFrame, Welcome};
use crate::id::{CallId, SessionId, StoreId};
use crate::journal::{Entry, Journal, Recovered};
use calls::{Call, Stage};
pub use config::{
    BeginError, CallKey, CallState, CallView, Config, LinkKind, NewCall, NewRead, NotAfter, ReadKey,
    StopReason,
};
use link::{Link, State};
pub use output::{Alarm, End, NeverSent, Output, ReadFailure, Settled, Unresolved};
use questions::{Query, ReadQuestion};
use retransmission::Estimator;
use sessions::Sessions;
use settling::Waiting;
use timers::Timers;

/// Fills a buffer from the kernel's random source.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// What wants to be sent, or has a time at which it wants attention. Queries first, then calls in the
/// order in which they were begun.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Subject {
    Query(CallId),
    Call(CallKey),
    Read(ReadKey),
}

/// The client machine. See the module's text for the order of polling.
pub struct Machine {
    config: Config,
    random: Random,
    now_ms: u64,
    link: Link,
    sessions: Sessions,
    calls: BTreeMap<CallKey, Call>,
    by_id: BTreeMap<CallId, CallKey>,
    queue: VecDeque<CallKey>,
    reads: BTreeMap<ReadKey, ReadQuestion>,
    queries: BTreeMap<CallId, Query>,
    /// Cancels to be sent; they go first and need no room.
    urgent: BTreeSet<CallKey>,
    /// What else is to be sent as soon as there is room.
    due: BTreeSet<Subject>,
    /// Subjects that await an answer on this connection.
    awaiting: usize,
    timers: Timers<Subject>,
    estimator: Estimator,
    journal: Option<Journal>,
    /// What happens when the journal is durable up to a position.
    waiting: VecDeque<(u64, Waiting)>,
    unacknowledged: BTreeSet<CallId>,
    outputs: VecDeque<Output>,
    stopped: Option<StopReason>,
    next_key: u64,
    body_bytes: usize,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("link", &self.link.state)
            .field("calls", &self.calls.len())
            .field("reads", &self.reads.len())
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

impl Machine {
    /// A machine with no past: a volatile client, or a durable one whose journal is new.
    #[must_use]
    pub fn new(config: Config, random: Random) -> Self {
        Self::recover(config, Recovered::nothing(), random)
    }

    /// A machine that goes on from its journal, whose file was cut to `recovered.sound_bytes` and
    /// fsynced. Answers that nobody acknowledged are handed over first.
    #[must_use]
    pub fn recover(config: Config, recovered: Recovered, random: Random) -> Self {
        let link = Link::new(&config);
        let journal = config.journal.clone().map(|binding| Journal::new(binding, recovered.sound_bytes));
        let mut machine = Self {
            config,
            random,
            now_ms: 0,
            link,
            sessions: Sessions::default(),
            calls: BTreeMap::new(),
            by_id: BTreeMap::new(),
            queue: VecDeque::new(),
            reads: BTreeMap::new(),
            queries: BTreeMap::new(),
            urgent: BTreeSet::new(),
            due: BTreeSet::new(),
            awaiting: 0,
            timers: Timers::new(),
            estimator: Estimator::new(),
            journal,
            waiting: VecDeque::new(),
            unacknowledged: BTreeSet::new(),
            outputs: VecDeque::new(),
            stopped: None,
            next_key: 0,
            body_bytes: 0,
        };
        // A clean end of this process must not make the sessions of a crashed one fit for new calls.
        let crashed_with: Vec<SessionId> = recovered
            .sessions
            .iter()
            .filter(|session| !recovered.clean && !session.stopped)
            .map(|session| session.id)
            .collect();
        machine.take_over(recovered);
        let handed_over = std::mem::take(&mut machine.outputs);
        // First, and durable soon: it asks for the room that recovered calls need before they are sent
        // again, and what follows can vouch for the header.
        let stopped = crashed_with.into_iter().map(|session| Entry::Stopped { session });
        let entries: Vec<Entry<'_>> = std::iter::once(Entry::Opened).chain(stopped).collect();
        machine.journal_then(&entries.iter().collect::<Vec<_>>(), Waiting::Nothing);
        machine.outputs.extend(handed_over);
        machine
    }

    /// The next thing to do; `None` when everything was said.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front().or_else(|| self.link.take_outgoing().map(Output::Send))
    }

    /// When to call [`Self::handle_timer`] at the latest, in the machine's milliseconds.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let link_ms = self.link.alarm_ms(&self.config);
        [link_ms, self.timers.next_ms()].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn handle_timer(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.link_timer();
        while let Some(subject) = self.timers.pop_due(self.now_ms) {
            match subject {
                Subject::Call(key) => self.call_timer(key),
                Subject::Read(key) => self.read_timer(key),
                Subject::Query(id) => self.query_timer(id),
            }
        }
        self.pump();
    }

    /// The driver has connected to the node it was asked to connect to. The credential opens a
    /// principal; it is sent in the hello and not kept.
    pub fn handle_connected(&mut self, now_ms: u64, credential: Option<Vec<u8>>) {
        self.now_ms = self.now_ms.max(now_ms);
        if !matches!(self.link.state, State::Connecting { .. }) {
            return;
        }
        self.link.connected(&self.config, self.now_ms);
        let store = self.sessions.store();
        self.link.send(&ClientFrame::Hello(Hello {
            version_min: PROTOCOL_VERSION,
            version_max: PROTOCOL_VERSION,
            store,
            sessions: store.map(|store| self.sessions.named(store)).unwrap_or_default(),
            credential: credential.map(Into::into),
            agent: self.config.agent.clone(),
        }));
    }

    /// The connection broke, or could not be made. That means "not known yet", never "failed".
    pub fn handle_disconnected(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        match self.link.state {
            State::Connecting { .. } | State::Greeting { .. } | State::Up => self.connection_lost(0),
            State::Down { .. } | State::Stopped => {}
        }
    }

    /// Bytes came from the server.
    pub fn handle_bytes(&mut self, now_ms: u64, received: &[u8]) {
        self.now_ms = self.now_ms.max(now_ms);
        if !matches!(self.link.state, State::Greeting { .. } | State::Up) {
            return;
        }
        self.link.heard(self.now_ms);
        self.link.inbox.push(received);
        let connection = self.link.number;
        while connection == self.link.number && matches!(self.link.state, State::Greeting { .. } | State::Up)
        {
            match self.link.inbox.next_frame().and_then(|raw| raw.map(ServerFrame::decode).transpose()) {
                Ok(Some(frame)) => self.frame(frame),
                Ok(None) => break,
                Err(error) => return self.protocol_broken(whole_text(&error)),
            }
        }
        self.pump();
    }

    fn frame(&mut self, frame: ServerFrame) {
        let greeted = self.link.is_up();
        match frame {
            ServerFrame::Welcome(welcome) if !greeted => self.welcomed(&welcome),
            ServerFrame::Goodbye(goodbye) => self.goodbye(goodbye),
            ServerFrame::Ping(token) => self.link.send(&ClientFrame::Pong(token)),
            ServerFrame::Pong(_) => {}
            ServerFrame::Reply(reply) if greeted => self.reply(reply),
            ServerFrame::Outcome(reply) if greeted => self.outcome_reply(reply),
            // Doubled by a lossy link.
            ServerFrame::Welcome(_) if self.link.is_lossy() => {}
            ServerFrame::Welcome(_) => self.protocol_broken("a second welcome".to_owned()),
            ServerFrame::Reply(_) | ServerFrame::Outcome(_) => {
                self.protocol_broken("an answer before the welcome".to_owned());
            }
        }
    }

    fn welcomed(&mut self, welcome: &Welcome) {
        if welcome.version != PROTOCOL_VERSION {
            return self.node_unfit(StopReason::UnsupportedVersion, 0);
        }
        if let Some(expected) = self.sessions.store().filter(|store| *store != welcome.store) {
            return self.wrong_store(expected, Some(welcome.store));
        }
        self.link.greeted(welcome, self.now_ms);
        self.outputs.push_back(Output::Welcomed {
            node: self.link.node(),
            greeting: welcome.greeting.clone(),
            principal: welcome.principal.clone(),
        });
        self.verify_generation(welcome.store, welcome.generation());
        self.cancel_what_cannot_be_sent_again();
    }

    fn goodbye(&mut self, goodbye: Goodbye) {
        let wait_ms_min = u64::from(goodbye.retry_after_ms);
        let Goodbye { reason, text, .. } = goodbye;
        let node = self.link.node();
        match reason {
            GoodbyeReason::Done
            | GoodbyeReason::ShuttingDown
            | GoodbyeReason::Overloaded
            | GoodbyeReason::TimedOut => {
                self.outputs.push_back(Output::Goodbye { text });
                self.hang_up(wait_ms_min);
            }
            GoodbyeReason::ProtocolError => {
                self.outputs.push_back(Output::Alarm(Alarm::Refused { node, reason, text }));
                self.hang_up(wait_ms_min.max(self.config.reconnect_ms_max));
            }
            GoodbyeReason::UnsupportedVersion => {
                self.outputs.push_back(Output::Alarm(Alarm::Refused { node, reason, text }));
                self.node_unfit(StopReason::UnsupportedVersion, wait_ms_min);
            }
            GoodbyeReason::BadCredential => {
                self.outputs.push_back(Output::Alarm(Alarm::Refused { node, reason, text }));
                self.node_unfit(StopReason::BadCredential, wait_ms_min);
            }
            GoodbyeReason::WrongStore => match self.sessions.store() {
                Some(expected) => self.wrong_store(expected, None),
                None => self.hang_up(wait_ms_min),
            },
        }
    }

    /// A store that is not the one of our sessions: the next node; when there is none, stop, unless
    /// nothing is open that the old store would have to answer.
    fn wrong_store(&mut self, expected: StoreId, found: Option<StoreId>) {
        let node = self.link.node();
        self.outputs.push_back(Output::Alarm(Alarm::WrongStore { node, expected, found }));
        let none_left = self.link.mark_unfit(StopReason::WrongStore);
        if none_left && self.by_id.is_empty() && self.link.all_wrong_store() {
            let sessions: Vec<_> = self.sessions.iter().map(|(session, _)| session).collect();
            for session in sessions {
                self.journal_now(&Entry::Forgotten { session });
            }
            self.sessions.forget();
            self.link.forgive();
            return self.hang_up(0);
        }
        self.hang_up(0);
        if none_left {
            self.stop(StopReason::WrongStore);
        }
    }

    fn node_unfit(&mut self, reason: StopReason, wait_ms_min: u64) {
        let none_left = self.link.mark_unfit(reason);
        self.hang_up(wait_ms_min);
        if none_left {
            self.stop(reason);
        }
    }

    fn protocol_broken(&mut self, what: String) {
        let node = self.link.node();
        self.outputs.push_back(Output::Alarm(Alarm::ProtocolBroken { node, what }));
        self.hang_up(0);
    }

    /// Ends the connection from our side.
    fn hang_up(&mut self, wait_ms_min: u64) {
        self.outputs.push_back(Output::Disconnect);
        self.connection_lost(wait_ms_min);
    }

    fn connection_lost(&mut self, wait_ms_min: u64) {
        let random = self.random_byte();
        self.link.lost(&self.config, self.now_ms, wait_ms_min, random);
        self.ask_everything_again();
    }

    fn link_timer(&mut self) {
        let now_ms = self.now_ms;
        match self.link.state {
            State::Down { retry_ms } if retry_ms <= now_ms => {
                self.link.state = State::Connecting { until_ms: now_ms + self.config.connect_ms_max };
                self.outputs.push_back(Output::Connect { node: self.link.node() });
            }
            State::Connecting { until_ms } | State::Greeting { until_ms } if until_ms <= now_ms => {
                self.hang_up(0);
            }
            State::Up => {
                if self.link.is_dead(&self.config, now_ms) {
                    self.hang_up(0);
                }
            }
            State::Down { .. } | State::Connecting { .. } | State::Greeting { .. } | State::Stopped => {}
        }
    }

    fn random_bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.random)(&mut bytes);
        bytes
    }

    fn random_byte(&mut self) -> u8 {
        let [byte] = self.random_bytes::<1>();
        byte
    }

    /// Whether the call may still be settled from here: for the loops that visit all of them.
    fn open_keys(&self) -> Vec<CallKey> {
        let open = |call: &Call| matches!(call.stage, Stage::Open);
        self.calls.iter().filter(|(_, call)| open(call)).map(|(key, _)| *key).collect()
    }
}

/// An error and everything it was caused by, in one line.
fn whole_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
