//! The server over real sockets and pipes, with the real engine on a real store.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "clippy.toml excuses test functions, not what they call; whatever is not expected fails the test"
)]

mod hostile;
mod limits;
mod listening;
mod log;
mod node;
mod peer;
mod shutdown;
mod transports;
