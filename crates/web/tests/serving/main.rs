//! The server over real sockets, with real files that change while they are served.
#![expect(clippy::unwrap_used, reason = "in a test a broken assumption is a failure, helpers included")]

mod client;
mod files;
mod floods;
mod http2;
mod limits;
mod log;
mod protocol;
mod racing;
mod settling;
mod stopping;
mod tls;
