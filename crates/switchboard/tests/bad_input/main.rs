//! Bad input as the real program meets it: every complaint says what happened, why and what to do, ends with its exit code,
//! and leaves the money, the calls and the server as they were. Real processes, a data folder of its own for each test.
//! Absent: what a test beside the code can show.
#![expect(clippy::unwrap_used, reason = "in a test a broken assumption is a failure, helpers included")]

mod clock;
mod crowd;
mod database;
mod disk;
#[path = "../cli/house.rs"]
#[allow(dead_code, reason = "each suite uses what it needs of the house")]
mod house;
mod impostors;
mod journal;
mod logged;
mod money;
mod mount;
mod secrets;
mod settings;
mod stopping;
mod strangers;
mod till;
mod trust;
mod web;
