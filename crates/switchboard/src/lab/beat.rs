//! How good failure detectors are: the time until the end of a host is found, against false alarms, for a fixed time-out,
//! NFD-E and phi-accrual on the same beats.
//!
//! ```text
//!   generated: loss, bursts, delay ─┐
//!   recorded over sockets ──────────┴─▶ trace ─▶ curves (the detectors of the probe) ─▶ chart, table, CSV, JSON
//! ```
//!
//! One pass over a trace gives a detector's whole curve: for each beat, the least margin that would have borne the wait for
//! it, and the deadline that a margin would have set. Absent: files, the command line.

pub(crate) mod chart;
pub(crate) mod curve;
pub(crate) mod load;
pub(crate) mod record;
pub(crate) mod tables;
pub(crate) mod trace;

use curve::Curve;
use trace::Trace;

/// What was measured.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Repeats the generated traces.
    pub(crate) seed: u64,
    /// Each trace with a curve of each detector.
    pub(crate) panels: Vec<Panel>,
}

/// One trace and its curves.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// What the trace is.
    pub(crate) title: String,
    /// Beats that were sent, and that never came.
    pub(crate) sent: u64,
    /// Beats that never came.
    pub(crate) lost: u64,
    /// One curve of each detector.
    pub(crate) curves: Vec<Curve>,
}

impl Panel {
    /// Runs the detectors over a trace.
    pub(crate) fn of(trace: &Trace) -> Self {
        Self {
            title: trace.title.clone(),
            sent: trace.sent,
            lost: trace.lost(),
            curves: switchboard_probe::beat::Method::ALL.map(|method| Curve::of(trace, method)).to_vec(),
        }
    }
}

/// A count as a number to reckon with; exact below nine thousand million million.
pub(crate) fn number(count: u64) -> f64 {
    std::time::Duration::from_micros(count).as_secs_f64() * 1e6
}
