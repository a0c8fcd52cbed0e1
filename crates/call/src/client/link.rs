//! The connection as a client sees it: which node, in what state, what it said about itself, when it was
//! last heard, when to try the next one. Absent: sockets, and what calls do on a connection.

use std::collections::BTreeMap;

use super::config::{Config, LinkKind, StopReason};
use super::retransmission::with_jitter;
use crate::frame::{ClientFrame, HEADER_BYTES, Inbox, ServiceLimits, Welcome};
use crate::id::{Generation, StoreId};
use crate::limits::{BODY_BYTES_MAX, FRAME_BYTES_MAX, LOSSY_SILENCE_MS_MAX, RETRANSMISSION_MS_MAX};

/// The state of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// None; the next one from this time on.
    Down { retry_ms: u64 },
    /// The driver connects.
    Connecting { until_ms: u64 },
    /// The hello has left.
    Greeting { until_ms: u64 },
    /// Greeted.
    Up,
    /// Never again.
    Stopped,
}

/// The connection.
#[derive(Debug)]
pub(super) struct Link {
    kind: LinkKind,
    nodes: usize,
    node: usize,
    pub(super) state: State,
    /// Counts connections: tells this one from those before.
    pub(super) number: u64,
    failures: u32,
    unfit: BTreeMap<usize, StopReason>,
    pub(super) inbox: Inbox,
    outgoing: Vec<u8>,
    heard_ms: u64,
    up_since_ms: u64,
    /// When the open ping was sent.
    pinged_ms: Option<u64>,
    pings: u64,
    pub(super) server: Option<Server>,
}

/// What the welcome said, and when.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) store: StoreId,
    pub(super) generation: Generation,
    pub(super) slots_max: u16,
    /// Calls, reads and queries that may await an answer; as many cancels may come on top.
    pub(super) awaiting_max: usize,
    body_bytes_max: usize,
    server_time_us: u64,
    mint_time_ms: u64,
    idle_ms_max: u64,
    services: Vec<ServiceLimits>,
    at_ms: u64,
}

impl Link {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            kind: config.link,
            nodes: config.nodes.max(1),
            node: 0,
            state: State::Down { retry_ms: 0 },
            number: 0,
            failures: 0,
            unfit: BTreeMap::new(),
            inbox: Inbox::new(FRAME_BYTES_MAX),
            outgoing: Vec::new(),
            heard_ms: 0,
            up_since_ms: 0,
            pinged_ms: None,
            pings: 0,
            server: None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    pub(super) fn is_lossy(&self) -> bool {
        self.kind == LinkKind::Lossy
    }

    pub(super) fn node(&self) -> usize {
        self.node
    }

    pub(super) fn send(&mut self, frame: &ClientFrame) {
        frame.encode(&mut self.outgoing);
    }

    pub(super) fn take_outgoing(&mut self) -> Option<Vec<u8>> {
        (!self.outgoing.is_empty()).then(|| std::mem::take(&mut self.outgoing))
    }

    /// The driver has a connection.
    pub(super) fn connected(&mut self, config: &Config, now_ms: u64) {
        self.number += 1;
        self.inbox = Inbox::new(FRAME_BYTES_MAX);
        self.outgoing.clear();
        // A lost hello or welcome is not repeated but tried on a new connection, so do not wait long.
        let lossy_wait = config.pong_ms_max.min(RETRANSMISSION_MS_MAX);
        let wait_ms = if self.is_lossy() { lossy_wait } else { config.pong_ms_max };
        self.state = State::Greeting { until_ms: now_ms + wait_ms };
    }

    /// The server has greeted.
    pub(super) fn greeted(&mut self, welcome: &Welcome, now_ms: u64) {
        self.state = State::Up;
        self.unfit.clear();
        self.up_since_ms = now_ms;
        self.server = Some(Server::new(welcome, now_ms));
        self.heard(now_ms);
    }

    /// Bytes came.
    pub(super) fn heard(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        self.pinged_ms = None;
    }

    /// The connection is gone, or could not be made: the next fit node, after a wait of at least
    /// `wait_ms_min`.
    pub(super) fn lost(&mut self, config: &Config, now_ms: u64, wait_ms_min: u64, random: u8) {
        let lived = self.is_up() && now_ms.saturating_sub(self.up_since_ms) >= config.reconnect_ms_max;
        self.failures = if lived { 0 } else { self.failures.saturating_add(1) };
        let doubled = config.reconnect_ms_min.max(1) << self.failures.saturating_sub(1).min(20);
        let wait_ms = with_jitter(doubled.min(config.reconnect_ms_max), random).max(wait_ms_min);
        self.outgoing.clear();
        self.pinged_ms = None;
        self.state = State::Down { retry_ms: now_ms + wait_ms };
        let after = (1..=self.nodes).map(|step| (self.node + step) % self.nodes);
        let fit = after.into_iter().find(|node| !self.unfit.contains_key(node));
        self.node = fit.unwrap_or(self.node);
    }

    /// This node cannot serve us; returns whether none is left that can.
    pub(super) fn mark_unfit(&mut self, reason: StopReason) -> bool {
        self.unfit.insert(self.node, reason);
        self.unfit.len() >= self.nodes
    }

    /// Whether what makes every node unfit is its store.
    pub(super) fn all_wrong_store(&self) -> bool {
        self.unfit.values().all(|reason| *reason == StopReason::WrongStore)
    }

    /// Every node may be tried again.
    pub(super) fn forgive(&mut self) {
        self.unfit.clear();
    }

    /// When the connection wants attention next.
    pub(super) fn alarm_ms(&self, config: &Config) -> Option<u64> {
        match self.state {
            State::Down { retry_ms } => Some(retry_ms),
            State::Connecting { until_ms } | State::Greeting { until_ms } => Some(until_ms),
            State::Up => Some(match self.pinged_ms {
                None => self.heard_ms + self.ping_after_ms(config),
                Some(pinged_ms) => pinged_ms + self.pong_ms_max(config),
            }),
            State::Stopped => None,
        }
    }

    /// Pings when it was silent for long; returns whether it stayed silent after that.
    pub(super) fn is_dead(&mut self, config: &Config, now_ms: u64) -> bool {
        match self.pinged_ms {
            Some(pinged_ms) => now_ms >= pinged_ms + self.pong_ms_max(config),
            None => {
                if now_ms >= self.heard_ms + self.ping_after_ms(config) {
                    self.pings += 1;
                    self.pinged_ms = Some(now_ms);
                    let token = self.pings.to_be_bytes();
                    self.send(&ClientFrame::Ping(token));
                }
                false
            }
        }
    }

    /// A server that ends silent connections hears from us at least three times in its patience.
    fn ping_after_ms(&self, config: &Config) -> u64 {
        let idle_ms_max = self.server.as_ref().map_or(0, |server| server.idle_ms_max);
        if idle_ms_max == 0 { config.ping_after_ms } else { config.ping_after_ms.min(idle_ms_max / 3).max(1) }
    }

    fn pong_ms_max(&self, config: &Config) -> u64 {
        if self.is_lossy() { LOSSY_SILENCE_MS_MAX } else { config.pong_ms_max }
    }
}

impl Server {
    fn new(welcome: &Welcome, at_ms: u64) -> Self {
        let frame_bytes_max = usize::try_from(welcome.frame_bytes_max).unwrap_or(usize::MAX);
        let envelope = FRAME_BYTES_MAX - BODY_BYTES_MAX - HEADER_BYTES;
        let in_flight_max = usize::try_from(welcome.in_flight_max).unwrap_or(usize::MAX);
        Self {
            store: welcome.store,
            generation: welcome.generation(),
            slots_max: welcome.slots_max.max(1),
            awaiting_max: (in_flight_max / 2).max(1),
            body_bytes_max: frame_bytes_max.saturating_sub(envelope),
            server_time_us: welcome.server_time_us,
            mint_time_ms: welcome.mint_time_ms,
            idle_ms_max: u64::from(welcome.idle_ms_max),
            services: welcome.services.clone(),
            at_ms,
        }
    }

    /// The server's clock, microseconds since 1970.
    pub(super) fn time_us(&self, now_ms: u64) -> u64 {
        self.server_time_us.saturating_add(now_ms.saturating_sub(self.at_ms).saturating_mul(1000))
    }

    /// The label for a session minted now, milliseconds since 1970.
    pub(super) fn mint_time_ms(&self, now_ms: u64) -> u64 {
        self.mint_time_ms.saturating_add(now_ms.saturating_sub(self.at_ms))
    }

    /// Longest command body that `service` takes, in bytes.
    pub(super) fn body_bytes_max(&self, service: &str) -> usize {
        let told = self.limits(service).map_or(u32::MAX, |limits| limits.body_bytes_max);
        self.body_bytes_max.min(usize::try_from(told).unwrap_or(usize::MAX))
    }

    /// Longest reply of `service`, in bytes.
    pub(super) fn reply_bytes_max(&self, service: &str) -> usize {
        let told = self.limits(service).map_or(u32::MAX, |limits| limits.reply_bytes_max);
        BODY_BYTES_MAX.min(usize::try_from(told).unwrap_or(usize::MAX))
    }

    fn limits(&self, service: &str) -> Option<&ServiceLimits> {
        self.services.iter().find(|limits| limits.service == service)
    }
}
