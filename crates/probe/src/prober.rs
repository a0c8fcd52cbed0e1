//! The Session-Sender: when each probe is due, which answer belongs to which probe, and which came late, twice or never.
//!
//! The schedule is isochronous: probe n is due at start + n * interval whatever became of those before it. Where the
//! process was kept from sending, probes that are a little late are sent at once; of those that are very late only the
//! newest is, and the others are skipped and counted. Absent: packets, sockets and clocks.
//!
//! Order of calls: [`Prober::poll`] until it says to wait; what it says to send is reported by [`Prober::sent`]; then
//! [`Prober::kernel_sent`] and [`Prober::answered`] as it happens.

pub mod form;
mod lead;

use std::collections::VecDeque;
use std::time::Duration;

pub use lead::Left;

use crate::limits::{
    CATCH_UP_NS_MAX, FLOOD_WAITING_MAX, INTERVAL_NS_MIN, LATE_FACTOR, PROBES_REMEMBERED_MAX,
};
use crate::stamp::tlv::DirectMeasurement;
use crate::statistics::Statistics;
use crate::time::{Moment, Timestamp, nanos_of};
use lead::Leads;

/// What is to be sent, and how long an answer is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// How many probes; `None` without end.
    pub count: Option<u64>,
    /// From one probe to the next; at least [`INTERVAL_NS_MIN`].
    pub interval: Duration,
    /// How long an answer is in time.
    pub wait: Duration,
    /// What decides when the next is sent.
    pub pace: Pace,
}

/// What decides when the next probe is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pace {
    /// The schedule alone.
    #[default]
    Schedule,
    /// The answers: as many as [`FLOOD_WAITING_MAX`] are on their way, and one an interval where none come back.
    Flood,
}

/// What is to be done next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send this probe now; it was due then.
    Send {
        /// Counted from zero.
        sequence: u64,
        /// When it was due.
        due: Moment,
    },
    /// This probe got no answer in time.
    NoAnswer {
        /// Its number.
        sequence: u64,
    },
    /// Nothing now, unless an answer comes.
    Wait(Wait),
    /// All probes are sent, and answered or given up.
    Done,
}

/// What is waited for, at least one of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wait {
    /// When a probe is due.
    pub send: Option<Moment>,
    /// When a probe is given up, unless its answer has come by then.
    pub give_up: Option<Moment>,
}

impl Wait {
    /// The earlier of each.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        let earlier = |one: Option<Moment>, other| one.into_iter().chain(other).min();
        Self { send: earlier(self.send, other.send), give_up: earlier(self.give_up, other.give_up) }
    }
}

/// An answer as the driver received it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrived {
    /// The low half of the probe's sequence, as it travels.
    pub sequence: u32,
    /// When the program had it.
    pub at: Moment,
    /// T4: when it came, by the kernel's stamp or, without one, by the program's clock.
    pub received: Timestamp,
    /// Whether the kernel stamped it.
    pub kernel: bool,
    /// When it says that the probe was sent.
    pub echo: form::Echo,
    /// What the reflector wrote; absent in the text protocol.
    pub reflected: Option<Reflected>,
}

/// What a reflector wrote into an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reflected {
    /// T2.
    pub received: Timestamp,
    /// T3.
    pub sent: Timestamp,
    /// Its own sequence.
    pub sequence: u32,
    /// With which TTL the probe came.
    pub ttl: u8,
    /// Its counters, where it keeps them.
    pub counters: Option<DirectMeasurement>,
    /// When an earlier reply left, where it was asked and knows.
    pub previous: Option<Left>,
}

/// What became of an answer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Outcome {
    /// In time.
    Answered(Sample),
    /// After the wait was over.
    Late(Sample),
    /// A second answer to the same probe.
    Duplicate(Sample),
    /// It does not repeat what the probe said: it, or the probe, was changed on its way.
    Corrupt {
        /// The probe.
        sequence: u64,
    },
    /// It answers no probe that is remembered.
    Unknown,
}

/// What one answer tells.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// The probe.
    pub sequence: u64,
    /// Round trip in nanoseconds: by kernel stamps where there are, the reflector's residence removed.
    pub rtt_ns: u64,
    /// Round trip as the program saw it, in nanoseconds: nothing removed, by the clock that only rises.
    pub user_rtt_ns: u64,
    /// Whether kernel stamps at both ends of the way gave `rtt_ns`.
    pub kernel: bool,
    /// How long the reflector had the packet, in nanoseconds, where that can be believed.
    pub residence_ns: Option<u64>,
    /// Differences of the two clocks on each way, where the reflector wrote its times.
    pub ways: Option<Ways>,
    /// A probe sent later was answered before it (RFC 4737).
    pub reordered: bool,
    /// What the reflector wrote.
    pub reflected: Option<Reflected>,
}

/// Delay plus the difference of the clocks, in nanoseconds: only changes mean something before the clocks are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ways {
    /// T1, by the sender's clock.
    pub sent: Timestamp,
    /// T2 - T1.
    pub up_ns: i64,
    /// T4 - T3.
    pub down_ns: i64,
}

/// The machine.
#[derive(Debug)]
pub struct Prober {
    plan: Plan,
    interval_ns: u64,
    wait_ns: u64,
    start: Moment,
    /// The next place in the schedule, and the next sequence: they differ by what was skipped.
    slot: u64,
    sequence: u64,
    probes: VecDeque<Probe>,
    /// The sequence of the first of `probes`, and of the first that may still be given up.
    first: u64,
    waiting_from: u64,
    /// Probes whose answers are still in time, and when the newest was sent.
    waiting: u64,
    sent_at: Option<Moment>,
    /// One more than the highest sequence that was answered.
    answered_up_to: u64,
    stopped: bool,
    leads: Leads,
    statistics: Statistics,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    sent_at: Moment,
    stamp: Timestamp,
    kernel_stamp: Option<Timestamp>,
    state: State,
    /// An answer to it came that cannot be believed.
    damaged: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    /// Handed out to be sent; no answer can belong to it yet.
    Unsent,
    Waiting,
    NoAnswer,
    Answered(Sample),
}

impl Prober {
    /// A prober whose first probe is due at `start`. `seed` chooses which samples of a long run are kept for quantiles of
    /// one-way delay.
    #[must_use]
    pub fn new(plan: Plan, start: Moment, seed: u64) -> Self {
        Self {
            plan,
            interval_ns: nanos_of(plan.interval).max(INTERVAL_NS_MIN),
            wait_ns: nanos_of(plan.wait),
            start,
            slot: 0,
            sequence: 0,
            probes: VecDeque::new(),
            first: 0,
            waiting_from: 0,
            waiting: 0,
            sent_at: None,
            answered_up_to: 0,
            stopped: false,
            leads: Leads::default(),
            statistics: Statistics::new(seed),
        }
    }

    /// What was measured so far.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Probes that may still be answered in time.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.waiting
    }

    /// Sends no more and waits for nothing.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// What is to be done now. Answers that came up to `heard` were all taken: no probe is given up whose time ends later.
    pub fn poll(&mut self, now: Moment, heard: Moment) -> Step {
        if self.stopped {
            return Step::Done;
        }
        if let Some(sequence) = self.give_up_one(heard) {
            return Step::NoAnswer { sequence };
        }
        self.forget(heard);
        let mut wait = Wait { send: None, give_up: self.next_given_up() };
        if self.plan.count.is_none_or(|count| self.sequence < count) {
            let due = match self.plan.pace {
                Pace::Schedule => self.due_slot(now),
                Pace::Flood => self.due_in_flood(now),
            };
            if due <= now {
                return self.take_slot(now, due);
            }
            wait.send = Some(due);
        }
        if wait == Wait::default() { Step::Done } else { Step::Wait(wait) }
    }

    /// The probe was handed to the system at this moment; `stamp` is the time T1 that it carries.
    pub fn sent(&mut self, sequence: u64, at: Moment, stamp: Timestamp, due: Moment) {
        if let Some(probe) = self.probe_mut(sequence) {
            (probe.sent_at, probe.stamp, probe.state) = (at, stamp, State::Waiting);
            self.waiting += 1;
            self.sent_at = Some(at);
            self.statistics.on_sent(at.nanos_since(due));
        }
    }

    /// The kernel's stamp of the sending.
    pub fn kernel_sent(&mut self, sequence: u64, stamp: Timestamp) {
        if let Some(probe) = self.probe_mut(sequence) {
            probe.kernel_stamp = Some(stamp);
        }
    }

    /// Takes an answer.
    pub fn answered(&mut self, arrived: &Arrived) -> Outcome {
        let Some(sequence) = self.whole_sequence(arrived.sequence) else { return Outcome::Unknown };
        let Some(probe) = self.probe_mut(sequence).copied() else { return Outcome::Unknown };
        if probe.state == State::Unsent {
            return Outcome::Unknown;
        }
        if !arrived.echo.repeats(probe.stamp) {
            return self.damaged(arrived.sequence);
        }
        if probe.damaged {
            self.statistics.on_answer_beside_damaged(sequence);
            if let Some(probe) = self.probe_mut(sequence) {
                probe.damaged = false;
            }
        }
        let reordered = sequence + 1 < self.answered_up_to;
        let sample = sample(sequence, &probe, arrived, reordered);
        match probe.state {
            State::Answered(first) => {
                self.statistics.on_duplicate(&first, &sample);
                Outcome::Duplicate(sample)
            }
            State::Waiting | State::NoAnswer | State::Unsent => {
                if let Some(lead_ns) = self.leads.answered(&sample) {
                    self.statistics.on_lead(lead_ns);
                }
                self.answered_up_to = self.answered_up_to.max(sequence + 1);
                let late =
                    probe.state == State::NoAnswer || arrived.at.nanos_since(probe.sent_at) > self.wait_ns;
                self.settle(sequence, sample, late, probe.state)
            }
        }
    }

    /// Takes an answer whose octets are not those that the reflector sent.
    pub fn damaged(&mut self, sequence: u32) -> Outcome {
        let Some(sequence) = self.whole_sequence(sequence) else { return Outcome::Unknown };
        let Some(probe) = self.probe_mut(sequence) else { return Outcome::Unknown };
        let unanswered = match probe.state {
            State::Unsent => return Outcome::Unknown,
            State::Waiting | State::NoAnswer => true,
            State::Answered(_) => false,
        };
        let first = unanswered && !probe.damaged;
        probe.damaged |= unanswered;
        self.statistics.on_corrupt(sequence, first);
        Outcome::Corrupt { sequence }
    }

    fn settle(&mut self, sequence: u64, sample: Sample, late: bool, before: State) -> Outcome {
        if let Some(probe) = self.probe_mut(sequence) {
            probe.state = State::Answered(sample);
        }
        self.waiting -= u64::from(before == State::Waiting);
        if late {
            if before == State::Waiting {
                self.statistics.on_no_answer();
            }
            self.statistics.on_late(&sample);
            return Outcome::Late(sample);
        }
        let neighbour = |sequence: Option<u64>| match self.probe(sequence?)?.state {
            State::Answered(sample) => Some(sample),
            State::Unsent | State::Waiting | State::NoAnswer => None,
        };
        let (before, after) = (neighbour(sequence.checked_sub(1)), neighbour(sequence.checked_add(1)));
        self.statistics.on_answer(&sample, before.as_ref(), after.as_ref());
        Outcome::Answered(sample)
    }

    /// The first probe whose wait was over then, in the order of sending.
    fn give_up_one(&mut self, heard: Moment) -> Option<u64> {
        while let Some(probe) = self.probe(self.waiting_from).copied() {
            let waits = probe.state == State::Waiting;
            if probe.state == State::Unsent || (waits && heard.nanos_since(probe.sent_at) < self.wait_ns) {
                return None;
            }
            let sequence = self.waiting_from;
            self.waiting_from += 1;
            if waits {
                if let Some(probe) = self.probe_mut(sequence) {
                    probe.state = State::NoAnswer;
                }
                self.waiting -= 1;
                self.statistics.on_no_answer();
                return Some(sequence);
            }
        }
        None
    }

    fn next_given_up(&self) -> Option<Moment> {
        let waiting = self.probe(self.waiting_from)?;
        Some(waiting.sent_at.plus_nanos(self.wait_ns))
    }

    /// Forgets probes whose answers, however late, are not waited for any more.
    fn forget(&mut self, heard: Moment) {
        let memory_ns = self.wait_ns.saturating_mul(LATE_FACTOR);
        while let Some(oldest) = self.probes.front() {
            let settled = self.first < self.waiting_from;
            if !settled || heard.nanos_since(oldest.sent_at) < memory_ns {
                return;
            }
            self.probes.pop_front();
            self.first += 1;
        }
    }

    /// When the next place of the schedule is due, after those that are too late are skipped.
    fn due_slot(&mut self, now: Moment) -> Moment {
        let newest = now.nanos_since(self.start) / self.interval_ns;
        let overdue = now.nanos_since(self.slot_at(self.slot)) > CATCH_UP_NS_MAX;
        if overdue && newest > self.slot {
            let catch_up = newest.saturating_sub(CATCH_UP_NS_MAX / self.interval_ns).max(self.slot);
            self.statistics.on_skipped(catch_up - self.slot);
            self.slot = catch_up;
        }
        self.slot_at(self.slot)
    }

    /// At once while answers come back.
    fn due_in_flood(&self, now: Moment) -> Moment {
        match self.sent_at.filter(|_| self.waiting >= FLOOD_WAITING_MAX) {
            Some(sent_at) => sent_at.plus_nanos(self.interval_ns),
            None => now,
        }
    }

    fn slot_at(&self, slot: u64) -> Moment {
        self.start.plus_nanos(slot.saturating_mul(self.interval_ns))
    }

    fn take_slot(&mut self, now: Moment, due: Moment) -> Step {
        if self.probes.len() >= PROBES_REMEMBERED_MAX {
            self.drop_oldest();
        }
        let sequence = self.sequence;
        let probe = Probe {
            sent_at: now,
            stamp: Timestamp::default(),
            kernel_stamp: None,
            state: State::Unsent,
            damaged: false,
        };
        self.probes.push_back(probe);
        self.sequence += 1;
        self.slot += 1;
        Step::Send { sequence, due }
    }

    /// No room for another: the oldest is given up before its time, so that the count of what was lost stays right.
    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.probes.pop_front() {
            if oldest.state == State::Waiting {
                self.waiting -= 1;
                self.statistics.on_no_answer();
            }
            self.first += 1;
            self.waiting_from = self.waiting_from.max(self.first);
        }
    }

    /// The sequence near the newest one that ends with these 32 bits.
    pub(crate) fn whole_sequence(&self, low: u32) -> Option<u64> {
        let newest = self.sequence.checked_sub(1)?;
        let newest_low = u32::try_from(newest & u64::from(u32::MAX)).ok()?;
        newest.checked_sub(u64::from(newest_low.wrapping_sub(low)))
    }

    fn probe(&self, sequence: u64) -> Option<&Probe> {
        self.probes.get(usize::try_from(sequence.checked_sub(self.first)?).ok()?)
    }

    fn probe_mut(&mut self, sequence: u64) -> Option<&mut Probe> {
        self.probes.get_mut(usize::try_from(sequence.checked_sub(self.first)?).ok()?)
    }
}

/// Kernel stamps are believed when their difference lies within what the program saw by a clock that nobody sets; the
/// reflector's residence, when it is not longer than the whole.
fn sample(sequence: u64, probe: &Probe, arrived: &Arrived, reordered: bool) -> Sample {
    let user_rtt_ns = arrived.at.nanos_since(probe.sent_at);
    let kernel_sent = probe.kernel_stamp.filter(|_| arrived.kernel);
    let by_kernel = kernel_sent.and_then(|sent| u64::try_from(arrived.received.nanos_since(sent)).ok());
    let whole = by_kernel.filter(|whole| *whole <= user_rtt_ns);
    let kernel = whole.is_some();
    let whole = whole.unwrap_or(user_rtt_ns);
    let residence_ns = arrived.reflected.and_then(|reflected| {
        u64::try_from(reflected.sent.nanos_since(reflected.received)).ok().filter(|ns| *ns <= whole)
    });
    let sent = kernel_sent.unwrap_or(probe.stamp);
    let ways = arrived.reflected.map(|reflected| Ways {
        sent,
        up_ns: reflected.received.nanos_since(sent),
        down_ns: arrived.received.nanos_since(reflected.sent),
    });
    Sample {
        sequence,
        rtt_ns: whole - residence_ns.unwrap_or(0),
        user_rtt_ns,
        kernel,
        residence_ns,
        ways,
        reordered,
        reflected: arrived.reflected,
    }
}

#[cfg(test)]
mod tests;
