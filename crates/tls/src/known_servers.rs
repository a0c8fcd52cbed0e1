//! The servers a client has met and the fingerprints they showed: a text file, one line `host:port fingerprint` for each,
//! which a person may edit (`#` starts a comment line). Processes that share the file wait for each other.
//!
//! Absent: replacing an entry. A changed fingerprint is a person's decision, made by removing the line.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustls::pki_types::{DnsName, ServerName};

use crate::certificate::SubjectName;
use crate::durable_file::{failed, read_open, sync_folder};
use crate::limits::KNOWN_SERVERS_BYTES_MAX;
use crate::{Fingerprint, TlsError, TrustRefusal};

/// The host and the port by which a client knows a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerAddress {
    host: SubjectName,
    port: u16,
}

impl ServerAddress {
    /// `host` is a host name or an IP address without brackets. Errors with [`TlsError::Name`].
    pub fn new(host: &str, port: u16) -> Result<Self, TlsError> {
        Ok(Self { host: SubjectName::parse(host)?, port })
    }

    pub(crate) fn server_name(&self) -> ServerName<'static> {
        match &self.host {
            SubjectName::Ip(address) => ServerName::from(*address),
            SubjectName::Dns(host) => DnsName::try_from(host.clone())
                .map(ServerName::DnsName)
                .expect("a SubjectName holds only host names that DnsName accepted"),
        }
    }
}

/// `host:port`, with brackets around an IPv6 address.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            SubjectName::Dns(host) => write!(f, "{host}:{}", self.port),
            SubjectName::Ip(address) => std::net::SocketAddr::new(*address, self.port).fmt(f),
        }
    }
}

impl FromStr for ServerAddress {
    type Err = TlsError;

    /// Reads `host:port`. Errors with [`TlsError::Address`].
    fn from_str(text: &str) -> Result<Self, TlsError> {
        let malformed = || TlsError::Address { text: text.chars().take(300).collect() };
        let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
        let port = port.parse().map_err(|_| malformed())?;
        match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => Ok(Self { host: SubjectName::Ip(v6.parse().map_err(|_| malformed())?), port }),
            None if host.contains(':') => Err(malformed()),
            None => Self::new(host, port).map_err(|_| malformed()),
        }
    }
}

/// The file of known servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownServers {
    path: PathBuf,
}

impl KnownServers {
    /// The file at `path`, which need not exist yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The fingerprint recorded for `server`. Errors when the file cannot be read or a line of it is damaged.
    pub fn lookup(&self, server: &ServerAddress) -> Result<Option<Fingerprint>, TlsError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed("open the file", &self.path, source)),
        };
        file.lock_shared().map_err(|source| failed("lock the file", &self.path, source))?;
        Ok(self.parse(&read_open(&file, &self.path, KNOWN_SERVERS_BYTES_MAX)?)?.remove(server))
    }

    /// Records `fingerprint` for `server`, flushed to disk; true when it is new. Errors with
    /// [`TrustRefusal::IdentityChanged`] when another one is recorded, and when the file cannot be used.
    pub fn remember(&self, server: &ServerAddress, fingerprint: Fingerprint) -> Result<bool, TlsError> {
        let mut file = self.open_to_append()?;
        let contents = read_open(&file, &self.path, KNOWN_SERVERS_BYTES_MAX)?;
        match self.parse(&contents)?.remove(server) {
            Some(known) if known == fingerprint => return Ok(false),
            Some(known) => return Err(self.changed(server, known, fingerprint).into()),
            None => {}
        }
        let separator = if contents.last().is_none_or(|last| *last == b'\n') { "" } else { "\n" };
        let line = format!("{separator}{server} {fingerprint}\n");
        if contents.len() + line.len() > usize::try_from(KNOWN_SERVERS_BYTES_MAX).unwrap_or(usize::MAX) {
            return Err(TlsError::FileTooLarge {
                path: self.path.clone(),
                bytes_max: KNOWN_SERVERS_BYTES_MAX,
            });
        }
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|source| failed("add a line to the file", &self.path, source))?;
        self.path.parent().map_or(Ok(()), sync_folder)?;
        Ok(true)
    }

    pub(crate) fn changed(
        &self,
        server: &ServerAddress,
        known: Fingerprint,
        presented: Fingerprint,
    ) -> TrustRefusal {
        TrustRefusal::IdentityChanged { server: server.clone(), known, presented, path: self.path.clone() }
    }

    fn open_to_append(&self) -> Result<File, TlsError> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|source| failed("make the folder", folder, source))?;
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)
            .map_err(|source| failed("open the file", &self.path, source))?;
        file.lock().map_err(|source| failed("lock the file", &self.path, source))?;
        Ok(file)
    }

    /// One damaged or contradictory line spoils the file: what it said may have been the refusal of an impostor.
    fn parse(&self, contents: &[u8]) -> Result<BTreeMap<ServerAddress, Fingerprint>, TlsError> {
        let mut known = BTreeMap::new();
        for (index, line) in contents.split(|byte| *byte == b'\n').enumerate() {
            let damaged = || TlsError::KnownServersDamaged { path: self.path.clone(), line: index + 1 };
            let line = str::from_utf8(line).map_err(|_| damaged())?.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (server, fingerprint) = line.split_once(char::is_whitespace).ok_or_else(damaged)?;
            let server = server.parse().map_err(|_| damaged())?;
            let fingerprint = fingerprint.trim_start().parse().map_err(|_| damaged())?;
            if known.insert(server, fingerprint).is_some_and(|earlier| earlier != fingerprint) {
                return Err(damaged());
            }
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests;
