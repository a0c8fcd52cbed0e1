//! What a client machine wants done and has to say. Absent: transient refusals, which the machine deals
//! with itself.

use super::config::{CallKey, ReadKey, StopReason};
use crate::answer::{Answer, Door, Outcome};
use crate::frame::GoodbyeReason;
use crate::id::{CallId, Generation, StoreId};

/// One thing for the driver to do, or to pass on. In order.
#[derive(PartialEq, Eq)]
pub enum Output {
    /// Append `bytes` to the journal file.
    Journal {
        /// Position behind them, for `handle_journalled`.
        position: u64,
        /// To be appended.
        bytes: Vec<u8>,
        /// fdatasync, then call `handle_journalled(position)`; one fsync may serve several outputs.
        must_sync: bool,
        /// Room that must exist behind the end of the file for answers, in bytes.
        reserve_bytes: u64,
    },
    /// Write `bytes` to a new file, fsync it, put it in the journal's place (rename, fsync the folder),
    /// then call `handle_journalled(position)`; if that failed and the journal is as it was,
    /// `handle_rewrite_failed`.
    RewriteJournal {
        /// Position behind them.
        position: u64,
        /// The whole of the new file.
        bytes: Vec<u8>,
    },
    /// Send on the connection; may hold several frames.
    Send(Vec<u8>),
    /// Connect to this node, then call `handle_connected`, or `handle_disconnected` when it fails.
    Connect {
        /// Index into the driver's list of nodes.
        node: usize,
    },
    /// Close the connection, or stop connecting. No `handle_disconnected` follows.
    Disconnect,
    /// The server says why it ends the connection; [`Output::Disconnect`] follows.
    Goodbye {
        /// Its words, for a person; may be empty.
        text: String,
    },
    /// The server greeted us.
    Welcomed {
        /// Index of the node.
        node: usize,
        /// What it calls itself.
        greeting: String,
        /// Whom it takes us for.
        principal: String,
    },
    /// A call got its id and is about to be sent for the first time.
    Begun {
        /// Its name in this machine.
        key: CallKey,
        /// Its name for ever.
        id: CallId,
    },
    /// A call has ended. With a journal: pass it on, then `acknowledge` it.
    Answer(Settled),
    /// A call ended before it got an id: nothing was sent and nothing ever will be.
    NeverSent {
        /// The call.
        key: CallKey,
        /// Why.
        reason: NeverSent,
    },
    /// The outcome of a call is not known yet. It stays open; an [`Output::Answer`] may still follow.
    /// The driver adds by which of its commands a person retries, cancels or resolves it.
    Unresolved {
        /// The call.
        key: CallKey,
        /// Its name for ever.
        id: CallId,
        /// Why.
        why: Unresolved,
    },
    /// A read was answered: [`Answer::Done`], [`Answer::Refused`] or [`Answer::Door`].
    ReadAnswer {
        /// The read.
        key: ReadKey,
        /// What was said.
        answer: Answer,
    },
    /// A read was not answered in time; it may be asked again.
    ReadFailed {
        /// The read.
        key: ReadKey,
        /// Why.
        reason: ReadFailure,
    },
    /// What the server says about a call id that `outcome` asked for.
    OutcomeKnown {
        /// The call asked about.
        id: CallId,
        /// What it said.
        outcome: Outcome,
    },
    /// A person must hear of this.
    Alarm(Alarm),
    /// After `close`: everything is written; the driver may go.
    Closed,
}

/// Bytes may carry secrets: only their number is printed.
impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Journal { position, bytes, must_sync, reserve_bytes } => {
                let length = bytes.len();
                write!(f, "Journal({length} B to {position}, must_sync {must_sync}, reserve {reserve_bytes})")
            }
            Self::RewriteJournal { position, bytes } => {
                write!(f, "RewriteJournal({} B to {position})", bytes.len())
            }
            Self::Send(bytes) => write!(f, "Send({} B)", bytes.len()),
            Self::Connect { node } => write!(f, "Connect({node})"),
            Self::Disconnect => f.write_str("Disconnect"),
            Self::Goodbye { text } => write!(f, "Goodbye({text:?})"),
            Self::Welcomed { node, principal, .. } => write!(f, "Welcomed({node}, {principal})"),
            Self::Begun { key, id } => write!(f, "Begun({key:?}, {id})"),
            Self::Answer(settled) => write!(f, "Answer({settled:?})"),
            Self::NeverSent { key, reason } => write!(f, "NeverSent({key:?}, {reason})"),
            Self::Unresolved { key, id, why } => write!(f, "Unresolved({key:?}, {id}, {why:?})"),
            Self::ReadAnswer { key, answer } => write!(f, "ReadAnswer({key:?}, code {})", answer.code()),
            Self::ReadFailed { key, reason } => write!(f, "ReadFailed({key:?}, {reason})"),
            Self::OutcomeKnown { id, .. } => write!(f, "OutcomeKnown({id})"),
            Self::Alarm(alarm) => write!(f, "Alarm({alarm})"),
            Self::Closed => f.write_str("Closed"),
        }
    }
}

/// A call that has ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Settled {
    /// Its name in this machine.
    pub key: CallKey,
    /// Its name for ever.
    pub id: CallId,
    /// The service that knows the command.
    pub service: String,
    /// Version of the encoding.
    pub version: u16,
    /// What the application called it.
    pub label: String,
    /// How it ended.
    pub end: End,
    /// The process before this one may have handed it over already.
    pub maybe_seen: bool,
}

impl std::fmt::Debug for Settled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}, maybe_seen {}", self.id, self.end, self.maybe_seen)
    }
}

/// How a call ended, for ever.
#[derive(Clone, PartialEq, Eq)]
pub enum End {
    /// Executed; the service's encoded reply.
    Done(Vec<u8>),
    /// Decided against by the service's rules; the service's encoded refusal.
    Refused(Vec<u8>),
    /// Cancelled: never executed.
    Cancelled,
    /// It came after its `not_after`: never executed.
    TooLate,
    /// Its session is too old: never executed.
    Expired,
    /// Turned away at the door: never executed.
    TurnedAway(Door),
}

impl std::fmt::Debug for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done(reply) => write!(f, "Done({} B)", reply.len()),
            Self::Refused(refusal) => write!(f, "Refused({} B)", refusal.len()),
            Self::Cancelled => f.write_str("Cancelled"),
            Self::TooLate => f.write_str("TooLate"),
            Self::Expired => f.write_str("Expired"),
            Self::TurnedAway(door) => write!(f, "TurnedAway({:?}: {})", door.cause, door.explanation),
        }
    }
}

impl End {
    /// The end that an answer is, if it is one.
    #[must_use]
    pub fn of(answer: Answer) -> Option<Self> {
        Some(match answer {
            Answer::Done(reply) => Self::Done(reply),
            Answer::Refused(refusal) => Self::Refused(refusal),
            Answer::Cancelled => Self::Cancelled,
            Answer::TooLate => Self::TooLate,
            Answer::Expired => Self::Expired,
            Answer::Door(door) => Self::TurnedAway(door),
            Answer::CopiedJournal
            | Answer::CallIdReused
            | Answer::Superseded
            | Answer::Forgotten
            | Answer::Gap
            | Answer::NotYours
            | Answer::WrongStore
            | Answer::Transient(_) => return None,
        })
    }

    /// The answer that the journal keeps for it.
    pub(super) fn to_answer(&self) -> Answer {
        match self {
            Self::Done(reply) => Answer::Done(reply.clone()),
            Self::Refused(refusal) => Answer::Refused(refusal.clone()),
            Self::Cancelled => Answer::Cancelled,
            Self::TooLate => Answer::TooLate,
            Self::Expired => Answer::Expired,
            Self::TurnedAway(door) => Answer::Door(door.clone()),
        }
    }
}

/// Why something was never sent, or not answered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NeverSent {
    /// The application cancelled it first.
    #[error("cancelled before it was sent")]
    Cancelled,
    /// No connection, or no free slot, before its deadline.
    #[error("not sent before its deadline: no server answered; check that it runs, then try again")]
    DeadlinePassed,
    /// Over a limit that the server told.
    #[error("the command has {bytes} bytes, service {service} takes at most {limit}; make it smaller")]
    OverLimit {
        /// The service.
        service: String,
        /// Bytes of the body.
        bytes: usize,
        /// Bytes that it takes.
        limit: usize,
    },
    /// The machine stopped first.
    #[error("not sent: {0}")]
    Stopped(StopReason),
}

/// Why a read has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadFailure {
    /// Nobody answered in time.
    #[error("no answer before the deadline; check that the server runs, then ask again")]
    DeadlinePassed,
    /// The machine stopped first.
    #[error("not answered: {0}")]
    Stopped(StopReason),
}

/// Why the outcome of a call is not known. It may have been executed, or may still be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unresolved {
    /// Neither the call nor its cancel was answered in time; both are tried further.
    #[error("no answer so far, not even to a cancel; the call stays open and is asked for again")]
    NoAnswer,
    /// The slot moved on without us.
    #[error("the server's slot has moved on: it was perhaps executed; look in the ledger")]
    Superseded,
    /// So old that its row is gone.
    #[error("it is so old that the server forgot it: it was perhaps executed; look in the ledger")]
    Forgotten,
    /// Somebody changed the bytes of a call under its id.
    #[error("the server knows this call with other bytes; look in the ledger what was executed")]
    CallIdReused(Option<Outcome>),
    /// The store lost what it acknowledged.
    #[error("the store lost calls before this one; ask its operator whether it was restored")]
    Gap,
    /// The session belongs to somebody else.
    #[error("the session belongs to another principal; log in as the one who began the call")]
    NotYours,
    /// The server serves another store.
    #[error("this server serves another store; connect to the one that the call was sent to")]
    WrongStore,
    /// Turned away, and so was the cancel, after copies that may still be executed.
    #[error("turned away ({}), but an earlier copy may have been executed; look in the ledger", .0.explanation)]
    TurnedAway(Door),
    /// The machine stopped with the call open.
    #[error("the client stopped with the call open: {0}")]
    Stopped(StopReason),
}

/// Something that a person must hear of.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Alarm {
    /// A node serves another store.
    #[error(
        "node {node} serves another store than {expected}, which this client's sessions belong to; check \
         the address, or that the right database was opened"
    )]
    WrongStore {
        /// Index of the node.
        node: usize,
        /// The store of the sessions.
        expected: StoreId,
        /// The store it serves, if it said.
        found: Option<StoreId>,
    },
    /// The store was restored, and a call that it acknowledged is gone.
    #[error("the store (generation {}) lost call {id}, which it had acknowledged; tell its operator", .generation.0)]
    StoreLost {
        /// The lost call.
        id: CallId,
        /// The store's generation now.
        generation: Generation,
    },
    /// The store does not know the call before this one.
    #[error(
        "the store lost what it acknowledged before call {id}; its session is stopped; tell its operator"
    )]
    Gap {
        /// The call that met it.
        id: CallId,
    },
    /// The session belongs to another principal.
    #[error("the session of call {id} belongs to another principal; it is stopped; check the credential")]
    NotYours {
        /// The call that met it.
        id: CallId,
    },
    /// The journal was copied: two clients use the same call ids.
    #[error(
        "the journal was copied or put back: another call holds {id}; its session is stopped, the call goes on \
         under another id. Find the copy and remove it"
    )]
    JournalCopied {
        /// The id that is held.
        id: CallId,
    },
    /// The bytes of a call changed between two copies.
    #[error("call {id} was sent with other bytes before; its session is stopped; check the journal")]
    CallIdReused {
        /// The call.
        id: CallId,
    },
    /// A slot moved on without this client.
    #[error("the slot of call {id} moved on without this client; its session is stopped")]
    Superseded {
        /// The call that met it.
        id: CallId,
    },
    /// A server ended the connection with a reason that waiting may not mend.
    #[error("node {node} ended the connection ({reason:?}): {text}")]
    Refused {
        /// Index of the node.
        node: usize,
        /// Its reason.
        reason: GoodbyeReason,
        /// Its words.
        text: String,
    },
    /// A server sent bytes that this client cannot follow.
    #[error("node {node} broke the protocol: {what}")]
    ProtocolBroken {
        /// Index of the node.
        node: usize,
        /// What was wrong.
        what: String,
    },
    /// The machine does nothing more.
    #[error("the client stopped: {0}")]
    Stopped(StopReason),
}
