//! A running server with a small service, and ways to reach it.

use std::future::Future;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use switchboard_engine::{
    Allowed, CallContext, Clock, CommandSpec, DigestKeys, Effect, Engine, Prepare, ReadContext, Registry,
    Ruling, Service,
};
use switchboard_server::{Config, Limits, ListenAddress, Listeners, OperatorKey, Plaintext, ServerError};
use switchboard_store::{Durability, Folder, Options, Snapshot, Store, StoreError, Tx};
use switchboard_tls::{
    CALL_PROTOCOL, Identity, KnownServers, ServedIdentity, ServerAddress, Trust, client_config, server_config,
};
use tempfile::TempDir;
use tokio::net::unix::pipe;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::peer::Peer;

/// Nothing in these tests takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const OPERATOR_KEY: [u8; 32] = [42; 32];

/// The kinds of connection that every test of [`everywhere`] runs over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    Tcp,
    Tls,
    Unix,
    Pipe,
}

impl Transport {
    pub(crate) const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::Unix, Self::Pipe];
}

/// Runs a test against a fresh server over every transport.
pub(crate) async fn everywhere<F: Future<Output = ()>>(limits: Limits, test: impl Fn(Node, Transport) -> F) {
    for transport in Transport::ALL {
        tokio::time::timeout(PATIENCE, test(Node::start(limits), transport))
            .await
            .unwrap_or_else(|_| panic!("no end over {transport:?}"));
    }
}

/// A server on loopback TCP, TLS and a Unix socket; pipes on demand.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) gate: Arc<Gate>,
    pub(crate) config: Config,
    tcp: ListenAddress,
    tls: ListenAddress,
    pub(crate) socket: PathBuf,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), ServerError>>,
}

impl Node {
    pub(crate) fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gate = Arc::new(Gate::default());
        let engine = engine(&folder.path().join("store"), Arc::clone(&gate));
        let identity = ServedIdentity::new(&Identity::laboratory().unwrap());
        let config = Config {
            limits,
            tls: Some(server_config(&identity, &[CALL_PROTOCOL]).unwrap()),
            operator_key: OperatorKey::new(OPERATOR_KEY),
            trust_loopback: false,
            greeting: "welcome to the test".to_owned(),
        };
        let socket = folder.path().join("socket");
        let wanted = [
            "tcp://127.0.0.1:0".parse().unwrap(),
            "tls://127.0.0.1:0".parse().unwrap(),
            ListenAddress::Unix(socket.clone()),
        ];
        let listeners = Listeners::bind(&wanted, Plaintext::LoopbackOnly).unwrap();
        let [tcp, tls, _] = <[_; 3]>::try_from(listeners.addresses()).unwrap();
        let (stop, stopped) = oneshot::channel();
        let until = async {
            let _ = stopped.await;
        };
        let serving = tokio::spawn(switchboard_server::run(engine.clone(), config.clone(), listeners, until));
        Self { engine, gate, config, tcp, tls, socket, folder, stop: Some(stop), serving }
    }

    /// Begins the shutdown.
    pub(crate) fn stop(&mut self) {
        self.stop.take().expect("stopped once").send(()).unwrap();
    }

    /// Waits until the server has returned.
    pub(crate) async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.serving).await.unwrap().unwrap().unwrap();
    }

    /// A connection before its hello.
    pub(crate) async fn connect(&self, transport: Transport) -> Peer {
        match transport {
            Transport::Tcp => Peer::new(self.tcp_stream(&self.tcp).await),
            Transport::Tls => self.connect_tls().await.unwrap(),
            Transport::Unix => Peer::new(UnixStream::connect(&self.socket).await.unwrap()),
            Transport::Pipe => self.pipe(),
        }
    }

    /// Bytes of our own on the plain port.
    pub(crate) async fn raw_tcp(&self) -> Peer {
        Peer::new(self.tcp_stream(&self.tcp).await)
    }

    /// Bytes of our own on the TLS port.
    pub(crate) async fn raw_tls_port(&self) -> Peer {
        Peer::new(self.tcp_stream(&self.tls).await)
    }

    pub(crate) async fn connect_tls(&self) -> std::io::Result<Peer> {
        self.connect_tls_at(&self.tls, CALL_PROTOCOL).await
    }

    /// A TLS client on the port of plain frames.
    pub(crate) async fn tls_on_the_plain_port(&self) -> std::io::Result<Peer> {
        self.connect_tls_at(&self.tcp, CALL_PROTOCOL).await
    }

    pub(crate) async fn https(&self) -> std::io::Result<Peer> {
        self.connect_tls_at(&self.tls, b"http/1.1").await
    }

    async fn connect_tls_at(&self, address: &ListenAddress, alpn: &[u8]) -> std::io::Result<Peer> {
        let stream = self.tcp_stream(address).await;
        let port = stream.peer_addr().unwrap().port();
        let known = tempfile::tempdir_in(self.folder.path()).unwrap();
        let trust = Trust::FirstUse(KnownServers::at(known.path().join("known")));
        let server = ServerAddress::new("127.0.0.1", port).unwrap();
        let tls = client_config(&trust, &server, &[alpn]).unwrap();
        let stream = TlsConnector::from(tls.config()).connect(tls.server_name(), stream).await?;
        Ok(Peer::new(stream))
    }

    async fn tcp_stream(&self, address: &ListenAddress) -> TcpStream {
        match address {
            ListenAddress::Tcp(at) | ListenAddress::Tls(at) => TcpStream::connect(at).await.unwrap(),
            ListenAddress::Unix(_) => panic!("no TCP address"),
        }
    }

    /// The server over two pipes of the operating system, as `serve --stdio` has them. Ends with the peer.
    fn pipe(&self) -> Peer {
        let (to_server, from_peer) = pipe::pipe().unwrap();
        let (to_peer, from_server) = pipe::pipe().unwrap();
        let served = tokio::io::join(from_peer, to_peer);
        let (engine, config) = (self.engine.clone(), self.config.clone());
        tokio::spawn(switchboard_server::run_stream(engine, config, served, std::future::pending()));
        Peer::of(from_server, to_server)
    }
}

fn engine(folder: &std::path::Path, gate: Arc<Gate>) -> Engine {
    const NOW_US: u64 = 1_750_000_000_000_000;
    let folder = Folder::hold(folder, Durability::Full).unwrap();
    let (store, writer) = Store::open(&folder, &Options::default(), NOW_US).unwrap();
    let clock: Clock = Arc::new(|| NOW_US);
    Engine::start(switchboard_engine::Config {
        store,
        writer,
        registry: Registry::new().with(Echo { gate, _folder: folder }),
        keys: DigestKeys::new([1; 32], &[]),
        clock,
        slots_max: 1024,
        prepare_threads: 2,
        on_fatal: Box::new(|error| panic!("{error}")),
    })
    .unwrap()
}

/// Holds calls of [`Command::Wait`] back until it is opened.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    waiting: usize,
}

impl Gate {
    pub(crate) fn open(&self) {
        self.state.lock().unwrap().open = true;
        self.changed.notify_all();
    }

    /// Blocks until somebody waits at the gate.
    pub(crate) async fn reached(self: &Arc<Self>) {
        let gate = Arc::clone(self);
        let waiting = move || {
            let state = gate.state.lock().unwrap();
            let (_state, timed_out) =
                gate.changed.wait_timeout_while(state, PATIENCE, |state| state.waiting == 0).unwrap();
            assert!(!timed_out.timed_out(), "nobody came to the gate");
        };
        tokio::task::spawn_blocking(waiting).await.unwrap();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        let (mut state, _) = self.changed.wait_timeout_while(state, PATIENCE, |state| !state.open).unwrap();
        state.waiting -= 1;
    }
}

/// Sends back what it gets.
struct Echo {
    gate: Arc<Gate>,
    /// Held as long as the engine.
    _folder: Folder,
}

#[derive(minicbor::Encode, minicbor::Decode)]
pub(crate) enum Command {
    /// Answers at once.
    #[n(0)]
    Say(#[n(0)] String),
    /// Answers when the gate is open.
    #[n(1)]
    Wait,
    /// A read that answers with so many bytes.
    #[n(2)]
    Fill(#[n(0)] u32),
}

const SAY: CommandSpec = CommandSpec {
    name: "echo say",
    effect: Effect::Command,
    allowed: Allowed::Everyone,
    secret: false,
    prepare: Prepare::None,
    refuses_after_write: false,
    body_bytes_max: 2048,
    reply_bytes_max: 1024 * 1024 - 1024,
};
const WAIT: CommandSpec = CommandSpec { name: "echo wait", prepare: Prepare::Pool, ..SAY };
const FILL: CommandSpec = CommandSpec { name: "echo fill", effect: Effect::Read, ..SAY };

impl Service for Echo {
    const NAME: &'static str = "echo";
    const VERSIONS: RangeInclusive<u16> = 1..=1;
    const COMMANDS: &'static [CommandSpec] = &[SAY, WAIT, FILL];
    type Command = Command;
    type Reply = String;
    type Refusal = ();
    type Evidence = ();

    fn spec(&self, command: &Command) -> &'static CommandSpec {
        match command {
            Command::Say(_) => &SAY,
            Command::Wait => &WAIT,
            Command::Fill(_) => &FILL,
        }
    }

    fn prepare(&self, _: &Snapshot<'_>, command: &Command) -> Result<(), StoreError> {
        if matches!(command, Command::Wait) {
            self.gate.pass();
        }
        Ok(())
    }

    fn run(&self, _: &mut Tx<'_>, _: &CallContext, command: &Command, _: &()) -> Ruling<String, ()> {
        Ok(Ok(answer(command)))
    }

    fn read(&self, _: &Snapshot<'_>, _: &ReadContext, command: &Command, _: &()) -> Ruling<String, ()> {
        Ok(Ok(answer(command)))
    }
}

fn answer(command: &Command) -> String {
    match command {
        Command::Say(text) => text.clone(),
        Command::Wait => "waited".to_owned(),
        Command::Fill(bytes) => "x".repeat(usize::try_from(*bytes).unwrap()),
    }
}
