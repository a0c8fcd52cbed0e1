//! The handle that an application holds: cheap to clone, safe to share, one driver behind all clones. Absent: the driver.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use switchboard_call::answer::Outcome;
use switchboard_call::client::{BeginError, Config, Machine, NewCall, NewRead, NotAfter, Settled};
use switchboard_call::id::CallId;
use switchboard_commands::Commands;
use tokio::sync::{mpsc, oneshot, watch};

use crate::answered::{AnsweredBy, ReadBy, answered_by, read_by};
use crate::connect::Connector;
use crate::driver::{Driver, Nudge, Parts, Recovered, Standing, Wish};
use crate::error::{CallError, JournalError};
use crate::journals::{self, OpenJournal};
use crate::limits::{CONNECT_MS_MAX, QUEUE_ENTRIES_MAX};
use crate::options::{Event, JournalPlace, Options};

/// A client of one store. When the last clone is dropped without [`Client::close`], everything stays as a crash would
/// leave it: a durable client's calls go on when its journal is opened next.
#[derive(Clone, Debug)]
pub struct Client {
    wishes: mpsc::Sender<Wish>,
    standing: watch::Receiver<Standing>,
    deadline: Option<Duration>,
    not_after: Option<Duration>,
    label: Option<Arc<str>>,
}

/// A call that was taken. Dropping it abandons the answer, not the call.
#[derive(Debug)]
pub struct Pending<C> {
    begun: oneshot::Receiver<CallId>,
    answer: oneshot::Receiver<Result<Settled, CallError>>,
    service: PhantomData<fn() -> C>,
}

impl Client {
    /// Opens the journal, if there is to be one, and starts the driver, which connects in the background. Reads and may
    /// cut the journal file: it blocks for as long as that takes.
    ///
    /// # Errors
    /// When the journal cannot be used. Nothing was sent then.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(options: Options) -> Result<Self, JournalError> {
        let opened = match &options.journal {
            JournalPlace::Volatile => None,
            JournalPlace::File(path) => Some(journals::open(path, &options.principal)?),
            JournalPlace::Folder(folder) => Some(journals::claim(folder, &options.principal)?),
        };
        Ok(Self::start(options, opened))
    }

    /// Starts the driver over an opened journal.
    pub(crate) fn start(options: Options, opened: Option<OpenJournal>) -> Self {
        let (wishes, wanted) = mpsc::channel(QUEUE_ENTRIES_MAX);
        let (standing, watched) = watch::channel(Standing::Connecting);
        let (deadline, not_after) = (options.deadline, options.not_after);
        let driver = Driver::new(parts(options, opened, wanted, standing));
        tokio::spawn(driver.run());
        Self { wishes, standing: watched, deadline, not_after, label: None }
    }

    /// The same client with another time to wait for answers; `None` waits for ever. When it has passed, a call is
    /// cancelled; when even that gets no answer, the call is reported as unresolved.
    #[must_use]
    pub fn with_deadline(&self, deadline: Option<Duration>) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The same client with another time, by the server's clock, within which a call must be executed once it has its
    /// id, or never.
    #[must_use]
    pub fn with_not_after(&self, not_after: Option<Duration>) -> Self {
        Self { not_after, ..self.clone() }
    }

    /// The same client with the application's own name for the calls it begins, such as an order number; without one it is
    /// the command's. The journal keeps it and hands it back with an answer that comes after a restart. At most
    /// [`LABEL_BYTES_MAX`](switchboard_call::limits::LABEL_BYTES_MAX) bytes; no secret.
    #[must_use]
    pub fn with_label(&self, label: &str) -> Self {
        Self { label: Some(label.into()), ..self.clone() }
    }

    /// Has a command executed once, and waits for what became of it.
    ///
    /// # Errors
    /// When there is neither a reply nor a refusal by the rules. [`CallError::retry`] says whether it was executed.
    pub async fn call<C: Commands>(&self, command: C::Command) -> Result<AnsweredBy<C>, CallError> {
        self.begin::<C>(command).await?.answer().await
    }

    /// Has a command executed once, without waiting for it.
    ///
    /// # Errors
    /// When the client was closed.
    pub async fn begin<C: Commands>(&self, command: C::Command) -> Result<Pending<C>, CallError> {
        let call = NewCall {
            service: C::SERVICE.to_owned(),
            version: C::VERSION,
            body: encoded::<C>(&command),
            not_after: self.not_after.map(|wait| NotAfter::WithinMs(whole_ms(wait))),
            deadline_ms: None,
            secret: false,
            label: self.label.as_deref().unwrap_or(C::name(&command)).to_owned(),
        };
        let ((begun, id), (answer, end)) = (oneshot::channel(), oneshot::channel());
        self.wish(Wish::Call { call, deadline: self.deadline, begun, answer }).await?;
        Ok(Pending { begun: id, answer: end, service: PhantomData })
    }

    /// Asks a question that has no effect. It is asked again when a connection breaks.
    ///
    /// # Errors
    /// When there is neither a reply nor a refusal by the rules.
    pub async fn read<C: Commands>(&self, question: C::Command) -> Result<ReadBy<C>, CallError> {
        let body = encoded::<C>(&question);
        let read = NewRead { service: C::SERVICE.to_owned(), version: C::VERSION, body, deadline_ms: None };
        let deadline = self.deadline;
        read_by::<C>(self.ask(|answer| Wish::Read { read, deadline, answer }).await??)
    }

    /// Wants an open call of this client to end unexecuted, and waits for how it ended: perhaps it was executed before.
    ///
    /// # Errors
    /// [`CallError::Unknown`] when this client holds no such call; [`CallError::Unresolved`].
    pub async fn cancel(&self, id: CallId) -> Result<Settled, CallError> {
        self.end_of(id, Nudge::Cancel).await
    }

    /// Sends an unresolved call of this client again, the same bytes under the same id, and waits for how it ends.
    ///
    /// # Errors
    /// [`CallError::Unknown`] when this client holds no such call; [`CallError::Unresolved`].
    pub async fn retry(&self, id: CallId) -> Result<Settled, CallError> {
        self.end_of(id, Nudge::SendAgain).await
    }

    /// Waits for how an open call of this client ends, such as one of the process before this one.
    ///
    /// # Errors
    /// [`CallError::Unknown`] when this client holds no such call; [`CallError::Unresolved`].
    pub async fn wait_for(&self, id: CallId) -> Result<Settled, CallError> {
        self.end_of(id, Nudge::Nothing).await
    }

    /// Takes a call off the list of open ones, because a person found out what became of it. Not a cancel: a copy under
    /// way may still be executed. Says whether it was open.
    ///
    /// # Errors
    /// When the client was closed.
    pub async fn abandon(&self, id: CallId) -> Result<bool, CallError> {
        self.ask(|done| Wish::Abandon { id, done }).await
    }

    /// Asks the server what it knows of a call id, this client's or another's.
    ///
    /// # Errors
    /// When nobody answered before the deadline, or the client was closed.
    pub async fn outcome(&self, id: CallId) -> Result<Outcome, CallError> {
        let asked = self.ask(|answer| Wish::Outcome { id, answer });
        match self.deadline {
            None => asked.await?,
            Some(deadline) => tokio::time::timeout(deadline, asked).await.unwrap_or_else(|_| {
                Ok(Err(CallError::NotAnswered {
                    reason: switchboard_call::client::ReadFailure::DeadlinePassed,
                    connection: None,
                }))
            })?,
        }
    }

    /// What became of the calls that nobody waits for: those of the process before this one on the same journal, and those
    /// whose future was dropped. Those that have ended are told again until they are acknowledged.
    ///
    /// # Errors
    /// When the client was closed.
    pub async fn recovered(&self) -> Result<Recovered, CallError> {
        self.ask(|answer| Wish::Recovered { answer }).await
    }

    /// The application has taken over how this call ended: no client will be told of it again. A volatile client need not
    /// acknowledge anything.
    ///
    /// # Errors
    /// When the client was closed.
    pub async fn acknowledge(&self, id: CallId) -> Result<(), CallError> {
        self.ask(|done| Wish::Acknowledge { id, done }).await
    }

    /// Waits until a server has greeted.
    ///
    /// # Errors
    /// When every node was tried in vain, though the driver goes on trying; when the client has stopped.
    pub async fn connected(&self) -> Result<(), CallError> {
        let mut standing = self.standing.clone();
        let decided = standing.wait_for(|standing| !matches!(standing, Standing::Connecting)).await;
        match decided.map(|standing| standing.clone()) {
            Ok(Standing::Connected | Standing::Connecting) => Ok(()),
            Ok(Standing::Failing(error)) => Err(CallError::NoServer(error)),
            Ok(Standing::Stopped(reason)) => Err(CallError::NotTaken(BeginError::Stopped(reason))),
            Err(_) => Err(CallError::closed()),
        }
    }

    /// Ends the client in order: says goodbye and marks the journal, so that its sessions may be used again. Calls that
    /// are open are reported as unresolved to those who wait for them, and go on when the journal is opened next.
    pub async fn close(self) {
        // Closed already is closed.
        let _closed = self.ask(|done| Wish::Close { done }).await;
    }

    async fn end_of(&self, id: CallId, nudge: Nudge) -> Result<Settled, CallError> {
        self.ask(|answer| Wish::Await { id, nudge, answer }).await?
    }

    async fn ask<T>(&self, wish: impl FnOnce(oneshot::Sender<T>) -> Wish) -> Result<T, CallError> {
        let (sender, receiver) = oneshot::channel();
        self.wish(wish(sender)).await?;
        receiver.await.map_err(|_| CallError::closed())
    }

    async fn wish(&self, wish: Wish) -> Result<(), CallError> {
        self.wishes.send(wish).await.map_err(|_| CallError::closed())
    }
}

impl<C: Commands> Pending<C> {
    /// The call's name for ever, as soon as it has one: just before it is sent for the first time. `None` when it ended
    /// without; then [`Self::answer`] says why.
    pub async fn id(&mut self) -> Option<CallId> {
        (&mut self.begun).await.ok()
    }

    /// Waits for what became of it.
    ///
    /// # Errors
    /// When there is neither a reply nor a refusal by the rules. [`CallError::retry`] says whether it was executed.
    pub async fn answer(self) -> Result<AnsweredBy<C>, CallError> {
        answered_by::<C>(self.answer.await.map_err(|_| CallError::closed())??)
    }
}

/// Puts a driver together.
fn parts(
    options: Options,
    opened: Option<OpenJournal>,
    wishes: mpsc::Receiver<Wish>,
    standing: watch::Sender<Standing>,
) -> Parts {
    let Options { nodes, trust, credential, link, agent, on_event, .. } = options;
    let config = Config {
        link,
        nodes: nodes.count(),
        connect_ms_max: CONNECT_MS_MAX,
        journal: opened.as_ref().map(|opened| opened.binding.clone()),
        ..Config::volatile(agent)
    };
    let random: switchboard_call::client::Random = Box::new(|bytes| {
        getrandom::fill(bytes).expect("the kernel's random source does not fail once it was seeded");
    });
    let (machine, journal) = match opened {
        None => (Machine::new(config, random), None),
        Some(OpenJournal { file, recovered, .. }) => {
            if let Some(cut) = recovered.cut {
                on_event(Event::JournalCut { path: Path::to_owned(file.path()), cut });
            }
            (Machine::recover(config, recovered, random), Some(file))
        }
    };
    let connector = Connector::new(trust);
    Parts { machine, journal, wishes, nodes, connector, credential, on_event, standing }
}

fn encoded<C: Commands>(command: &C::Command) -> Vec<u8> {
    minicbor::to_vec(command).expect("encoding into a Vec cannot fail")
}

fn whole_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
