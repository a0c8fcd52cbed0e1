//! Where a server listens, as a person writes it. Absent: binding, and names that need resolving: a listener
//! has addresses, names are for clients.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// A place to listen: `tcp://IP:PORT`, `tls://IP:PORT` or `unix:PATH`. `localhost` is 127.0.0.1.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ListenAddress {
    /// Plain frames.
    Tcp(SocketAddr),
    /// Frames under TLS.
    Tls(SocketAddr),
    /// A Unix-domain socket.
    Unix(PathBuf),
}

/// A text that names no place to listen.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{text:?} is no address to listen on: {what}; write tls://0.0.0.0:7447, tcp://127.0.0.1:7446 or unix:/path"
)]
pub struct AddressError {
    text: String,
    what: &'static str,
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |what| AddressError { text: text.chars().take(200).collect(), what };
        if let Some(rest) = text.strip_prefix("tcp://") {
            return socket_address(rest).map(Self::Tcp).map_err(wrong);
        }
        if let Some(rest) = text.strip_prefix("tls://") {
            return socket_address(rest).map(Self::Tls).map_err(wrong);
        }
        let Some(path) = text.strip_prefix("unix:") else {
            return Err(wrong("it starts with neither tcp://, tls:// nor unix:"));
        };
        // unix:///path, as other programs write it, is the path after two of the three slashes.
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains('\0') {
            return Err(wrong("the path of the socket is missing or has a zero byte"));
        }
        Ok(Self::Unix(path.into()))
    }
}

fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').ok_or("the port is missing")?;
    let port = port.parse().map_err(|_| "the port is not a number from 0 to 65535")?;
    if host == "localhost" {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    Err("a listener needs an IP address, in brackets when it is IPv6, not a name")
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Tls(address) => write!(f, "tls://{address}"),
            // Two slashes in front are read as those of unix:///path.
            Self::Unix(path) if path.as_os_str().as_encoded_bytes().starts_with(b"//") => {
                write!(f, "unix://{}", path.display())
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_alike() {
        for text in [
            "tcp://127.0.0.1:0",
            "tls://0.0.0.0:7447",
            "tls://[::]:7447",
            "unix:/run/switchboard.sock",
            "unix:////run/s",
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        assert_eq!("tcp://localhost:7".parse(), Ok(ListenAddress::Tcp("127.0.0.1:7".parse().unwrap())));
        assert_eq!("unix:///run/s".parse(), Ok(ListenAddress::Unix("/run/s".into())));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("http://127.0.0.1:1", "neither tcp://"),
            ("tcp://127.0.0.1", "port is missing"),
            ("tcp://127.0.0.1:70000", "not a number"),
            ("tls://example.org:7447", "not a name"),
            ("unix:", "path of the socket is missing"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(text), "{error}");
        }
    }
}
