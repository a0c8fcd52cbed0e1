//! The server from its first connection to its last: accepts, admits, hands each connection to a task, and at
//! the end lets what is in flight finish. Absent: the engine's own end; drain it after this returned.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use switchboard_call::id::StoreId;
use switchboard_call::server;
use switchboard_engine::Engine;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::admission::{Admission, Ticket};
use crate::connection;
use crate::error::ServerError;
use crate::limits::{ACCEPT_PAUSE_MS, FAREWELL_MS_MAX, Limits};
use crate::listen::{Accepted, Listener, Listeners};
use crate::mailbox::Order;
use crate::principal::{OperatorKey, Origin};
use crate::shed::Shedder;

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its bounds.
    pub limits: Limits,
    /// For `tls://` listeners.
    pub tls: Option<Arc<ServerConfig>>,
    /// Who presents this key is an operator; never accepted over plain TCP.
    pub operator_key: OperatorKey,
    /// Takes every peer of a plain TCP listener on loopback for the operator: right on a machine that nobody
    /// else uses, wrong on any other.
    pub trust_loopback: bool,
    /// A line for a person in every welcome.
    pub greeting: String,
}

/// What every connection of a server shares.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) config: Config,
    pub(crate) store: StoreId,
    started: Instant,
    admission: Arc<Admission>,
    shedder: Shedder,
}

/// Serves the listeners until `shutdown` is ready, then stops accepting, says goodbye to idle connections,
/// waits up to [`Limits::drain_ms_max`] for answers in flight, and returns when every connection is closed.
///
/// # Errors
/// [`ServerError::NoIdentity`] when a `tls://` listener has no [`Config::tls`], [`ServerError::Store`] when the
/// store does not say which it is; nothing was accepted then.
pub async fn run(
    engine: Engine,
    config: Config,
    listeners: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let node = Arc::new(Node::new(engine, config)?);
    let is_bare = |listener: &&Listener| matches!(listener, Listener::Tls(..)) && node.config.tls.is_none();
    if let Some(bare) = listeners.all.iter().find(is_bare) {
        return Err(ServerError::NoIdentity { listen: bare.address().to_string() });
    }
    let mut accepting = JoinSet::new();
    for listener in listeners.all {
        accepting.spawn(accept(Arc::clone(&node), listener));
    }
    shutdown.await;
    // Dropped listeners close their sockets and remove their files.
    accepting.shutdown().await;
    node.farewell().await;
    Ok(())
}

/// Serves one connection over a stream that is already there, such as standard input and output, until it ends
/// or `shutdown` is ready. Its peer is the operator: whoever started this process opened the data folder.
///
/// # Errors
/// [`ServerError::Store`] when the store does not say which it is.
pub async fn run_stream<S>(
    engine: Engine,
    config: Config,
    stream: S,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let node = Arc::new(Node::new(engine, config)?);
    let Ok(ticket) = node.admission.admit(None) else { return Ok(()) };
    let mailbox = Arc::clone(ticket.mailbox());
    let serving = connection::serve(&node, stream, Origin::Pipe, ticket, node.now_ms());
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => return Ok(()),
        () = shutdown => mailbox.order(Order::ShutDown),
    }
    let patience = node.config.limits.drain_ms_max.saturating_add(FAREWELL_MS_MAX);
    let _ = timeout(Duration::from_millis(patience), serving).await;
    Ok(())
}

impl Node {
    fn new(engine: Engine, config: Config) -> Result<Self, ServerError> {
        let facts = engine.facts().map_err(|source| ServerError::Store(source.into()))?;
        Ok(Self {
            store: facts.store,
            admission: Arc::new(Admission::new(&config.limits)),
            shedder: Shedder::new(config.limits.retry_after_ms),
            started: Instant::now(),
            engine,
            config,
        })
    }

    /// Monotonic milliseconds, the machines' time.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment of a machine's time.
    pub(crate) fn instant(&self, at_ms: u64) -> Instant {
        self.started + Duration::from_millis(at_ms)
    }

    /// What a connection's machine is held to.
    pub(crate) fn machine_config(&self) -> server::Config {
        let limits = &self.config.limits;
        server::Config {
            store: self.store,
            in_flight_max: limits.in_flight_max,
            handshake_ms_max: limits.handshake_ms_max,
            idle_ms_max: limits.idle_ms_max,
            stall_ms_max: limits.stall_ms_max,
            drain_ms_max: limits.drain_ms_max,
            unsent_bytes_max: limits.outbox_bytes_max,
        }
    }

    async fn farewell(&self) {
        let open = self.admission.count();
        tracing::info!(connections = open, "shutting down");
        self.admission.order_all(Order::ShutDown);
        let patience = self.config.limits.drain_ms_max.saturating_add(FAREWELL_MS_MAX);
        if timeout(Duration::from_millis(patience), self.admission.emptied()).await.is_err() {
            tracing::warn!(connections = self.admission.count(), "closing connections that did not end");
            self.admission.order_all(Order::Cut);
            self.admission.emptied().await;
        }
    }
}

async fn accept(node: Arc<Node>, listener: Listener) {
    tracing::info!(address = %listener.address(), "listening");
    loop {
        match listener.accept().await {
            Ok(accepted) => admit(&node, accepted),
            Err(error) if is_the_peers_fault(&error) => {}
            Err(error) => {
                tracing::warn!(address = %listener.address(), %error, "cannot accept; pausing");
                sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
}

/// accept(2) reports what happened to one connection while it waited; the next one is not concerned.
fn is_the_peers_fault(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::NotConnected
            | ErrorKind::InvalidInput
            | ErrorKind::Interrupted
    )
}

fn admit(node: &Arc<Node>, accepted: Accepted) {
    let address = match &accepted {
        Accepted::Tcp(_, peer) | Accepted::Tls(_, peer) => Some(peer.ip()),
        Accepted::Unix(..) => None,
    };
    match node.admission.admit(address) {
        Ok(ticket) => spawn(Arc::clone(node), accepted, ticket),
        Err(full) => {
            tracing::debug!(?address, ?full, "connection turned away");
            node.shedder.turn_away(accepted, full);
        }
    }
}

fn spawn(node: Arc<Node>, accepted: Accepted, ticket: Ticket) {
    let begun_ms = node.now_ms();
    match accepted {
        Accepted::Tcp(stream, peer) => {
            let origin = Origin::Tcp(peer);
            tokio::spawn(async move { connection::serve(&node, stream, origin, ticket, begun_ms).await });
        }
        Accepted::Unix(stream, uid) => {
            let origin = Origin::Unix { uid };
            tokio::spawn(async move { connection::serve(&node, stream, origin, ticket, begun_ms).await });
        }
        Accepted::Tls(stream, peer) => {
            tokio::spawn(async move { connection::serve_tls(&node, stream, peer, ticket, begun_ms).await });
        }
    }
}
