//! Who is asking: from what the transport proves and what the hello presents. Absent: what each may do (the
//! engine's `permit`).

use std::fmt;
use std::net::SocketAddr;

use rustix::process::Uid;
use subtle::ConstantTimeEq;
use switchboard_call::frame::{Goodbye, GoodbyeReason};
use switchboard_engine::Principal;

use crate::run::Config;

/// The key that makes its bearer an operator. Never printed.
#[derive(Clone)]
pub struct OperatorKey([u8; 32]);

impl OperatorKey {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// In the same time wherever they differ.
    fn opens_to(&self, credential: &[u8]) -> bool {
        self.0.ct_eq(credential).into()
    }
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorKey(..)")
    }
}

/// Where a connection comes from, as far as the transport proves it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// In the clear.
    Tcp(SocketAddr),
    /// Under TLS.
    Tls(SocketAddr),
    /// A process of this machine; its user by SO_PEERCRED.
    Unix { uid: Option<Uid> },
    /// The streams that this process was started with.
    Pipe,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Tls(address) => write!(f, "tls {address}"),
            Self::Unix { uid: Some(uid) } => write!(f, "unix uid {}", uid.as_raw()),
            Self::Unix { uid: None } => write!(f, "unix"),
            Self::Pipe => write!(f, "pipe"),
        }
    }
}

/// The principal of a connection from `origin` whose hello presented `credential`, or the goodbye it gets.
pub(crate) fn decide(
    config: &Config,
    origin: Origin,
    credential: Option<&[u8]>,
) -> Result<Principal, Goodbye> {
    match (origin, credential) {
        (Origin::Tcp(_), Some(_)) => Err(bad_credential(
            "a credential came over plain TCP, where anyone on the way can read it; replace it if the network is \
             not yours alone, and connect by tls:// or the Unix socket",
        )),
        (Origin::Tls(_) | Origin::Unix { .. } | Origin::Pipe, Some(credential)) => {
            if config.operator_key.opens_to(credential) {
                return Ok(Principal::Operator);
            }
            Err(bad_credential(
                "the credential in the hello opens nothing here; use the operator key of this server's data \
                 folder, or connect without one",
            ))
        }
        (Origin::Tcp(peer), None) if config.trust_loopback && peer.ip().to_canonical().is_loopback() => {
            Ok(Principal::Operator)
        }
        (Origin::Tcp(_) | Origin::Tls(_), None) => Ok(Principal::Anonymous),
        (Origin::Unix { uid }, None) if uid == Some(rustix::process::geteuid()) => Ok(Principal::Operator),
        (Origin::Unix { .. }, None) => Ok(Principal::Anonymous),
        // Whoever started this process opened the data folder with it.
        (Origin::Pipe, None) => Ok(Principal::Operator),
    }
}

fn bad_credential(text: &str) -> Goodbye {
    Goodbye::new(GoodbyeReason::BadCredential, text)
}
