//! The example's service as a client writes it down. Absent: the service itself.

use std::fmt;

use minicbor::{Decode, Encode};
use switchboard_commands::Commands;

use crate::seats::{Command, Holder};

/// The types of the example's service.
pub(crate) enum Seats {}

/// The seat is not as it would have to be.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(transparent)]
pub(crate) struct Held(#[n(0)] pub(crate) Holder);

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.0 {
            Some(holder) => write!(f, "{holder} has that seat"),
            None => f.write_str("nobody has that seat"),
        }
    }
}

impl std::error::Error for Held {}

impl Commands for Seats {
    const SERVICE: &'static str = "seats";
    const VERSION: u16 = 1;
    type Command = Command;
    type Reply = Holder;
    type Refusal = Held;

    fn is_read(command: &Command) -> bool {
        matches!(command, Command::Who(_))
    }

    fn name(command: &Command) -> &'static str {
        match command {
            Command::Reserve(..) => "reserve",
            Command::Release(..) => "release",
            Command::Who(_) => "who",
        }
    }
}
