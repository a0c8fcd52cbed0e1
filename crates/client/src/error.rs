//! What can go wrong on the client's side, each told with its cause and what to do next. Absent: what servers answer
//! (`switchboard_call::answer`) and the errors of addresses, which are beside them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use switchboard_call::answer::Door;
use switchboard_call::client::{BeginError, NeverSent, ReadFailure, StopReason, Unresolved};
use switchboard_call::id::CallId;
use switchboard_tls::TlsError;

/// Why a call, a read or a query has no reply and no refusal by the rules of its service. [`CallError::retry`] says what
/// may be done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing was sent, nothing will be.
    #[error("{reason}")]
    NotSent {
        /// Why.
        reason: NeverSent,
        /// Why there is no connection, where that may be the reason.
        #[source]
        connection: Option<Arc<ConnectError>>,
    },
    /// A question was not answered.
    #[error("{reason}")]
    NotAnswered {
        /// Why.
        reason: ReadFailure,
        /// Why there is no connection, where that may be the reason.
        #[source]
        connection: Option<Arc<ConnectError>>,
    },
    /// No node can be used until somebody changes something; nothing was sent.
    #[error("nothing was sent, because no server can be used")]
    NoServer(#[source] Arc<ConnectError>),
    /// Not even begun.
    #[error(transparent)]
    NotTaken(#[from] BeginError),
    /// Not begun, because the journal has no room for it and its answer.
    #[error("the call was not sent")]
    NoRoom(#[source] Arc<JournalError>),
    /// It was cancelled, by the application or because its deadline passed: it never takes effect.
    #[error("call {id} was cancelled and never takes effect; it may be made anew")]
    Cancelled {
        /// The call.
        id: CallId,
    },
    /// It reached the server after its `not_after`: it never takes effect.
    #[error("call {id} reached the server too late and never takes effect; it may be made anew")]
    TooLate {
        /// The call.
        id: CallId,
    },
    /// Its session was too old: it never takes effect.
    #[error(
        "call {id} belongs to a session too old for the server and never takes effect; it may be made anew"
    )]
    Expired {
        /// The call.
        id: CallId,
    },
    /// The server turned it away: it never takes effect.
    #[error("the server turned it away: {}", door.explanation)]
    TurnedAway {
        /// The call; none for a read.
        id: Option<CallId>,
        /// The rule, and the server's words.
        door: Door,
    },
    /// Whether it took effect is not known. It stays open.
    #[error("whether call {id} took effect is not known: {why}. To find out: switchboard call resolve {id}")]
    Unresolved {
        /// The call.
        id: CallId,
        /// Why.
        why: Unresolved,
    },
    /// It took effect, and this program cannot read the reply.
    #[error("{}: the reply is one that this program cannot read; use a program of the server's version", named(.id))]
    Unreadable {
        /// The call; none for a read.
        id: Option<CallId>,
        /// What the decoder met.
        source: Arc<minicbor::decode::Error>,
    },
    /// This client neither waits for the call nor holds its answer.
    #[error("this client does not hold call {id}; `switchboard call status` lists what each journal holds")]
    Unknown {
        /// The call.
        id: CallId,
    },
}

/// What may be done after a [`CallError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// It did not take effect and never will: a new call is safe, now or when what stood in the way is gone.
    NewCall,
    /// It did not take effect, and a new call will meet the same answer until somebody changes something.
    NotUnchanged,
    /// Perhaps it took effect: a new call could do it twice. Find out first.
    FindOutFirst,
    /// It took effect.
    Never,
}

impl CallError {
    /// What may be done.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::NotSent { .. }
            | Self::NotAnswered { .. }
            | Self::Cancelled { .. }
            | Self::TooLate { .. }
            | Self::Expired { .. } => Retry::NewCall,
            Self::NotTaken(_) | Self::NoServer(_) | Self::NoRoom(_) | Self::TurnedAway { .. } => {
                Retry::NotUnchanged
            }
            Self::Unresolved { .. } | Self::Unknown { .. } => Retry::FindOutFirst,
            Self::Unreadable { .. } => Retry::Never,
        }
    }

    /// The call, if it got a name: with a journal it wants to be acknowledged, unless it is unresolved.
    #[must_use]
    pub fn id(&self) -> Option<CallId> {
        match self {
            Self::Cancelled { id }
            | Self::TooLate { id }
            | Self::Expired { id }
            | Self::Unresolved { id, .. }
            | Self::Unknown { id } => Some(*id),
            Self::TurnedAway { id, .. } | Self::Unreadable { id, .. } => *id,
            Self::NotSent { .. }
            | Self::NotAnswered { .. }
            | Self::NotTaken(_)
            | Self::NoServer(_)
            | Self::NoRoom(_) => None,
        }
    }

    pub(crate) fn closed() -> Self {
        Self::NotTaken(BeginError::Stopped(StopReason::Closed))
    }
}

fn named(id: &Option<CallId>) -> String {
    id.map_or_else(|| "the read was answered".to_owned(), |id| format!("call {id} took effect"))
}

/// Why a journal cannot be used. Every text says what that means for the calls in it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused a file operation.
    #[error("cannot {action} the journal {}; check that the folder exists, that this user may write there and that the disk works", path.display())]
    File {
        /// What was tried, fitting after "cannot".
        action: &'static str,
        /// The journal.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("the journal {} is in use by another client; wait until that one ends, or name another journal", path.display())]
    Locked {
        /// The journal.
        path: PathBuf,
    },
    /// Every journal of a folder is taken.
    #[error("all {count} journals in {} are in use by running clients; wait until one of them ends", folder.display())]
    AllLocked {
        /// The folder.
        folder: PathBuf,
        /// How many it may hold.
        count: u16,
    },
    /// Others could write calls into it.
    #[error(
        "other users of this machine may write to {0} (mode {mode:04o}), or it is not a file; \
         look at what is in it with `switchboard call status`, then run `chmod 600 {0}`",
        path.display()
    )]
    Exposed {
        /// The journal.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its contents forbid its use: damaged, copied, or another principal's.
    #[error("the journal {} is not used, and no call is made with it", path.display())]
    Refused {
        /// The journal.
        path: PathBuf,
        /// What is wrong, and what to do.
        source: switchboard_call::journal::JournalError,
    },
    /// Longer than any journal.
    #[error("{} is longer than {bytes_max} bytes, which no journal is; check that the path is the right one", path.display())]
    TooLarge {
        /// The journal.
        path: PathBuf,
        /// The bound, in bytes.
        bytes_max: u64,
    },
    /// Too much is unsettled or unacknowledged.
    #[error("the journal {} has reached its limit of {bytes_max} bytes with calls that are not settled or not acknowledged; settle them with `switchboard call resolve`", path.display())]
    Full {
        /// The journal.
        path: PathBuf,
        /// The bound, in bytes.
        bytes_max: u64,
    },
    /// The disk has no room for the call and its answer: the call was not sent.
    #[error("no room for this call and its answer in the journal {}: the call was not sent; free some space on that disk and call again", path.display())]
    NoRoom {
        /// The journal.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// An earlier write failed.
    #[error("an earlier write to the journal {} failed, and only opening it again tells what it holds; start the client again", path.display())]
    Poisoned {
        /// The journal.
        path: PathBuf,
    },
}

/// Why there is no connection to a node.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens there, or the way is closed.
    #[error(
        "cannot reach {address}; check that a server runs there (`switchboard serve`) and that the address is right"
    )]
    Unreachable {
        /// The node.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// It took too long.
    #[error("{address} did not answer within {ms_max} ms; check the network, or name another node")]
    TimedOut {
        /// The node.
        address: String,
        /// The bound, in milliseconds.
        ms_max: u64,
    },
    /// TLS, or whom the user trusts, stands in the way.
    #[error("no secure connection")]
    Tls {
        /// What stands in the way, and what to do.
        source: TlsError,
    },
    /// The server ended the connection before it greeted: it stops, or has no room.
    #[error("{address} ended the connection before it greeted{why}; try again, or check the address")]
    NotGreeted {
        /// The node.
        address: String,
        /// What it said, or why the connection broke, in brackets; may be empty.
        why: String,
    },
    /// What answers there does not speak this protocol, or not this version of it.
    #[error(
        "{address} cannot be understood ({what}); check that the address is that of a Switchboard server"
    )]
    NotUnderstood {
        /// The node.
        address: String,
        /// What was wrong.
        what: String,
    },
    /// The program of a `stdio:` node does not start.
    #[error("cannot start {program:?}; check that it is installed and in PATH")]
    Program {
        /// The program.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl ConnectError {
    /// Whether the same attempt may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NotGreeted { .. }
            | Self::NotUnderstood { .. } => true,
            Self::Tls { source } => source.is_transient(),
            Self::Program { .. } => false,
        }
    }

    /// Whether the server is another than the one that the user trusts.
    #[must_use]
    pub fn is_distrust(&self) -> bool {
        match self {
            Self::Tls { source } => matches!(source, TlsError::Refused(_) | TlsError::Certificate { .. }),
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NotGreeted { .. }
            | Self::NotUnderstood { .. }
            | Self::Program { .. } => false,
        }
    }
}
