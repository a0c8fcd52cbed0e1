//! The machine and its driver against servers that behave, that do not, and that are real.
#![expect(clippy::unwrap_used, reason = "in a test a broken assumption is a failure, helpers included")]

mod certificates;
mod cuts;
mod own_commands;
mod real_server;
mod relayed;
mod round_trips;
mod rows;
mod server;
mod servers;
mod smuggling;
mod sockets;
mod streamed;
mod submit;
mod table;
mod virtual_time;
