//! A run as it is drawn: round trips over time and what was lost on which way, in bounded memory. Absent: what a run comes
//! to; the probe counts that exactly.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use switchboard_probe::Timestamp;
use switchboard_probe::prober::Sample;
use switchboard_probe::udp::Event;

use super::limits::{
    TRACE_EACH_MIN, TRACE_GAPS_MAX, TRACE_LOST_MAX, TRACE_STRETCHES_MAX, TRACE_UNDER_WAY_MAX,
};

/// One target's.
#[derive(Debug)]
pub(super) struct Trace {
    stretches_max: usize,
    lost_max: usize,
    start: Option<Timestamp>,
    under_way: BTreeMap<u64, f64>,
    stretches: Vec<Stretch>,
    /// Probes of a full stretch; doubles whenever there are too many stretches.
    per_stretch: u32,
    lost: VecDeque<Lost>,
    gaps: VecDeque<Gap>,
    /// Probes of which an answer came that cannot be believed.
    corrupt: BTreeSet<u64>,
    /// What comes next where nothing is lost: a probe, and the reflector's number of its answer.
    next: (u64, u32),
}

/// Some probes in a row that were answered in time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Stretch {
    /// When the first was sent, in seconds from the first of all.
    pub(super) at_s: f64,
    pub(super) least_ns: u64,
    pub(super) most_ns: u64,
    pub(super) probes: u32,
}

/// A probe that was not answered in time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Lost {
    sequence: u64,
    /// When it was sent, in seconds from the first of all.
    pub(super) at_s: f64,
    pub(super) fate: Fate,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Fate {
    There,
    Back,
    Unknown,
    Corrupt,
    Late,
}

/// Probes between two that were answered, all with the same fate or with an unknown one.
#[derive(Clone, Copy, Debug)]
struct Gap {
    from: u64,
    to: u64,
    fate: Fate,
}

impl Fate {
    pub(super) const ALL: [Self; 5] = [Self::There, Self::Back, Self::Unknown, Self::Corrupt, Self::Late];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::There => "lost there",
            Self::Back => "lost back",
            Self::Unknown => "no answer",
            Self::Corrupt => "corrupt",
            Self::Late => "late",
        }
    }
}

impl Trace {
    /// Nothing yet. What can be drawn is shared by all targets.
    pub(super) fn of_one_among(targets: usize) -> Self {
        let share = |of_all: usize| (of_all / targets.max(1)).max(TRACE_EACH_MIN);
        Self {
            stretches_max: share(TRACE_STRETCHES_MAX),
            lost_max: share(TRACE_LOST_MAX),
            start: None,
            under_way: BTreeMap::new(),
            stretches: Vec::new(),
            per_stretch: 1,
            lost: VecDeque::new(),
            gaps: VecDeque::new(),
            corrupt: BTreeSet::new(),
            next: (0, 0),
        }
    }

    /// Takes what happened.
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::Sent { sequence, at } => {
                let start = *self.start.get_or_insert(*at);
                if self.under_way.len() >= TRACE_UNDER_WAY_MAX {
                    self.under_way.pop_first();
                }
                self.under_way.insert(*sequence, seconds(at.nanos_since(start)));
            }
            Event::Answered(reception) => {
                self.bridge(&reception.sample);
                if let Some(at_s) = self.under_way.remove(&reception.sample.sequence) {
                    self.answered(at_s, reception.sample.rtt_ns);
                }
            }
            Event::Late(reception) => {
                self.bridge(&reception.sample);
                self.set_fates(reception.sample.sequence, reception.sample.sequence + 1, Fate::Late);
            }
            Event::NoAnswer { sequence, .. } => {
                let Some(at_s) = self.under_way.remove(sequence) else { return };
                let gap = self.gaps.iter().find(|gap| (gap.from..gap.to).contains(sequence));
                let fate = match self.corrupt.contains(sequence) {
                    true => Fate::Corrupt,
                    false => gap.map_or(Fate::Unknown, |gap| gap.fate),
                };
                if self.lost.len() >= self.lost_max {
                    self.lost.pop_front();
                }
                self.lost.push_back(Lost { sequence: *sequence, at_s, fate });
            }
            Event::Duplicate(reception) => self.pass(&reception.sample),
            Event::Corrupt { sequence } => {
                if self.corrupt.len() >= TRACE_GAPS_MAX {
                    self.corrupt.pop_first();
                }
                self.corrupt.insert(*sequence);
            }
        }
    }

    /// Round trips in the order of sending.
    pub(super) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// The newest of the probes that were lost.
    pub(super) fn lost(&self) -> impl Iterator<Item = &Lost> {
        self.lost.iter()
    }

    fn answered(&mut self, at_s: f64, rtt_ns: u64) {
        let per_stretch = self.per_stretch;
        match self.stretches.last_mut().filter(|last| last.probes < per_stretch) {
            Some(last) => last.join(rtt_ns, rtt_ns, 1),
            None => self.stretches.push(Stretch { at_s, least_ns: rtt_ns, most_ns: rtt_ns, probes: 1 }),
        }
        if self.stretches.len() > self.stretches_max {
            self.per_stretch = per_stretch.saturating_mul(2);
            let joined = |pair: &[Stretch]| {
                pair.iter().copied().reduce(|mut first, second| {
                    first.join(second.least_ns, second.most_ns, second.probes);
                    first
                })
            };
            self.stretches = self.stretches.chunks(2).filter_map(joined).collect();
        }
    }

    /// A reflector that counts has numbered what it answered in between; where it does not count, all are called lost on the
    /// way back, and who draws asks the statistics first.
    fn bridge(&mut self, sample: &Sample) {
        let Some(reflected) = sample.reflected else { return };
        let (sequence, number) = (sample.sequence, reflected.sequence);
        // The first reply of a session has the number zero.
        let (next, next_number) = self.next;
        if sequence < next {
            return self.pass(sample);
        }
        self.next = (sequence + 1, number.wrapping_add(1));
        let corrupt = u64::try_from(self.corrupt.range(next..sequence).count()).unwrap_or(u64::MAX);
        let missing = (sequence - next).saturating_sub(corrupt);
        if missing == 0 {
            return;
        }
        let answered = u64::from(number.wrapping_sub(next_number)).saturating_sub(corrupt);
        let fate = match answered {
            0 => Fate::There,
            all if all == missing => Fate::Back,
            _ => Fate::Unknown,
        };
        if self.gaps.len() >= TRACE_GAPS_MAX {
            self.gaps.pop_front();
        }
        self.gaps.push_back(Gap { from: next, to: sequence, fate });
        self.set_fates(next, sequence, fate);
    }

    /// An overtaken or second answer took one of the numbers that would otherwise be missing.
    fn pass(&mut self, sample: &Sample) {
        let Some(reflected) = sample.reflected else { return };
        let (_, next_number) = &mut self.next;
        if reflected.sequence.wrapping_sub(*next_number).cast_signed() >= 0 {
            *next_number = next_number.wrapping_add(1);
        }
    }

    fn set_fates(&mut self, from: u64, to: u64, fate: Fate) {
        for lost in self.lost.iter_mut().rev().take_while(|lost| lost.sequence >= from) {
            if lost.sequence < to && !matches!(lost.fate, Fate::Late | Fate::Corrupt) {
                lost.fate = fate;
            }
        }
    }
}

impl Stretch {
    fn join(&mut self, least_ns: u64, most_ns: u64, probes: u32) {
        self.least_ns = self.least_ns.min(least_ns);
        self.most_ns = self.most_ns.max(most_ns);
        self.probes = self.probes.saturating_add(probes);
    }
}

#[expect(clippy::cast_precision_loss, reason = "places on a chart")]
fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use switchboard_probe::prober::Reflected;
    use switchboard_probe::udp::Reception;

    use super::*;

    fn reception(sequence: u64, number: u32) -> Reception {
        let time = Timestamp::from_nanos(1);
        let reflected = Reflected {
            received: time,
            sent: time,
            sequence: number,
            ttl: 64,
            counters: None,
            previous: None,
        };
        let sample = Sample {
            sequence,
            rtt_ns: 1_000 + sequence,
            user_rtt_ns: 2_000,
            kernel: true,
            residence_ns: None,
            ways: None,
            reordered: false,
            reflected: Some(reflected),
        };
        Reception { sample, length: 60, ttl: None }
    }

    fn sent(trace: &mut Trace, sequences: std::ops::Range<u64>) {
        for sequence in sequences {
            let at = Timestamp::from_nanos(5_000_000_000 + sequence * 1_000_000_000);
            trace.take(&Event::Sent { sequence, at });
        }
    }

    #[test]
    fn losses_are_placed_in_time_and_on_their_way() {
        let mut trace = Trace::of_one_among(1);
        sent(&mut trace, 0..10);
        // Probe 0 came to the reflector, 2 never did, of 4 and 5 one did, 7 did; 9 is not known.
        for (sequence, number) in [(1, 1), (3, 2), (6, 4), (8, 6)] {
            trace.take(&Event::Answered(reception(sequence, number)));
        }
        for sequence in [0, 2, 4, 5, 7, 9] {
            trace.take(&Event::NoAnswer { sequence, because: None });
        }
        trace.take(&Event::Late(reception(5, 2)));
        let fates: Vec<(f64, Fate)> = trace.lost().map(|lost| (lost.at_s, lost.fate)).collect();
        let expected = [
            (0.0, Fate::Back),
            (2.0, Fate::There),
            (4.0, Fate::Unknown),
            (5.0, Fate::Late),
            (7.0, Fate::Back),
            (9.0, Fate::Unknown),
        ];
        assert_eq!(fates, expected);
        assert_eq!(trace.stretches().len(), 4);
    }

    #[test]
    fn what_was_held_up_or_came_twice_does_not_turn_losses_around() {
        let mut trace = Trace::of_one_among(1);
        sent(&mut trace, 0..9);
        // Probe 1 was overtaken by 2 on its way there; 3 came twice; 5 was lost there; 7 came back damaged.
        trace.take(&Event::Answered(reception(0, 0)));
        trace.take(&Event::Answered(reception(2, 1)));
        trace.take(&Event::Answered(reception(1, 2)));
        trace.take(&Event::Answered(reception(3, 3)));
        trace.take(&Event::Duplicate(reception(3, 4)));
        trace.take(&Event::Answered(reception(4, 5)));
        trace.take(&Event::Answered(reception(6, 6)));
        trace.take(&Event::Corrupt { sequence: 7 });
        trace.take(&Event::Answered(reception(8, 8)));
        for sequence in [5, 7] {
            trace.take(&Event::NoAnswer { sequence, because: None });
        }
        let fates: Vec<(f64, Fate)> = trace.lost().map(|lost| (lost.at_s, lost.fate)).collect();
        assert_eq!(fates, [(5.0, Fate::There), (7.0, Fate::Corrupt)]);
    }

    #[test]
    fn a_long_run_keeps_its_extremes_in_bounded_memory() {
        let mut trace = Trace::of_one_among(8);
        let probes = 10 * u64::try_from(TRACE_STRETCHES_MAX).unwrap();
        for sequence in 0..probes {
            sent(&mut trace, sequence..sequence + 1);
            trace.take(&Event::Answered(reception(sequence, 0)));
        }
        assert!(trace.stretches().len() <= TRACE_STRETCHES_MAX / 8);
        let (first, last) = (trace.stretches()[0], trace.stretches().last().unwrap());
        assert_eq!((first.least_ns, last.most_ns), (1_000, 1_000 + probes - 1));
        assert_eq!(trace.stretches().iter().map(|stretch| u64::from(stretch.probes)).sum::<u64>(), probes);
    }
}
