//! Beats as they came: generated with a loss and a delay, or read from a recording. Absent: detectors.

use std::fmt::Write as _;

use switchboard_probe::Moment;

use crate::lab::chance::Chance;

/// Nanoseconds from beat to beat of generated traces.
pub(crate) const INTERVAL_NS: u64 = 1_000_000_000;
/// Traces begin here, so that nothing lies before their clock's zero.
const START_NS: u64 = 1_000_000_000_000;
/// Beats of a recording, at most.
pub(crate) const RECORDED_MAX: usize = 100_000;

/// A beat that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Arrival {
    pub(crate) sequence: u64,
    pub(crate) sent: Moment,
    pub(crate) came: Moment,
}

/// The beats of one host, in the order in which they came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trace {
    pub(crate) title: String,
    pub(crate) interval_ns: u64,
    pub(crate) sent: u64,
    pub(crate) arrivals: Vec<Arrival>,
}

/// How beats are lost.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Loss {
    /// Each by itself.
    Single {
        /// Share lost.
        share: f64,
    },
    /// In bursts: the network is good or bad, and bad loses all (Gilbert 1960, the model of Gilbert and Elliott).
    Bursts {
        /// Share lost.
        share: f64,
        /// Mean length of a burst, in beats.
        length: f64,
    },
}

/// How long beats take.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Delay {
    /// Exponential, with this mean in seconds.
    Exponential {
        /// Mean.
        mean_s: f64,
    },
    /// Lognormal: the logarithm is normal with this deviation about that of the median.
    Lognormal {
        /// Median in seconds.
        median_s: f64,
        /// Deviation of the logarithm.
        sigma: f64,
    },
}

/// Decides about one beat after the other.
#[derive(Debug)]
pub(crate) struct Faults {
    loss: Loss,
    delay: Delay,
    chance: Chance,
    bad: bool,
}

impl Faults {
    /// The faults of this seed.
    pub(crate) fn new(loss: Loss, delay: Delay, seed: u64, stream: u64) -> Self {
        Self { loss, delay, chance: Chance::new(seed, stream), bad: false }
    }

    /// The delay of the next beat in nanoseconds; `None` when it is lost.
    pub(crate) fn next(&mut self) -> Option<u64> {
        let lost = match self.loss {
            Loss::Single { share } => self.chance.happens(share),
            Loss::Bursts { share, length } => {
                let leaves = 1.0 / length;
                let enters = leaves * share / (1.0 - share);
                let changes = self.chance.happens(if self.bad { leaves } else { enters });
                self.bad ^= changes;
                self.bad
            }
        };
        let delay = self.delay_s();
        (!lost).then(|| nanos(delay))
    }

    fn delay_s(&mut self) -> f64 {
        match self.delay {
            Delay::Exponential { mean_s } => -mean_s * self.uniform().ln(),
            Delay::Lognormal { median_s, sigma } => {
                // Box and Muller 1958.
                let radius = (-2.0 * self.uniform().ln()).sqrt();
                let angle = 2.0 * std::f64::consts::PI * self.uniform();
                median_s * (sigma * radius * angle.cos()).exp()
            }
        }
    }

    /// Above 0, at most 1.
    fn uniform(&mut self) -> f64 {
        let drawn = u32::try_from(self.chance.next_u64() >> 32).expect("32 bits are left");
        (f64::from(drawn) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }
}

impl Trace {
    /// So many beats under these faults.
    pub(crate) fn generated(title: &str, beats: u64, mut faults: Faults) -> Self {
        let arrival = |sequence| {
            let delay = faults.next()?;
            let sent = Moment::from_nanos(START_NS + sequence * INTERVAL_NS);
            Some(Arrival { sequence, sent, came: sent.plus_nanos(delay) })
        };
        let mut arrivals: Vec<Arrival> = (0..beats).filter_map(arrival).collect();
        arrivals.sort_by_key(|arrival| arrival.came);
        Self { title: title.to_owned(), interval_ns: INTERVAL_NS, sent: beats, arrivals }
    }

    /// Beats that never came.
    pub(crate) fn lost(&self) -> u64 {
        self.sent.saturating_sub(u64::try_from(self.arrivals.len()).unwrap_or(u64::MAX))
    }

    /// Reads a recording, as [`Trace::to_text`] writes it.
    ///
    /// # Errors
    /// With the number of the line that is none.
    pub(crate) fn parse(text: &str) -> Result<Self, usize> {
        let mut trace = Self { title: String::new(), interval_ns: 0, sent: 0, arrivals: Vec::new() };
        for (place, line) in text.lines().enumerate() {
            let wrong = place + 1;
            if let Some(words) = line.strip_prefix("# ") {
                trace.heading(words).ok_or(wrong)?;
                continue;
            }
            let arrival = trace.arrival(line).ok_or(wrong)?;
            if trace.arrivals.len() >= RECORDED_MAX {
                return Err(wrong);
            }
            trace.arrivals.push(arrival);
        }
        if trace.interval_ns == 0 || trace.arrivals.is_empty() {
            return Err(1);
        }
        trace.arrivals.sort_by_key(|arrival| arrival.came);
        Ok(trace)
    }

    fn heading(&mut self, words: &str) -> Option<()> {
        match words.split_once(": ") {
            Some(("title", title)) => {
                self.title = title.chars().filter(|c| !c.is_control()).take(160).collect()
            }
            Some(("interval_us", number)) => {
                self.interval_ns = number.parse::<u32>().ok().filter(|us| *us > 0).map(u64::from)? * 1_000;
            }
            Some(("sent", number)) => self.sent = number.parse::<u32>().ok()?.into(),
            Some(_) | None => {}
        }
        Some(())
    }

    /// A line is the number, microseconds that it was sent behind its schedule, and microseconds on its way.
    fn arrival(&self, line: &str) -> Option<Arrival> {
        let mut numbers = line.split(',').map(|number| number.trim().parse::<u32>().ok().map(u64::from));
        let (sequence, late_us, delay_us) = (numbers.next()??, numbers.next()??, numbers.next()??);
        if numbers.next().is_some() || sequence >= self.sent {
            return None;
        }
        let sent = Moment::from_nanos(START_NS + sequence * self.interval_ns + late_us * 1_000);
        Some(Arrival { sequence, sent, came: sent.plus_nanos(delay_us * 1_000) })
    }

    /// A recording as text.
    pub(crate) fn to_text(&self) -> String {
        let interval_us = self.interval_ns / 1_000;
        let mut text = format!(
            "# title: {}\n# interval_us: {interval_us}\n# sent: {}\n# number, us sent behind schedule, us on its way\n",
            self.title, self.sent
        );
        for arrival in &self.arrivals {
            let due = Moment::from_nanos(START_NS + arrival.sequence * self.interval_ns);
            let late_us = arrival.sent.nanos_since(due) / 1_000;
            let delay_us = arrival.came.nanos_since(arrival.sent) / 1_000;
            let _never_fails = writeln!(text, "{},{late_us},{delay_us}", arrival.sequence);
        }
        text
    }

    /// A beat of a recording: its number, how far behind its schedule it was sent, how long it was on its way.
    pub(crate) fn place(interval_ns: u64, sequence: u64, late_ns: u64, delay_ns: u64) -> Arrival {
        let sent = Moment::from_nanos(START_NS + sequence * interval_ns + late_ns);
        Arrival { sequence, sent, came: sent.plus_nanos(delay_ns) }
    }
}

fn nanos(seconds: f64) -> u64 {
    let length = std::time::Duration::try_from_secs_f64(seconds).unwrap_or(std::time::Duration::MAX);
    // A delay of an hour is as good as lost.
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).min(3_600 * INTERVAL_NS)
}

#[cfg(test)]
mod tests {
    use super::super::number;
    use super::*;

    #[test]
    fn faults_are_as_frequent_as_they_are_said_to_be() {
        let delay = Delay::Exponential { mean_s: 0.02 };
        for loss in [Loss::Single { share: 0.1 }, Loss::Bursts { share: 0.1, length: 3.0 }] {
            let trace = Trace::generated("t", 100_000, Faults::new(loss, delay, 1, 0));
            let share = number(trace.lost()) / 100_000.0;
            assert!((share - 0.1).abs() < 0.01, "{loss:?} {share}");
            let bursts =
                trace.arrivals.windows(2).filter(|two| two[1].sequence > two[0].sequence + 1).count();
            let length = number(trace.lost()) / number(u64::try_from(bursts).unwrap());
            let expected = if matches!(loss, Loss::Bursts { .. }) { 3.0 } else { 1.0 / 0.9 };
            assert!((length - expected).abs() < 0.15, "{loss:?} {length}");
        }
    }

    #[test]
    fn a_recording_is_read_as_it_was_written_and_nonsense_is_refused() {
        let faults = Faults::new(Loss::Single { share: 0.1 }, Delay::Exponential { mean_s: 0.02 }, 1, 0);
        let mut trace = Trace::generated("a title", 100, faults);
        for arrival in &mut trace.arrivals {
            arrival.came = Moment::from_nanos(arrival.came.nanos() / 1_000 * 1_000);
        }
        assert_eq!(Trace::parse(&trace.to_text()), Ok(trace));
        for (wrong, line) in [("", 1), ("# sent: 3\n1,2", 2), ("# interval_us: 5\n# sent: 3\n3,0,0", 3)] {
            assert_eq!(Trace::parse(wrong), Err(line), "{wrong:?}");
        }
    }
}
