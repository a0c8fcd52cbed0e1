//! STAMP ping and reflector (RFC 8762, RFC 8972): how long a datagram takes, each way, and what becomes of it.
//!
//! ```text
//!   schedule ─▶ prober ──packet──▶ udp ═════════▶ udp ─▶ reflector ─▶ udp ═════════▶ udp ─▶ prober ─▶ statistics
//!                 (when)   (T1)    socket          (T2, ttl)    (T3)           socket (T4)
//! ```
//!
//! And heartbeats ([`beat`]): hosts that say that they live, and a monitor that says who fell silent.
//!
//! Everything but [`udp`] is a machine: bytes, stamps and time are arguments, nothing waits. [`udp`] owns sockets and
//! clocks and decides nothing. Absent: TWAMP's control protocol, ICMP, and any dependency on other crates of Switchboard.
#![forbid(unsafe_code)]

pub mod beat;
pub mod error;
pub mod fault;
pub mod limits;
pub mod prober;
pub mod reflector;
pub mod stamp;
pub mod statistics;
pub mod text;
pub mod time;
pub mod udp;

pub use error::ProbeError;
pub use time::{Moment, Timestamp};
