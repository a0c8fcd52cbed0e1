//! Bounds of what `ping` keeps to draw and to tell. Absent: bounds of probing; they are the probe's.

/// Stretches of a run that are drawn, of all targets together; of a longer run each holds more probes.
pub(super) const TRACE_STRETCHES_MAX: usize = 8_000;
/// Lost probes that are drawn, the newest, of all targets together.
pub(super) const TRACE_LOST_MAX: usize = 10_000;
/// Of both, what each target has however many there are.
pub(super) const TRACE_EACH_MIN: usize = 100;
/// Stretches without answers whose direction is remembered.
pub(super) const TRACE_GAPS_MAX: usize = 1_000;
/// Probes whose time of sending is remembered while they are under way.
pub(super) const TRACE_UNDER_WAY_MAX: usize = 65_536;
/// Probes that the live chart shows of each target.
pub(super) const LIVE_PROBES_MAX: usize = 600;
/// How often the live chart is drawn anew.
pub(super) const LIVE_REDRAW_MS: u64 = 100;
/// How long whoever asks for metrics waits for the prober.
pub(super) const FIGURES_MS_MAX: u64 = 2_000;
