//! Real processes are killed at random moments, server and clients, and afterwards the clients' notes are held against the
//! store: every intention has one outcome, every outcome took effect once, nothing else took effect.
//!
//! ```text
//!   4 client processes, 16 calls in flight each ==unix or tls==> server process
//!     |  kill -9, stop, restart                                    |  kill -9, stop, restart
//!     v                                                            v
//!   notes: intended, begun, ended --------> verdict <-------- ledger, seats, audit
//! ```
//!
//! A failure prints its seed and keeps its folder. `SWITCHBOARD_KILL_SEED` chooses the seed; the moments stay the
//! machine's own, so a seed repeats the choices and not the schedule. `SWITCHBOARD_LONG=1` strikes 5,000 times.
//!
//! Absent: lost messages (`switchboard demo`); lost writes: a killed process loses nothing that it has written, a machine
//! without power does (the power tests).
#![expect(clippy::unwrap_used, reason = "in a test a broken assumption is a failure, helpers included")]

mod client;
mod errand;
mod killer;
mod ledger;
mod network;
mod notes;
mod processes;
#[path = "../../examples/seats.rs"]
#[expect(dead_code, reason = "the example's own `main`, and what only its server uses")]
mod seats;
mod silence;
mod task;
mod verdict;
#[path = "verdict/tests.rs"]
mod verdict_tests;
mod wire;

use errand::Errand;
use killer::Battle;
use network::Network;
use processes::{Door, Place};

/// A server that soon lets go of who is silent, and logs it.
const IMPATIENT: [&str; 2] = ["limits.idle_ms=1000", "log.level=info"];
/// SIGKILLs of a test, together with those of the other one.
const KILLS: u32 = 200;
/// The same with `SWITCHBOARD_LONG=1`.
const KILLS_LONG: u32 = 5_000;

#[test]
fn killed_over_a_unix_socket_every_call_takes_effect_once() {
    if let Some(errand) = Errand::of_this_process() {
        return client::run(&errand);
    }
    let place = Place::new(Door::Unix, env!("CARGO_BIN_EXE_switchboard").into());
    Battle::prepare(&place, "killed_over_a_unix_socket_every_call_takes_effect_once").fight(kills());
}

/// The server is that of an embedder: the example's service stands beside the built-in ones.
#[test]
fn killed_over_tls_every_call_of_an_embedders_service_takes_effect_once() {
    if let Some(errand) = Errand::of_this_process() {
        return client::run(&errand);
    }
    let place = Place::new(Door::Tls, processes::example("seats"));
    Battle::prepare(&place, "killed_over_tls_every_call_of_an_embedders_service_takes_effect_once")
        .fight(kills());
}

#[test]
fn stopped_for_longer_than_every_time_out_both_sides_go_on_where_they_were() {
    if let Some(errand) = Errand::of_this_process() {
        return client::run(&errand);
    }
    let mut place = Place::new(Door::Unix, env!("CARGO_BIN_EXE_switchboard").into());
    place.settings = IMPATIENT.to_vec();
    Battle::prepare(&place, "stopped_for_longer_than_every_time_out_both_sides_go_on_where_they_were")
        .each_side_is_stopped(&place);
}

#[test]
fn half_open_connections_are_let_go_by_both_sides_and_the_calls_go_on() {
    if let Some(errand) = Errand::of_this_process() {
        return client::run(&errand);
    }
    if xtask::needs::skipped("iproute2") {
        return;
    }
    let mut place = Place::new(Door::Tls, processes::example("seats"));
    place.settings = IMPATIENT.to_vec();
    place.network = Some(Network::new());
    Battle::prepare(&place, "half_open_connections_are_let_go_by_both_sides_and_the_calls_go_on")
        .the_network_swallows_everything(&place);
}

#[test]
fn an_embedders_program_lists_its_service_beside_the_built_in_ones() {
    let place = Place::new(Door::Unix, processes::example("seats"));
    let listed = place.program(&["docs", "permissions"]).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    for command in ["bank withdraw", "seats reserve", "seats release", "seats who"] {
        assert!(text.lines().any(|line| line.starts_with(command)), "{command} is not in\n{text}");
    }
}

fn kills() -> u32 {
    if xtask::needs::long() { KILLS_LONG / 2 } else { KILLS / 2 }
}
