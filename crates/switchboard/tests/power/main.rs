//! The power fails: server and durable clients run under load in a machine of their own, whose process is killed at random
//! moments. What its kernel had not written is gone; its disks are mounted again, everything starts again and settles. Then
//! the clients' notes, which left the machine line by line on its console, are held against the store.
//!
//! ```text
//!   user-mode-linux, one process that is killed            what survives
//!     server  ----> file system ----> page cache --flush-->  server.img
//!     client 0 ---> file system ----> page cache --flush-->  client-0.img
//!     client 1 ---> file system ----> page cache --flush-->  client-1.img
//!       notes ----> console ------------------------------>  boot-N.notes --> verdict <-- server.img
//! ```
//!
//! Each has a disk of its own, so that a flush by one does not take along what another should have flushed. Verdict, notes
//! and client are those of the kill tests. `SWITCHBOARD_KILL_SEED` chooses the seed, `SWITCHBOARD_LONG=1` cuts 100 times.
//!
//! Absent: a drive that loses what it said it had written, or writes half of a sector; the simulator has such disks.
#![expect(clippy::unwrap_used, reason = "in a test a broken assumption is a failure, helpers included")]

#[path = "../kill/client.rs"]
mod client;
mod disks;
#[path = "../kill/errand.rs"]
mod errand;
mod guest;
#[path = "../kill/ledger.rs"]
mod ledger;
mod machine;
#[path = "../kill/network.rs"]
#[allow(dead_code, reason = "the kill tests take it down")]
mod network;
#[path = "../kill/notes.rs"]
#[allow(dead_code, reason = "each suite uses what it needs of the notes")]
mod notes;
mod outage;
#[path = "../kill/processes.rs"]
#[allow(dead_code, reason = "each suite uses what it needs of the processes")]
mod processes;
#[path = "../../examples/seats.rs"]
#[expect(dead_code, reason = "only the kill tests have its server")]
mod seats;
#[path = "../kill/task.rs"]
mod task;
#[path = "../kill/verdict.rs"]
mod verdict;
#[path = "../kill/wire.rs"]
mod wire;

use errand::Errand;
use guest::{Careless, Goal};
use outage::Outage;

/// Power cuts of the test.
const CUTS: u32 = 6;
/// The same with `SWITCHBOARD_LONG=1`.
const CUTS_LONG: u32 = 100;

#[test]
fn a_power_cut_loses_nothing_acknowledged_and_repeats_nothing() {
    let cuts = if xtask::needs::long() { CUTS_LONG } else { CUTS };
    check("a_power_cut_loses_nothing_acknowledged_and_repeats_nothing", Careless::Nobody, |outage| {
        outage.suffer(cuts)
    });
}

/// The same cut catches a server that does not flush: what it acknowledged is not in its books.
#[test]
fn a_power_cut_catches_a_server_with_unsafe_durability() {
    check("a_power_cut_catches_a_server_with_unsafe_durability", Careless::Server, |outage| {
        outage.catches_the_careless(Goal::Mount, "booked None")
    });
}

/// And clients whose journals are not flushed: they do not know what they began, and begin it again.
#[test]
fn a_power_cut_catches_clients_that_do_not_flush_their_journals() {
    check("a_power_cut_catches_clients_that_do_not_flush_their_journals", Careless::Clients, |outage| {
        outage.catches_the_careless(Goal::Settle, "begun under several ids")
    });
}

/// Runs a test, or the client that it starts.
fn check(test: &'static str, careless: Careless, course: impl FnOnce(Outage)) {
    if let Some(errand) = Errand::of_this_process() {
        return client::run(&errand);
    }
    if xtask::needs::skipped("user-mode-linux") || xtask::needs::skipped("e2fsprogs") {
        return;
    }
    course(Outage::prepare(test, careless));
}
