//! Makes a connection to one node: TCP, TLS with the user's trust, Unix socket, or the pipes of a program.
//! Absent: time-outs and the choice of the node, which are the driver's, and anything said on the connection.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_tls::{
    CALL_PROTOCOL, ClientTls, Fingerprint, ServerAddress, TlsError, Trust, check_protocol, client_config,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;

use crate::address::{Address, CommandLine, HostPort};
use crate::error::ConnectError;

/// A byte stream in both directions, whatever is below it.
pub(crate) struct Connection {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// The program at the other end of the pipes; it is killed when this is dropped.
    pub(crate) program: Option<Child>,
    /// Set when the server was met for the first time and is now recorded.
    pub(crate) first_seen: Option<Fingerprint>,
}

/// Makes connections; keeps the TLS configuration of each server, so that sessions are resumed and a server met for
/// the first time is held to the key it showed.
#[derive(Clone)]
pub(crate) struct Connector {
    trust: Trust,
    prepared: Arc<Mutex<BTreeMap<ServerAddress, Arc<ClientTls>>>>,
}

impl Connector {
    pub(crate) fn new(trust: Trust) -> Self {
        Self { trust, prepared: Arc::default() }
    }

    /// Connects to `address`. Dropping the future gives up.
    pub(crate) async fn connect(&self, address: &Address) -> Result<Connection, ConnectError> {
        let unreachable = |source| ConnectError::Unreachable { address: address.to_string(), source };
        match address {
            Address::Tcp(target) => dial(target).await.map(plain).map_err(unreachable),
            Address::Unix(path) => {
                let (reader, writer) = UnixStream::connect(path).await.map_err(unreachable)?.into_split();
                Ok(Connection::new(reader, writer))
            }
            Address::Tls(target) => {
                let stream = dial(target).await.map_err(unreachable)?;
                self.handshake(target, stream).await.map_err(|source| ConnectError::Tls { source })
            }
            Address::Stdio(command) => spawn(command)
                .map_err(|source| ConnectError::Program { program: command.program.clone(), source }),
        }
    }

    async fn handshake(&self, target: &HostPort, stream: TcpStream) -> Result<Connection, TlsError> {
        let tls = self.prepare(target).await?;
        let peer = target.to_string();
        let stream = TlsConnector::from(tls.config())
            .connect(tls.server_name(), stream)
            .await
            .map_err(|error| TlsError::from_handshake(&peer, error))?;
        check_protocol(stream.get_ref().1, CALL_PROTOCOL, &peer)?;
        let first_seen = match tls.first_seen() {
            Some(_) => blocking(move || tls.remember()).await?,
            None => None,
        };
        let (reader, writer) = tokio::io::split(stream);
        Ok(Connection { first_seen, ..Connection::new(reader, writer) })
    }

    async fn prepare(&self, target: &HostPort) -> Result<Arc<ClientTls>, TlsError> {
        let server = ServerAddress::new(&target.host, target.port)?;
        if let Some(tls) = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(&server) {
            return Ok(Arc::clone(tls));
        }
        let (trust, name) = (self.trust.clone(), server.clone());
        let tls = Arc::new(blocking(move || client_config(&trust, &name, &[CALL_PROTOCOL])).await?);
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.insert(server, Arc::clone(&tls));
        Ok(tls)
    }
}

impl Connection {
    fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        Self { reader: Box::new(reader), writer: Box::new(writer), program: None, first_seen: None }
    }
}

fn plain(stream: TcpStream) -> Connection {
    let (reader, writer) = stream.into_split();
    Connection::new(reader, writer)
}

/// Tries each address of the host. "localhost" may only mean this machine, whatever a name server says.
async fn dial(target: &HostPort) -> io::Result<TcpStream> {
    let found: Vec<SocketAddr> =
        tokio::net::lookup_host((target.host.as_str(), target.port)).await?.collect();
    let usable: Vec<SocketAddr> = match target.is_loopback() {
        true => found.into_iter().filter(|address| address.ip().to_canonical().is_loopback()).collect(),
        false => found,
    };
    let stream = TcpStream::connect(usable.as_slice()).await?;
    // A frame is written whole; waiting for more would only add delay.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The program's error output stays ours: that is where ssh explains itself and asks for a password.
fn spawn(command: &CommandLine) -> io::Result<Connection> {
    let mut child = Command::new(&command.program)
        .args(&command.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let writer = child.stdin.take().expect("standard input was asked to be a pipe");
    let reader = child.stdout.take().expect("standard output was asked to be a pipe");
    Ok(Connection { program: Some(child), ..Connection::new(reader, writer) })
}

/// Reading and flushing of the file of known servers, off the threads that serve sockets.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TlsError> + Send + 'static,
) -> Result<T, TlsError> {
    match tokio::task::spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime is being shut down, and this task with it.
        Err(Err(_)) => std::future::pending().await,
    }
}
