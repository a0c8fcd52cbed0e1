//! What everybody in a run shares: the time, the agenda, the network, the model, the story.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use switchboard_call::client::CallKey;
use switchboard_call::frame::{Call, Cancel};
use switchboard_call::id::CallId;
use switchboard_engine::Principal;

use crate::model::{Model, Verdict, Violation};
use crate::network::{End, LinkId, Network, Parcel, Sent};
use crate::plan::Plan;
use crate::story::Story;

/// Requests that a rogue can copy, kept at most.
const OVERHEARD_MAX: usize = 96;

/// Something that happens at a time of its own. `life` tells a process from those before it.
#[derive(Debug)]
#[expect(
    missing_docs,
    reason = "fields are indices of nodes and clients, and the names of what they are about"
)]
pub enum Event {
    /// A client's process starts.
    ClientStarts { client: usize },
    /// A client's machine asked to be woken.
    ClientWakes { client: usize, life: u32 },
    /// A client's application wants something.
    ClientActs { client: usize, life: u32 },
    /// An application changes its mind.
    ClientCancels { client: usize, life: u32, key: CallKey },
    /// An application has taken an answer over.
    ClientAcknowledges { client: usize, life: u32, id: CallId },
    /// A connection that was asked for comes up, or is refused.
    Connects { client: usize, life: u32, link: LinkId },
    /// Something reaches its end.
    Arrives { link: LinkId, to: End, parcel: Parcel },
    /// A node's process starts.
    NodeStarts { node: usize },
    /// A node runs what it has received.
    NodeRuns { node: usize, life: u32 },
    /// A connection's machine asked to be woken.
    NodeWakes { node: usize, life: u32, link: LinkId },
    /// A node raises the horizon and deletes old rows.
    NodeKeepsHouse { node: usize, life: u32 },
    /// A rogue tries something.
    RogueActs,
    /// The next fault of the plan.
    Fault { index: usize },
    /// The store's disk has power again.
    PowerReturns,
    /// Somebody made room on the store's disk.
    DiskFreed,
    /// The nodes of the right store come back.
    RightStoreReturns,
}

#[derive(Debug)]
struct Appointment {
    at_us: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Appointment {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Appointment {}

impl PartialOrd for Appointment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Appointment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_us, self.order).cmp(&(other.at_us, other.order))
    }
}

/// A request that went over the network.
#[derive(Clone, Debug)]
pub enum Overheard {
    /// A call.
    Call(Call),
    /// A cancel.
    Cancel(Cancel),
}

impl Overheard {
    /// The id it is about.
    #[must_use]
    pub fn id(&self) -> CallId {
        match self {
            Self::Call(call) => call.id,
            Self::Cancel(cancel) => cancel.id,
        }
    }
}

/// What everybody shares.
#[derive(Debug)]
pub struct Scene {
    /// Microseconds since the run began.
    pub now_us: u64,
    /// How much of that everybody slept through.
    pub slept_us: u64,
    /// What the run was to be.
    pub plan: Plan,
    /// The connections.
    pub network: Network,
    /// What must be true.
    pub model: Model,
    /// What happened, in words.
    pub story: Story,
    /// What happened, in numbers.
    pub counts: BTreeMap<&'static str, u64>,
    /// The faults have stopped: nobody begins anything new, everything must settle.
    pub calm: bool,
    /// From now on a client may never learn the outcome of a call: a journal or the store was put back, or somebody
    /// else uses its call ids.
    pub doubt: bool,
    /// The store that the nodes serve: 0, or 1 while another one stands in its place.
    pub store: usize,
    /// Its rows can be looked at: some node serves it.
    pub store_visible: bool,
    /// Requests that a rogue may copy, each with its sender.
    pub overheard: VecDeque<(Principal, Overheard)>,
    agenda: BinaryHeap<Reverse<Appointment>>,
    order: u64,
    broken: Option<Violation>,
}

impl Scene {
    /// A scene before anything has happened.
    #[must_use]
    pub fn new(plan: Plan, network: Network, story: Story) -> Self {
        Self {
            now_us: 0,
            slept_us: 0,
            plan,
            network,
            model: Model::default(),
            story,
            counts: BTreeMap::new(),
            calm: false,
            doubt: false,
            store: 0,
            store_visible: false,
            overheard: VecDeque::new(),
            agenda: BinaryHeap::new(),
            order: 0,
            broken: None,
        }
    }

    /// Milliseconds since the run began: the machines' time.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_us / 1000
    }

    /// Puts something on the agenda.
    pub fn at(&mut self, at_us: u64, event: Event) {
        self.order += 1;
        self.agenda.push(Reverse(Appointment { at_us, order: self.order, event }));
    }

    /// The same, so many microseconds from now.
    pub fn after(&mut self, us: u64, event: Event) {
        self.at(self.now_us.saturating_add(us), event);
    }

    /// What happens next; time moves on to it.
    pub fn next_event(&mut self) -> Option<Event> {
        let Reverse(Appointment { at_us, event, .. }) = self.agenda.pop()?;
        self.now_us = self.now_us.max(at_us);
        Some(event)
    }

    /// Puts what was sent on the agenda.
    pub fn carry(&mut self, link: LinkId, sent: Sent) {
        for (at_us, to, parcel) in sent.arrivals {
            self.at(at_us, Event::Arrives { link, to, parcel });
        }
    }

    /// Adds a line to the story.
    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        self.story.tell(self.now_us, what);
    }

    /// Counts something.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Takes a verdict in: the first broken promise ends the run.
    pub fn require(&mut self, verdict: Verdict) {
        if let (Err(violation), None) = (verdict, &self.broken) {
            self.tell(|| format!("BROKEN  {violation}"));
            self.broken = Some(violation);
        }
    }

    /// What clients were told is true, as far as anybody can look.
    pub fn prove(&mut self) {
        if self.store_visible && self.store == 0 {
            let verdict = self.model.prove();
            self.require(verdict);
        }
    }

    /// The promise that was broken.
    #[must_use]
    pub fn broken(&self) -> Option<&Violation> {
        self.broken.as_ref()
    }

    /// A request goes over the network.
    pub fn overhear(&mut self, principal: Principal, what: Overheard) {
        if self.plan.rogue.is_none() || self.store != 0 {
            return;
        }
        if self.overheard.len() >= OVERHEARD_MAX {
            // Old ones stay longer than a queue would keep them: late copies are what matters.
            let at = usize::try_from(self.order % 96).unwrap_or(0);
            self.overheard.remove(at.min(OVERHEARD_MAX - 1));
        }
        self.overheard.push_back((principal, what));
    }
}
