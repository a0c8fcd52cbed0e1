//! What commands do: the rules of each service, over a transaction or a snapshot. [`all`] is the list that
//! a server registers; an embedder adds its own behind it.
//!
//! Absent: sockets, HTTP, SQL, clocks, and the encoding of a command (commands).

pub mod bank;
pub mod limits;
pub mod text;

use switchboard_engine::Registry;

/// Every built-in service.
#[must_use]
pub fn all() -> Registry {
    Registry::new().with(bank::Bank).with(text::Text)
}
