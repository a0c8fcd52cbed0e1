//! What a service is: a name, a table of commands, and rules over a transaction. The built-in services
//! and an embedder's own use the same trait; there is no second path.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use minicbor::Decoder;
use switchboard_call::answer::{Answer, DoorCause};
use switchboard_call::flaw::{Flaw, planted};
use switchboard_call::frame::ServiceLimits;
use switchboard_call::id::CallId;
use switchboard_store::{Snapshot, StoreError, Tx};

use crate::limits::SMALL_BODY_BYTES_MAX;
use crate::principal::{Principal, permit};

/// The store failed (outer), or the rule decided: a reply, or its own refusal (inner).
pub type Ruling<R, F> = Result<Result<R, F>, StoreError>;

/// A set of commands with their rules.
///
/// Rules are synchronous, check first and write last, and never hash, sleep or read a file: what is slow
/// belongs into [`Service::prepare`]. A rule may run more than once for one call (its batch may be thrown
/// away and run again), but its writes are committed at most once.
pub trait Service: Send + Sync + 'static {
    /// Its name on the wire.
    const NAME: &'static str;
    /// The versions of its encoding that it understands.
    const VERSIONS: RangeInclusive<u16>;
    /// Its commands and reads: the table that permissions, limits and docs are made from.
    const COMMANDS: &'static [CommandSpec];
    /// A command or a read, as clients encode it.
    type Command: for<'b> minicbor::Decode<'b, ()> + Send + 'static;
    /// What a command that was executed answers.
    type Reply: minicbor::Encode<()>;
    /// What a command that was decided against answers.
    type Refusal: minicbor::Encode<()>;
    /// What [`Service::prepare`] found out.
    type Evidence: Default + Send + 'static;

    /// The command's line in [`Service::COMMANDS`].
    fn spec(&self, command: &Self::Command) -> &'static CommandSpec;

    /// Slow work before the transaction, over a snapshot; on its own threads when the command's line says
    /// so. It may use a read to say "already done", never to say "not done".
    ///
    /// # Errors
    /// When the store fails.
    fn prepare(
        &self,
        _snapshot: &Snapshot<'_>,
        _command: &Self::Command,
    ) -> Result<Self::Evidence, StoreError> {
        Ok(Self::Evidence::default())
    }

    /// The rule of a command, inside the transaction that records its reply.
    ///
    /// # Errors
    /// When the store fails; the transaction is then thrown away.
    fn run(
        &self,
        tx: &mut Tx<'_>,
        call: &CallContext,
        command: &Self::Command,
        evidence: &Self::Evidence,
    ) -> Ruling<Self::Reply, Self::Refusal>;

    /// What a refusal itself writes (a counter of wrong PINs), after the rule's writes were taken back.
    /// Only for commands whose line says that they refuse after a write.
    ///
    /// # Errors
    /// When the store fails.
    fn after_refusal(
        &self,
        _tx: &mut Tx<'_>,
        _call: &CallContext,
        _command: &Self::Command,
        _refusal: &Self::Refusal,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// The answer to a read, over one snapshot.
    ///
    /// # Errors
    /// When the store fails.
    fn read(
        &self,
        snapshot: &Snapshot<'_>,
        context: &ReadContext,
        command: &Self::Command,
        evidence: &Self::Evidence,
    ) -> Ruling<Self::Reply, Self::Refusal>;
}

/// One line of a service's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandSpec {
    /// Its name for people.
    pub name: &'static str,
    /// Whether it has an effect, and so a call id.
    pub effect: Effect,
    /// Who may send it.
    pub allowed: Allowed,
    /// It carries a secret: clients journal it without its bytes.
    pub secret: bool,
    /// Where its prepare step runs.
    pub prepare: Prepare,
    /// Its rule can refuse after its first write, so the engine sets a savepoint.
    pub refuses_after_write: bool,
    /// Longest body, in bytes.
    pub body_bytes_max: u32,
    /// Longest reply body, in bytes.
    pub reply_bytes_max: u32,
}

impl CommandSpec {
    /// A command that operators may send, with bodies and replies of at most
    /// [`SMALL_BODY_BYTES_MAX`]. Say what differs with struct update syntax.
    #[must_use]
    pub const fn command(name: &'static str) -> Self {
        Self {
            name,
            effect: Effect::Command,
            allowed: Allowed::Operators,
            secret: false,
            prepare: Prepare::None,
            refuses_after_write: false,
            body_bytes_max: SMALL_BODY_BYTES_MAX,
            reply_bytes_max: SMALL_BODY_BYTES_MAX,
        }
    }

    /// A read, otherwise like [`CommandSpec::command`].
    #[must_use]
    pub const fn read(name: &'static str) -> Self {
        Self { effect: Effect::Read, ..Self::command(name) }
    }
}

/// Whether a command has an effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It has: it travels with a call id and takes effect once.
    Command,
    /// It has none: it has no call id and is executed again.
    Read,
}

/// Who may send a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allowed {
    /// Anybody who can connect.
    Everyone,
    /// Operators.
    Operators,
    /// Operators and enrolled machines.
    OperatorsAndMachines,
}

/// Where a command's prepare step runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prepare {
    /// There is none.
    None,
    /// On the bounded preparing threads.
    Pool,
}

/// What a rule knows about its call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallContext {
    /// The call's name for ever; ledger entries carry it.
    pub id: CallId,
    /// Who asks.
    pub principal: Principal,
    /// The transaction's time, microseconds since 1970.
    pub now_us: u64,
}

/// What a read knows about its question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadContext {
    /// Who asks.
    pub principal: Principal,
    /// Now, microseconds since 1970.
    pub now_us: u64,
}

/// The services of a server.
#[derive(Clone, Default)]
pub struct Registry {
    services: BTreeMap<&'static str, Arc<dyn AnyService>>,
}

impl Registry {
    /// No services.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a service.
    ///
    /// # Panics
    /// When a service of that name is there already: a mistake in the program's wiring.
    #[must_use]
    pub fn with<S: Service>(mut self, service: S) -> Self {
        let before = self.services.insert(S::NAME, Arc::new(Registered(Arc::new(service))));
        assert!(before.is_none(), "two services are named {:?}", S::NAME);
        self
    }

    /// Every command of every service, by the service's name.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, &'static CommandSpec)> + '_ {
        self.services
            .iter()
            .flat_map(|(name, service)| service.commands().iter().map(|command| (*name, command)))
    }

    /// What the welcome says about each service.
    #[must_use]
    pub fn limits(&self) -> Vec<ServiceLimits> {
        self.services.iter().map(|(name, service)| service.limits(name)).collect()
    }

    /// Whether `principal` may send any command that has an effect.
    pub(crate) fn has_commands_for(&self, principal: Principal) -> bool {
        self.commands().any(|(_, spec)| spec.effect == Effect::Command && permit(principal, spec))
    }

    /// The command that a body holds, or what the door says about it.
    pub(crate) fn parse(&self, service: &str, version: u16, body: &[u8]) -> Result<Work, Answer> {
        let found = self.services.get(service).ok_or_else(|| {
            let known: Vec<_> = self.services.keys().copied().collect();
            let known = known.join(", ");
            Answer::door(
                DoorCause::UnknownCommand,
                format!("no service {service:?} here; this server has: {known}"),
            )
        })?;
        found.parse(version, body)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.services.keys()).finish()
    }
}

/// A parsed command with its service, ready to be prepared and run; its types are hidden.
pub(crate) type Work = Box<dyn AnyWork>;

/// The encoded reply (`Ok`) or refusal (`Err`).
pub(crate) type Encoded = Result<Vec<u8>, Vec<u8>>;

trait AnyService: Send + Sync {
    fn commands(&self) -> &'static [CommandSpec];
    fn limits(&self, name: &str) -> ServiceLimits;
    fn parse(&self, version: u16, body: &[u8]) -> Result<Work, Answer>;
}

pub(crate) trait AnyWork: Send {
    fn spec(&self) -> &'static CommandSpec;
    fn prepare(&mut self, snapshot: &Snapshot<'_>) -> Result<(), StoreError>;
    fn is_prepared(&self) -> bool;
    fn run(&self, tx: &mut Tx<'_>, call: &CallContext) -> Result<Encoded, StoreError>;
    fn read(&self, snapshot: &Snapshot<'_>, context: &ReadContext) -> Result<Encoded, StoreError>;
}

struct Registered<S>(Arc<S>);

impl<S: Service> AnyService for Registered<S> {
    fn commands(&self) -> &'static [CommandSpec] {
        S::COMMANDS
    }

    fn limits(&self, name: &str) -> ServiceLimits {
        let most = |of: fn(&CommandSpec) -> u32| S::COMMANDS.iter().map(of).max().unwrap_or(0);
        ServiceLimits {
            service: name.to_owned(),
            version_min: *S::VERSIONS.start(),
            version_max: *S::VERSIONS.end(),
            body_bytes_max: most(|command| command.body_bytes_max),
            reply_bytes_max: most(|command| command.reply_bytes_max),
        }
    }

    fn parse(&self, version: u16, body: &[u8]) -> Result<Work, Answer> {
        if !S::VERSIONS.contains(&version) {
            let (first, last) = (S::VERSIONS.start(), S::VERSIONS.end());
            let text = format!("{} understands encodings {first} to {last}, not {version}", S::NAME);
            return Err(Answer::door(DoorCause::UnknownCommand, text));
        }
        let mut decoder = Decoder::new(body);
        let decoded = decoder.decode::<S::Command>();
        let command = decoded.map_err(|error| {
            Answer::door(DoorCause::Malformed, format!("the body is no command of {}: {error}", S::NAME))
        })?;
        if decoder.position() != body.len() {
            return Err(Answer::door(DoorCause::Malformed, "the body has bytes after its command"));
        }
        let spec = self.0.spec(&command);
        if body.len() > usize::try_from(spec.body_bytes_max).unwrap_or(usize::MAX) {
            let text = format!("{} takes bodies of at most {} bytes", spec.name, spec.body_bytes_max);
            return Err(Answer::door(DoorCause::OverLimit, text));
        }
        let evidence = (spec.prepare == Prepare::None).then(S::Evidence::default);
        Ok(Box::new(TypedWork { service: Arc::clone(&self.0), command, evidence }))
    }
}

struct TypedWork<S: Service> {
    service: Arc<S>,
    command: S::Command,
    evidence: Option<S::Evidence>,
}

impl<S: Service> TypedWork<S> {
    fn evidence(&self) -> &S::Evidence {
        self.evidence.as_ref().expect("work runs only once it is prepared")
    }
}

impl<S: Service> AnyWork for TypedWork<S> {
    fn spec(&self) -> &'static CommandSpec {
        self.service.spec(&self.command)
    }

    fn prepare(&mut self, snapshot: &Snapshot<'_>) -> Result<(), StoreError> {
        self.evidence = Some(self.service.prepare(snapshot, &self.command)?);
        Ok(())
    }

    fn is_prepared(&self) -> bool {
        self.evidence.is_some()
    }

    fn run(&self, tx: &mut Tx<'_>, call: &CallContext) -> Result<Encoded, StoreError> {
        let spec = self.spec();
        if spec.refuses_after_write {
            tx.savepoint()?;
        }
        let before = tx.rows_written();
        let ruling = self.service.run(tx, call, &self.command, self.evidence())?;
        if let Err(refusal) = &ruling {
            if spec.refuses_after_write {
                if !planted(Flaw::RefusedWritesStay) {
                    tx.back_to_savepoint()?;
                }
                self.service.after_refusal(tx, call, &self.command, refusal)?;
                if planted(Flaw::RefusalCountsTwice) {
                    self.service.after_refusal(tx, call, &self.command, refusal)?;
                }
            } else if tx.rows_written() != before {
                let name = spec.name;
                return Err(StoreError::Impossible(format!("{name} refused after a write, unannounced")));
            }
        }
        if spec.refuses_after_write {
            tx.release_savepoint()?;
        }
        encode(spec, ruling)
    }

    fn read(&self, snapshot: &Snapshot<'_>, context: &ReadContext) -> Result<Encoded, StoreError> {
        let ruling = self.service.read(snapshot, context, &self.command, self.evidence())?;
        encode(self.spec(), ruling)
    }
}

fn encode<R, F>(spec: &CommandSpec, ruling: Result<R, F>) -> Result<Encoded, StoreError>
where
    R: minicbor::Encode<()>,
    F: minicbor::Encode<()>,
{
    const INFALLIBLE: &str = "encoding into a Vec cannot fail";
    let encoded = match ruling {
        Ok(reply) => Ok(minicbor::to_vec(reply).expect(INFALLIBLE)),
        Err(refusal) => Err(minicbor::to_vec(refusal).expect(INFALLIBLE)),
    };
    let bytes = encoded.as_ref().map_or_else(Vec::len, Vec::len);
    if bytes > usize::try_from(spec.reply_bytes_max).unwrap_or(usize::MAX) {
        let (name, limit) = (spec.name, spec.reply_bytes_max);
        return Err(StoreError::Impossible(format!("{name} made a reply of {bytes} bytes, limit {limit}")));
    }
    Ok(encoded)
}
