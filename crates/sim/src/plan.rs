//! What a seed means: who takes part, what the network is like, and which faults come when. Each seed takes only some
//! kinds of faults, in its own measure ("swarm testing", Groce et al. 2012): a run in which everything fails all the
//! time never gets far enough to meet the rare cases.
//!
//! A plan is data: shrinking a failing run is taking things out of it.

use std::fmt;

use crate::chance::Chance;
use crate::disk::{Failure, Operation};

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where all chance in the run comes from.
    pub seed: u64,
    /// Server nodes, all on one store.
    pub nodes: usize,
    /// Slots a session may use at the start.
    pub slots_max: u16,
    /// Who calls.
    pub clients: Vec<ClientPlan>,
    /// Whether somebody sends copies and forgeries of what the clients send.
    pub rogue: Option<RoguePlan>,
    /// What the network does by itself.
    pub weather: Weather,
    /// How long calls are begun and faults come, in milliseconds; then everything heals and must settle.
    pub load_ms: u64,
    /// What is done to them, in order of time.
    pub faults: Vec<Fault>,
}

/// One client.
#[derive(Clone, Copy, Debug)]
pub struct ClientPlan {
    /// Whether it keeps a journal.
    pub durable: bool,
    /// Whether its link loses frames.
    pub lossy: bool,
    /// Its cash machine's number; 0 is the operator.
    pub principal: u64,
    /// Calls it begins at most.
    pub calls: u32,
    /// Calls it has open at most.
    pub open_max: usize,
    /// Longest pause between two wishes, in milliseconds.
    pub pause_ms_max: u64,
    /// Share of its calls that it soon wants cancelled.
    pub cancels: f64,
    /// Share of its calls with a deadline.
    pub deadlines: f64,
    /// Share of its calls with a time after which they must not be executed.
    pub not_afters: f64,
    /// Share of its calls that carry a secret.
    pub secrets: f64,
    /// Share of its calls in the encoding that only the newest servers understand.
    pub new_encoding: f64,
    /// Longest time until it acknowledges an answer, in milliseconds.
    pub acknowledge_ms_max: u64,
    /// Probability of a crash before each thing that it does.
    pub crash: f64,
}

/// The one who copies and forges.
#[derive(Clone, Copy, Debug)]
pub struct RoguePlan {
    /// What it tries at most.
    pub tries: u32,
    /// Longest pause between two tries, in milliseconds.
    pub pause_ms_max: u64,
    /// Whether it also makes calls of its own under the ids of others.
    pub forges: bool,
}

/// What the network does by itself.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Least and most one-way delay, in milliseconds.
    pub delay_ms: (u64, u64),
    /// Share of what is sent that takes very long.
    pub stuck: f64,
    /// How long that is at most, in milliseconds.
    pub stuck_ms_max: u64,
    /// Share of what is sent after which the connection breaks.
    pub cut: f64,
    /// Whether what is sent at once arrives in pieces.
    pub splits: bool,
    /// On lossy links: shares of frames lost on the way up and down.
    pub lost: (f64, f64),
    /// On lossy links: share of frames that arrive twice.
    pub doubled: f64,
}

/// Something that is done to them.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// When, in milliseconds.
    pub at_ms: u64,
    /// What.
    pub what: What,
}

/// What can be done to them.
#[derive(Clone, Copy, PartialEq, Debug)]
#[expect(missing_docs, reason = "fields are indices of nodes and clients, counts, and times with their unit")]
pub enum What {
    /// kill -9 of a server node; it starts again.
    KillNode { node: usize, down_ms: u64 },
    /// The store's machine loses power, and with it every node.
    CutPower { down_ms: u64 },
    /// The same after so many further operations of its disk, in the middle of a batch.
    CutPowerAmid { operations: u32, down_ms: u64 },
    /// A node is stopped in order and started again, perhaps with another number of slots and another version of the
    /// program.
    RestartNode { node: usize, down_ms: u64, slots_max: u16, newest: bool },
    /// SIGSTOP and SIGCONT of a node.
    PauseNode { node: usize, ms: u64 },
    /// The clock of a node jumps.
    NodeClock { node: usize, by_ms: i64 },
    /// Operations of the store's disk fail.
    DiskFails { operation: Operation, failure: Failure, after: u32, times: u32 },
    /// The store's disk is full for a while.
    DiskFull { ms: u64, free_bytes: u64 },
    /// The next rules of a node panic after they have written.
    RulesPanic { node: usize, rules: u32 },
    /// The next rules of a node fail after they have written.
    RulesFail { node: usize, rules: u32 },
    /// A client and a node do not reach each other.
    Partition { client: usize, node: usize, ms: u64 },
    /// Everybody sleeps: frames under way arrive late by as much.
    Nap { ms: u64 },
    /// Somebody keeps a copy of the store.
    Backup,
    /// All nodes are stopped, the kept copy is put in place, all nodes start.
    Restore { down_ms: u64 },
    /// All nodes are replaced by those of another store for a while.
    OtherStore { ms: u64 },
    /// Something is done to a client.
    OfClient { client: usize, what: OfClient },
}

/// What can be done to a client.
#[derive(Clone, Copy, PartialEq, Debug)]
#[expect(missing_docs, reason = "fields are indices of clients, and times with their unit")]
pub enum OfClient {
    /// kill -9; it starts again.
    Kill { down_ms: u64 },
    /// Its machine loses power.
    CutPower { down_ms: u64 },
    /// It ends in order and starts again.
    Close { down_ms: u64 },
    /// SIGSTOP and SIGCONT.
    Pause { ms: u64 },
    /// Writing its journal fails.
    JournalFails { operation: Operation, failure: Failure },
    /// Somebody keeps a copy of its journal.
    KeepJournal,
    /// It is stopped and starts on the journal that was kept.
    RestoreJournal { down_ms: u64 },
    /// It is stopped and starts on the journal that was kept of another.
    CopyJournal { from: usize, down_ms: u64 },
    /// It is stopped and starts without its journal.
    LoseJournal { down_ms: u64 },
    /// A bit of what its journal keeps turns over; it starts again, and is to notice.
    RotJournal { down_ms: u64 },
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::of(seed, "plan", 0);
        let load_ms = chance.between(5_000, 60_000);
        let nodes = if chance.happens(0.35) { chance.between(2, 3) } else { 1 };
        let nodes = usize::try_from(nodes).expect("a few");
        let clients = usize::try_from(chance.between(1, 4)).expect("a few");
        let clients: Vec<ClientPlan> = (0..clients).map(|_| ClientPlan::draw(&mut chance)).collect();
        let rogue = chance.happens(0.4).then(|| RoguePlan {
            tries: u32::try_from(chance.between(5, 60)).expect("a few"),
            pause_ms_max: chance.between(50, 3_000),
            forges: chance.happens(0.5),
        });
        let weather = Weather::draw(&mut chance);
        let mut plan = Self {
            seed,
            nodes,
            slots_max: *chance.pick(&[1, 2, 4, 64, 64, 64]),
            clients,
            rogue,
            weather,
            load_ms,
            faults: Vec::new(),
        };
        plan.faults = plan.draw_faults(&mut chance);
        plan
    }

    /// Whether a client can forget what it did.
    #[must_use]
    pub fn may_forget(&self, client: usize) -> bool {
        let forgets = |fault: &Fault| {
            matches!(
                fault.what,
                What::OfClient {
                    client: other,
                    what: OfClient::RestoreJournal { .. }
                        | OfClient::CopyJournal { .. }
                        | OfClient::LoseJournal { .. }
                        | OfClient::RotJournal { .. },
                } if other == client
            )
        };
        !self.clients[client].durable || self.faults.iter().any(forgets)
    }

    fn draw_faults(&self, chance: &mut Chance) -> Vec<Fault> {
        let kinds: Vec<Kind> = KINDS.iter().copied().filter(|kind| chance.happens(kind.share())).collect();
        let mut faults = Vec::new();
        for kind in kinds {
            for _ in 0..chance.between(1, kind.times_max()) {
                let at_ms = chance.between(self.load_ms / 20, self.load_ms);
                faults.extend(self.draw(kind, at_ms, chance));
            }
        }
        faults.sort_by_key(|fault| fault.at_ms);
        faults
    }

    fn draw(&self, kind: Kind, at_ms: u64, chance: &mut Chance) -> Vec<Fault> {
        let client = chance.index(self.clients.len());
        let other = chance.index(self.clients.len());
        let alike = self.clients[client].principal == self.clients[other].principal;
        let node = chance.index(self.nodes);
        let down_ms = *chance.pick(&[0, 10, 300, 2_000, 20_000]);
        let ms = *chance.pick(&[5, 200, 3_000, 30_000, 200_000]);
        let one = |what| vec![Fault { at_ms, what }];
        let of = |what| one(on(client, what));
        let kept = |client| on(client, OfClient::KeepJournal);
        let before_ms = chance.between(0, at_ms);
        let earlier = |what, later| vec![Fault { at_ms: before_ms, what }, Fault { at_ms, what: later }];
        match kind {
            Kind::KillNode => one(What::KillNode { node, down_ms }),
            Kind::CutPower => one(What::CutPower { down_ms }),
            Kind::CutPowerAmid => {
                let operations = u32::try_from(chance.between(1, 60)).expect("a few");
                one(What::CutPowerAmid { operations, down_ms })
            }
            Kind::RestartNode => {
                let slots_max = *chance.pick(&[1, 2, 8, 64]);
                let newest = chance.happens(0.5);
                one(What::RestartNode { node, down_ms, slots_max, newest })
            }
            Kind::PauseNode => one(What::PauseNode { node, ms }),
            Kind::NodeClock => one(What::NodeClock { node, by_ms: jump(chance) }),
            Kind::DiskFails => one(disk_fails(chance)),
            Kind::DiskFull => one(What::DiskFull { ms, free_bytes: chance.below(60_000) }),
            Kind::DyingDisk => {
                let after_ms = (at_ms + chance.between(1_000, 6_000)).min(self.load_ms - 1);
                let (failure, after) = (*chance.pick(&[Failure::Io, Failure::SyncLost]), 0);
                let fails = What::DiskFails { operation: Operation::Sync, failure, after, times: 1 };
                let cut = What::CutPower { down_ms };
                vec![Fault { at_ms, what: fails }, Fault { at_ms: after_ms, what: cut }]
            }
            Kind::RulesPanic => one(What::RulesPanic { node, rules: few(chance) }),
            Kind::RulesFail => one(What::RulesFail { node, rules: few(chance) }),
            Kind::KillClient => of(OfClient::Kill { down_ms }),
            Kind::CutClientPower => of(OfClient::CutPower { down_ms }),
            Kind::CloseClient => of(OfClient::Close { down_ms }),
            Kind::PauseClient => of(OfClient::Pause { ms }),
            Kind::JournalFails => {
                let operation = *chance.pick(&[Operation::Write, Operation::Sync]);
                let failure = *chance.pick(&[Failure::Io, Failure::Full]);
                of(OfClient::JournalFails { operation, failure })
            }
            Kind::Partition => one(What::Partition { client, node, ms }),
            Kind::Nap => one(What::Nap { ms: *chance.pick(&[HOUR_MS, DAY_MS, 9 * DAY_MS, 31 * DAY_MS]) }),
            Kind::RestoreJournal => earlier(kept(client), on(client, OfClient::RestoreJournal { down_ms })),
            Kind::CopyJournal if client == other || !alike => Vec::new(),
            Kind::CopyJournal => {
                earlier(kept(client), on(other, OfClient::CopyJournal { from: client, down_ms }))
            }
            Kind::LoseJournal => of(OfClient::LoseJournal { down_ms }),
            Kind::RotJournal => of(OfClient::RotJournal { down_ms }),
            Kind::Restore => earlier(What::Backup, What::Restore { down_ms }),
            Kind::OtherStore => one(What::OtherStore { ms: ms.max(1_000) }),
        }
    }
}

fn disk_fails(chance: &mut Chance) -> What {
    let operation = *chance.pick(&[Operation::Read, Operation::Write, Operation::Sync, Operation::Lock]);
    let failure = match operation {
        Operation::Lock => Failure::Busy,
        Operation::Sync => *chance.pick(&[Failure::Io, Failure::SyncLost]),
        Operation::Write => *chance.pick(&[Failure::Io, Failure::Full]),
        Operation::Read | Operation::Truncate | Operation::Open | Operation::Delete => Failure::Io,
    };
    let after = u32::try_from(chance.below(30)).expect("a few");
    let times = u32::try_from(*chance.pick(&[1, 1, 3, 40])).expect("a few");
    What::DiskFails { operation, failure, after, times }
}

fn on(client: usize, what: OfClient) -> What {
    What::OfClient { client, what }
}

fn few(chance: &mut Chance) -> u32 {
    *chance.pick(&[1, 1, 2, 5])
}

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

fn jump(chance: &mut Chance) -> i64 {
    let sizes = [1_000, HOUR_MS, DAY_MS, 40 * DAY_MS, 3 * 365 * DAY_MS];
    let size = i64::try_from(*chance.pick(&sizes)).expect("years fit");
    if chance.happens(0.5) { size } else { -size }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    KillNode,
    CutPower,
    CutPowerAmid,
    RestartNode,
    PauseNode,
    NodeClock,
    DiskFails,
    DiskFull,
    DyingDisk,
    RulesPanic,
    RulesFail,
    KillClient,
    CutClientPower,
    CloseClient,
    PauseClient,
    JournalFails,
    Partition,
    Nap,
    RestoreJournal,
    CopyJournal,
    LoseJournal,
    RotJournal,
    Restore,
    OtherStore,
}

const KINDS: &[Kind] = &[
    Kind::KillNode,
    Kind::CutPower,
    Kind::CutPowerAmid,
    Kind::RestartNode,
    Kind::PauseNode,
    Kind::NodeClock,
    Kind::DiskFails,
    Kind::DiskFull,
    Kind::DyingDisk,
    Kind::RulesPanic,
    Kind::RulesFail,
    Kind::KillClient,
    Kind::CutClientPower,
    Kind::CloseClient,
    Kind::PauseClient,
    Kind::JournalFails,
    Kind::Partition,
    Kind::Nap,
    Kind::RestoreJournal,
    Kind::CopyJournal,
    Kind::LoseJournal,
    Kind::RotJournal,
    Kind::Restore,
    Kind::OtherStore,
];

impl Kind {
    /// In which share of the runs it is met.
    fn share(self) -> f64 {
        match self {
            Self::KillNode | Self::CutPower | Self::CutPowerAmid | Self::KillClient => 0.4,
            Self::CutClientPower | Self::DiskFails | Self::Partition | Self::CloseClient => 0.3,
            Self::RestartNode | Self::PauseNode | Self::PauseClient | Self::DiskFull => 0.25,
            Self::CopyJournal => 0.35,
            Self::NodeClock
            | Self::Nap
            | Self::JournalFails
            | Self::DyingDisk
            | Self::RulesPanic
            | Self::RulesFail => 0.15,
            Self::RestoreJournal | Self::LoseJournal | Self::Restore => 0.1,
            Self::RotJournal | Self::OtherStore => 0.05,
        }
    }

    /// How often it comes in one run at most.
    fn times_max(self) -> u64 {
        match self {
            Self::KillNode
            | Self::CutPower
            | Self::CutPowerAmid
            | Self::KillClient
            | Self::CutClientPower
            | Self::DiskFails => 6,
            Self::CloseClient
            | Self::Partition
            | Self::RestartNode
            | Self::PauseNode
            | Self::PauseClient
            | Self::DyingDisk
            | Self::RulesPanic
            | Self::RulesFail
            | Self::Nap => 3,
            Self::NodeClock
            | Self::DiskFull
            | Self::JournalFails
            | Self::CopyJournal
            | Self::RestoreJournal
            | Self::Restore => 2,
            Self::LoseJournal | Self::RotJournal | Self::OtherStore => 1,
        }
    }
}

impl ClientPlan {
    fn draw(chance: &mut Chance) -> Self {
        let mut some = |share: f64, most: f64| {
            let met = chance.happens(share);
            let fraction = chance.fraction();
            if met { fraction * most } else { 0.0 }
        };
        let (cancels, deadlines) = (some(0.5, 0.5), some(0.5, 0.5));
        let (not_afters, secrets) = (some(0.4, 0.5), some(0.3, 0.3));
        let (crash, new_encoding) = (some(0.4, 0.02), some(0.3, 1.0));
        Self {
            durable: chance.happens(0.75),
            lossy: chance.happens(0.3),
            principal: *chance.pick(&[0, 0, 1, 2]),
            calls: u32::try_from(chance.between(5, 60)).expect("a few"),
            open_max: *chance.pick(&[1, 2, 8, 32]),
            pause_ms_max: *chance.pick(&[0, 20, 300, 3_000]),
            cancels,
            deadlines,
            not_afters,
            secrets,
            new_encoding,
            acknowledge_ms_max: *chance.pick(&[0, 0, 100, 10_000]),
            crash,
        }
    }
}

impl Weather {
    /// None at all: everything arrives, soon and once.
    pub const CALM: Self = Self {
        delay_ms: (0, 2),
        stuck: 0.0,
        stuck_ms_max: 0,
        cut: 0.0,
        splits: false,
        lost: (0.0, 0.0),
        doubled: 0.0,
    };

    fn draw(chance: &mut Chance) -> Self {
        let most = *chance.pick(&[1, 5, 50, 400]);
        let rough = chance.happens(0.5);
        let mut loss = || {
            let half = *chance.pick(&[0.0, 0.05, 0.3, 0.7]);
            half * chance.fraction()
        };
        let lost = (loss(), loss());
        Self {
            delay_ms: (0, most),
            stuck: if rough { 0.05 * chance.fraction() } else { 0.0 },
            stuck_ms_max: *chance.pick(&[500, 8_000, 60_000, HOUR_MS]),
            cut: if chance.happens(0.5) { 0.05 * chance.fraction() } else { 0.0 },
            splits: chance.happens(0.3),
            lost,
            doubled: if chance.happens(0.5) { 0.3 * chance.fraction() } else { 0.0 },
        }
    }
}

impl What {
    /// Whether a client may never learn the outcome of a call after it: its journal or the store was put back.
    #[must_use]
    pub fn may_leave_doubt(&self) -> bool {
        match self {
            Self::Restore { .. } | Self::OtherStore { .. } => true,
            Self::OfClient { what, .. } => matches!(
                what,
                OfClient::RestoreJournal { .. } | OfClient::CopyJournal { .. } | OfClient::RotJournal { .. }
            ),
            Self::KillNode { .. }
            | Self::CutPower { .. }
            | Self::CutPowerAmid { .. }
            | Self::RestartNode { .. }
            | Self::PauseNode { .. }
            | Self::NodeClock { .. }
            | Self::Nap { .. }
            | Self::DiskFails { .. }
            | Self::DiskFull { .. }
            | Self::RulesPanic { .. }
            | Self::RulesFail { .. }
            | Self::Partition { .. }
            | Self::Backup => false,
        }
    }

    /// Its name in the figures.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::KillNode { .. } => "node killed",
            Self::CutPower { .. } => "power cut",
            Self::CutPowerAmid { .. } => "power cut amid a batch",
            Self::RestartNode { .. } => "node restarted",
            Self::PauseNode { .. } => "node paused",
            Self::NodeClock { .. } => "clock jump",
            Self::DiskFails { .. } => "store error",
            Self::DiskFull { .. } => "disk full",
            Self::RulesPanic { .. } => "rule panics",
            Self::RulesFail { .. } => "rule fails",
            Self::Partition { .. } => "partition",
            Self::Nap { .. } => "everybody asleep",
            Self::Backup => "backup",
            Self::Restore { .. } => "store restored",
            Self::OtherStore { .. } => "another store",
            Self::OfClient { what, .. } => what.name(),
        }
    }
}

impl OfClient {
    fn name(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "client killed",
            Self::CutPower { .. } => "client's power cut",
            Self::Close { .. } => "client closed",
            Self::Pause { .. } => "client paused",
            Self::JournalFails { .. } => "journal error",
            Self::KeepJournal => "journal kept",
            Self::RestoreJournal { .. } => "journal put back",
            Self::CopyJournal { .. } => "journal copied",
            Self::LoseJournal { .. } => "journal lost",
            Self::RotJournal { .. } => "journal rotten",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} ms: {:?}", self.at_ms, self.what)
    }
}
