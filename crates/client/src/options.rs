//! What a client is told when it is opened, and what it tells its program besides answers. Absent: reading any of it from a
//! configuration file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use switchboard_call::client::Alarm;
pub use switchboard_call::client::LinkKind;
use switchboard_call::journal::Cut;
use switchboard_tls::{Fingerprint, Trust};

use crate::address::Nodes;
use crate::error::{ConnectError, JournalError};

/// What a client is told when it is opened.
#[derive(Clone)]
pub struct Options {
    /// Where the store's servers are, in the order in which they are tried.
    pub nodes: Nodes,
    /// Which servers are believed behind `tls://`.
    pub trust: Trust,
    /// What opens a principal at the server; absent for an anonymous client or where the transport says who it is.
    pub credential: Option<Credential>,
    /// Where calls outlive this process.
    pub journal: JournalPlace,
    /// For whom calls are made, in words of the program's own. A journal belongs to one principal: another one does not
    /// get to see and send its calls.
    pub principal: String,
    /// What the bytes travel on.
    pub link: LinkKind,
    /// How long an answer is waited for before the call is cancelled, unless a call says otherwise.
    pub deadline: Option<Duration>,
    /// By the server's clock, how long after getting its id a call may still be executed, unless a call says otherwise.
    pub not_after: Option<Duration>,
    /// Name and version of the program, for the server's log.
    pub agent: String,
    /// Is told what a person must hear of. Called by the driver: must not block.
    pub on_event: EventSink,
}

/// Takes events.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

impl Options {
    /// A client whose calls do not outlive its process: each must be executed within `deadline`, or never.
    #[must_use]
    pub fn volatile(nodes: Nodes, trust: Trust, deadline: Duration) -> Self {
        Self {
            nodes,
            trust,
            credential: None,
            journal: JournalPlace::Volatile,
            principal: String::new(),
            link: LinkKind::Stream,
            deadline: Some(deadline),
            not_after: Some(deadline),
            agent: concat!("switchboard-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            on_event: Arc::new(log),
        }
    }

    /// A client that keeps its calls in a journal at `place` until they are answered and acknowledged.
    #[must_use]
    pub fn durable(nodes: Nodes, trust: Trust, place: JournalPlace) -> Self {
        let waits_for_ever = Self::volatile(nodes, trust, Duration::ZERO);
        Self { journal: place, deadline: None, not_after: None, ..waits_for_ever }
    }
}

/// Where calls outlive the process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JournalPlace {
    /// Nowhere.
    Volatile,
    /// In this file, which no other process may have open.
    File(PathBuf),
    /// In the first free file of this folder: several clients of one user run at once.
    Folder(PathBuf),
}

/// Bytes that open a principal. Not printed.
#[derive(Clone)]
pub struct Credential(Arc<[u8]>);

impl Credential {
    /// The credential with these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// Something that happened besides answers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Event {
    /// A person must hear of this.
    #[error("{0}")]
    Alarm(Alarm),
    /// The server at this address is not the one that the user trusts.
    #[error("{address} is not the server that is trusted")]
    NotTrusted {
        /// The node.
        address: String,
        /// What it is instead, and what to do.
        source: Arc<ConnectError>,
    },
    /// A `tls://` server was met for the first time; its key is recorded and believed from now on.
    #[error(
        "met {address} for the first time; it is believed from now on by its key {fingerprint}: compare that with what the server printed"
    )]
    MetServer {
        /// The node.
        address: String,
        /// Its key.
        fingerprint: Fingerprint,
    },
    /// A server greeted us.
    #[error("connected to {address}, which takes us for {principal}: {greeting}")]
    Connected {
        /// The node.
        address: String,
        /// What it calls itself.
        greeting: String,
        /// Whom it takes us for.
        principal: String,
    },
    /// A node could not be reached; the next one is tried.
    #[error("no connection to {address}")]
    NotConnected {
        /// The node.
        address: String,
        /// Why, and what to do.
        source: Arc<ConnectError>,
    },
    /// The journal had the torn end of a crash.
    #[error(
        "the journal {} ended in {} bytes torn by a crash, which are cut off: nothing in them was sent", path.display(), cut.bytes
    )]
    JournalCut {
        /// The journal.
        path: PathBuf,
        /// What was cut.
        cut: Cut,
    },
    /// The journal cannot be written; the client stops.
    #[error("the client stops, because its journal failed")]
    JournalFailed(#[source] Arc<JournalError>),
    /// The journal could not be rewritten shorter. It goes on growing.
    #[error("the journal could not be made shorter")]
    JournalNotShortened(#[source] Arc<JournalError>),
}

impl Event {
    /// Whether a person must hear of it.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        match self {
            Self::Alarm(_) | Self::NotTrusted { .. } | Self::JournalFailed(_) => true,
            Self::MetServer { .. }
            | Self::Connected { .. }
            | Self::NotConnected { .. }
            | Self::JournalCut { .. }
            | Self::JournalNotShortened(_) => false,
        }
    }
}

/// What becomes of events when a program does not take them.
fn log(event: Event) {
    let cause = std::error::Error::source(&event).map(ToString::to_string).unwrap_or_default();
    match event.is_alarm() {
        true => tracing::error!(cause, "{event}"),
        false => tracing::info!(cause, "{event}"),
    }
}
