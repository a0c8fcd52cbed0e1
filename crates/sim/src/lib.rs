//! The simulation: clients, nodes, disks and a network on one thread, in virtual time, from one seed. The machines,
//! the engine, the services and the store are the real ones; what owns sockets, files and clocks is replaced.
//!
//! ```text
//!   plan --> world --+-- client (real client and journal machine) -- disk
//!                    +-- network
//!                    +-- node (real connection machine, engine, services, store) -- disk (a SQLite VFS)
//!                    +-- model (what must be true)  --> a broken promise --> shrink --> a short story
//! ```
//!
//! Absent: the tokio drivers of client and server, sockets, TLS. Those are met by the tests with real processes.

pub mod campaign;
pub mod chance;
pub mod client;
pub mod disk;
pub mod eye;
mod founding;
pub mod intent;
pub mod logged;
pub mod model;
pub mod network;
pub mod node;
pub mod plan;
mod rogue;
pub mod scene;
pub mod shrink;
pub mod story;
pub mod teller;
pub mod trial;
pub mod world;
