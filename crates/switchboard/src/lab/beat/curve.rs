//! The curve of one detector over one trace: for each margin, how soon the end of a host would be found, and how often a
//! living one would have been called silent. Absent: traces, drawing.

use std::time::Duration;

use switchboard_probe::beat::{Estimator, Method, normal};

use super::number;
use super::trace::Trace;

/// The detectors are judged from this beat on; before, they know too little.
const WARM_UP: usize = 100;
/// Ends of the host that are tried, spread over the trace.
const ENDS_MAX: usize = 10_000;
/// Detection times that are looked at: from one to the last, in steps, in hundredths of an interval.
const DETECTION_FIRST: u32 = 100;
const DETECTION_LAST: u32 = 1_500;
const DETECTION_STEP: u32 = 10;

/// A detector's curve.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pub(crate) method: Method,
    /// By rising margin.
    pub(crate) points: Vec<Point>,
    /// Waits that were judged.
    pub(crate) waits: u64,
}

/// What one margin comes to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Point {
    /// In the method's own unit: seconds, or φ.
    pub(crate) margin: f64,
    /// Intervals from the sending of the last beat to the alarm, on average.
    pub(crate) detection_mean: f64,
    /// Intervals within which 99 of 100 ends are found.
    pub(crate) detection_p99: f64,
    /// False alarms.
    pub(crate) false_alarms: u64,
    /// False alarms of a million beats.
    pub(crate) per_million: f64,
}

/// The deadline after one beat, as it depends on the margin, in seconds after the beat was sent.
#[derive(Clone, Copy, Debug)]
struct End {
    at_zero_s: f64,
    slope_s: f64,
}

impl Curve {
    /// Runs the detector over the trace.
    pub(crate) fn of(trace: &Trace, method: Method) -> Self {
        let (mut needed, ends) = pass(trace, method);
        needed.sort_by(f64::total_cmp);
        let waits = u64::try_from(needed.len()).unwrap_or(u64::MAX);
        let interval_s = Duration::from_nanos(trace.interval_ns).as_secs_f64();
        let steps = (DETECTION_FIRST..=DETECTION_LAST).step_by(usize::try_from(DETECTION_STEP).unwrap_or(1));
        let wanted = steps.map(|hundredths| f64::from(hundredths) / 100.0 * interval_s);
        let mut points: Vec<Point> = Vec::new();
        for detection_s in wanted {
            let Some(margin) = margin_for(&ends, detection_s) else { continue };
            let borne = needed.partition_point(|needed| *needed <= margin);
            let false_alarms = u64::try_from(needed.len() - borne).unwrap_or(u64::MAX);
            let mean = ends.iter().map(|end| end.at(margin)).sum::<f64>() / number(length(&ends)).max(1.0);
            points.push(Point {
                margin: if method == Method::Accrual { normal::level(margin) } else { margin },
                detection_mean: mean / interval_s,
                detection_p99: detection_s / interval_s,
                false_alarms,
                per_million: number(false_alarms) / number(waits).max(1.0) * 1e6,
            });
        }
        Self { method, points, waits }
    }

    /// The shortest detection, in intervals, that has no more false alarms of a million beats than this; `None` when the
    /// trace is too short to tell, or no margin does.
    pub(crate) fn detection_at(&self, per_million: f64) -> Option<f64> {
        if number(self.waits) * per_million < 1e6 {
            return None;
        }
        self.points.iter().find(|point| point.per_million <= per_million).map(|point| point.detection_p99)
    }
}

impl End {
    fn at(self, margin: f64) -> f64 {
        self.at_zero_s + self.slope_s * margin
    }
}

/// For each newer beat, the margin that bears the wait for it; for some, the deadline that follows.
fn pass(trace: &Trace, method: Method) -> (Vec<f64>, Vec<End>) {
    let every = (trace.arrivals.len() / ENDS_MAX).max(1);
    let (mut needed, mut ends) = (Vec::with_capacity(trace.arrivals.len()), Vec::new());
    let mut estimator = Estimator::new();
    let mut highest = None;
    for (place, arrival) in trace.arrivals.iter().enumerate() {
        // One that was overtaken proves nothing new.
        if highest.is_some_and(|highest| arrival.sequence <= highest) {
            continue;
        }
        highest = Some(arrival.sequence);
        let judged = place >= WARM_UP;
        if judged {
            needed.extend(estimator.margin_at(method, trace.interval_ns, arrival.came));
        }
        estimator.heard(arrival.sequence, arrival.came, trace.interval_ns);
        if judged && place % every == 0 {
            let deadline = |margin| estimator.deadline(method, trace.interval_ns, margin);
            let [zero, one] = [deadline(0.0), deadline(1.0)].map(|deadline| {
                deadline.map(|at| Duration::from_nanos(at.nanos_since(arrival.sent)).as_secs_f64())
            });
            ends.extend(zero.zip(one).map(|(zero, one)| End { at_zero_s: zero, slope_s: one - zero }));
        }
    }
    (needed, ends)
}

/// The margin with which 99 of 100 ends are found within this time; `None` when even none is too slow.
fn margin_for(ends: &[End], detection_s: f64) -> Option<f64> {
    // Each end alone bears a margin; the hundredth smallest share of them decides.
    let mut borne: Vec<f64> = ends.iter().map(|end| (detection_s - end.at_zero_s) / end.slope_s).collect();
    let place = borne.len() / 100;
    if place >= borne.len() {
        return None;
    }
    let (_, margin, _) = borne.select_nth_unstable_by(place, f64::total_cmp);
    (*margin >= 0.0).then_some(*margin)
}

fn length(ends: &[End]) -> u64 {
    u64::try_from(ends.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::trace::{Delay, Faults, Loss};
    use super::*;

    fn curves(loss: Loss) -> Vec<Curve> {
        let delay = Delay::Exponential { mean_s: 0.02 };
        let trace = Trace::generated("t", 40_000, Faults::new(loss, delay, 3, 0));
        Method::ALL.map(|method| Curve::of(&trace, method)).to_vec()
    }

    /// With 10 % lost one by one, n losses in a row follow a beat with a chance of 0.1^n.
    #[test]
    fn false_alarms_of_nfd_e_are_those_of_the_theory() {
        let curve = &curves(Loss::Single { share: 0.1 })[1];
        for (detection, losses) in [(1.5, 1), (2.5, 2), (3.5, 3)] {
            let found = curve.points.iter().find(|point| point.detection_p99 >= detection - 1e-6).unwrap();
            let expected = 0.1_f64.powi(losses) * number(curve.waits);
            let apart = (number(found.false_alarms) - expected).abs();
            assert!(apart < 5.0 * expected.sqrt(), "{detection}: {} for {expected}", found.false_alarms);
        }
    }

    #[test]
    fn a_curve_falls_and_phi_needs_longer_for_the_same() {
        let curves = curves(Loss::Single { share: 0.1 });
        for curve in &curves {
            let falls = curve.points.windows(2).all(|two| two[1].false_alarms <= two[0].false_alarms);
            assert!(falls && curve.points.len() > 50, "{:?}", curve.method);
            let late = curve.points.iter().find(|point| point.detection_mean > point.detection_p99 + 0.05);
            assert_eq!(late, None, "{:?}", curve.method);
        }
        let at = |place: usize| curves[place].detection_at(2_000.0).unwrap();
        assert!(at(1) <= at(0) && at(0) <= at(2), "{} {} {}", at(1), at(0), at(2));
        assert_eq!(curves[1].detection_at(0.001), None, "40,000 beats cannot tell");
    }
}
