//! The laboratory: faults made on purpose between a real client and a real server, counted exactly. Absent: anything a
//! server or client needs in normal operation.

pub(crate) mod beat;
pub mod chance;
pub(crate) mod ledger;
pub(crate) mod loss;
pub mod proxy;
pub(crate) mod verdict;
