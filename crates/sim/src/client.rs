//! A simulated client: the real client machine and journal machine, with this driver in the place of the one that
//! owns sockets, files and clocks. It does the same things in the same order, and can die between any two of them.

mod application;

use std::collections::{BTreeMap, BTreeSet};

use switchboard_call::client::{
    Alarm, CallKey, CallState, Config, LinkKind, Machine, Output, StopReason, Unresolved,
};
use switchboard_call::frame::{ClientFrame, Inbox};
use switchboard_call::id::{CallId, SessionId};
use switchboard_call::journal::{Binding, Recovered, recover};
use switchboard_call::limits::FRAME_BYTES_MAX;
use switchboard_engine::{MachineId, Principal};

use crate::chance::Chance;
use crate::disk::Disk;
use crate::intent::{self, Intent};
use crate::model::{Promise, Violation};
use crate::network::{End, LinkId, Parcel};
use crate::plan::ClientPlan;
use crate::scene::{Event, Overheard, Scene};

const JOURNAL: &str = "journal";

/// After a stop that only a person can mend, somebody starts the client again, in microseconds.
const MENDED_AFTER_US: u64 = 5_000_000;

/// So much sleep lets rows be collected, in microseconds.
const AGES_US: u64 = 14 * 24 * 3_600_000_000;

/// Which end a process comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    /// kill -9: what was written stays.
    Killed,
    /// Its machine lost power: what was not synced may be gone.
    PowerCut,
}

/// A client and its machine.
#[derive(Debug)]
pub struct Client {
    index: usize,
    plan: ClientPlan,
    disk: Disk,
    chance: Chance,
    life: Option<Life>,
    lives: u32,
    begun: u32,
    /// Until when its process is stopped, in microseconds.
    pub paused_until_us: u64,
    /// A copy of its journal that somebody kept.
    pub kept: Option<Vec<u8>>,
    /// When it starts again after it was closed, in microseconds.
    closes_for_us: Option<u64>,
    /// Calls that the store is said to have lost.
    heard_lost: Vec<CallId>,
    /// Calls whose outcome it can never learn.
    doubts: u64,
    /// Its open calls belong to a store that is gone.
    is_stranded: bool,
    /// Its last process was told to end in order.
    closed: bool,
    /// Its journal was synced since it was made.
    has_synced: bool,
    /// Sessions that the process before this one used.
    last_sessions: BTreeSet<SessionId>,
    /// Sessions of processes that crashed.
    old_sessions: BTreeSet<SessionId>,
}

/// One process.
#[derive(Debug)]
struct Life {
    number: u32,
    born_ms: u64,
    machine: Machine,
    link: Option<LinkId>,
    /// Position up to which the machine waits for a flush.
    flush_to: Option<u64>,
    wakes_us: Option<u64>,
    intents: BTreeMap<CallKey, Intent>,
    sessions: BTreeSet<SessionId>,
    /// What it sends, read as frames, for those who overhear it.
    spoken: Inbox,
}

/// Why a journal cannot be used.
enum Unusable {
    /// The disk fails just now.
    Disk,
    /// What it says makes no sense.
    Journal(String),
}

impl Client {
    /// The client with this number in the plan.
    #[must_use]
    pub fn new(index: usize, plan: ClientPlan, seed: u64) -> Self {
        let which = u64::try_from(index).expect("a few clients");
        let chance = Chance::of(seed, "client", which);
        let disk = Disk::new(Chance::of(seed, "client's disk", which).draw());
        Self {
            index,
            plan,
            disk,
            chance,
            life: None,
            lives: 0,
            begun: 0,
            paused_until_us: 0,
            kept: None,
            closes_for_us: None,
            heard_lost: Vec::new(),
            doubts: 0,
            is_stranded: false,
            closed: false,
            has_synced: false,
            last_sessions: BTreeSet::new(),
            old_sessions: BTreeSet::new(),
        }
    }

    /// Whom the servers take it for.
    #[must_use]
    pub fn principal(&self) -> Principal {
        principal(self.plan.principal)
    }

    /// Whether this process still runs.
    #[must_use]
    pub fn lives(&self, life: u32) -> bool {
        self.life.as_ref().is_some_and(|now| now.number == life)
    }

    /// The disk with its journal.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Calls whose outcome it can never learn.
    #[must_use]
    pub fn doubts(&self) -> u64 {
        self.doubts
    }

    /// Whether it was told that the store lost one of these calls, or what came before it in its slot.
    #[must_use]
    pub fn heard_of_loss(&self, lost: &[CallId]) -> bool {
        let place = |id: &CallId| (id.session, id.slot);
        self.heard_lost.iter().any(|heard| lost.iter().any(|id| place(id) == place(heard)))
    }

    /// The bytes of its journal.
    #[must_use]
    pub fn journal(&self) -> Option<Vec<u8>> {
        self.disk.read(JOURNAL)
    }

    /// Puts a journal in the place of its own; none: it is lost. The process must not run.
    pub fn replace_journal(&mut self, bytes: Option<&[u8]>) {
        debug_assert!(self.life.is_none(), "a running process holds its journal");
        self.disk.clear_faults();
        self.disk.remove(JOURNAL);
        if let Some(bytes) = bytes {
            self.disk.replace(JOURNAL, bytes).expect("a disk without faults takes a journal");
        }
    }

    /// Starts a process.
    pub fn start(&mut self, scene: &mut Scene) {
        if self.life.is_some() {
            return;
        }
        let recovered = match self.recover() {
            Ok(recovered) => recovered,
            Err(Unusable::Disk) => {
                let client = self.index;
                return scene.after(MENDED_AFTER_US, Event::ClientStarts { client });
            }
            Err(Unusable::Journal(why)) => return self.begin_anew(scene, &why),
        };
        self.lives += 1;
        let last_sessions = std::mem::take(&mut self.last_sessions);
        let ended_in_order = std::mem::replace(&mut self.closed, false) && recovered.clean;
        if !ended_in_order {
            self.old_sessions.extend(last_sessions);
        }
        let (open, answered) = (recovered.open.len(), recovered.answered.len());
        let (client, number) = (self.index, self.lives);
        scene.tell(|| {
            format!(
                "client {client}  starts (life {number}, {open} calls open, {answered} answers to hand over)"
            )
        });
        for call in &recovered.open {
            // Its first copy may never have left; from now on one may.
            if let Some(intent) = intent::marked(&call.label) {
                scene.model.wishes.sent(intent, call.id);
            }
        }
        let mut chance = Chance::of(self.chance.draw(), "machine", u64::from(number));
        let random = Box::new(move |buffer: &mut [u8]| chance.fill(buffer));
        let machine = if self.plan.durable {
            Machine::recover(self.config(scene), recovered, random)
        } else {
            Machine::new(self.config(scene), random)
        };
        self.life = Some(Life {
            number,
            born_ms: scene.now_ms(),
            machine,
            link: None,
            flush_to: None,
            wakes_us: None,
            intents: BTreeMap::new(),
            sessions: BTreeSet::new(),
            spoken: Inbox::new(FRAME_BYTES_MAX),
        });
        self.with_machine(scene, |machine, now_ms| machine.handle_timer(now_ms));
        let pause_us = self.pause_us();
        scene.after(pause_us, Event::ClientActs { client, life: number });
    }

    /// What the file says, as the driver reads it: synced, and cut to what is sound.
    fn recover(&mut self) -> Result<Recovered, Unusable> {
        let Some(bytes) = self.disk.read(JOURNAL).filter(|_| self.plan.durable) else {
            return Ok(Recovered::nothing());
        };
        let recovered =
            recover(&bytes, &self.binding()).map_err(|error| Unusable::Journal(error.to_string()))?;
        let flushed = self.disk.sync(JOURNAL);
        let sound = usize::try_from(recovered.sound_bytes).expect("it fits in memory");
        let cut = flushed.and_then(|()| match sound < bytes.len() {
            true => self.disk.truncate(JOURNAL, recovered.sound_bytes).and_then(|()| self.disk.sync(JOURNAL)),
            false => Ok(()),
        });
        cut.map(|()| recovered).map_err(|_| Unusable::Disk)
    }

    /// A journal that cannot be used: its owner moves it aside.
    fn begin_anew(&mut self, scene: &mut Scene, why: &str) {
        let client = self.index;
        scene.tell(|| format!("client {client}  cannot use its journal: {why}"));
        // Of a file that never was synced nobody can tell whose it is; nothing was sent on its account.
        if !scene.plan.may_forget(client) && self.has_synced {
            let how = format!("client {client} cannot use a journal that nobody damaged: {why}");
            scene.require(Err(Violation::new(Promise::Works, how)));
        }
        self.disk.remove(JOURNAL);
        self.has_synced = false;
        scene.model.wishes.forgot(client);
        scene.after(MENDED_AFTER_US, Event::ClientStarts { client });
    }

    fn binding(&self) -> Binding {
        Binding::new("the simulated machine", self.principal().to_string())
    }

    fn config(&self, scene: &Scene) -> Config {
        let agent = format!("client {}", self.index);
        let config = match self.plan.durable {
            true => Config::durable(agent, self.binding()),
            false => Config::volatile(agent),
        };
        let link = if self.plan.lossy { LinkKind::Lossy } else { LinkKind::Stream };
        Config { link, nodes: scene.plan.nodes, ..config }
    }

    fn pause_us(&mut self) -> u64 {
        self.chance.below(self.plan.pause_ms_max * 1000 + 2000)
    }

    /// Runs one step of the machine, and everything that follows from it.
    fn with_machine<T>(&mut self, scene: &mut Scene, step: impl FnOnce(&mut Machine, u64) -> T) -> Option<T> {
        let life = self.life.as_mut()?;
        let result = step(&mut life.machine, scene.now_ms() - life.born_ms);
        self.carry_out(scene);
        Some(result)
    }

    /// The machine asked to be woken now.
    pub fn wake(&mut self, scene: &mut Scene) {
        let Some(life) = &mut self.life else { return };
        if life.wakes_us.is_some_and(|at_us| at_us > scene.now_us) {
            return;
        }
        life.wakes_us = None;
        self.with_machine(scene, |machine, now_ms| machine.handle_timer(now_ms));
    }

    /// Does everything that the machine wants done, flushing the journal once for all of it.
    fn carry_out(&mut self, scene: &mut Scene) {
        loop {
            while let Some(output) = self.life.as_mut().and_then(|life| life.machine.poll_output()) {
                if !scene.calm && self.chance.happens(self.plan.crash) {
                    return self.crash(scene, &output);
                }
                self.output(scene, output);
            }
            let Some(position) = self.life.as_mut().and_then(|life| life.flush_to.take()) else { break };
            let flushed = self.disk.sync(JOURNAL);
            self.has_synced |= flushed.is_ok();
            let Some(life) = &mut self.life else { return };
            match flushed {
                Ok(()) => life.machine.handle_journalled(position),
                Err(_) => life.machine.handle_journal_failed(),
            }
        }
        self.arm(scene);
        let stopped = self.life.as_ref().and_then(|life| life.machine.stop_reason());
        self.is_stranded |= stopped == Some(StopReason::WrongStore);
        if stopped.is_some() && self.closes_for_us.is_none() {
            self.closes_for_us = Some(MENDED_AFTER_US);
            self.die(scene, Death::Killed, MENDED_AFTER_US);
        }
    }

    fn crash(&mut self, scene: &mut Scene, before: &Output) {
        let client = self.index;
        let death = if self.chance.happens(0.5) { Death::Killed } else { Death::PowerCut };
        scene.tell(|| format!("client {client}  crashes ({death:?}) before {before:?}"));
        scene.count("client crashed between two steps");
        let down_us = *self.chance.pick(&[0, 10_000, 1_000_000, 8_000_000]);
        self.die(scene, death, down_us);
    }

    fn arm(&mut self, scene: &mut Scene) {
        let client = self.index;
        let Some(life) = &mut self.life else { return };
        let Some(at_ms) = life.machine.poll_timeout() else { return };
        let at_us = (at_ms.saturating_add(life.born_ms)).saturating_mul(1000).max(scene.now_us);
        if life.wakes_us.is_none_or(|armed_us| at_us < armed_us) {
            life.wakes_us = Some(at_us);
            scene.at(at_us, Event::ClientWakes { client, life: life.number });
        }
    }

    fn output(&mut self, scene: &mut Scene, output: Output) {
        let client = self.index;
        match output {
            Output::Send(_) | Output::Journal { must_sync: false, .. } => {}
            Output::Journal { .. }
            | Output::RewriteJournal { .. }
            | Output::Connect { .. }
            | Output::Disconnect
            | Output::Goodbye { .. }
            | Output::Welcomed { .. }
            | Output::Begun { .. }
            | Output::Answer(_)
            | Output::NeverSent { .. }
            | Output::Unresolved { .. }
            | Output::ReadAnswer { .. }
            | Output::ReadFailed { .. }
            | Output::OutcomeKnown { .. }
            | Output::Alarm(_)
            | Output::Closed => scene.tell(|| format!("client {client}  {output:?}")),
        }
        match output {
            Output::Journal { position, bytes, must_sync, .. } => self.append(position, &bytes, must_sync),
            Output::RewriteJournal { position, bytes } => self.rewrite(position, &bytes),
            Output::Send(bytes) => self.send(scene, bytes),
            Output::Connect { node } => self.connect(scene, node),
            Output::Disconnect => self.disconnect(scene),
            Output::Begun { key, id } => self.begun(scene, key, id),
            Output::Answer(settled) => {
                let verdict = scene.model.wishes.told(client, &settled);
                scene.require(verdict);
                scene.prove();
                let delay_us = self.chance.below(self.plan.acknowledge_ms_max * 1000 + 1);
                if let Some(life) = &mut self.life {
                    life.intents.remove(&settled.key);
                    let acknowledge = Event::ClientAcknowledges { client, life: life.number, id: settled.id };
                    scene.after(delay_us, acknowledge);
                }
            }
            Output::NeverSent { key, .. } => {
                if let Some(intent) = self.life.as_mut().and_then(|life| life.intents.remove(&key)) {
                    let verdict = scene.model.wishes.never_sent(intent);
                    scene.require(verdict);
                }
            }
            Output::Unresolved { key, id, why } => self.unresolved(scene, key, id, &why),
            Output::Alarm(Alarm::StoreLost { id, .. } | Alarm::Gap { id }) => self.heard_lost.push(id),
            Output::Closed => {
                let down_us = self.closes_for_us.take().unwrap_or(0);
                self.die(scene, Death::Killed, down_us);
            }
            Output::Welcomed { .. } => self.is_stranded = false,
            Output::Goodbye { .. }
            | Output::ReadAnswer { .. }
            | Output::ReadFailed { .. }
            | Output::OutcomeKnown { .. }
            | Output::Alarm(
                Alarm::WrongStore { .. }
                | Alarm::NotYours { .. }
                | Alarm::JournalCopied { .. }
                | Alarm::CallIdReused { .. }
                | Alarm::Superseded { .. }
                | Alarm::Refused { .. }
                | Alarm::ProtocolBroken { .. }
                | Alarm::Stopped(_),
            ) => {}
        }
    }

    fn append(&mut self, position: u64, bytes: &[u8], must_sync: bool) {
        let appended = self.disk.append(JOURNAL, bytes);
        let Some(life) = &mut self.life else { return };
        match appended {
            Ok(()) if must_sync => life.flush_to = Some(position),
            Ok(()) => {}
            Err(_) => life.machine.handle_journal_failed(),
        }
    }

    fn rewrite(&mut self, position: u64, bytes: &[u8]) {
        let replaced = self.disk.replace(JOURNAL, bytes);
        let Some(life) = &mut self.life else { return };
        match replaced {
            Ok(()) => life.machine.handle_journalled(position),
            Err(_) => life.machine.handle_rewrite_failed(),
        }
    }

    fn begun(&mut self, scene: &mut Scene, key: CallKey, id: CallId) {
        let Some(life) = &mut self.life else { return };
        life.sessions.insert(id.session);
        // A journal that was put back may be from before the crash, and clean.
        if self.old_sessions.contains(&id.session) && !scene.plan.may_forget(self.index) {
            let how = format!("client {} began {id} in a session from before a crash", self.index);
            scene.require(Err(Violation::new(Promise::NewSession, how)));
        }
        let label = life.machine.calls().find(|call| call.key == key).map(|call| call.label);
        let Some(intent) = label.as_deref().and_then(intent::marked) else { return };
        scene.model.wishes.sent(intent, id);
    }

    fn unresolved(&mut self, scene: &mut Scene, key: CallKey, id: CallId, why: &Unresolved) {
        match why {
            Unresolved::NoAnswer | Unresolved::Stopped(_) => {}
            Unresolved::Superseded
            | Unresolved::Forgotten
            | Unresolved::CallIdReused(_)
            | Unresolved::Gap
            | Unresolved::NotYours
            | Unresolved::WrongStore
            | Unresolved::TurnedAway(_) => {
                self.doubts += 1;
                let client = self.index;
                // A session that has grown old is forgotten.
                let aged = scene.slept_us >= AGES_US && matches!(why, Unresolved::Forgotten);
                scene.model.wishes.doubted(id);
                if !scene.doubt && !aged {
                    let how = format!("client {client} can never learn what became of {id}: {why}");
                    scene.require(Err(Violation::new(Promise::Settles, how)));
                }
                let intent = self.life.as_mut().and_then(|life| life.intents.remove(&key));
                scene.tell(|| format!("client {client}  gives {id} up ({intent:?})"));
            }
        }
    }

    fn connect(&mut self, scene: &mut Scene, node: usize) {
        let Some(life) = &mut self.life else { return };
        let link = scene.network.open(self.index, node, self.plan.lossy);
        life.link = Some(link);
        life.spoken = Inbox::new(FRAME_BYTES_MAX);
        let delay_us = scene.network.delay_us();
        scene.after(delay_us, Event::Connects { client: self.index, life: life.number, link });
    }

    fn disconnect(&mut self, scene: &mut Scene) {
        if let Some(link) = self.life.as_mut().and_then(|life| life.link.take()) {
            let sent = scene.network.finish(link, End::Node, scene.now_us);
            scene.carry(link, sent);
        }
    }

    fn send(&mut self, scene: &mut Scene, bytes: Vec<u8>) {
        let from = self.principal();
        let Some(life) = &mut self.life else { return };
        let Some(link) = life.link else { return };
        life.spoken.push(&bytes);
        let mut heard = Vec::new();
        while let Ok(Some(raw)) = life.spoken.next_frame() {
            heard.extend(ClientFrame::decode(raw).ok());
        }
        let client = self.index;
        for frame in heard {
            scene.tell(|| format!("client {client}  sends {}", spoken(&frame)));
            match frame {
                ClientFrame::Call(call) => scene.overhear(from, Overheard::Call(call)),
                ClientFrame::Cancel(cancel) => scene.overhear(from, Overheard::Cancel(cancel)),
                ClientFrame::Hello(_)
                | ClientFrame::Read(_)
                | ClientFrame::Outcome(_)
                | ClientFrame::Ping(_)
                | ClientFrame::Pong(_)
                | ClientFrame::Goodbye(_) => {}
            }
        }
        let sent = scene.network.send(link, End::Node, bytes, scene.now_us);
        scene.carry(link, sent);
    }

    /// Whether it waits for this connection.
    #[must_use]
    pub fn awaits(&self, link: LinkId) -> bool {
        self.life.as_ref().is_some_and(|life| life.link == Some(link))
    }

    /// The connection came up.
    pub fn connected(&mut self, scene: &mut Scene) {
        let credential = self.plan.principal.to_be_bytes().to_vec();
        self.with_machine(scene, |machine, now_ms| machine.handle_connected(now_ms, Some(credential)));
    }

    /// Nobody listened.
    pub fn refused(&mut self, scene: &mut Scene) {
        if let Some(life) = &mut self.life {
            life.link = None;
        }
        self.with_machine(scene, |machine, now_ms| machine.handle_disconnected(now_ms));
    }

    /// Something arrives from a node.
    pub fn receive(&mut self, scene: &mut Scene, link: LinkId, parcel: &Parcel) {
        let Some(life) = self.life.as_mut().filter(|life| life.link == Some(link)) else { return };
        match parcel {
            Parcel::Bytes(bytes) => {
                self.with_machine(scene, |machine, now_ms| machine.handle_bytes(now_ms, bytes));
            }
            Parcel::Finished | Parcel::Broken => {
                life.link = None;
                self.with_machine(scene, |machine, now_ms| machine.handle_disconnected(now_ms));
            }
        }
    }

    /// The application ends in order; it starts again after `down_us`.
    pub fn close(&mut self, scene: &mut Scene, down_us: u64) {
        if self.life.is_some() {
            (self.closes_for_us, self.closed) = (Some(down_us), true);
            self.with_machine(scene, |machine, now_ms| machine.close(now_ms));
        }
    }

    /// The process ends; it starts again after `down_us`.
    pub fn die(&mut self, scene: &mut Scene, death: Death, down_us: u64) {
        self.closes_for_us = None;
        let Some(life) = self.life.take() else { return };
        self.last_sessions = life.sessions;
        if let Some(link) = life.link {
            // The kernel closes a killed process's sockets; a machine without power says nothing.
            if death == Death::Killed {
                let sent = scene.network.finish(link, End::Node, scene.now_us);
                scene.carry(link, sent);
            }
        }
        match death {
            Death::Killed => self.disk.detach(),
            Death::PowerCut => {
                self.disk.cut_power();
                self.disk.power_on();
            }
        }
        if !self.plan.durable {
            scene.model.wishes.forgot(self.index);
        }
        scene.after(down_us, Event::ClientStarts { client: self.index });
    }

    /// Whether its open calls belong to a store that is gone, so that they can never be settled.
    #[must_use]
    pub fn is_stranded(&self) -> bool {
        self.is_stranded
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        if self.is_stranded {
            return true;
        }
        let Some(life) = self.life.as_ref().filter(|life| life.machine.is_connected()) else { return false };
        life.machine.calls().all(
            |call| matches!(&call.state, CallState::Unresolved(why) if !matches!(why, Unresolved::NoAnswer)),
        )
    }

    /// What is left to do, for a person.
    #[must_use]
    pub fn standing(&self) -> String {
        match &self.life {
            None => format!("client {} does not run", self.index),
            Some(life) => {
                let open: Vec<String> = life
                    .machine
                    .calls()
                    .map(|call| format!("{} {:?} {:?}", call.label, call.id, call.state))
                    .collect();
                format!("client {} ({:?}) has open: {}", self.index, life.machine, open.join(", "))
            }
        }
    }
}

/// The principal with this number in a plan.
#[must_use]
pub fn principal(number: u64) -> Principal {
    match number {
        0 => Principal::Operator,
        number => Principal::Machine(MachineId::new(number).expect("plans use small numbers")),
    }
}

/// A frame in a few words.
fn spoken(frame: &ClientFrame) -> String {
    match frame {
        ClientFrame::Call(call) => format!("call {} (copy {})", call.id, call.attempt),
        ClientFrame::Cancel(cancel) => format!("cancel {}", cancel.id),
        ClientFrame::Outcome(query) => format!("outcome of {}?", query.id),
        ClientFrame::Hello(_) => "hello".to_owned(),
        ClientFrame::Read(read) => format!("read {}", read.tag),
        ClientFrame::Ping(_) => "ping".to_owned(),
        ClientFrame::Pong(_) => "pong".to_owned(),
        ClientFrame::Goodbye(_) => "goodbye".to_owned(),
    }
}
