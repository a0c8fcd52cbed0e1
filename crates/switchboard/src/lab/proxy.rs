//! A proxy that loses, doubles, delays and reorders whole frames between a client and a real server.
//!
//! ```text
//!   client ==TLS, laboratory certificate==> [hello passes; call, cancel, read, outcome: faults] --Unix socket--> server
//!   client <========== TLS ================ [welcome passes; reply, outcome: faults] <-------------------------- server
//! ```
//!
//! It ends TLS, because frames cannot be told apart inside it, and sends every frame on byte by byte as it came. Only
//! frames that carry a call or an answer suffer: the connection itself (hello, welcome, ping, pong, goodbye) stays usable,
//! so that what is shown is the loss of messages and not of connections. Everything done is counted:
//! `arrived + doubled = forwarded + lost + withheld`. Absent: alteration of bytes; TCP and TLS already refuse that.

mod direction;
mod framing;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use switchboard_call::id::CallId;
use switchboard_tls::{CALL_PROTOCOL, Fingerprint, Identity, ServedIdentity, TlsError, server_config};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub use direction::{Counts, Tally};

/// Connections through the proxy at a time.
const CONNECTIONS_MAX: usize = 64;
/// Time for the client's TLS handshake, in milliseconds.
const HANDSHAKE_MS_MAX: u64 = 5_000;

/// What happens to the frames of one direction. Probabilities from 0 to 1, each tried once per frame.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Faults {
    /// The frame vanishes.
    pub lose: f64,
    /// It goes out twice.
    pub double: f64,
    /// It waits up to `delay_ms_max`, and later frames overtake it.
    pub delay: f64,
    /// Longest delay, in milliseconds.
    pub delay_ms_max: u64,
    /// It goes out after the frame that follows it.
    pub reorder: f64,
}

/// What the proxy is to do.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Plan {
    /// The same seed and the same frames give the same faults.
    pub seed: u64,
    /// From client to server.
    pub requests: Faults,
    /// From server to client.
    pub replies: Faults,
}

/// Which way a frame goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// From client to server.
    Request,
    /// From server to client.
    Reply,
}

/// What was done to one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It vanished.
    Lost,
    /// It went out twice.
    Doubled,
    /// It waited.
    Delayed,
    /// It was held back for its follower.
    HeldBack,
}

/// A fault, as it happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Which way the frame went.
    pub direction: Direction,
    /// What was done to it.
    pub fault: Fault,
    /// The call it belongs to; none for a read.
    pub call: Option<CallId>,
}

/// Told of every fault, from the proxy's tasks; must not block.
pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;

/// Why there is no proxy.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// No port to listen on.
    #[error(
        "the laboratory proxy cannot listen on a port of loopback; check that this machine has a loopback interface"
    )]
    Listen(#[source] io::Error),
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A running proxy; dropping it ends it and its connections.
pub struct Proxy {
    address: SocketAddr,
    fingerprint: Fingerprint,
    tally: Arc<Tally>,
    is_well: Arc<AtomicBool>,
    cut: watch::Sender<u64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy on a free port of loopback, in front of the server at the Unix socket `server`.
    ///
    /// # Errors
    /// When it cannot listen or make its certificate.
    pub async fn start(plan: Plan, server: PathBuf, listener: Listener) -> Result<Self, ProxyError> {
        let identity = Identity::laboratory()?;
        let tls = server_config(&ServedIdentity::new(&identity), &[CALL_PROTOCOL])?;
        let socket = TcpListener::bind("127.0.0.1:0").await.map_err(ProxyError::Listen)?;
        let address = socket.local_addr().map_err(ProxyError::Listen)?;
        let (cut, cuts) = watch::channel(0);
        let tally = Arc::new(Tally::default());
        let is_well = Arc::new(AtomicBool::new(false));
        let shared = Shared { tally: Arc::clone(&tally), listener, is_well: Arc::clone(&is_well) };
        let doorway = Doorway { plan, server, tls: TlsAcceptor::from(tls), shared, cuts };
        let accepting = tokio::spawn(accept(socket, doorway));
        Ok(Self { address, fingerprint: identity.fingerprint(), tally, is_well, cut, accepting })
    }

    /// Where clients connect, as `tls://` address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key that clients of this proxy have to pin.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What it did so far in one direction.
    #[must_use]
    pub fn counts(&self, direction: Direction) -> Counts {
        self.tally.counts(direction)
    }

    /// From now on every frame passes at once; what waits still goes out when it is due.
    pub fn heal(&self) {
        self.is_well.store(true, Ordering::Relaxed);
    }

    /// Ends every connection that stands; new ones are taken.
    pub fn cut_connections(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut_connections();
    }
}

#[derive(Clone)]
struct Doorway {
    plan: Plan,
    server: PathBuf,
    tls: TlsAcceptor,
    shared: Shared,
    cuts: watch::Receiver<u64>,
}

/// What all connections have in common.
#[derive(Clone)]
struct Shared {
    tally: Arc<Tally>,
    listener: Listener,
    is_well: Arc<AtomicBool>,
}

async fn accept(socket: TcpListener, doorway: Doorway) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    for number in 0_u64.. {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        // A connection that ends before it is taken is no reason to end; the next accept tells a lasting fault again,
        // and the pause keeps that from spinning.
        let Ok((client, _)) = socket.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let mut doorway = doorway.clone();
        tokio::spawn(async move {
            let mut cuts = doorway.cuts.clone();
            cuts.mark_unchanged();
            tokio::select! {
                () = doorway.carry(client, number) => {}
                _ = cuts.changed() => {}
            }
            drop(place);
        });
    }
}

impl Doorway {
    /// One connection, from handshake to end. A server that does not answer ends it, as a real network would.
    async fn carry(&mut self, client: TcpStream, number: u64) {
        let Ok(server) = UnixStream::connect(&self.server).await else { return };
        // Small frames must not wait for each other.
        let _best_effort = client.set_nodelay(true);
        let handshake =
            tokio::time::timeout(Duration::from_millis(HANDSHAKE_MS_MAX), self.tls.accept(client));
        let Ok(Ok(client)) = handshake.await else { return };
        let (from_client, to_client) = tokio::io::split(client);
        let (from_server, to_server) = server.into_split();
        let requests = self.direction(Direction::Request, number);
        let replies = self.direction(Direction::Reply, number);
        let replying = replies.carry(from_server, to_client);
        tokio::pin!(replying);
        tokio::select! {
            () = &mut replying => {}
            // The server hears that nothing more comes, and ends when it has answered.
            () = requests.carry(from_client, to_server) => replying.await,
        }
    }

    fn direction(&self, way: Direction, connection: u64) -> direction::Carrier {
        let (faults, stream) = match way {
            Direction::Request => (self.plan.requests, 2 * connection),
            Direction::Reply => (self.plan.replies, 2 * connection + 1),
        };
        let chance = super::chance::Chance::new(self.plan.seed, stream);
        direction::Carrier::new(way, faults, chance, self.shared.clone())
    }
}
