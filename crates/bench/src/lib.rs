//! Measuring Switchboard beside its peers: the load, the processes, their CPU time, and the report.
//!
//! Absent: a verdict that a test could trust; these machines are shared, so every figure stands beside a peer's.

mod by_name;
pub mod calls;
mod chart;
pub mod child;
pub mod cpu;
mod document;
pub mod figure;
mod installed;
pub mod latency;
pub mod ledger;
pub mod load;
pub mod machine;
pub mod mail;
mod matrix;
pub mod memory;
mod numbers;
mod packages;
pub mod peers;
pub mod probe;
pub mod progress;
pub mod report;
pub mod restart;
pub mod server;
pub mod soak;
pub mod solo;
pub mod start;
pub mod statistics;
mod subject;
mod table;
pub mod usage;
mod verdict;
pub mod web;
