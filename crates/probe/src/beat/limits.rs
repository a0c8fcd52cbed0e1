//! Every bound and constant of heartbeats, its unit last. Absent: what is configured.

/// Shortest interval between beats.
pub const INTERVAL_MS_MIN: u32 = 10;
/// Longest interval between beats.
pub const INTERVAL_MS_MAX: u32 = 86_400_000;
/// Longest pause that a host can announce.
pub const PAUSE_S_MAX: u32 = 30 * 86_400;
/// Hosts of one monitor.
pub const HOSTS_MAX: usize = 1_000_000;
/// Longest name of a host.
pub const NAME_BYTES_MAX: usize = 32;
/// Sequence numbers below the highest that are still told apart from replays.
pub const REPLAY_WINDOW_BEATS: u64 = 64;
/// Copies of a pause or goodbye, since any of them may be lost.
pub const FAREWELL_COPIES: u8 = 3;
/// From one copy to the next: long enough that a short burst of loss does not take all of them.
pub const FAREWELL_SPACING_MS: u64 = 40;

/// Beats whose arrivals give the expected arrival of the next (Chen, Toueg, Aguilera 2002 use as many in §7).
pub const WINDOW_BEATS: usize = 32;
/// Intervals that the moments of phi-accrual remember; the window of Hayashibara et al. 2004.
pub const ACCRUAL_INTERVALS: u32 = 1_000;
/// The least standard deviation that phi-accrual reckons with, as a share of the interval: without it, one lost beat on a
/// quiet network is an alarm.
pub const ACCRUAL_DEVIATION_SHARE_MIN: f64 = 0.1;
/// The standard deviation it begins with, as a share of the interval.
pub const ACCRUAL_DEVIATION_SHARE_FIRST: f64 = 0.25;
/// Beats over which loss and delay of a host are measured.
pub const MEASURED_BEATS: f64 = 1_024.0;
/// Every so many beats of a host, its margin is worked out anew from what was measured.
pub const RECONFIGURE_BEATS: u64 = 256;
/// A beat further than this from the last one begins the estimate anew.
pub const SEQUENCE_JUMP_MAX: u64 = 1 << 20;

/// A round of the monitor that comes later than this found it absent: asleep, stopped or overloaded.
pub const ABSENCE_NS_MIN: u64 = 1_000_000_000;
/// Rejections of one kind, and overflows, are told at most this often; all are counted.
pub const REPEATED_NS_MIN: u64 = 60_000_000_000;

/// What one alarm adds to a host's penalty (RFC 2439 §4.2, with the values that routers ship with).
pub const FLAP_PENALTY: f64 = 1_000.0;
/// From this penalty on, single changes are no longer told.
pub const FLAP_CUTOFF: f64 = 2_000.0;
/// Below this one they are told again.
pub const FLAP_REUSE: f64 = 750.0;
/// The penalty halves in this time.
pub const FLAP_HALF_LIFE_S: f64 = 900.0;
/// No penalty holds changes back for longer than this.
pub const FLAP_HELD_S_MAX: f64 = 3_600.0;

/// Shortest detection time that is looked for.
pub const DETECTION_S_MIN: f64 = 0.01;
/// Longest detection time that is looked for: a week.
pub const DETECTION_S_MAX: f64 = 604_800.0;
/// Factors of the bound on false alarms that are looked at; more beats than these in one detection time add nothing.
pub const FACTORS_MAX: u32 = 4_096;
/// Intervals that are tried for the largest that will do.
pub const INTERVALS_TRIED: u32 = 20_000;
