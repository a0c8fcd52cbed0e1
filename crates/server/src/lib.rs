//! The sockets in front of the engine: listens, admits, says who is asking, carries frames to and fro.
//!
//! ```text
//!   Listeners --> admission --> (TLS handshake) --> connection: read --> call::server::Connection --> Engine
//!                    |                                   ^                                              |
//!                 goodbye                                +-- write <-- Mailbox <-------- Replies -------+
//! ```
//!
//! The same connection code serves TCP, TLS, Unix-domain sockets and any duplex stream such as a pipe.
//!
//! Absent on purpose: names of commands, SQL, what a principal may do, and what a call id means. A connection
//! that breaks loses nothing but time.
#![forbid(unsafe_code)]

mod address;
mod admission;
mod connection;
mod error;
pub mod limits;
mod listen;
mod mailbox;
mod principal;
mod run;
mod secure;
mod shed;
mod sync;
#[cfg(test)]
mod tests;
mod unix_socket;

pub use address::{AddressError, ListenAddress};
pub use error::ServerError;
pub use limits::Limits;
pub use listen::{Listeners, Plaintext};
pub use principal::OperatorKey;
pub use run::{Config, run, run_stream};
