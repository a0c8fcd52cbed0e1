//! The static-file server of Switchboard: a strict HTTP/1 parser, a pure plan for every answer, and the loop that
//! carries it out.
//!
//! ```text
//! bytes -> http1::head -> Head -> target -> Target --(tree)--> Found
//!                           |                                    |
//!                           +------------> plan <----------------+
//!                                           |
//!                                           +-> Plan -> http1::respond -> bytes, and which part of which file follows
//! ```
//!
//! HTTP/2 joins at the target: its frames are read by the crate h2, within bounds kept here.
//!
//! *Promises* that every byte of HTTP/1 is judged by one parser, that every answer is decided by one pure function
//! ([`plan::plan`]), and that hostile bytes end in a refusal and never in a panic.
//!
//! *Absent:* SQL, handlers of an application, a proxy, anything that changes a file.

mod access_log;
mod admission;
mod background;
mod compress;
mod confine;
mod descriptors;
mod error;
mod event_loop;
mod http2;
mod identities;
mod metrics;
mod monitor;
mod privileges;
mod server;
mod settings;
mod tree;

pub mod accept;
pub mod conditional;
pub mod date;
pub mod http1;
pub mod limits;
pub mod media;
pub mod plan;
pub mod range;
pub mod status;
pub mod target;

pub use confine::Confinement;
pub use error::Error;
pub use event_loop::Address;
pub use metrics::{Metrics, Snapshot};
pub use server::{Running, Server};
pub use settings::{
    AccessLog, CertificateFiles, Identity, Limits, Listener, LogFormat, LogTarget, SelfSigned, Settings,
    Site, TlsSettings,
};
pub use switchboard_tls::Fingerprint;
