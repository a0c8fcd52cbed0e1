//! The bank's real rules under a table of their own: machines may move money too, a withdrawal writes before it can
//! refuse and its refusal leaves a mark (as a wrong PIN would), a rule can be made to panic or to fail after it has
//! written, and the newest version has a second encoding beside the first.
//!
//! An embedder's service like any other: it reaches the engine through the same trait.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use minicbor::data::{Tag, Type};
use minicbor::{Decode, Decoder, Encoder};
use switchboard_call::id::CallId;
use switchboard_commands::bank::{self, AuditReport, Command, Refusal, Reply};
use switchboard_engine::{
    Allowed, CallContext, CommandSpec, Prepare, ReadContext, Registry, Ruling, Service,
};
use switchboard_services::bank::Bank;
use switchboard_store::{Snapshot, StoreError, Tx};

/// The second encoding puts this tag before the command.
const TAG: u64 = 2;

/// Rows of the teller: what each call attempted, and what it was refused.
pub const ROWS: &str = "teller";

/// A registry of the first version, or of one that also understands the second encoding.
#[must_use]
pub fn registry(newest: bool, trouble: &Trouble) -> Registry {
    if newest {
        Registry::new().with(Teller::<2> { trouble: trouble.clone() })
    } else {
        Registry::new().with(Teller::<1> { trouble: trouble.clone() })
    }
}

/// A command in one of the two encodings.
///
/// # Panics
/// Never: a buffer takes everything.
#[must_use]
pub fn encode(command: &Command, version: u16) -> Vec<u8> {
    let mut body = Vec::new();
    let mut encoder = Encoder::new(&mut body);
    if u64::from(version) == TAG {
        encoder.tag(Tag::new(TAG)).expect("a buffer takes everything");
    }
    encoder.encode(command).expect("a buffer takes everything");
    body
}

/// A command, from either encoding.
#[derive(Debug)]
pub struct Asked(pub Command);

impl<'b> Decode<'b, ()> for Asked {
    fn decode(d: &mut Decoder<'b>, (): &mut ()) -> Result<Self, minicbor::decode::Error> {
        if d.datatype()? == Type::Tag && d.tag()? != Tag::new(TAG) {
            return Err(minicbor::decode::Error::message("no such encoding"));
        }
        d.decode().map(Self)
    }
}

/// What the next rules meet.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    panics: Arc<AtomicU32>,
    fails: Arc<AtomicU32>,
}

impl Trouble {
    /// So many of the next rules panic after they have written.
    pub fn let_panic(&self, rules: u32) {
        self.panics.store(rules, Ordering::SeqCst);
    }

    /// So many of the next rules fail after they have written.
    pub fn let_fail(&self, rules: u32) {
        self.fails.store(rules, Ordering::SeqCst);
    }

    /// No rule does any more.
    pub fn end(&self) {
        self.let_panic(0);
        self.let_fail(0);
    }

    fn strike(&self) -> Result<(), StoreError> {
        let take = |count: &AtomicU32| {
            count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        };
        assert!(!take(&self.panics), "a rule panics, as it was told to");
        if take(&self.fails) {
            return Err(StoreError::Impossible("a rule fails, as it was told to".to_owned()));
        }
        Ok(())
    }
}

struct Teller<const NEWEST: u16> {
    trouble: Trouble,
}

const fn command(name: &'static str) -> CommandSpec {
    CommandSpec { allowed: Allowed::OperatorsAndMachines, ..CommandSpec::command(name) }
}

const OPEN_ACCOUNT: CommandSpec = CommandSpec::command("open_account");
/// Prepared apart: its call is queued only after that.
const DEPOSIT: CommandSpec = CommandSpec { prepare: Prepare::Pool, ..command("deposit") };
const WITHDRAW: CommandSpec = CommandSpec { refuses_after_write: true, ..command("withdraw") };
const TRANSFER: CommandSpec = command("transfer");
const TRANSFER_MANY: CommandSpec = command("transfer_many");
const BALANCE: CommandSpec =
    CommandSpec { allowed: Allowed::OperatorsAndMachines, ..CommandSpec::read("balance") };

impl<const NEWEST: u16> Service for Teller<NEWEST> {
    const NAME: &'static str = bank::SERVICE;
    const VERSIONS: RangeInclusive<u16> = 1..=NEWEST;
    const COMMANDS: &'static [CommandSpec] =
        &[OPEN_ACCOUNT, DEPOSIT, WITHDRAW, TRANSFER, TRANSFER_MANY, BALANCE];
    type Command = Asked;
    type Reply = Reply;
    type Refusal = Refusal;
    type Evidence = Option<AuditReport>;

    fn spec(&self, Asked(command): &Asked) -> &'static CommandSpec {
        match command {
            Command::OpenAccount { .. } => &OPEN_ACCOUNT,
            Command::Deposit { .. } => &DEPOSIT,
            Command::Withdraw { .. } => &WITHDRAW,
            Command::Transfer { .. } | Command::Settle { .. } => &TRANSFER,
            Command::TransferMany { .. } => &TRANSFER_MANY,
            Command::Balance { .. }
            | Command::Statement { .. }
            | Command::Accounts { .. }
            | Command::Suspended { .. }
            | Command::Audit => &BALANCE,
        }
    }

    fn run(
        &self,
        tx: &mut Tx<'_>,
        call: &CallContext,
        Asked(command): &Asked,
        evidence: &Self::Evidence,
    ) -> Ruling<Reply, Refusal> {
        if matches!(command, Command::Withdraw { .. }) {
            count(tx, b'a', call.id)?;
        }
        let ruling = Bank.run(tx, call, command, evidence)?;
        self.trouble.strike()?;
        Ok(ruling)
    }

    fn after_refusal(
        &self,
        tx: &mut Tx<'_>,
        call: &CallContext,
        _: &Asked,
        _: &Refusal,
    ) -> Result<(), StoreError> {
        count(tx, b'r', call.id)
    }

    fn read(
        &self,
        snapshot: &Snapshot<'_>,
        context: &ReadContext,
        Asked(command): &Asked,
        evidence: &Self::Evidence,
    ) -> Ruling<Reply, Refusal> {
        Bank.read(snapshot, context, command, evidence)
    }
}

/// Moves the call's counter of this kind: `a` an attempt that stands, `r` a refusal.
fn count(tx: &mut Tx<'_>, kind: u8, id: CallId) -> Result<(), StoreError> {
    let mut key = vec![kind];
    key.extend(id.session.as_bytes());
    key.extend(id.slot.0.to_be_bytes());
    key.extend(id.sequence.number().to_be_bytes());
    let mut rows = tx.rows(ROWS)?;
    let before = rows.find(&key)?.and_then(|value| value.first().copied()).unwrap_or(0);
    rows.put(&key, &[before.saturating_add(1)])
}
