//! Heartbeats: hosts that say at a fixed interval that they live, and a monitor that says when one fell silent.
//!
//! ```text
//!   sender ──beat, pause, goodbye──▶ (network) ──▶ watch ─▶ key ─▶ replay ─▶ host ─▶ estimator ─▶ deadline ─▶ event
//!   (when, sequence)     64 octets, HMAC            (who)   (true?)  (new?)          (when is the next due?)
//! ```
//!
//! All of it is machines: bytes, stamps and time are arguments, nothing waits, nothing draws random numbers. A host is
//! called silent only after every datagram that the kernel received up to its deadline was looked at, and only for time
//! that the monitor spent listening. Absent: sockets and clocks (they are in [`crate::udp`]), history, who is told.

pub mod estimator;
pub mod flap;
pub mod host;
pub mod key;
pub mod limits;
pub mod normal;
pub mod packet;
pub mod quality;
pub mod replay;
pub mod sender;
pub mod watch;

pub use estimator::{Estimator, Method};
pub use host::{Host, Status};
pub use key::Key;
pub use packet::{Beat, Kind, PACKET_BYTES};
pub use quality::{Network, Parameters, Unattainable};
pub use sender::{Farewell, Sender};
pub use watch::{Absence, Arrival, Change, Counts, Event, Policy, Rejection, Watch};

/// Seconds of so many nanoseconds.
pub(crate) fn seconds(nanos: u64) -> f64 {
    std::time::Duration::from_nanos(nanos).as_secs_f64()
}

/// Nanoseconds of so many seconds: 0 of negative ones, the most there are of those that do not fit and of no number.
pub(crate) fn nanos(seconds: f64) -> u64 {
    std::time::Duration::try_from_secs_f64(seconds.max(0.0)).map_or(u64::MAX, crate::time::nanos_of)
}
