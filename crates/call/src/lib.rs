//! The call layer as pure machines. A call gets an id, travels as a frame, takes effect once, and its
//! reply is handed over once: everything that decides about that, and nothing that waits.
//!
//! ```text
//!   client::Machine --ClientFrame--> frame::encode ~~bytes~~> frame::Inbox --> server::Connection
//!        ^   |                                                                     |
//!        |   +--journal::Entry--> (file, fsync)                                    v
//!        +--ServerFrame-- frame::Inbox <~~bytes~~ frame::encode <--Answer-- (engine: claim, run, record)
//! ```
//!
//! Absent on purpose: sockets, files, clocks, threads, async, SQL, and any knowledge of a command.
//! Time is an argument; randomness is an argument.

pub mod answer;
pub mod client;
pub mod flaw;
pub mod frame;
pub mod id;
pub mod journal;
pub mod limits;
pub mod server;
