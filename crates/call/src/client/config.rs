//! What a client machine is told once, and what it is asked to do. Absent: addresses, credentials,
//! files; those are the driver's.

use crate::id::CallId;
use crate::journal::Binding;

/// What the bytes travel on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkKind {
    /// TCP, TLS, a Unix socket, a pipe: what is sent arrives, or the connection breaks.
    Stream,
    /// A laboratory's link that loses, doubles and reorders whole frames.
    Lossy,
}

/// What a machine is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the bytes travel on.
    pub link: LinkKind,
    /// Whose journal it keeps; `None` for a volatile client, which should give its calls a `not_after`.
    pub journal: Option<Binding>,
    /// How many server nodes the driver knows; they are named by their index. At least 1.
    pub nodes: usize,
    /// Name and version of the program, for the server's log.
    pub agent: String,
    /// Silence after which the server is asked whether it is there, in milliseconds.
    pub ping_after_ms: u64,
    /// How long it may take to answer that, and to greet, in milliseconds.
    pub pong_ms_max: u64,
    /// How long a connection may take to come up, in milliseconds.
    pub connect_ms_max: u64,
    /// Wait after the first failed connection, doubled at each further one, in milliseconds.
    pub reconnect_ms_min: u64,
    /// Longest wait between connections, in milliseconds.
    pub reconnect_ms_max: u64,
    /// How long a cancel may take before the call is reported as unresolved, in milliseconds.
    pub cancel_ms_max: u64,
}

impl Config {
    /// A volatile client of one node on a stream.
    #[must_use]
    pub fn volatile(agent: impl Into<String>) -> Self {
        Self {
            link: LinkKind::Stream,
            journal: None,
            nodes: 1,
            agent: agent.into(),
            ping_after_ms: 10_000,
            pong_ms_max: 5_000,
            connect_ms_max: 10_000,
            reconnect_ms_min: 50,
            reconnect_ms_max: 5_000,
            cancel_ms_max: 5_000,
        }
    }

    /// The same with a journal.
    #[must_use]
    pub fn durable(agent: impl Into<String>, journal: Binding) -> Self {
        Self { journal: Some(journal), ..Self::volatile(agent) }
    }
}

/// Names a call within this machine, from the moment it is asked for. Not the call id, which a call gets
/// with its slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallKey(pub(super) u64);

/// Names a read within this machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReadKey(pub(super) u64);

/// Server time after which a call must not be executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotAfter {
    /// Microseconds since 1970 by the server's clock.
    ServerTimeUs(u64),
    /// Milliseconds after the call gets its id, by the server's clock.
    WithinMs(u64),
}

/// A command to be executed once.
#[derive(Clone)]
pub struct NewCall {
    /// The service that knows it.
    pub service: String,
    /// Version of its encoding.
    pub version: u16,
    /// The encoded command.
    pub body: Vec<u8>,
    /// When it must no longer be executed.
    pub not_after: Option<NotAfter>,
    /// The machine's time at which the application stops waiting and the call is cancelled, in
    /// milliseconds.
    pub deadline_ms: Option<u64>,
    /// It carries a PIN, a password, a token: its bytes stay out of the journal.
    pub secret: bool,
    /// What the application calls it; shown to people, kept in the journal.
    pub label: String,
}

/// A body may carry a secret: only its length is printed.
impl std::fmt::Debug for NewCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewCall")
            .field("service", &self.service)
            .field("version", &self.version)
            .field("body_bytes", &self.body.len())
            .field("not_after", &self.not_after)
            .field("deadline_ms", &self.deadline_ms)
            .field("secret", &self.secret)
            .field("label", &self.label)
            .finish()
    }
}

/// A question to be answered now; asked again when a connection breaks.
#[derive(Clone)]
pub struct NewRead {
    /// The service that knows it.
    pub service: String,
    /// Version of its encoding.
    pub version: u16,
    /// The encoded question.
    pub body: Vec<u8>,
    /// The machine's time at which the application stops waiting, in milliseconds.
    pub deadline_ms: Option<u64>,
}

/// Why a call, read or query was not taken. Nothing was sent, nothing journalled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BeginError {
    /// Over the limit of a frame.
    #[error("the command has {bytes} bytes, a call carries at most {limit}; send it in smaller parts")]
    BodyTooLong {
        /// Bytes of the body.
        bytes: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// A name over its limit.
    #[error("the service name or the label is too long; use at most 64 and 1024 bytes")]
    NameTooLong,
    /// Too many wait already.
    #[error("too many calls wait for an answer; wait for some of them before beginning more")]
    TooManyOpen,
    /// The journal cannot be written any more, or has no room.
    #[error("the journal takes no new calls; acknowledge finished calls, free disk space, then restart")]
    JournalClosed,
    /// The machine was closed, or no node is fit.
    #[error("the client takes no new calls: {0}")]
    Stopped(StopReason),
}

/// Why a machine does nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StopReason {
    /// The application closed it.
    #[error("it was closed; open it again")]
    Closed,
    /// Every node serves another store than the one its open calls belong to.
    #[error(
        "every server serves another store than the one that holds open calls; connect to that store's \
         server, or resolve those calls"
    )]
    WrongStore,
    /// Every node refused the credential.
    #[error("the server does not accept the credential; check it, or enrol again")]
    BadCredential,
    /// Every node speaks another version of the protocol.
    #[error("the server speaks another version of the protocol; use programs of the same version")]
    UnsupportedVersion,
    /// The journal could not be written.
    #[error("the journal cannot be written; free disk space or repair the disk, then restart")]
    JournalFailed,
}

/// A call as `call status` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallView {
    /// Its name in this machine.
    pub key: CallKey,
    /// Its name for ever, once it has one.
    pub id: Option<CallId>,
    /// The service that knows it.
    pub service: String,
    /// What the application calls it.
    pub label: String,
    /// Where it stands.
    pub state: CallState,
}

/// Where an open call stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallState {
    /// Waits for a connection, a slot or the journal; nothing was sent.
    Waiting,
    /// Sent, or to be sent again.
    Open,
    /// Being cancelled.
    Cancelling,
    /// Its answer is being written to the journal.
    Answered,
    /// The machine can do nothing more about it.
    Unresolved(super::Unresolved),
}
