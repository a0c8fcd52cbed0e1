//! What lost messages cost: time and attempts until a withdrawal is done, against the share of messages that is lost, for
//! three cases: requests lost, replies lost, both lost.
//!
//! ```text
//!   till (the client machine of every client) ─┬─ simulated: lossy link, server machine, one slot row; virtual time
//!                                              └─ sockets: TLS ─▶ lossy proxy ─▶ a whole server, its ledger checked
//!   theory (expected attempts, expected times) ──▶ chart, table, CSV, JSON beside both
//! ```
//!
//! *Nominal* time is what the client machine counts. On sockets it is played [`PACE`] times faster than the wall clock, so
//! that a second of waiting costs 20 ms. Absent: files, the command line, and any protection that other clients have not.

pub(crate) mod chart;
mod experiment;
mod fixed;
mod frames;
pub(crate) mod limits;
mod link;
mod quantity;
mod simulated;
mod sockets;
mod stand_in;
pub(crate) mod statistics;
pub(crate) mod tables;
pub(crate) mod theory;
mod till;

pub(crate) use experiment::{Measured, Plan, SocketPlan, on_sockets, simulate};
pub(crate) use quantity::Loss;

/// How many times faster than the wall clock nominal time runs on sockets: a nominal second takes 20 ms.
pub(crate) const PACE: u64 = 50;
