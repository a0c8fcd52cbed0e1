//! What can be asked of the services and what they answer: one file per service with its commands,
//! replies and refusals, each with one CBOR encoding (the wire) and one JSON view (people and scripts).
//!
//! ```text
//!   a person's text --parse--> Command --CBOR--> (call layer, engine) --> rule --> Reply or Refusal
//! ```
//!
//! Absent: sockets, files, rows, clocks, and any decision: what a rule refuses can be said here.

pub mod bank;
mod error;
#[cfg(test)]
mod golden;
pub mod limits;
mod line;
pub mod money;
pub mod text;

use minicbor::{Decode, Encode};

pub use error::InputError;
pub use line::Line;

/// Ties the types of one service together, for whoever sends its commands. Has no values.
pub trait Commands {
    /// Name of the service in a call frame.
    const SERVICE: &'static str;
    /// Version of the encoding below.
    const VERSION: u16;
    /// What can be asked.
    type Command: Encode<()> + for<'b> Decode<'b, ()> + Send;
    /// What is answered.
    type Reply: Encode<()> + for<'b> Decode<'b, ()> + Send;
    /// What the rules say instead.
    type Refusal: Encode<()> + for<'b> Decode<'b, ()> + std::error::Error + Send + Sync + 'static;

    /// Whether the command has no effect and may be asked again without a call id.
    fn is_read(command: &Self::Command) -> bool;

    /// The command's name, for a person and for the table of permissions.
    fn name(command: &Self::Command) -> &'static str;
}
