//! Where a server may be found: `tls://host:port`, `tcp://host:port`, `unix:/path`, `stdio:COMMAND ...`,
//! and the ordered list of such nodes that a client tries. Absent: connecting, and who is believed there.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::limits::{ADDRESS_BYTES_MAX, NODES_MAX, UNIX_PATH_BYTES_MAX};

/// Port of a `tls://` address that names none.
pub const TLS_PORT_DEFAULT: u16 = 7447;

/// Port of a `tcp://` address that names none.
pub const TCP_PORT_DEFAULT: u16 = 7446;

/// One way to reach a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// TLS over TCP: the way across a network.
    Tls(HostPort),
    /// Plain TCP: on this machine, or where the user allowed it. Never carries a credential.
    Tcp(HostPort),
    /// A Unix-domain socket.
    Unix(PathBuf),
    /// A program whose standard input and output are the connection, such as
    /// `stdio:ssh host switchboard serve --stdio`.
    Stdio(CommandLine),
}

/// A host name or IP address, and a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostPort {
    /// DNS name, or IP address without brackets.
    pub host: String,
    /// TCP port, never 0.
    pub port: u16,
}

/// A program and its arguments; no shell reads them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandLine {
    /// Looked up in `PATH` unless it holds a slash.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Why a text is not an address, or an address cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressError {
    /// Not one of the four schemes.
    #[error(
        "{0:?} is not the address of a server; write tls://HOST:PORT, tcp://HOST:PORT, unix:/PATH or stdio:COMMAND"
    )]
    UnknownScheme(String),
    /// Nothing where the host should be.
    #[error("{0:?} names no host; write it as tls://HOST:PORT")]
    NoHost(String),
    /// The host holds what no host name can hold.
    #[error("{0:?} has a malformed host; write a name, an IPv4 address, or an IPv6 address in brackets")]
    BadHost(String),
    /// The port is not 1 to 65535.
    #[error("{0:?} has a malformed port; write a number from 1 to 65535")]
    BadPort(String),
    /// A Unix socket without its path, or with one that is not absolute.
    #[error("{0:?} names no absolute path; write it as unix:/PATH")]
    BadPath(String),
    /// The kernel's limit on the path of a Unix socket.
    #[error(
        "the socket path {path:?} is {bytes} bytes long, more than the {UNIX_PATH_BYTES_MAX} the system allows; use a shorter folder"
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        bytes: usize,
    },
    /// `stdio:` without a program.
    #[error("{0:?} names no program; write it as stdio:ssh HOST switchboard serve --stdio")]
    NoProgram(String),
    /// Quotes and other signs that only a shell would understand.
    #[error(
        "{0:?} holds a quote or backslash, which no shell will read here; put the command into a script and name that"
    )]
    ShellSyntax(String),
    /// Longer than any sensible address.
    #[error(
        "the address starting with {0:?} is over {ADDRESS_BYTES_MAX} bytes long; put a long command into a script"
    )]
    TooLong(String),
    /// Plain text to another machine.
    #[error(
        "{0} would carry calls unencrypted to another machine; use tls://, or add --allow-plaintext if the network is trusted"
    )]
    Plaintext(HostPort),
    /// An empty list.
    #[error("no server is named; give at least one address, such as tls://HOST:{TLS_PORT_DEFAULT}")]
    NoNodes,
    /// A list that is too long.
    #[error("{0} servers are named, more than {NODES_MAX}; name those that serve the same store")]
    TooManyNodes(usize),
}

/// Whether `tcp://` may leave this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Plaintext {
    /// Only to a loopback address.
    #[default]
    LoopbackOnly,
    /// Anywhere: the user says that the network is trusted.
    Anywhere,
}

/// The servers of one store, in the order in which they are tried; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nodes(Vec<Address>);

impl Nodes {
    /// A list of nodes that serve the same store.
    ///
    /// # Errors
    /// When it is empty, longer than [`NODES_MAX`], or would send plain text to another machine although
    /// `plaintext` forbids it.
    pub fn new(addresses: Vec<Address>, plaintext: Plaintext) -> Result<Self, AddressError> {
        match addresses.len() {
            0 => return Err(AddressError::NoNodes),
            count if count > NODES_MAX => return Err(AddressError::TooManyNodes(count)),
            _ => {}
        }
        addresses.iter().try_for_each(|address| address.check(plaintext))?;
        Ok(Self(addresses))
    }

    /// The node to try on the attempt with this number, counted from 0: each in turn.
    #[must_use]
    pub fn at(&self, attempt: usize) -> &Address {
        &self.0[attempt % self.0.len()]
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Address {
    /// Whether a secret may travel there: everywhere but on plain TCP.
    #[must_use]
    pub fn may_carry_credential(&self) -> bool {
        match self {
            Self::Tls(_) | Self::Unix(_) | Self::Stdio(_) => true,
            Self::Tcp(_) => false,
        }
    }

    fn check(&self, plaintext: Plaintext) -> Result<(), AddressError> {
        match (self, plaintext) {
            (Self::Tcp(target), Plaintext::LoopbackOnly) if !target.is_loopback() => {
                Err(AddressError::Plaintext(target.clone()))
            }
            (Self::Tcp(_) | Self::Tls(_) | Self::Unix(_) | Self::Stdio(_), _) => Ok(()),
        }
    }
}

impl HostPort {
    /// Whether it certainly names this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    fn parse(text: &str, rest: &str, port_default: u16) -> Result<Self, AddressError> {
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, after) =
                    bracketed.split_once(']').ok_or_else(|| AddressError::BadHost(text.into()))?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| AddressError::BadHost(text.into()))?;
                (host, if after.is_empty() { None } else { Some(after) })
            }
            None if rest.matches(':').count() > 1 => return Err(AddressError::BadHost(text.into())),
            None => {
                let cut = rest.find(':').unwrap_or(rest.len());
                (&rest[..cut], if cut == rest.len() { None } else { Some(&rest[cut..]) })
            }
        };
        if host.is_empty() {
            return Err(AddressError::NoHost(text.into()));
        }
        if !rest.starts_with('[') && !is_host_name(host) {
            return Err(AddressError::BadHost(text.into()));
        }
        let port = match port {
            None => port_default,
            Some(after) => after
                .strip_prefix(':')
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .filter(|port| *port != 0)
                .ok_or_else(|| AddressError::BadPort(text.into()))?,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Letters, digits, hyphens, dots and underscores: names as DNS and /etc/hosts hold them, and IPv4.
fn is_host_name(host: &str) -> bool {
    host.len() <= 253 && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong(text.chars().take(40).collect()));
        }
        if let Some(rest) = text.strip_prefix("tls://") {
            return HostPort::parse(text, rest, TLS_PORT_DEFAULT).map(Self::Tls);
        }
        if let Some(rest) = text.strip_prefix("tcp://") {
            return HostPort::parse(text, rest, TCP_PORT_DEFAULT).map(Self::Tcp);
        }
        if let Some(rest) = text.strip_prefix("unix:") {
            return unix(text, rest).map(Self::Unix);
        }
        match text.strip_prefix("stdio:") {
            Some(rest) => CommandLine::parse(text, rest).map(Self::Stdio),
            None => Err(AddressError::UnknownScheme(text.into())),
        }
    }
}

fn unix(text: &str, rest: &str) -> Result<PathBuf, AddressError> {
    // unix:///path is how some programs write it.
    let path = Path::new(rest.strip_prefix("//").unwrap_or(rest));
    if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(AddressError::BadPath(text.into()));
    }
    match path.as_os_str().len() {
        bytes if bytes > UNIX_PATH_BYTES_MAX => Err(AddressError::PathTooLong { path: path.into(), bytes }),
        _ => Ok(path.into()),
    }
}

impl CommandLine {
    fn parse(text: &str, rest: &str) -> Result<Self, AddressError> {
        if rest.contains(['\'', '"', '\\']) {
            return Err(AddressError::ShellSyntax(text.into()));
        }
        let mut words = rest.split_ascii_whitespace().map(str::to_owned);
        let program = words.next().ok_or_else(|| AddressError::NoProgram(text.into()))?;
        Ok(Self { program, arguments: words.collect() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(target) => write!(f, "tls://{target}"),
            Self::Tcp(target) => write!(f, "tcp://{target}"),
            // Two slashes in front are read as those of unix:///path.
            Self::Unix(path) if path.as_os_str().as_encoded_bytes().starts_with(b"//") => {
                write!(f, "unix://{}", path.display())
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Stdio(command) => {
                write!(f, "stdio:{}", command.program)?;
                command.arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
            }
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests;
