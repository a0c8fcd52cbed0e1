//! Who a server is and whom a client believes: keys, certificates, pins, and the rustls configurations made from them.
//!
//! ```text
//! server:  keys folder ──Identity──▶ ServedIdentity ──server_config──▶ rustls::ServerConfig
//!          files, several ─Identity─▶ ServedIdentities ─server_config─▶ rustls::ServerConfig, a certificate for each name
//! client:  Trust + ServerAddress ──client_config──▶ ClientTls (rustls::ClientConfig, first_seen, remember)
//! ```
//!
//! Absent: sockets, the asynchronous runtime, checking certificates of clients (a client proves who it is inside the calls),
//! revocation lists. No clock is read here; rustls itself asks the system clock when it judges the dates of a certificate and the age
//! of a session ticket.
#![forbid(unsafe_code)]

mod certificate;
mod config;
mod durable_file;
mod error;
mod fingerprint;
mod identity;
mod known_servers;
pub mod limits;
mod served;
mod shown;
mod trust;

pub use config::{CALL_PROTOCOL, ClientTls, ServedIdentity, check_protocol, client_config, server_config};
pub use error::{TlsError, TrustRefusal};
pub use fingerprint::Fingerprint;
pub use identity::{Identity, IdentityOrigin};
pub use known_servers::{KnownServers, ServerAddress};
pub use served::ServedIdentities;
pub use shown::ShownCertificate;
pub use trust::Trust;
