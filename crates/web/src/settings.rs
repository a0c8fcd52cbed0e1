//! What an embedder may choose: sites, addresses, limits, the access log. Every default is safe for the open internet.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::limits::CONNECTIONS_PER_ADDRESS;

/// A whole server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is served. A request goes to the site that lists its host; without one to the first.
    pub sites: Vec<Site>,
    /// Where it listens; at least one.
    pub listeners: Vec<Listener>,
    /// Event loops, each a thread; `None` takes one for each processor that this process may use.
    pub workers: Option<usize>,
    /// Whom to stop, and when.
    pub limits: Limits,
    /// Where a line for each request goes; `None` keeps none.
    pub access_log: Option<AccessLog>,
    /// Whether files without compressed ones beside them are compressed into the cache.
    pub compress: bool,
    /// Folder on disk for nameless copies of large files that are asked for again and again; the kernel sends from them. Where it
    /// is none, or not on disk, the copies are in memory.
    pub scratch: PathBuf,
    /// Where metrics and health are told, by plain HTTP; `None` tells them nowhere.
    pub monitor: Option<SocketAddr>,
    /// The user to become once it listens; `None` stays who it is.
    pub identity: Option<Identity>,
    /// For the listeners with TLS.
    pub tls: TlsSettings,
}

impl Settings {
    /// One site at one address, everything else as by default.
    #[must_use]
    pub fn new(site: Site, listener: Listener) -> Self {
        Self {
            sites: vec![site],
            listeners: vec![listener],
            workers: None,
            limits: Limits::default(),
            access_log: None,
            compress: true,
            scratch: PathBuf::from("/var/tmp"),
            monitor: None,
            identity: None,
            tls: TlsSettings::default(),
        }
    }
}

/// A folder, and the hosts under which it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The folder. A symbolic link here is followed once, at the start and at each reload.
    pub root: PathBuf,
    /// Names of hosts without port, compared without regard to case. The first site also takes every other host.
    pub hosts: Vec<String>,
    /// File names that stand for their folder, in order of preference; each as [`Site::is_index`] has it.
    pub index: Vec<String>,
    /// Whether `/.well-known/` is served (RFC 8615); all other names with a leading dot are hidden always.
    pub well_known: bool,
}

impl Site {
    /// A folder for every host, with `index.html`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), hosts: Vec::new(), index: vec!["index.html".to_owned()], well_known: true }
    }

    /// Whether `name` can stand for a folder: it is one plain file name, and not a hidden one.
    #[must_use]
    pub fn is_index(name: &str) -> bool {
        !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
    }
}

/// A user, and the only group if it is not to have the user's own ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub user: String,
    /// The group's name.
    pub group: Option<String>,
}

impl std::str::FromStr for Identity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group.to_owned())),
            None => (text, None),
        };
        if user.is_empty() || group.as_ref().is_some_and(String::is_empty) {
            return Err("write it as NAME or NAME:GROUP, such as www-data".to_owned());
        }
        Ok(Self { user: user.to_owned(), group })
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.user)?;
        self.group.as_ref().map_or(Ok(()), |group| write!(f, ":{group}"))
    }
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listener {
    /// An IPv4 or IPv6 address and port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// The same, under TLS 1.2 or 1.3.
    Tls(SocketAddr),
    /// The path of a Unix socket. One that nobody listens on any more is replaced.
    Unix(PathBuf),
}

/// What a server with TLS shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificates with their keys. A client is shown the first that is for the name it asks for, or the first of all.
    pub certificates: Vec<CertificateFiles>,
    /// What is shown when there are none.
    pub self_signed: SelfSigned,
    /// For how long a browser is told to come back by https only (Strict-Transport-Security, RFC 6797). None says nothing:
    /// what a browser has once been told nobody can take back, and it holds for every port of the host.
    pub hsts: Option<Duration>,
}

/// Two PEM files that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where a certificate that nobody vouches for is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SelfSigned {
    /// Nowhere: each start makes another.
    #[default]
    InMemory,
    /// In this folder; it is made once, and renewed with the same key. The hosts of the sites are its names.
    Kept(PathBuf),
}

/// Bounds that an operator may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in all; fewer where the process may not have as many descriptors.
    pub connections_max: usize,
    /// Open connections of one address: an IPv4 address, or the /64 of an IPv6 address. Unix sockets are not counted. `None` is
    /// 1024, or a quarter of all connections if that is less.
    pub connections_per_address_max: Option<usize>,
    /// Requests per second of one address, on average; 0 does not count them.
    pub requests_per_address_per_second_max: u32,
    /// Requests that an address may send at once above that average.
    pub requests_per_address_burst: u32,
    /// From a connection to the end of its TLS handshake.
    pub handshake_time_max: Duration,
    /// From the first byte of a head to its last.
    pub head_time_max: Duration,
    /// From the end of one answer to the next request.
    pub idle_time_max: Duration,
    /// From the end of a head to the end of a body that is thrown away.
    pub body_time_max: Duration,
    /// Without one byte of an answer taken by the peer.
    pub write_stall_max: Duration,
    /// Bytes per second that a peer has to take of an answer, on average from the tenth second on; 0 asks for none.
    pub write_bytes_per_second_min: u64,
    /// Bytes of files in memory, over all event loops.
    pub cache_bytes_max: usize,
    /// Folders that are watched for changes, over all event loops; files in others are compared with the disk when they
    /// were asked for last more than 50 ms ago.
    pub watched_folders_max: usize,
    /// After `shutdown`, until answers that are still being sent are cut.
    pub shutdown_time_max: Duration,
}

impl Limits {
    /// Open connections of one address, as they follow from the others where no number was asked for.
    #[must_use]
    pub fn connections_per_address(&self) -> usize {
        let quarter = (self.connections_max / 4).clamp(1, CONNECTIONS_PER_ADDRESS);
        self.connections_per_address_max.unwrap_or(quarter)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            connections_per_address_max: None,
            requests_per_address_per_second_max: 0,
            requests_per_address_burst: 100,
            handshake_time_max: Duration::from_secs(10),
            head_time_max: Duration::from_secs(10),
            idle_time_max: Duration::from_secs(60),
            body_time_max: Duration::from_secs(30),
            write_stall_max: Duration::from_secs(30),
            write_bytes_per_second_min: 240,
            cache_bytes_max: 64 * 1024 * 1024,
            watched_folders_max: 8192,
            shutdown_time_max: Duration::from_secs(30),
        }
    }
}

/// Where and how requests are logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where to.
    pub to: LogTarget,
    /// In which form.
    pub format: LogFormat,
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Appended to this file; opened again at each reload, so that it can be rotated.
    File(PathBuf),
    /// Standard output.
    StandardOutput,
}

/// The form of a line of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// The common log format of NCSA.
    Common,
    /// Common, with referrer and user agent.
    #[default]
    Combined,
    /// One JSON object a line.
    Json,
}
