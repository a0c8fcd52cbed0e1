//! Commands with the label that the application knows them by. The client journals a command's name as its label, and hands
//! it back with the answer after a crash: so the name is the label here. Absent: the commands themselves.

use std::fmt;
use std::marker::PhantomData;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use switchboard_commands::Commands;

use crate::seats::{Command, Holder};

/// The types of service `C`, with labels.
pub(crate) struct Labelled<C>(PhantomData<C>);

/// A command with its label.
pub(crate) struct WithLabel<C: Commands> {
    label: &'static str,
    command: C::Command,
}

impl<C: Commands> WithLabel<C> {
    /// The label lives as long as the process, which is killed before that matters.
    pub(crate) fn new(label: u64, command: C::Command) -> Self {
        Self { label: label.to_string().leak(), command }
    }
}

impl<C: Commands> Commands for Labelled<C> {
    const SERVICE: &'static str = C::SERVICE;
    const VERSION: u16 = C::VERSION;
    type Command = WithLabel<C>;
    type Reply = C::Reply;
    type Refusal = C::Refusal;

    fn is_read(command: &WithLabel<C>) -> bool {
        C::is_read(&command.command)
    }

    fn name(command: &WithLabel<C>) -> &'static str {
        command.label
    }
}

impl<C: Commands> Encode<()> for WithLabel<C> {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        context: &mut (),
    ) -> Result<(), encode::Error<W::Error>> {
        self.command.encode(e, context)
    }
}

impl<'b, C: Commands> Decode<'b, ()> for WithLabel<C> {
    fn decode(d: &mut Decoder<'b>, context: &mut ()) -> Result<Self, decode::Error> {
        Ok(Self { label: "", command: C::Command::decode(d, context)? })
    }
}

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
