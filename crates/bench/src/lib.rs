//! Measuring Switchboard beside its peers: the load, the processes, their CPU time, and the report.
//!
//! Absent: a verdict that a test could trust; these machines are shared, so every figure stands beside a peer's.

pub mod cpu;
pub mod load;
pub mod server;
