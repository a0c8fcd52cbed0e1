//! The only wiring diagram: which room is opened when a server starts, and in which order it is left.
//!
//! ```text
//!   Folder (lock) ─▶ keys ─▶ Store, Writer ─▶ Engine ◀─ services
//!                      └──▶ Identity (TLS) ─▶ Listeners ─▶ server::run ◀─ signals
//!   end:  listeners close ─▶ answers in flight leave ─▶ Engine::drain ─▶ lock goes
//! ```
//!
//! Absent: rules, frames, SQL; and any decision that a setting could take.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use switchboard_engine::{Clock, DigestKeys, Engine};
use switchboard_server::{self as server, ListenAddress, Listeners, OperatorKey};
use switchboard_store::{Folder, Options, Store};
use switchboard_tls::{CALL_PROTOCOL, Fingerprint, Identity, IdentityOrigin, ServedIdentity, server_config};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::commands::Invocation;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::logging;
use crate::signals::Signals;

/// How often the horizon is raised and old rows are deleted, in milliseconds.
const HOUSEKEEPING_MS: u64 = 60_000;
/// Threads for slow work before the transaction; the writer and the sockets have their own.
const PREPARE_THREADS: usize = 2;

/// An opened data folder with its engine; the lock goes with it.
struct Rooms {
    folder: Folder,
    engine: Engine,
    config: server::Config,
}

/// Serves every configured address until a signal says to stop.
pub(crate) async fn listen(on: &Invocation, ready_file: Option<&Path>) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    raise_file_limit();
    let mut rooms = Rooms::open(on)?;
    let (served, fingerprint) = rooms.identity(on)?;
    rooms.config.tls = Some(server_config(&served, &[CALL_PROTOCOL]).map_err(Failure::from)?);
    let listeners = Listeners::bind(&on.config.listen.addresses, on.config.listen.plaintext)?;
    let addresses = listeners.addresses();
    let housekeeping = keep_house(rooms.engine.clone());
    announce(on, &addresses, fingerprint, ready_file)?;
    let shutdown = signals.until_shutdown(|| rooms.reload_identity(on, &served));
    let served_to_the_end =
        server::run(rooms.engine.clone(), rooms.config.clone(), listeners, shutdown).await;
    housekeeping.abort();
    served_to_the_end?;
    rooms.close()?;
    tracing::info!("stopped");
    Ok(())
}

/// Carries one connection over standard input and output: to the server that runs for the data folder, or into an engine of
/// our own when there is none.
pub(crate) async fn over_stdio(on: &Invocation) -> Result<(), Failure> {
    let pipe = tokio::io::join(tokio::io::stdin(), tokio::io::stdout());
    if let Some(running) = running_server(on).await {
        return relay(pipe, running).await;
    }
    let mut signals = Signals::listen()?;
    let rooms = Rooms::open(on)?;
    let housekeeping = keep_house(rooms.engine.clone());
    let shutdown = signals.until_shutdown(|| {});
    let ended = server::run_stream(rooms.engine.clone(), rooms.config.clone(), pipe, shutdown).await;
    housekeeping.abort();
    ended?;
    rooms.close()
}

/// A server inside this process, for one command: it listens on a socket of its own that nobody else can reach.
pub(crate) struct Embedded {
    /// Where it listens.
    pub(crate) socket: PathBuf,
    rooms: Rooms,
    stop: tokio::sync::oneshot::Sender<()>,
    serving: JoinHandle<Result<(), server::ServerError>>,
    _place: tempfile::TempDir,
}

impl Embedded {
    /// Opens the data folder and starts.
    pub(crate) fn start(on: &Invocation) -> Result<Self, Failure> {
        let rooms = Rooms::open(on)?;
        let place = tempfile::Builder::new().prefix("switchboard-").tempdir().map_err(|error| {
            Failure::new(Exit::CannotCreate, "cannot make a folder for the socket of --embedded")
                .because(error)
                .advise("make room in the folder for temporary files, or name another one with TMPDIR")
        })?;
        let socket = place.path().join("socket");
        let address = [ListenAddress::Unix(socket.clone())];
        let listeners = Listeners::bind(&address, on.config.listen.plaintext)?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let shutdown = async move {
            // A sender that is gone means the same as one that spoke.
            let _either_way = stopped.await;
        };
        let serving =
            tokio::spawn(server::run(rooms.engine.clone(), rooms.config.clone(), listeners, shutdown));
        Ok(Self { socket, rooms, stop, serving, _place: place })
    }

    /// Lets what is in hand finish and closes the data folder.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        // A server that ended by itself says why below.
        let _told = self.stop.send(());
        match self.serving.await {
            Ok(ended) => ended?,
            Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
        }
        self.rooms.close()
    }
}

impl Rooms {
    fn open(on: &Invocation) -> Result<Self, Failure> {
        let options = Options { durability: on.config.store.durability, ..Options::default() };
        let folder = Folder::hold(&on.data, options.durability)?;
        let operator_key = OperatorKey::new(folder.key("operator")?);
        let keys = DigestKeys::new(folder.key("digest")?, &[]);
        let (store, writer) = Store::open(&folder, &options, now_us())?;
        let clock: Clock = Arc::new(now_us);
        let engine = Engine::start(switchboard_engine::Config {
            store,
            writer,
            registry: on.services.clone(),
            keys,
            clock,
            slots_max: on.config.limits.slots,
            prepare_threads: PREPARE_THREADS,
            on_fatal: Box::new(|error| {
                tracing::error!(%error, "the server ends itself");
                std::process::exit(i32::from(Exit::InputOutput.code()));
            }),
        });
        let engine = engine.map_err(|error| {
            Failure::new(Exit::Internal, "cannot start the threads of the server")
                .because(error)
                .advise("check the limits of this user (ulimit -u)")
        })?;
        let config = server::Config {
            limits: on.config.limits.server,
            tls: None,
            operator_key,
            trust_loopback: on.config.listen.trust_loopback,
            greeting: concat!("Switchboard ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        Ok(Self { folder, engine, config })
    }

    fn identity(&self, on: &Invocation) -> Result<(Arc<ServedIdentity>, Fingerprint), Failure> {
        let (identity, origin) = self.load_identity(on)?;
        match origin {
            Some(IdentityOrigin::Created) => {
                tracing::info!(key = %identity.fingerprint(), "made the TLS identity")
            }
            Some(IdentityOrigin::Renewed) => tracing::info!("renewed the certificate"),
            Some(IdentityOrigin::Loaded) | None => {}
        }
        Ok((ServedIdentity::new(&identity), identity.fingerprint()))
    }

    /// The operator's own certificate, or the one kept in the data folder.
    fn load_identity(&self, on: &Invocation) -> Result<(Identity, Option<IdentityOrigin>), Failure> {
        let listen = &on.config.listen;
        if let Some((certificate, key)) = &listen.certificate {
            return Ok((Identity::from_files(certificate, key)?, None));
        }
        let now_seconds = i64::try_from(now_us() / 1_000_000).unwrap_or(i64::MAX);
        let (identity, origin) = Identity::load_or_create(&self.folder.keys(), &listen.names, now_seconds)?;
        Ok((identity, Some(origin)))
    }

    fn reload_identity(&self, on: &Invocation, served: &ServedIdentity) {
        match self.load_identity(on) {
            Ok((identity, _)) => {
                served.replace(&identity);
                tracing::info!(key = %identity.fingerprint(), "read the certificate again");
            }
            Err(failure) => {
                tracing::error!(reason = crate::failure::told(&failure), "the certificate stays as it was")
            }
        }
    }

    fn close(self) -> Result<(), Failure> {
        self.engine.drain()?;
        Ok(())
    }
}

/// The server that runs for the data folder, if one does.
pub(crate) async fn running_server(on: &Invocation) -> Option<UnixStream> {
    UnixStream::connect(on.config.listen.unix()?).await.ok()
}

/// Bytes both ways until either side is done; what is under way to the peer still arrives.
async fn relay(
    pipe: impl tokio::io::AsyncRead + tokio::io::AsyncWrite,
    server: UnixStream,
) -> Result<(), Failure> {
    let (mut from_pipe, mut to_pipe) = tokio::io::split(pipe);
    let (mut from_server, mut to_server) = server.into_split();
    let upward = async {
        tokio::io::copy(&mut from_pipe, &mut to_server).await?;
        to_server.shutdown().await
    };
    let downward = async {
        tokio::io::copy(&mut from_server, &mut to_pipe).await?;
        to_pipe.flush().await
    };
    tokio::pin!(downward);
    let carried = tokio::select! {
        ended = &mut downward => ended,
        ended = upward => match ended {
            Ok(()) => downward.await,
            Err(error) => Err(error),
        },
    };
    carried.map_err(|error| {
        Failure::new(Exit::InputOutput, "the connection to the running server broke")
            .because(error)
            .advise("connect again; nothing that was acknowledged is lost")
    })
}

fn keep_house(engine: Engine) -> JoinHandle<()> {
    tokio::spawn(async move {
        let period = Duration::from_millis(HOUSEKEEPING_MS);
        loop {
            tokio::time::sleep(period).await;
            let engine = engine.clone();
            let kept = tokio::task::spawn_blocking(move || engine.keep_house(HOUSEKEEPING_MS)).await;
            match kept {
                Ok(Ok(0)) => {}
                Ok(Ok(rows)) => tracing::debug!(rows, "deleted rows of old sessions"),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "cannot delete rows of old sessions; will try again")
                }
                Err(stopped) => tracing::error!(%stopped, "housekeeping failed; will try again"),
            }
        }
    })
}

/// Says that connections are taken: in words or in the log's JSON on standard error, and to the file that a script waits for.
fn announce(
    on: &Invocation,
    addresses: &[ListenAddress],
    fingerprint: Fingerprint,
    ready_file: Option<&Path>,
) -> Result<(), Failure> {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    if logging::is_json(&on.config.log) {
        tracing::info!(addresses = addresses.join(" "), key = %fingerprint, pid = std::process::id(), "ready");
    } else {
        on.screen.notice(&format!("ready on {}; key {fingerprint}", addresses.join(" ")));
    }
    let Some(path) = ready_file else { return Ok(()) };
    let facts = serde_json::json!({
        "ready": true,
        "pid": std::process::id(),
        "addresses": addresses,
        "key": fingerprint.to_string(),
        "data": on.data,
    });
    publish(path, &facts.to_string()).map_err(|error| {
        Failure::new(Exit::CannotCreate, format!("cannot write the ready file {}", path.display()))
            .because(error)
            .advise("check the folder and its permissions")
    })
}

/// Whoever waits for the file finds it whole.
fn publish(path: &Path, text: &str) -> std::io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    std::fs::write(&unfinished, text)?;
    std::fs::rename(&unfinished, path)
}

/// Connections are file descriptors; the usual limit of 1024 is for programs that use select(2).
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "cannot raise the limit of open files; fewer connections will fit");
    }
}

/// Microseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is the driver whose clock the engine is given")]
pub(crate) fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}
