//! A service for the tests: counters in rows of its own, and commands that misbehave on demand.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard_store::{Snapshot, StoreError, Tx};

use crate::{Allowed, CallContext, CommandSpec, Effect, Prepare, ReadContext, Ruling, Service};

#[derive(Clone, PartialEq, Eq, Debug, minicbor::Encode, minicbor::Decode)]
pub(super) enum Command {
    /// Adds one; answers the new count.
    #[n(0)]
    Add,
    /// Refuses before any write.
    #[n(1)]
    Refuse,
    /// Adds one, then refuses; the refusal counts itself.
    #[n(2)]
    AddThenRefuse,
    /// Adds one, then refuses, without having announced that it can.
    #[n(3)]
    SneakyRefuse,
    /// Adds one, then panics.
    #[n(4)]
    Panic,
    /// Adds one, then the store fails.
    #[n(5)]
    Fail,
    /// Adds one after work on the preparing threads.
    #[n(6)]
    AddSlowly,
    /// The count.
    #[n(7)]
    Count,
    /// Anybody may.
    #[n(8)]
    Hello,
    /// Panics while it is prepared.
    #[n(9)]
    PanicPreparing,
}

#[derive(Clone, Default)]
pub(super) struct Counter {
    pub(super) prepared: Arc<AtomicUsize>,
}

const fn spec(name: &'static str, effect: Effect) -> CommandSpec {
    CommandSpec { effect, allowed: Allowed::OperatorsAndMachines, ..CommandSpec::command(name) }
}

const COMMANDS: &[CommandSpec] = &[
    spec("add", Effect::Command),
    spec("refuse", Effect::Command),
    CommandSpec { refuses_after_write: true, ..spec("add then refuse", Effect::Command) },
    spec("sneaky refuse", Effect::Command),
    spec("panic", Effect::Command),
    spec("fail", Effect::Command),
    CommandSpec { prepare: Prepare::Pool, ..spec("add slowly", Effect::Command) },
    spec("count", Effect::Read),
    CommandSpec { allowed: Allowed::Everyone, ..spec("hello", Effect::Read) },
    CommandSpec { prepare: Prepare::Pool, ..spec("panic preparing", Effect::Command) },
];

impl Service for Counter {
    const NAME: &'static str = "counter";
    const VERSIONS: RangeInclusive<u16> = 1..=2;
    const COMMANDS: &'static [CommandSpec] = COMMANDS;
    type Command = Command;
    type Reply = u64;
    type Refusal = String;
    type Evidence = ();

    fn spec(&self, command: &Command) -> &'static CommandSpec {
        &COMMANDS[match command {
            Command::Add => 0,
            Command::Refuse => 1,
            Command::AddThenRefuse => 2,
            Command::SneakyRefuse => 3,
            Command::Panic => 4,
            Command::Fail => 5,
            Command::AddSlowly => 6,
            Command::Count => 7,
            Command::Hello => 8,
            Command::PanicPreparing => 9,
        }]
    }

    fn prepare(&self, _: &Snapshot<'_>, command: &Command) -> Result<(), StoreError> {
        assert!(*command != Command::PanicPreparing, "as asked");
        self.prepared.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn run(&self, tx: &mut Tx<'_>, _: &CallContext, command: &Command, (): &()) -> Ruling<u64, String> {
        match command {
            Command::Refuse => return Ok(Err("no".to_owned())),
            Command::Count | Command::Hello => return Ok(Err("a read".to_owned())),
            Command::Add
            | Command::AddThenRefuse
            | Command::SneakyRefuse
            | Command::Panic
            | Command::Fail
            | Command::AddSlowly
            | Command::PanicPreparing => {}
        }
        let count = add(tx, b"count")?;
        match command {
            Command::AddThenRefuse | Command::SneakyRefuse => Ok(Err("after all, no".to_owned())),
            Command::Panic => panic!("as asked"),
            Command::Fail => Err(StoreError::Impossible("as asked".to_owned())),
            Command::Add
            | Command::Refuse
            | Command::AddSlowly
            | Command::Count
            | Command::Hello
            | Command::PanicPreparing => Ok(Ok(count)),
        }
    }

    fn after_refusal(
        &self,
        tx: &mut Tx<'_>,
        _: &CallContext,
        _: &Command,
        _: &String,
    ) -> Result<(), StoreError> {
        add(tx, b"refused").map(|_| ())
    }

    fn read(&self, view: &Snapshot<'_>, _: &ReadContext, command: &Command, (): &()) -> Ruling<u64, String> {
        if *command == Command::Hello {
            return Ok(Ok(42));
        }
        Ok(Ok(number(view.rows("counter")?.find(b"count")?)))
    }
}

fn add(tx: &mut Tx<'_>, key: &[u8]) -> Result<u64, StoreError> {
    let mut rows = tx.rows("counter")?;
    let count = number(rows.find(key)?) + 1;
    rows.put(key, &count.to_be_bytes())?;
    Ok(count)
}

pub(super) fn number(value: Option<Vec<u8>>) -> u64 {
    value.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes were put")))
}
