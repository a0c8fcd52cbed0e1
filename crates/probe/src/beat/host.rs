//! One host as the monitor sees it: what it said last, when the next word is due, and whether it counts as silent. Absent:
//! other hosts, and whether a datagram is true; only true ones come here.

use std::net::SocketAddr;

use super::estimator::{Estimator, Method};
use super::flap::Damping;
use super::key::Key;
use super::limits::{MEASURED_BEATS, RECONFIGURE_BEATS};
use super::packet::{Beat, Kind};
use super::quality::{Demand, Network, Unattainable};
use super::replay::{Freshness, Replay};
use super::watch::{Arrival, Change, Policy};
use super::{nanos, normal, seconds};
use crate::time::Moment;

/// No deadline.
pub(super) const NEVER: Moment = Moment::from_nanos(u64::MAX);
/// Beats that follow a lost one are rare: their share lost is measured over this many.
const MEASURED_FOLLOWERS: f64 = 64.0;
/// Beats without a loss after which little is left of what was measured of bursts: three hours at one a second are a half.
const FOLLOWERS_FORGOTTEN: f64 = 16.0 * MEASURED_BEATS;

/// How a host stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Nothing was heard since the monitor began.
    Waiting,
    /// Nothing was heard for longer than a host may take to be heard first.
    Missing,
    /// It beats.
    Alive,
    /// Its beats stopped.
    Silent,
    /// It said that it would be silent.
    Paused,
    /// It said goodbye.
    Gone,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Missing, Self::Alive, Self::Silent, Self::Paused, Self::Gone];

    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Missing => "missing",
            Self::Alive => "alive",
            Self::Silent => "silent",
            Self::Paused => "paused",
            Self::Gone => "gone",
        }
    }
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    pub(super) id: u64,
    name: Box<str>,
    pub(super) key: Key,
    pub(super) replay: Replay,
    estimator: Estimator,
    damping: Damping,
    status: Status,
    /// From when on it is silent, if it is.
    since: Moment,
    deadline: Moment,
    /// The time of its entry among those that are due.
    pub(super) queued_at: Moment,
    margin: f64,
    interval_ms: u32,
    short_told: bool,
    /// The monitor was absent since the last beat: what was not seen may have been sent.
    unsure: bool,
    source: Option<SocketAddr>,
    received: u64,
    lost: u64,
    loss: f32,
    loss_after_loss: f32,
    delay_last_ns: i64,
    delay_mean_s: f64,
}

/// What is known of a host's way to the monitor.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Measured {
    /// Beats that were taken.
    pub received: u64,
    /// Numbers that never came.
    pub lost: u64,
    /// Nanoseconds from the stamp of the last beat to its arrival, the difference of the two clocks included.
    pub delay_last_ns: i64,
    /// Their mean over the last thousand beats, in seconds.
    pub delay_mean_s: f64,
    /// How much delay scatters, in seconds, without any clock's part.
    pub deviation_s: Option<f64>,
}

impl Host {
    /// A host that was not heard so far.
    #[must_use]
    pub fn new(id: u64, name: &str, key: Key) -> Self {
        Self {
            id,
            name: name.into(),
            key,
            replay: Replay::default(),
            estimator: Estimator::new(),
            damping: Damping::default(),
            status: Status::Waiting,
            since: Moment::default(),
            deadline: NEVER,
            queued_at: NEVER,
            margin: 0.0,
            interval_ms: 0,
            short_told: false,
            unsure: false,
            source: None,
            received: 0,
            lost: 0,
            loss: 0.0,
            loss_after_loss: 0.0,
            delay_last_ns: 0,
            delay_mean_s: 0.0,
        }
    }

    /// Its number in datagrams.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether its changes are held back because there were too many.
    #[must_use]
    pub fn is_flapping(&self) -> bool {
        self.damping.is_held()
    }

    /// Milliseconds from one of its beats to the next; 0 before the first.
    #[must_use]
    pub fn interval_ms(&self) -> u32 {
        self.interval_ms
    }

    /// Where its last beat came from.
    #[must_use]
    pub fn source(&self) -> Option<SocketAddr> {
        self.source
    }

    /// From when on its silence is counted: its last beat, or the end of its pause.
    #[must_use]
    pub fn since(&self) -> Moment {
        self.since
    }

    /// When it will be called silent unless it beats; `None` when nothing is expected of it.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        (self.deadline != NEVER).then_some(self.deadline)
    }

    /// What was measured.
    #[must_use]
    pub fn measured(&self) -> Measured {
        Measured {
            received: self.received,
            lost: self.lost,
            delay_last_ns: self.delay_last_ns,
            delay_mean_s: self.delay_mean_s,
            deviation_s: self.estimator.deviation_s(),
        }
    }

    /// The suspicion of phi-accrual.
    #[must_use]
    pub fn phi(&self, now: Moment) -> Option<f64> {
        self.estimator.margin_at(Method::Accrual, self.interval_ns(), now).map(normal::level)
    }

    /// The monitor begins.
    pub(super) fn begin(&mut self, now: Moment, policy: &Policy) {
        self.since = now;
        self.deadline = policy.first_beat.map_or(NEVER, |first| now.plus(first));
        self.loss = narrow(policy.network.loss);
        self.loss_after_loss = narrow(policy.network.loss_after_loss.max(policy.network.loss));
    }

    /// Takes a true beat that was not seen before, and says what is worth telling.
    pub(super) fn heard(
        &mut self,
        beat: &Beat,
        arrival: &Arrival,
        freshness: Freshness,
        policy: &Policy,
        told: &mut Vec<Change>,
    ) {
        self.replay.remember(beat.epoch, beat.sequence);
        self.received += 1;
        match freshness {
            Freshness::Late => {
                // It was counted as lost when the newer one came.
                self.lost = self.lost.saturating_sub(1);
                return;
            }
            Freshness::Replayed | Freshness::TooOld | Freshness::OldRun => return,
            Freshness::NewRun => self.estimator.interrupted(),
            Freshness::Newer { skipped } => self.missed(skipped, policy),
        }
        self.delayed(arrival.stamp.nanos_since(beat.stamp));
        let changed = self.interval_ms != beat.interval_ms;
        self.interval_ms = beat.interval_ms;
        if changed {
            self.estimator.interrupted();
        }
        if changed || self.received.is_multiple_of(RECONFIGURE_BEATS) {
            self.configure(policy, told);
        }
        self.follow(beat, arrival, freshness, policy, told);
        self.source = Some(arrival.source);
        self.unsure = false;
    }

    fn follow(
        &mut self,
        beat: &Beat,
        arrival: &Arrival,
        freshness: Freshness,
        policy: &Policy,
        told: &mut Vec<Change>,
    ) {
        let (was, silent_since) = (self.status, self.since);
        match beat.kind {
            Kind::Beat => {
                if was != Status::Alive {
                    self.estimator.interrupted();
                }
                self.estimator.heard(beat.sequence, arrival.at, self.interval_ns());
                self.status = Status::Alive;
                self.since = arrival.at;
                let deadline = self.estimator.deadline(policy.method, self.interval_ns(), self.margin);
                self.deadline = deadline.unwrap_or(NEVER);
                told.extend(self.alive_again(was, silent_since, arrival, freshness));
            }
            Kind::Pause { seconds } => {
                self.estimator.interrupted();
                self.status = Status::Paused;
                self.since = arrival.at.plus_nanos(u64::from(seconds) * 1_000_000_000);
                self.deadline = self.since.plus_nanos(nanos(self.patience_s(policy)));
                if was != Status::Paused {
                    told.push(Change::Paused { seconds });
                }
            }
            Kind::Goodbye => {
                self.estimator.interrupted();
                self.status = Status::Gone;
                self.since = arrival.at;
                self.deadline = NEVER;
                if was != Status::Gone {
                    told.push(Change::Goodbye);
                }
            }
        }
    }

    fn alive_again(
        &self,
        was: Status,
        silent_since: Moment,
        arrival: &Arrival,
        freshness: Freshness,
    ) -> Option<Change> {
        match was {
            Status::Waiting | Status::Missing | Status::Gone => Some(Change::Appeared),
            Status::Paused => Some(Change::Returned { silence_s: 0.0 }),
            Status::Silent if self.damping.is_held() => None,
            Status::Silent => {
                Some(Change::Returned { silence_s: seconds(arrival.at.nanos_since(silent_since)) })
            }
            Status::Alive => (freshness == Freshness::NewRun).then_some(Change::Restarted),
        }
    }

    /// The monitor was absent from `from` to `to`: nobody's silence is counted for that time.
    pub(super) fn not_listened(&mut self, from: Moment, to: Moment) {
        self.unsure = true;
        if self.deadline != NEVER {
            self.deadline = self.deadline.plus_nanos(to.nanos_since(self.since.max(from)));
        }
    }

    /// As [`Host::not_listened`], for a beat that was taken from a queue filled during the absence.
    pub(super) fn heard_in_absence(&mut self, to: Moment) {
        if self.deadline != NEVER {
            self.deadline = self.deadline.plus_nanos(to.nanos_since(self.since));
        }
    }

    /// When something has to be done about it though it says nothing.
    pub(super) fn wake(&self) -> Moment {
        self.damping.release_at().map_or(self.deadline, |at| at.min(self.deadline))
    }

    /// Does it, everything that was received before `now` having been looked at.
    pub(super) fn due(&mut self, now: Moment, policy: &Policy, told: &mut Vec<Change>) {
        if self.damping.release(now) {
            told.push(Change::Steady { silent: self.status == Status::Silent });
        }
        if self.deadline > now {
            return;
        }
        let deadline = std::mem::replace(&mut self.deadline, NEVER);
        match self.status {
            Status::Waiting => {
                self.status = Status::Missing;
                told.push(Change::Missing);
            }
            Status::Alive | Status::Paused => {
                self.status = Status::Silent;
                self.estimator.interrupted();
                let silence_s = seconds(deadline.nanos_since(self.since));
                told.extend(self.alarm(now, silence_s, policy));
            }
            Status::Missing | Status::Silent | Status::Gone => {}
        }
    }

    fn alarm(&mut self, now: Moment, silence_s: f64, policy: &Policy) -> Option<Change> {
        if !policy.damping {
            return Some(Change::Silent { silence_s });
        }
        let was_held = self.damping.is_held();
        self.damping.alarm(now);
        match (was_held, self.damping.is_held()) {
            (true, _) => None,
            (false, true) => Some(Change::Flapping { until: self.damping.release_at().unwrap_or(now) }),
            (false, false) => Some(Change::Silent { silence_s }),
        }
    }

    /// So many numbers were left out before the one that came.
    fn missed(&mut self, skipped: u64, policy: &Policy) {
        let listened = !self.unsure && matches!(self.status, Status::Alive | Status::Silent);
        if !listened {
            return;
        }
        self.lost = self.lost.saturating_add(skipped);
        // A long outage is what is detected; the quality of the line is what is left without it. One not much longer than the
        // patience was a burst of loss, from which more patience is learnt.
        let silence_s = seconds(skipped.saturating_mul(self.interval_ns()));
        if self.status == Status::Silent && silence_s > 2.0 * self.patience_s(policy) {
            return;
        }
        let lost = i32::try_from(skipped.min(10_000)).expect("ten thousand fit");
        let share = |of: f32, lost: i32, weight: f64| {
            let after = 1.0 - (1.0 - f64::from(of)) * (1.0 - weight).powi(lost);
            narrow(after * (1.0 - weight))
        };
        self.loss = share(self.loss, lost, 1.0 / MEASURED_BEATS);
        // A line on which nothing is lost any more tells nothing about bursts: what is known of them fades.
        let followers = if lost > 0 { (lost - 1, MEASURED_FOLLOWERS) } else { (0, FOLLOWERS_FORGOTTEN) };
        self.loss_after_loss = share(self.loss_after_loss, followers.0, 1.0 / followers.1);
    }

    fn delayed(&mut self, delay_ns: i64) {
        let size = seconds(delay_ns.unsigned_abs());
        let delay = if delay_ns < 0 { -size } else { size };
        let first = self.delay_last_ns == 0 && self.delay_mean_s == 0.0;
        let weight = if first { 1.0 } else { 1.0 / MEASURED_BEATS };
        self.delay_mean_s += (delay - self.delay_mean_s) * weight;
        self.delay_last_ns = delay_ns;
    }

    /// The margin that the policy comes to with what was measured.
    fn configure(&mut self, policy: &Policy, told: &mut Vec<Change>) {
        let measured = Network {
            loss: self.loss.into(),
            loss_after_loss: self.loss_after_loss.into(),
            deviation_s: self.estimator.deviation_s().unwrap_or(0.0),
            delay_s: 0.0,
        };
        let mut network = policy.network.or_worse(measured);
        if policy.method == Method::TimeOut {
            // Two arrivals scatter, the last and the next, where NFD-E has the mean of many and the next.
            network.deviation_s *= std::f64::consts::SQRT_2;
        }
        let demand: &Demand = &policy.demand;
        let (parameters, short) = network.at_interval(seconds(self.interval_ns()), demand);
        self.margin = match policy.method {
            Method::TimeOut => parameters.interval_s + parameters.margin_s,
            Method::Expected => parameters.margin_s,
            Method::Accrual => normal::deviations(policy.phi),
        };
        self.tell_shortfall(short.filter(|_| policy.method != Method::Accrual), told);
    }

    fn tell_shortfall(&mut self, short: Option<Unattainable>, told: &mut Vec<Change>) {
        let was_told = std::mem::replace(&mut self.short_told, short.is_some());
        told.extend(short.filter(|_| !was_told).map(Change::Unattainable));
    }

    /// Seconds after the time when it said to be back.
    fn patience_s(&self, policy: &Policy) -> f64 {
        let interval = seconds(self.interval_ns());
        match policy.method {
            Method::TimeOut => self.margin,
            Method::Expected => interval + self.margin,
            Method::Accrual => interval * (1.0 + self.margin.max(0.0)),
        }
    }

    fn interval_ns(&self) -> u64 {
        u64::from(self.interval_ms) * 1_000_000
    }
}

/// A share, which needs no more than seven digits.
#[expect(clippy::cast_possible_truncation, reason = "a share from 0 to 1 needs no more than seven digits")]
fn narrow(share: f64) -> f32 {
    share as f32
}
