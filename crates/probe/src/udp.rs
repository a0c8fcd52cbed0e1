//! The driver: sockets, kernel stamps and clocks. It carries out what the machines say and decides nothing.
//!
//! Stamps are taken by the kernel where it can (`SO_TIMESTAMPING`): of what is received as a control message, of what is
//! sent over the socket's error queue. Absent: any other reading of clocks in this crate, and asynchronous code: a probe
//! sleeps until the nanosecond it is due, which no runtime offers.

mod clock;
mod heart;
mod interrupts;
mod monitor;
mod ping;
mod reflect;
pub mod self_test;
mod socket;

pub use clock::{Clock, ClockState};
pub use heart::{Heart, Run, Sent};
pub use interrupts::{Interrupts, Wish};
pub use monitor::{Monitor, Round};
pub use ping::{Event, Options, Pause, Pinger, Reception, Target, Unreachable};
pub use reflect::{Listener, Remote, Tally};
