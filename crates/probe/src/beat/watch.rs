//! The monitor: many hosts, one queue of deadlines, one guard against its own absences.
//!
//! A round goes: [`awake`](Watch::awake), every [`datagram`](Watch::datagram) that the kernel holds, then
//! [`listened`](Watch::listened) with the time up to which nothing is left in the kernel. Only that last call makes alarms.
//! When rounds are further apart than [`ABSENCE_NS_MIN`], or the kernel dropped datagrams, the time in between is nobody's
//! silence: it is added to every deadline. Absent: history, who is told, the way back to a host.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::estimator::Method;
use super::host::{Host, NEVER, Status};
use super::limits::{ABSENCE_NS_MIN, HOSTS_MAX, REPEATED_NS_MIN};
use super::packet::Beat;
use super::quality::{Demand, Network, Unattainable};
use super::replay::Freshness;
use super::seconds;
use crate::time::{Moment, Timestamp};

/// What the monitor goes by.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Policy {
    /// How deadlines are found.
    pub method: Method,
    /// The quality that is wanted; phi-accrual has only its threshold.
    pub demand: Demand,
    /// What the network is taken to do until something worse is measured.
    pub network: Network,
    /// The threshold of phi-accrual.
    pub phi: f64,
    /// A host that was not heard for so long after the monitor began is missing.
    pub first_beat: Option<Duration>,
    /// The first beat of a run is a replay when its stamp is further than this from the monitor's clock.
    pub clock_window: Option<Duration>,
    /// Whether changes of a host that flaps are held back.
    pub damping: bool,
}

/// How a datagram came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// When the kernel received it, by the clock that drives the monitor.
    pub at: Moment,
    /// When the kernel received it, by the wall clock.
    pub stamp: Timestamp,
    /// Where it came from.
    pub source: SocketAddr,
}

/// Why a datagram was not taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rejection {
    /// It is no beat of this version.
    Malformed,
    /// Nobody has that number.
    UnknownHost,
    /// Its HMAC is not that of the host's key.
    Forged,
    /// It was seen before.
    Replayed,
    /// It is too old to tell.
    TooOld,
    /// It is of a run that ended, or the host's clock went back between two runs.
    OldRun,
    /// It begins a run with a stamp far from the monitor's clock.
    Stale,
}

impl Rejection {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::UnknownHost,
        Self::Forged,
        Self::Replayed,
        Self::TooOld,
        Self::OldRun,
        Self::Stale,
    ];

    /// Its name in JSON and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownHost => "unknown_host",
            Self::Forged => "forged",
            Self::Replayed => "replayed",
            Self::TooOld => "too_old",
            Self::OldRun => "old_run",
            Self::Stale => "stale",
        }
    }

    fn place(self) -> usize {
        match self {
            Self::Malformed => 0,
            Self::UnknownHost => 1,
            Self::Forged => 2,
            Self::Replayed => 3,
            Self::TooOld => 4,
            Self::OldRun => 5,
            Self::Stale => 6,
        }
    }
}

/// What became of datagrams, and how often the monitor was absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Datagrams that were taken.
    pub taken: u64,
    rejected: [u64; Rejection::ALL.len()],
    /// Times that the monitor did not listen.
    pub absences: u64,
    /// Nanoseconds that it did not listen, in all.
    pub absent_ns: u64,
    /// Alarms that were raised.
    pub alarms: u64,
}

impl Counts {
    /// How many were not taken for this reason.
    #[must_use]
    pub fn rejected(&self, reason: Rejection) -> u64 {
        self.rejected[reason.place()]
    }
}

/// Why the monitor did not listen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absence {
    /// It slept, was stopped, or had no processor.
    Away,
    /// The kernel dropped datagrams, this many, because they came faster than they were taken.
    Overflow {
        /// How many.
        dropped: u64,
    },
}

/// Something worth telling.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Change {
    /// A host was heard for the first time, or after its goodbye.
    Appeared,
    /// A host began a new run without a word.
    Restarted,
    /// A host fell silent.
    Silent {
        /// Seconds from its last word, or from the end of its pause, to its deadline.
        silence_s: f64,
    },
    /// A host was never heard.
    Missing,
    /// A silent or paused host beats again.
    Returned {
        /// Seconds without a word; 0 after a pause that it announced.
        silence_s: f64,
    },
    /// A host announced that it will be silent.
    Paused {
        /// For how long, in seconds.
        seconds: u32,
    },
    /// A host is not to be missed any more.
    Goodbye,
    /// A host fell silent once more; its changes are held back.
    Flapping {
        /// Until when, unless it falls silent again.
        until: Moment,
    },
    /// Changes of a host are told again.
    Steady {
        /// Whether it is silent now.
        silent: bool,
    },
    /// What is wanted cannot be had for a host.
    Unattainable(Unattainable),
    /// Datagrams were not taken: the first, then at most once a minute.
    Rejected {
        /// Why.
        reason: Rejection,
        /// Where the last of them came from.
        source: SocketAddr,
        /// How many since this was told last.
        count: u64,
    },
    /// The monitor did not listen. That time is nobody's silence. Overflows are told at most once a minute, their sum.
    NotListened {
        /// For how long, in seconds.
        seconds: f64,
        /// Why.
        why: Absence,
    },
}

/// A change, when it was found, and whose it is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// Place of the host in [`Watch::hosts`]; `None` when it is about the monitor or an unknown host.
    pub host: Option<usize>,
    /// What.
    pub change: Change,
}

/// The monitor.
#[derive(Debug)]
pub struct Watch {
    policy: Policy,
    /// In order of their numbers.
    hosts: Box<[Host]>,
    due: BinaryHeap<Reverse<(Moment, u32)>>,
    events: VecDeque<Event>,
    counts: Counts,
    refused: [Untold; Rejection::ALL.len()],
    overflows: Untold,
    awake_at: Moment,
    listened_until: Moment,
    absent_until: Moment,
}

#[derive(Clone, Copy, Debug, Default)]
struct Untold {
    told_at: Option<Moment>,
    count: u64,
    nanos: u64,
}

impl Untold {
    /// Adds to what was not told. All of it, when it is time to tell.
    fn add(&mut self, now: Moment, count: u64, nanos: u64) -> Option<Self> {
        self.count = self.count.saturating_add(count);
        self.nanos = self.nanos.saturating_add(nanos);
        if self.told_at.is_some_and(|at| now.nanos_since(at) < REPEATED_NS_MIN) {
            return None;
        }
        Some(std::mem::replace(self, Self { told_at: Some(now), ..Self::default() }))
    }
}

/// Why a monitor cannot begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unwatchable {
    /// Two hosts have the same number.
    #[error("two hosts have the number {0:016x}: make a key of its own for each")]
    Twice(u64),
    /// There are too many.
    #[error("{0} hosts are too many for one monitor; it takes {HOSTS_MAX}")]
    TooMany(usize),
}

impl Watch {
    /// Begins to watch these hosts.
    ///
    /// # Errors
    /// When two have the same number, or there are more than [`HOSTS_MAX`].
    pub fn new(mut hosts: Vec<Host>, policy: Policy, now: Moment) -> Result<Self, Unwatchable> {
        if hosts.len() > HOSTS_MAX {
            return Err(Unwatchable::TooMany(hosts.len()));
        }
        hosts.sort_unstable_by_key(|host| host.id);
        if let Some(twice) = hosts.windows(2).find(|two| two[0].id == two[1].id) {
            return Err(Unwatchable::Twice(twice[0].id));
        }
        hosts.iter_mut().for_each(|host| host.begin(now, &policy));
        let mut watch = Self {
            policy,
            due: BinaryHeap::with_capacity(hosts.len()),
            hosts: hosts.into_boxed_slice(),
            events: VecDeque::new(),
            counts: Counts::default(),
            refused: Default::default(),
            overflows: Untold::default(),
            awake_at: now,
            listened_until: now,
            absent_until: Moment::default(),
        };
        watch.queue_all();
        Ok(watch)
    }

    /// The hosts, in order of their numbers.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many hosts stand like this.
    #[must_use]
    pub fn standing(&self, status: Status) -> usize {
        self.hosts.iter().filter(|host| host.status() == status).count()
    }

    /// When there is something to do at the latest; `None` as long as no beat comes.
    #[must_use]
    pub fn next_due(&self) -> Option<Moment> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// The next thing worth telling.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Begins a round. `now` is to be read before the first datagram is taken.
    pub fn awake(&mut self, now: Moment) {
        if now.nanos_since(self.awake_at) > ABSENCE_NS_MIN {
            self.not_listened(self.awake_at.min(self.listened_until), now, Absence::Away);
        }
        self.awake_at = now;
    }

    /// The kernel dropped so many datagrams since the last time that nothing was left in it.
    pub fn overflowed(&mut self, now: Moment, dropped: u64) {
        self.not_listened(self.listened_until, now, Absence::Overflow { dropped });
    }

    /// Takes a datagram.
    pub fn datagram(&mut self, bytes: &[u8], arrival: &Arrival) {
        match self.taken(bytes, arrival) {
            Ok(()) => self.counts.taken += 1,
            Err((reason, host)) => self.reject(reason, host, arrival),
        }
    }

    /// All that the kernel received before `until` was taken. Raises the alarms that are due.
    pub fn listened(&mut self, until: Moment) {
        self.listened_until = self.listened_until.max(until);
        let now = self.listened_until;
        let mut told = Vec::new();
        while let Some(Reverse((at, place))) = self.due.peek().copied() {
            if at > now {
                break;
            }
            self.due.pop();
            let Some(host) = self.place(place) else { continue };
            if self.hosts[host].queued_at != at {
                continue;
            }
            self.hosts[host].queued_at = NEVER;
            if self.hosts[host].wake() <= now {
                self.hosts[host].due(now, &self.policy, &mut told);
            }
            self.queue(host);
            self.tell(now, host, &mut told);
        }
    }

    fn taken(&mut self, bytes: &[u8], arrival: &Arrival) -> Result<(), (Rejection, Option<usize>)> {
        let beat = Beat::parse(bytes).ok_or((Rejection::Malformed, None))?;
        let found = self.hosts.binary_search_by_key(&beat.host, |host| host.id);
        let place = found.map_err(|_| (Rejection::UnknownHost, None))?;
        let host = &mut self.hosts[place];
        let refuse = |reason| Err((reason, Some(place)));
        if !host.key.verify(bytes) {
            return refuse(Rejection::Forged);
        }
        let freshness = host.replay.judge(beat.epoch, beat.sequence);
        match freshness {
            Freshness::Replayed => return refuse(Rejection::Replayed),
            Freshness::TooOld => return refuse(Rejection::TooOld),
            Freshness::OldRun => return refuse(Rejection::OldRun),
            Freshness::NewRun if is_stale(&beat, arrival, self.policy.clock_window) => {
                return refuse(Rejection::Stale);
            }
            Freshness::NewRun | Freshness::Newer { .. } | Freshness::Late => {}
        }
        let mut told = Vec::new();
        host.heard(&beat, arrival, freshness, &self.policy, &mut told);
        if freshness != Freshness::Late && arrival.at < self.absent_until {
            host.heard_in_absence(self.absent_until);
        }
        self.queue(place);
        self.tell(arrival.at, place, &mut told);
        Ok(())
    }

    fn tell(&mut self, at: Moment, host: usize, told: &mut Vec<Change>) {
        for change in told.drain(..) {
            self.counts.alarms +=
                u64::from(matches!(change, Change::Silent { .. } | Change::Flapping { .. }));
            self.events.push_back(Event { at, host: Some(host), change });
        }
    }

    fn reject(&mut self, reason: Rejection, host: Option<usize>, arrival: &Arrival) {
        self.counts.rejected[reason.place()] += 1;
        let Some(untold) = self.refused[reason.place()].add(arrival.at, 1, 0) else { return };
        let change = Change::Rejected { reason, source: arrival.source, count: untold.count };
        self.events.push_back(Event { at: arrival.at, host, change });
    }

    fn not_listened(&mut self, from: Moment, to: Moment, why: Absence) {
        // What was absence already is not counted twice.
        let from = from.max(self.absent_until);
        if from >= to {
            return;
        }
        self.hosts.iter_mut().for_each(|host| host.not_listened(from, to));
        self.absent_until = to;
        self.counts.absences += 1;
        let nanos = to.nanos_since(from);
        self.counts.absent_ns = self.counts.absent_ns.saturating_add(nanos);
        let change = match why {
            Absence::Away => Change::NotListened { seconds: seconds(nanos), why },
            Absence::Overflow { dropped } => {
                let Some(untold) = self.overflows.add(to, dropped, nanos) else { return };
                let why = Absence::Overflow { dropped: untold.count };
                Change::NotListened { seconds: seconds(untold.nanos), why }
            }
        };
        self.events.push_back(Event { at: to, host: None, change });
    }

    /// Sees to it that a host is looked at in time. An entry that comes too early is put off then.
    fn queue(&mut self, place: usize) {
        let wake = self.hosts[place].wake();
        if wake >= self.hosts[place].queued_at {
            return;
        }
        // Entries that were overtaken lie around until their time comes.
        if self.due.len() > 2 * self.hosts.len() {
            self.queue_all();
            return;
        }
        self.hosts[place].queued_at = wake;
        self.due.push(Reverse((wake, number(place))));
    }

    fn queue_all(&mut self) {
        self.due.clear();
        for (place, host) in self.hosts.iter_mut().enumerate() {
            host.queued_at = host.wake();
            if host.queued_at != NEVER {
                self.due.push(Reverse((host.queued_at, number(place))));
            }
        }
    }

    fn place(&self, number: u32) -> Option<usize> {
        usize::try_from(number).ok().filter(|place| *place < self.hosts.len())
    }
}

/// Hosts are fewer than a u32 can count.
fn number(place: usize) -> u32 {
    u32::try_from(place).expect("the number of hosts is bounded")
}

fn is_stale(beat: &Beat, arrival: &Arrival, window: Option<Duration>) -> bool {
    let apart = arrival.stamp.nanos_since(beat.stamp).unsigned_abs();
    window.is_some_and(|window| apart > crate::time::nanos_of(window))
}

#[cfg(test)]
mod tests;
