//! Mail submission: what a message is made of becomes streamed bytes, the bytes go to a server, and the result says for each
//! recipient what is known.
//!
//! ```text
//!   mime (parts -> bytes), dkim ----------+
//!                                         v
//!   address, auth --> smtp (machine) <--> deliver (TCP, TLS, clock) <==> server
//!                       ^      |
//!                    reply     +--> Report: per recipient accepted, refused, not sent, or in doubt
//! ```
//!
//! Absent: a queue and trying again (that needs a durable place), looking up where a domain's mail goes, reading mail.
#![forbid(unsafe_code)]

pub mod address;
pub mod auth;
pub mod deliver;
pub mod dkim;
mod error;
pub mod limits;
pub mod mime;
pub mod reply;
pub mod smtp;

pub use error::MailError;
