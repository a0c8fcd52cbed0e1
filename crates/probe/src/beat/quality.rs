//! The wanted quality of detection gives the parameters: the configuration procedure of Chen, Toueg, Aguilera, *On the
//! quality of service of failure detectors*, IEEE Transactions on Computers 51(5), 2002, §5 and §6, which needs no more than
//! the loss and the variance of delay.
//!
//! A host beats every η; the monitor waits α past the expected arrival. A silent host is detected within η + α plus the mean
//! delay. A false alarm needs every beat sent within that time to be lost or late. By the one-sided inequality of Chebyshev a
//! beat is late by more than x with a chance of at most V / (V + x²), whatever the distribution, so false alarms of one host
//! are at least this far apart on average:
//!
//! ```text
//! f(η) = η * Π (V + x²) / (V + p x²)   over j = 1 .. ⌈(η + α) / η⌉ - 1, x = η + α - j η
//! ```
//!
//! The paper takes losses to be independent. Here p of every beat but the first may be greater: the chance that a beat is
//! lost when the one before it was, which is what bursts are. Absent: measuring; hosts do that.

use super::limits::{
    DETECTION_S_MAX, DETECTION_S_MIN, FACTORS_MAX, INTERVAL_MS_MAX, INTERVAL_MS_MIN, INTERVALS_TRIED,
};

/// Hours and days as seconds.
const MONTH_S: f64 = 30.0 * 86_400.0;
/// A recurrence beyond this is as good as never: 30,000 times the age of the universe.
const NEVER_S: f64 = 1e22;

/// What the network does to beats.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Network {
    /// Share of beats lost.
    pub loss: f64,
    /// Share lost of the beats that follow a lost one; as [`Network::loss`] when losses are independent.
    pub loss_after_loss: f64,
    /// Standard deviation of delay, in seconds.
    pub deviation_s: f64,
    /// Mean delay, in seconds. It adds to detection and to nothing else.
    pub delay_s: f64,
}

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Demand {
    /// Seconds from a host's end to its alarm, at most; `None` as soon as the other demands allow.
    pub detection_s: Option<f64>,
    /// Mean seconds between false alarms of one host, at least.
    pub recurrence_s: f64,
    /// Mean seconds until a false alarm is taken back, at most.
    pub mistake_s: Option<f64>,
}

impl Demand {
    /// At most so many false alarms in 30 days over so many hosts.
    #[must_use]
    pub fn false_alarms_per_month(alarms: f64, hosts: u32, detection_s: Option<f64>) -> Self {
        let recurrence_s = MONTH_S * f64::from(hosts.max(1)) / alarms.max(f64::MIN_POSITIVE);
        Self { detection_s, recurrence_s, mistake_s: None }
    }
}

/// Parameters, and what they promise.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Parameters {
    /// Seconds from beat to beat, η.
    pub interval_s: f64,
    /// Seconds past the expected arrival, α.
    pub margin_s: f64,
    /// Seconds from a host's end to its alarm, at most, with the assumed mean delay.
    pub detection_s: f64,
    /// Mean seconds between false alarms of one host, at least.
    pub recurrence_s: f64,
}

/// Why a quality cannot be had.
#[derive(Clone, Copy, PartialEq, Debug, thiserror::Error)]
pub enum Unattainable {
    /// The interval alone takes too long.
    #[error(
        "a host that beats every {interval_s} s cannot be called silent within {detection_s} s of its end: let it beat at least \
         every {} s, or allow more time", detection_s / 2.0
    )]
    IntervalTooLong {
        /// Seconds from beat to beat.
        interval_s: f64,
        /// Seconds that were allowed.
        detection_s: f64,
    },
    /// Too many false alarms in that time.
    #[error(
        "within {detection_s} s at a beat every {interval_s} s, false alarms of one host are only certain to be {} apart, not {}: allow \
         more time, let hosts beat more often, or accept more false alarms", spoken(*promised_s), spoken(*wanted_s)
    )]
    TooManyFalseAlarms {
        /// Seconds from beat to beat.
        interval_s: f64,
        /// Seconds that were allowed.
        detection_s: f64,
        /// Seconds between false alarms that can be promised.
        promised_s: f64,
        /// Seconds between false alarms that were wanted.
        wanted_s: f64,
    },
    /// Beats take longer than detection may.
    #[error("beats take {delay_s} s on their way, which leaves nothing of {detection_s} s: allow more time")]
    DelayTooLong {
        /// Mean delay in seconds.
        delay_s: f64,
        /// Seconds that were allowed.
        detection_s: f64,
    },
    /// So much is lost that no time is long enough.
    #[error("when {} % of the beats are lost ({} % of those that follow a lost one), no waiting time is long enough: repair the network",
        (loss * 100.0).round(), (loss_after_loss * 100.0).round())]
    NothingArrives {
        /// Share lost.
        loss: f64,
        /// Share lost after a lost one.
        loss_after_loss: f64,
    },
}

impl Network {
    /// The bound f(η): mean seconds between false alarms of one host, at least, when alarms come `relative_s` after the
    /// expected arrival of the last beat.
    #[must_use]
    pub fn recurrence_s(&self, interval_s: f64, relative_s: f64) -> f64 {
        let variance = self.deviation_s * self.deviation_s;
        let (mut bound, mut loss) = (interval_s, self.loss);
        for beat in 1..=FACTORS_MAX {
            let slack = relative_s - f64::from(beat) * interval_s;
            if slack <= 0.0 || bound >= NEVER_S {
                break;
            }
            let square = slack * slack;
            bound *= (variance + square) / (variance + loss * square);
            loss = self.loss_after_loss.max(self.loss);
        }
        bound.min(NEVER_S)
    }

    /// The least of both, name by name: what is assumed stays assumed until something worse is measured.
    #[must_use]
    pub fn or_worse(self, measured: Self) -> Self {
        Self {
            loss: self.loss.max(measured.loss),
            loss_after_loss: self.loss_after_loss.max(measured.loss_after_loss),
            deviation_s: self.deviation_s.max(measured.deviation_s),
            delay_s: self.delay_s.max(measured.delay_s),
        }
    }

    /// The longest interval that will do, by the paper's procedure, and its margin.
    ///
    /// # Errors
    /// When no interval does.
    pub fn longest_interval(&self, demand: &Demand) -> Result<Parameters, Unattainable> {
        let detection_s = demand.detection_s.unwrap_or(DETECTION_S_MAX);
        let relative = detection_s - self.delay_s;
        if relative <= 0.0 {
            return Err(Unattainable::DelayTooLong { delay_s: self.delay_s, detection_s });
        }
        // Step 1: a mistake ends with the first beat that is neither lost nor late.
        let square = relative * relative;
        let prompt = (1.0 - self.loss) * square / (self.deviation_s * self.deviation_s + square);
        let longest = demand.mistake_s.map_or(relative, |mistake| relative.min(prompt * mistake));
        let longest = longest.min(f64::from(INTERVAL_MS_MAX) / 1_000.0);
        if prompt <= 0.0 {
            return Err(self.nothing_arrives());
        }
        // Step 2: the largest interval whose f is large enough; f is not monotone.
        let shortest = f64::from(INTERVAL_MS_MIN) / 1_000.0;
        let steps = f64::from(INTERVALS_TRIED);
        let tried = (0..INTERVALS_TRIED).map(|step| longest * (1.0 - f64::from(step) / steps));
        let mut best = (longest, 0.0_f64);
        for interval in tried.take_while(|interval| *interval >= shortest) {
            let promised = self.recurrence_s(interval, relative);
            if promised >= demand.recurrence_s.min(NEVER_S) {
                return Ok(self.parameters(interval, relative));
            }
            if promised > best.1 {
                best = (interval, promised);
            }
        }
        Err(Unattainable::TooManyFalseAlarms {
            interval_s: best.0,
            detection_s,
            promised_s: best.1,
            wanted_s: demand.recurrence_s,
        })
    }

    /// The shortest detection at this interval that has no more false alarms than wanted.
    ///
    /// # Errors
    /// When no time is long enough.
    pub fn shortest_detection(&self, interval_s: f64, recurrence_s: f64) -> Result<Parameters, Unattainable> {
        let wanted = recurrence_s.min(NEVER_S);
        let (mut low, mut high) = (interval_s, DETECTION_S_MAX.max(interval_s * 4.0));
        if self.recurrence_s(interval_s, high) < wanted {
            return Err(self.nothing_arrives());
        }
        while high - low > DETECTION_S_MIN / 10.0 {
            let middle = f64::midpoint(low, high);
            if self.recurrence_s(interval_s, middle) < wanted { low = middle } else { high = middle }
        }
        Ok(self.parameters(interval_s, high))
    }

    /// The parameters at this interval, as near to the demand as can be, and what of it cannot be had.
    #[must_use]
    pub fn at_interval(&self, interval_s: f64, demand: &Demand) -> (Parameters, Option<Unattainable>) {
        let Some(detection_s) = demand.detection_s else {
            return match self.shortest_detection(interval_s, demand.recurrence_s) {
                Ok(parameters) => (parameters, None),
                Err(why) => (self.parameters(interval_s, DETECTION_S_MAX.max(interval_s * 4.0)), Some(why)),
            };
        };
        let relative = detection_s - self.delay_s;
        if relative <= interval_s {
            let why = if relative <= 0.0 {
                Unattainable::DelayTooLong { delay_s: self.delay_s, detection_s }
            } else {
                Unattainable::IntervalTooLong { interval_s, detection_s }
            };
            let (instead, worse) = self.at_interval(interval_s, &Demand { detection_s: None, ..*demand });
            return (instead, Some(worse.unwrap_or(why)));
        }
        let parameters = self.parameters(interval_s, relative);
        let (promised_s, wanted_s) = (parameters.recurrence_s, demand.recurrence_s.min(NEVER_S));
        let short = Unattainable::TooManyFalseAlarms { interval_s, detection_s, promised_s, wanted_s };
        (parameters, (promised_s < wanted_s).then_some(short))
    }

    fn parameters(&self, interval_s: f64, relative_s: f64) -> Parameters {
        Parameters {
            interval_s,
            margin_s: relative_s - interval_s,
            detection_s: relative_s + self.delay_s,
            recurrence_s: self.recurrence_s(interval_s, relative_s),
        }
    }

    fn nothing_arrives(&self) -> Unattainable {
        Unattainable::NothingArrives { loss: self.loss, loss_after_loss: self.loss_after_loss.max(self.loss) }
    }
}

/// A time between alarms as a person says it.
fn spoken(seconds: f64) -> String {
    match seconds {
        short if short < 120.0 => format!("{short:.0} s"),
        short if short < 7_200.0 => format!("{:.0} minutes", short / 60.0),
        long if long < 172_800.0 => format!("{:.0} hours", long / 3_600.0),
        long if long < 730.0 * 86_400.0 => format!("{:.0} days", long / 86_400.0),
        long if long < 1e13 => format!("{:.0} years", long / (365.25 * 86_400.0)),
        _ => "for ever".to_owned(),
    }
}

#[cfg(test)]
mod tests;
