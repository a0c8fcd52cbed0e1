//! One run: the clients, the nodes, the store's disk, and the faults between them, event by event until everything
//! has settled or a promise is broken.

mod faults;
mod finale;

use std::collections::{BTreeMap, VecDeque};

use switchboard_call::frame::ClientFrame;
use switchboard_call::id::CallId;

use crate::chance::Chance;
use crate::client::Client;
use crate::disk::{Disk, Operation};
use crate::eye::Eye;
use crate::logged::Errors;
use crate::model::{Facts, Promise, Violation};
use crate::network::{End, LinkId, Network, Parcel};
use crate::node::{DATABASE, Done, Node, START_US, balance_told};
use crate::plan::{Fault, Plan, What};
use crate::rogue;
use crate::scene::{Event, Scene};
use crate::story::Story;

/// A run that takes more events than this will never end.
const EVENTS_MAX: u64 = 2_000_000;

/// How long everything may take to settle once the faults have stopped, in microseconds.
const SETTLING_US_MAX: u64 = 3_600_000_000;

/// How long nothing may be left to do before a run ends, in microseconds: longer than it takes a client to find out
/// that its connection is broken.
const QUIET_US: u64 = 60_000_000;

/// Stands for the connection on which a new store gets its accounts.
const FOUNDING_LINK: LinkId = 0;

/// Everything in a run.
pub struct World {
    scene: Scene,
    clients: Vec<Client>,
    nodes: Vec<Node>,
    /// The disk of the store, and of the other one that may stand in its place.
    disks: [Disk; 2],
    eye: Option<Eye>,
    errors: Errors,
    rogue: Chance,
    rogue_tries: u32,
    /// What the rogue sends on connections that are not up yet.
    rogue_frames: Vec<(LinkId, Vec<ClientFrame>)>,
    /// A copy of the store that somebody kept, and what was true then.
    backup: Option<Facts>,
    /// Faults of the disk that the next work on it meets.
    disk_faults: VecDeque<Fault>,
    /// By how much the horizon may have risen since it was looked at, in milliseconds.
    rise_ms_max: u64,
    /// Faults of the disk that explain that a node ends itself.
    disk_lost_bytes: bool,
    /// Rules were told to panic or to fail.
    rules_struck: bool,
    /// Calls that were lost when the store was put back.
    lost: Vec<CallId>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// The promise that was broken.
    pub broken: Option<Violation>,
    /// What happened, in words, when it was told.
    pub story: Vec<String>,
    /// What happened, in numbers.
    pub figures: Figures,
}

/// What happened, in numbers.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Virtual microseconds.
    pub simulated_us: u64,
    /// Wishes.
    pub calls: u64,
    /// Wishes that took effect.
    pub effects: u64,
    /// Answers that repeated a recorded one.
    pub replays: u64,
    /// Events.
    pub events: u64,
    /// Faults and other things by kind.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Figures {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.simulated_us += other.simulated_us;
        self.calls += other.calls;
        self.effects += other.effects;
        self.replays += other.replays;
        self.events += other.events;
        for (name, count) in &other.counts {
            *self.counts.entry(name).or_default() += count;
        }
    }
}

/// Runs a plan. `errors` is where the log of this thread goes.
#[must_use]
pub fn run(plan: Plan, story: Story, errors: Errors) -> Report {
    let mut world = World::new(plan, story, errors);
    let events = world.live();
    world.report(events)
}

impl World {
    fn new(plan: Plan, story: Story, errors: Errors) -> Self {
        let seed = plan.seed;
        let clients = plan.clients.iter().enumerate();
        let clients: Vec<Client> = clients.map(|(index, client)| Client::new(index, *client, seed)).collect();
        let mut nodes: Vec<Node> =
            (0..plan.nodes).map(|index| Node::new(index, seed, plan.slots_max)).collect();
        if let [only] = nodes.as_mut_slice() {
            only.changes_keys = true;
        }
        let disk = |which| Disk::new(Chance::of(seed, "disk", which).draw());
        let network = Network::new(plan.weather, Chance::of(seed, "network", 0));
        Self {
            scene: Scene::new(plan, network, story),
            clients,
            nodes,
            disks: [disk(0), disk(1)],
            eye: None,
            errors,
            rogue: Chance::of(seed, "rogue", 0),
            rogue_tries: 0,
            rogue_frames: Vec::new(),
            backup: None,
            disk_faults: VecDeque::new(),
            rise_ms_max: 0,
            disk_lost_bytes: false,
            rules_struck: false,
            lost: Vec::new(),
        }
    }

    /// Everything from the first event to the last; returns how many there were.
    fn live(&mut self) -> u64 {
        self.begin();
        let mut events = 0;
        let (mut calm_since_us, mut quiet_since_us) = (0, None);
        while self.scene.broken().is_none() {
            if !self.scene.calm && self.scene.now_us - self.scene.slept_us >= self.scene.plan.load_ms * 1000 {
                self.heal();
                calm_since_us = self.scene.now_us;
            }
            quiet_since_us = quiet_since_us.filter(|_| self.scene.calm && self.is_settled());
            let quiet_us = self.scene.now_us - *quiet_since_us.get_or_insert(self.scene.now_us);
            if self.scene.calm && quiet_us >= QUIET_US {
                events += self.finish();
                break;
            }
            events += 1;
            let late = self.scene.calm && self.scene.now_us - calm_since_us > SETTLING_US_MAX;
            match self.scene.next_event() {
                Some(event) if events <= EVENTS_MAX && !late => self.happen(event),
                Some(_) | None => {
                    let standing: Vec<String> = self.clients.iter().map(Client::standing).collect();
                    let how = format!("nothing settles any more: {}", standing.join("; "));
                    self.scene.require(Err(Violation::new(Promise::Settles, how)));
                }
            }
            self.read_log();
        }
        events
    }

    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            self.scene.at(0, Event::NodeStarts { node });
        }
        for client in 0..self.clients.len() {
            let at_us = self.rogue.below(500_000);
            self.scene.at(at_us, Event::ClientStarts { client });
        }
        if self.scene.plan.rogue.is_some() {
            self.scene.at(100_000, Event::RogueActs);
        }
        self.schedule_fault(0);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::ClientStarts { client } => self.clients[client].start(&mut self.scene),
            Event::ClientWakes { client, life }
            | Event::ClientActs { client, life }
            | Event::ClientCancels { client, life, .. }
            | Event::ClientAcknowledges { client, life, .. }
            | Event::Connects { client, life, .. }
                if client < self.clients.len() =>
            {
                if self.clients[client].lives(life) {
                    self.hand_to_client(client, event);
                }
            }
            Event::Connects { link, .. } => self.rogue_connects(link),
            Event::ClientWakes { .. }
            | Event::ClientActs { .. }
            | Event::ClientCancels { .. }
            | Event::ClientAcknowledges { .. } => {}
            Event::Arrives { link, to, parcel } => self.arrive(link, to, parcel),
            Event::NodeStarts { node } => self.start_node(node),
            Event::NodeRuns { node, life }
            | Event::NodeWakes { node, life, .. }
            | Event::NodeKeepsHouse { node, life } => {
                if self.nodes[node].lives(life) {
                    self.hand_to_node(node, event);
                }
            }
            Event::RogueActs => self.rogue_acts(),
            Event::Fault { index } => {
                if !self.scene.calm {
                    let fault = self.scene.plan.faults[index];
                    self.scene.tell(|| format!("FAULT   {:?}", fault.what));
                    // One that the disk meets is counted when it strikes.
                    if !matches!(fault.what, What::DiskFails { .. }) {
                        self.scene.count(fault.what.name());
                    }
                    self.inflict(fault);
                    self.schedule_fault(index + 1);
                }
            }
            Event::PowerReturns => self.return_power(),
            Event::DiskFreed => self.disks[0].set_capacity_bytes(None),
            Event::RightStoreReturns => self.serve_store(0),
        }
    }

    /// A stopped process does what came meanwhile when it goes on.
    fn hand_to_client(&mut self, index: usize, event: Event) {
        let client = &mut self.clients[index];
        if client.paused_until_us > self.scene.now_us {
            return self.scene.at(client.paused_until_us, event);
        }
        match event {
            Event::ClientWakes { .. } => client.wake(&mut self.scene),
            Event::ClientActs { .. } => client.act(&mut self.scene),
            Event::ClientCancels { key, .. } => client.cancel(&mut self.scene, key),
            Event::ClientAcknowledges { id, .. } => client.acknowledge(&mut self.scene, id),
            Event::Connects { link, .. } => self.connect(index, link),
            Event::ClientStarts { .. }
            | Event::Arrives { .. }
            | Event::NodeStarts { .. }
            | Event::NodeRuns { .. }
            | Event::NodeWakes { .. }
            | Event::NodeKeepsHouse { .. }
            | Event::RogueActs
            | Event::Fault { .. }
            | Event::PowerReturns
            | Event::DiskFreed
            | Event::RightStoreReturns => {}
        }
    }

    fn connect(&mut self, client: usize, link: LinkId) {
        let Some(node) = self.scene.network.link(link).map(|link| link.node) else { return };
        if !self.clients[client].awaits(link)
            || self.scene.network.parted(client, node, self.scene.now_us).is_some()
        {
            // Nobody answers at all: the machine gives up by itself.
            return;
        }
        if self.nodes[node].is_up() && self.nodes[node].paused_until_us <= self.scene.now_us {
            self.nodes[node].accept(&mut self.scene, link);
            self.clients[client].connected(&mut self.scene);
        } else if !self.disks[0].is_off() {
            self.clients[client].refused(&mut self.scene);
        }
    }

    fn arrive(&mut self, link: LinkId, to: End, parcel: Parcel) {
        let Some(facts) = self.scene.network.link(link) else { return };
        let (client, node) = (facts.client, facts.node);
        if let Some(until_us) = self.scene.network.parted(client, node, self.scene.now_us) {
            return self.scene.at(until_us, Event::Arrives { link, to, parcel });
        }
        if matches!(parcel, Parcel::Bytes(_)) && !self.scene.network.arrives(link, to) {
            return;
        }
        match to {
            End::Client if client < self.clients.len() => {
                let paused_until_us = self.clients[client].paused_until_us;
                if paused_until_us > self.scene.now_us {
                    return self.scene.at(paused_until_us, Event::Arrives { link, to, parcel });
                }
                self.clients[client].receive(&mut self.scene, link, &parcel);
            }
            // The rogue does not listen.
            End::Client => {}
            End::Node => {
                let paused_until_us = self.nodes[node].paused_until_us;
                if paused_until_us > self.scene.now_us {
                    return self.scene.at(paused_until_us, Event::Arrives { link, to, parcel });
                }
                let is_known = self.nodes[node].receive(&mut self.scene, link, parcel);
                if !is_known && self.nodes[node].is_up() {
                    let at_us = self.scene.now_us + self.scene.network.delay_us();
                    self.scene.at(at_us, Event::Arrives { link, to: End::Client, parcel: Parcel::Broken });
                }
            }
        }
    }

    fn hand_to_node(&mut self, index: usize, event: Event) {
        let node = &mut self.nodes[index];
        if node.paused_until_us > self.scene.now_us {
            return self.scene.at(node.paused_until_us, event);
        }
        match event {
            Event::NodeRuns { .. } => self.run_node(index),
            Event::NodeWakes { link, .. } => node.wake(&mut self.scene, link),
            Event::NodeKeepsHouse { .. } => {
                let ((rise_ms_max, done), cut) =
                    self.under_fault(|world| world.nodes[index].keep_house(&mut world.scene));
                self.rise_ms_max += rise_ms_max;
                self.take_in(index, done);
                self.look_at_horizon();
                self.lose_power(cut);
            }
            Event::ClientStarts { .. }
            | Event::ClientWakes { .. }
            | Event::ClientActs { .. }
            | Event::ClientCancels { .. }
            | Event::ClientAcknowledges { .. }
            | Event::Connects { .. }
            | Event::Arrives { .. }
            | Event::NodeStarts { .. }
            | Event::RogueActs
            | Event::Fault { .. }
            | Event::PowerReturns
            | Event::DiskFreed
            | Event::RightStoreReturns => {}
        }
    }

    /// One batch, or several, of a node; this is where faults of the disk strike.
    fn run_node(&mut self, index: usize) {
        let (done, cut) = self.under_fault(|world| world.nodes[index].run(&mut world.scene));
        self.take_in(index, done);
        self.lose_power(cut);
    }

    /// Does something with the store's disk, which meets the next fault meanwhile; one that does not strike stays for
    /// the next time. Also tells for how long the power is to go then, in milliseconds.
    fn under_fault<T>(&mut self, step: impl FnOnce(&mut Self) -> T) -> (T, Option<u64>) {
        let store = self.scene.store;
        let Some(fault) = self.disk_faults.pop_front() else { return (step(self), None) };
        let before = self.strikes();
        self.arm_disk(fault.what);
        let result = step(self);
        self.disks[store].clear_faults();
        if let What::CutPowerAmid { down_ms, .. } = fault.what {
            return (result, Some(down_ms));
        }
        if self.strikes() > before {
            let is_sync = matches!(fault.what, What::DiskFails { operation: Operation::Sync, .. });
            self.disk_lost_bytes |= is_sync;
            self.scene.count("store error");
        } else {
            self.disk_faults.push_front(fault);
        }
        (result, None)
    }

    fn lose_power(&mut self, cut: Option<u64>) {
        if let Some(down_ms) = cut {
            self.cut_power(down_ms);
        }
    }

    /// How often a fault of the store's disk struck so far, a full disk among them.
    fn strikes(&self) -> u64 {
        let counts = self.disks[self.scene.store].counts();
        counts.faults.values().sum::<u64>() + counts.refused_full
    }

    /// What a node did becomes known, and its answers leave; a dead one is replaced.
    fn take_in(&mut self, index: usize, done: Done) {
        let store = self.scene.store;
        for (link, tag, account) in &done.balances {
            let expected = self.scene.model.facts(store).ledger.balance(*account);
            let told = done.answers.iter().filter(|(to, ..)| to == link);
            if let Some(found) =
                told.filter_map(|(.., frame)| balance_told(frame, *tag)).find(|it| *it != expected)
            {
                let how = format!("the balance of account {account} was said to be {found}, not {expected}");
                self.scene.require(Err(Violation::new(Promise::Truth, how)));
            }
        }
        self.look();
        for (link, principal, frame) in &done.answers {
            let verdict =
                self.scene.model.facts_mut(store).calls.answered(*link, *principal, frame, done.clock_us);
            self.scene.require(verdict);
        }
        self.nodes[index].answer(&mut self.scene, done.answers);
        if done.is_dead && !self.disks[store].is_off() {
            self.scene.count("node ended itself");
            self.kill_node(index, 1_000);
        }
    }

    fn start_node(&mut self, index: usize) {
        let store = self.scene.store;
        let was_down = !self.nodes.iter().any(Node::is_up);
        let before = self.strikes();
        let (failed, cut) =
            self.under_fault(|world| world.nodes[index].start(&mut world.scene, &world.disks[store]));
        if let Some(why) = failed.filter(|_| cut.is_none() && self.strikes() == before) {
            let how = format!("node {index} cannot open the store: {why}");
            self.scene.require(Err(Violation::new(Promise::Works, how)));
        }
        if cut.is_some() || !self.nodes[index].is_up() || !was_down {
            return self.lose_power(cut);
        }
        match Eye::open(&self.disks[store], DATABASE) {
            Ok(eye) => self.eye = Some(eye),
            Err(error) => {
                let how = format!("the database cannot be looked at: {error}");
                return self.scene.require(Err(Violation::new(Promise::Works, how)));
            }
        }
        self.look_again();
        self.look_at_horizon();
        self.found(index);
        self.audit();
    }

    /// The accounts that wishes move money between are opened when a store is new.
    fn found(&mut self, index: usize) {
        let store = self.scene.store;
        if self.scene.model.facts(store).ledger.knows(1) {
            return;
        }
        let requests = crate::founding::requests(&mut self.scene, START_US / 1000);
        let Some(engine) = self.nodes[index].engine().cloned() else { return };
        for request in requests {
            self.scene.model.facts_mut(store).calls.asked(FOUNDING_LINK, &request);
            for frame in crate::founding::hand_in(&engine, request) {
                let principal = switchboard_engine::Principal::Operator;
                let calls = &mut self.scene.model.facts_mut(store).calls;
                let verdict = calls.answered(FOUNDING_LINK, principal, &frame, START_US);
                self.scene.require(verdict);
            }
        }
        self.look();
    }

    /// Looks at the rows that were committed since the last look.
    fn look(&mut self) {
        let store = self.scene.store;
        let Some(eye) = self.eye.as_ref().filter(|_| !self.disks[store].is_off()) else { return };
        let known = self.scene.model.facts(store).ledger.transfers();
        let verdict = match eye.transfers(known).and_then(|rows| Ok((rows, eye.accounts()?))) {
            Ok((transfers, accounts)) => self.scene.model.committed(store, &transfers, &accounts),
            Err(error) => Err(Violation::new(Promise::Works, format!("the rows cannot be read: {error}"))),
        };
        self.scene.require(verdict);
        self.scene.prove();
    }

    /// Looks at all rows, after a crash or a change of the store.
    fn look_again(&mut self) {
        let store = self.scene.store;
        let Some(eye) = &self.eye else { return };
        let verdict = match eye.transfers(0).and_then(|rows| Ok((rows, eye.accounts()?))) {
            Ok((transfers, accounts)) => self.scene.model.survived(store, &transfers, &accounts),
            Err(error) => Err(Violation::new(Promise::Works, format!("the rows cannot be read: {error}"))),
        };
        self.scene.require(verdict);
        self.scene.store_visible = true;
        self.scene.prove();
    }

    fn look_at_horizon(&mut self) {
        let store = self.scene.store;
        let Some(eye) = self.eye.as_ref().filter(|_| !self.disks[store].is_off()) else { return };
        let verdict = match eye.horizon_ms() {
            Ok(horizon_ms) => self
                .scene
                .model
                .facts_mut(store)
                .calls
                .horizon(horizon_ms, std::mem::take(&mut self.rise_ms_max)),
            Err(error) => Err(Violation::new(Promise::Works, format!("the horizon cannot be read: {error}"))),
        };
        self.scene.require(verdict);
    }

    /// The product's own audit of its ledger.
    fn audit(&mut self) {
        let Some(store) = self.nodes.iter().find_map(Node::store) else { return };
        let verdict = match store.snapshot(|view| view.audit()) {
            Ok(report) if report.sound => Ok(()),
            Ok(report) => {
                let first = report.findings.first().map_or_else(String::new, ToString::to_string);
                Err(Violation::new(Promise::Ledger, format!("the audit found: {first}")))
            }
            Err(error) => Err(Violation::new(Promise::Works, format!("the audit failed: {error}"))),
        };
        self.scene.require(verdict);
    }

    /// An ERROR line is a broken promise, unless a disk that lost bytes explains it.
    fn read_log(&mut self) {
        let off = self.disks[self.scene.store].is_off();
        for line in self.errors.take() {
            let lost_bytes = line.starts_with("the store cannot be trusted any more") && self.disk_lost_bytes;
            let struck = self.rules_struck && line.starts_with("a rule panicked")
                || line.starts_with("a rule failed") && line.contains("as it was told to");
            let powerless =
                off && (line.starts_with("the store cannot be trusted") || line.starts_with("a rule failed"));
            if !(powerless || lost_bytes || struck) {
                self.scene.require(Err(Violation::new(Promise::QuietLog, line)));
            }
        }
    }

    fn rogue_acts(&mut self) {
        let Some(plan) = self.scene.plan.rogue else { return };
        if self.scene.calm || self.rogue_tries >= plan.tries {
            return;
        }
        self.rogue_tries += 1;
        self.scene.doubt |= plan.forges;
        if let Some(attempt) = rogue::attempt(&mut self.scene, &mut self.rogue) {
            let node = self.rogue.index(self.nodes.len());
            let nobody = self.clients.len();
            let link = self.scene.network.open(nobody, node, false);
            self.scene.tell(|| format!("rogue     sends {} on {link}", attempt.what));
            self.scene.count("copies and forgeries sent");
            self.rogue_frames.push((link, attempt.frames));
            self.scene.after(100, Event::Connects { client: nobody, life: 0, link });
        }
        let pause_us = self.rogue.below(plan.pause_ms_max * 1000);
        self.scene.after(pause_us, Event::RogueActs);
    }

    fn rogue_connects(&mut self, link: LinkId) {
        let Some(at) = self.rogue_frames.iter().position(|(of, _)| *of == link) else { return };
        let (_, frames) = self.rogue_frames.swap_remove(at);
        let Some(node) = self.scene.network.link(link).map(|link| link.node) else { return };
        if !self.nodes[node].is_up() {
            return;
        }
        self.nodes[node].accept(&mut self.scene, link);
        let mut bytes = Vec::new();
        for frame in &frames {
            frame.encode(&mut bytes);
        }
        let sent = self.scene.network.send(link, End::Node, bytes, self.scene.now_us);
        self.scene.carry(link, sent);
        let sent = self.scene.network.finish(link, End::Node, self.scene.now_us);
        self.scene.carry(link, sent);
    }

    fn report(mut self, events: u64) -> Report {
        let network = self.scene.network.figures;
        let counts = [
            ("frame lost", network.lost),
            ("frame doubled", network.doubled),
            ("piece delayed for long", network.stuck),
            ("connection broken", network.cut),
            ("client in doubt for ever", self.clients.iter().map(Client::doubts).sum()),
        ];
        for (name, count) in counts {
            *self.scene.counts.entry(name).or_default() += count;
        }
        let replays = (0..2).map(|store| self.scene.model.facts(store).calls.replays()).sum();
        Report {
            broken: self.scene.broken().cloned(),
            figures: Figures {
                simulated_us: self.scene.now_us - self.scene.slept_us,
                calls: self.scene.model.wishes.count(),
                effects: self.scene.model.wishes.effects(),
                replays,
                events,
                counts: self.scene.counts,
            },
            story: self.scene.story.into_lines(),
        }
    }
}
