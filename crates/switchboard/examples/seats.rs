//! A service of one's own: seats, each of which goes to one person. It gets exactly-once calls, every transport and the
//! fault tests from the engine, and the whole program around it: `cargo run --example seats -- serve`.
//!
//! Absent: a command line for its commands; a client sends them with `Client::call`.
#![forbid(unsafe_code)]

use std::ops::RangeInclusive;

use minicbor::{Decode, Encode};
use switchboard_engine::{CallContext, CommandSpec, ReadContext, Ruling, Service};
use switchboard_store::{Snapshot, Tx};

/// What can be asked.
#[derive(Debug, Encode, Decode)]
#[cbor(flat)]
pub(crate) enum Command {
    /// Takes a seat for somebody.
    #[n(0)]
    Reserve(#[n(0)] u32, #[n(1)] String),
    /// Gives a seat back; only the one who has it can.
    #[n(1)]
    Release(#[n(0)] u32, #[n(1)] String),
    /// Asks who has a seat.
    #[n(2)]
    Who(#[n(0)] u32),
}

/// Who has the seat now: the reply, and in a refusal the one who stands in the way.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(transparent)]
pub(crate) struct Holder(#[n(0)] pub(crate) Option<String>);

impl Command {
    fn seat(&self) -> [u8; 4] {
        let (Self::Reserve(seat, _) | Self::Release(seat, _) | Self::Who(seat)) = self;
        seat.to_be_bytes()
    }
}

pub(crate) struct Seats;

impl Service for Seats {
    const NAME: &'static str = "seats";
    const VERSIONS: RangeInclusive<u16> = 1..=1;
    const COMMANDS: &'static [CommandSpec] = &[RESERVE, RELEASE, WHO];
    type Command = Command;
    type Reply = Holder;
    type Refusal = Holder;
    type Evidence = ();

    fn spec(&self, command: &Command) -> &'static CommandSpec {
        match command {
            Command::Reserve(..) => &RESERVE,
            Command::Release(..) => &RELEASE,
            Command::Who(_) => &WHO,
        }
    }

    fn run(&self, tx: &mut Tx<'_>, _: &CallContext, command: &Command, (): &()) -> Ruling<Holder, Holder> {
        let mut seats = tx.rows(Self::NAME)?;
        let holder = seats.find(&command.seat())?;
        match command {
            Command::Reserve(_, who) if holder.is_none() => {
                seats.put(&command.seat(), who.as_bytes())?;
                Ok(Ok(Holder(Some(who.clone()))))
            }
            Command::Release(_, who) if holder.as_deref() == Some(who.as_bytes()) => {
                seats.delete(&command.seat())?;
                Ok(Ok(Holder(None)))
            }
            Command::Reserve(..) | Command::Release(..) | Command::Who(_) => Ok(Err(holder_of(holder))),
        }
    }

    fn read(
        &self,
        rows: &Snapshot<'_>,
        _: &ReadContext,
        command: &Command,
        (): &(),
    ) -> Ruling<Holder, Holder> {
        Ok(Ok(holder_of(rows.rows(Self::NAME)?.find(&command.seat())?)))
    }
}

fn holder_of(row: Option<Vec<u8>>) -> Holder {
    Holder(row.map(|name| String::from_utf8_lossy(&name).into_owned()))
}

const RESERVE: CommandSpec = CommandSpec::command("reserve");
const RELEASE: CommandSpec = CommandSpec::command("release");
const WHO: CommandSpec = CommandSpec::read("who");

fn main() -> std::process::ExitCode {
    switchboard::main_with(switchboard_services::all().with(Seats))
}
