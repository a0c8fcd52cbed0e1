//! From what a person calls a target to its address. Absent: a second try when a name does not resolve.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::harmless;

/// A target as it was named, and its address.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) address: SocketAddr,
}

/// Which addresses will do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    Any,
    Four,
    Six,
}

impl Named {
    /// Finds the first address of `HOST`, `HOST:PORT`, `ADDRESS` or `[ADDRESS]:PORT`.
    pub(super) fn resolve(text: &str, default_port: u16, family: Family) -> Result<Self, Failure> {
        let (host, port) = split(text, default_port)?;
        let fits = |address: &SocketAddr| match family {
            Family::Any => true,
            Family::Four => address.is_ipv4(),
            Family::Six => address.is_ipv6(),
        };
        let shown = harmless(host);
        let addresses = (host, port).to_socket_addrs().map_err(|error| {
            Failure::new(Exit::Usage, format!("{shown} does not resolve"))
                .because(error)
                .advise("check the name, or give the address itself")
        })?;
        let address = addresses.into_iter().map(unmapped).find(fits).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("{shown} has no address of the family that was asked for"))
                .advise("leave out -4 or -6")
        })?;
        Ok(Self { name: harmless(text), address })
    }
}

/// Of an IPv4 address in IPv6's clothes (RFC 4291 §2.5.5.2), the IPv4 address: that is what travels.
fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        v4 @ IpAddr::V4(_) => SocketAddr::new(v4, address.port()),
        IpAddr::V6(_) => address,
    }
}

fn split(text: &str, default_port: u16) -> Result<(&str, u16), Failure> {
    let wrong = || {
        Failure::new(Exit::Usage, format!("{} is no target", harmless(text)))
            .advise("write HOST, HOST:PORT, an address, or [ADDRESS]:PORT")
    };
    let port = |port: &str| port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong);
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text, default_port));
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, default_port),
        Some((host, behind)) => (host, port(behind.strip_prefix(':').ok_or_else(wrong)?)?),
        None => match text.split_once(':') {
            Some((host, digits)) => (host, port(digits)?),
            None => (text, default_port),
        },
    };
    if host.is_empty() { Err(wrong()) } else { Ok((host, port)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_split_or_refused() {
        let split = |text| split(text, 862).ok();
        assert_eq!(split("host"), Some(("host", 862)));
        assert_eq!(split("host:7"), Some(("host", 7)));
        assert_eq!(split("::1"), Some(("::1", 862)));
        assert_eq!(split("[::1]"), Some(("::1", 862)));
        assert_eq!(split("[::1]:7"), Some(("::1", 7)));
        for wrong in ["", ":7", "host:", "host:x", "host:0", "host:65536", "[::1]7", "[]:7"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }
}
