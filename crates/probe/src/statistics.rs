//! What a run comes to: loss, round trip, its variation, each way by itself. Memory does not grow with the run.
//!
//! Exact: counts, least, greatest, mean, deviation. To three digits: quantiles. Absent: packets and clocks.

mod direction;
mod distribution;
mod one_way;

pub use direction::LossByDirection;
pub use distribution::{Distribution, Jitter, Quantiles};
pub use one_way::{OneWay, OneWayDelay};

use crate::prober::{Sample, Ways};
use direction::Direction;
use one_way::Clocks;

/// The running measurement of one target.
#[derive(Debug)]
pub struct Statistics {
    sent: u64,
    answered: u64,
    no_answer: u64,
    late: u64,
    duplicates: u64,
    corrupt: u64,
    reordered: u64,
    skipped: u64,
    kernel: u64,
    rtt: Distribution,
    user_rtt: Distribution,
    sending: Distribution,
    lead: Distribution,
    variation: Variation,
    jitter: PerWay<Jitter>,
    last_arrived: Option<Sample>,
    direction: Direction,
    clocks: Clocks,
}

/// The same of the round trip and of each way.
#[derive(Clone, Debug, Default)]
pub struct PerWay<T> {
    /// There and back.
    pub round_trip: T,
    /// To the reflector.
    pub up: T,
    /// From the reflector.
    pub down: T,
}

/// Size of the change of delay from one probe to the next (RFC 3393), in nanoseconds. The clocks need not agree.
pub type Variation = PerWay<Distribution>;

/// What became of the probes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Probes sent.
    pub sent: u64,
    /// Answered in time.
    pub answered: u64,
    /// Not answered in time.
    pub no_answer: u64,
    /// Of those, answered later.
    pub late: u64,
    /// Further answers to a probe that was answered already.
    pub duplicates: u64,
    /// Answers that were changed on their way, or repeat a probe that was, or are forged; they answer nothing.
    pub corrupt: u64,
    /// Answers that were overtaken by the answer to a later probe.
    pub reordered: u64,
    /// Places of the schedule that were skipped because the process was kept from sending.
    pub skipped: u64,
    /// Answers in time whose round trip rests on kernel stamps.
    pub kernel: u64,
}

impl Statistics {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            sent: 0,
            answered: 0,
            no_answer: 0,
            late: 0,
            duplicates: 0,
            corrupt: 0,
            reordered: 0,
            skipped: 0,
            kernel: 0,
            rtt: Distribution::default(),
            user_rtt: Distribution::default(),
            sending: Distribution::default(),
            lead: Distribution::default(),
            variation: Variation::default(),
            jitter: PerWay::default(),
            last_arrived: None,
            direction: Direction::default(),
            clocks: Clocks::new(seed),
        }
    }

    /// What became of the probes.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            sent: self.sent,
            answered: self.answered,
            no_answer: self.no_answer,
            late: self.late,
            duplicates: self.duplicates,
            corrupt: self.corrupt,
            reordered: self.reordered,
            skipped: self.skipped,
            kernel: self.kernel,
        }
    }

    /// Round trips of answers in time, the reflector's residence removed.
    #[must_use]
    pub fn rtt(&self) -> &Distribution {
        &self.rtt
    }

    /// The same as the program saw them, nothing removed.
    #[must_use]
    pub fn user_rtt(&self) -> &Distribution {
        &self.user_rtt
    }

    /// How late probes were sent.
    #[must_use]
    pub fn sending(&self) -> &Distribution {
        &self.sending
    }

    /// How long before its replies left the reflector wrote their time into them, where it was asked and tells. It is part
    /// of round trips.
    #[must_use]
    pub fn reflector_lead(&self) -> &Distribution {
        &self.lead
    }

    /// The mean round trip without the mean of the reflector's lead, in nanoseconds; `None` where that is not known.
    #[must_use]
    pub fn rtt_mean_without_lead_ns(&self) -> Option<f64> {
        Some((self.rtt.quantiles()?.mean_ns - self.lead.quantiles()?.mean_ns).max(0.0))
    }

    /// Change of delay between probes that follow each other.
    #[must_use]
    pub fn variation(&self) -> &Variation {
        &self.variation
    }

    /// Interarrival jitter (RFC 3550 §6.4.1).
    #[must_use]
    pub fn jitter(&self) -> &PerWay<Jitter> {
        &self.jitter
    }

    /// On which way packets were lost; `None` where the reflector does not count, or what it says does not add up.
    #[must_use]
    pub fn loss_by_direction(&self) -> Option<LossByDirection> {
        self.direction.told()
    }

    /// Delay each way; `None` without a reflector's times, or when a clock was set during the run.
    #[must_use]
    pub fn one_way(&self) -> Option<OneWay> {
        self.clocks.one_way()
    }

    pub(crate) fn on_sent(&mut self, late_ns: u64) {
        self.sent += 1;
        self.direction.sent();
        self.sending.record(late_ns);
    }

    pub(crate) fn on_lead(&mut self, lead_ns: u64) {
        self.lead.record(lead_ns);
    }

    pub(crate) fn on_skipped(&mut self, slots: u64) {
        self.skipped += slots;
    }

    pub(crate) fn on_no_answer(&mut self) {
        self.no_answer += 1;
    }

    pub(crate) fn on_late(&mut self, sample: &Sample) {
        self.late += 1;
        self.arrived(sample);
    }

    pub(crate) fn on_duplicate(&mut self, first: &Sample, again: &Sample) {
        self.duplicates += 1;
        self.direction.duplicate(first, again);
    }

    /// `first` when it is the only sign so far that an answer to this probe came.
    pub(crate) fn on_corrupt(&mut self, sequence: u64, first: bool) {
        self.corrupt += 1;
        if first {
            self.direction.damaged(sequence);
        }
    }

    /// The true answer came as well: nothing is missing that the damaged one stood for.
    pub(crate) fn on_answer_beside_damaged(&mut self, sequence: u64) {
        self.direction.not_damaged(sequence);
    }

    /// An answer in time; its neighbours by sequence are given when they are answered already.
    pub(crate) fn on_answer(&mut self, sample: &Sample, before: Option<&Sample>, after: Option<&Sample>) {
        self.answered += 1;
        self.kernel += u64::from(sample.kernel);
        self.rtt.record(sample.rtt_ns);
        self.user_rtt.record(sample.user_rtt_ns);
        if let Some(before) = before {
            self.vary(before, sample);
        }
        if let Some(after) = after {
            self.vary(sample, after);
        }
        self.arrived(sample);
    }

    fn arrived(&mut self, sample: &Sample) {
        self.reordered += u64::from(sample.reordered);
        self.direction.arrived(sample);
        if let Some(last) = self.last_arrived {
            self.jitter.round_trip.record(last.rtt_ns.abs_diff(sample.rtt_ns));
            if let (Some(last), Some(now)) = (last.ways, sample.ways) {
                self.jitter.up.record(last.up_ns.abs_diff(now.up_ns));
                self.jitter.down.record(last.down_ns.abs_diff(now.down_ns));
            }
        }
        self.last_arrived = Some(*sample);
        if let Some(Ways { sent, up_ns, down_ns }) = sample.ways {
            self.clocks.record(sent, up_ns, down_ns);
        }
    }

    fn vary(&mut self, before: &Sample, after: &Sample) {
        self.variation.round_trip.record(before.rtt_ns.abs_diff(after.rtt_ns));
        if let (Some(before), Some(after)) = (before.ways, after.ways) {
            self.variation.up.record(before.up_ns.abs_diff(after.up_ns));
            self.variation.down.record(before.down_ns.abs_diff(after.down_ns));
        }
    }
}

#[cfg(test)]
mod tests;
