//! Section `[listen]`: the addresses of the server. Everything is on loopback and the Unix socket unless told otherwise;
//! plain TCP off loopback needs a word of consent. Absent: limits, which have their own section.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use switchboard_server::{ListenAddress, Plaintext};

use super::value::{Kind, Setting, Values};
use super::{ConfigError, Origin};

/// The settings of this section.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen.tls",
        kind: Kind::List,
        default: "127.0.0.1:7447",
        meaning: "addresses for tls:// clients",
    },
    Setting {
        key: "listen.tcp",
        kind: Kind::List,
        default: "",
        meaning: "addresses for tcp:// clients, not encrypted",
    },
    Setting {
        key: "listen.unix",
        kind: Kind::Text,
        default: "socket",
        meaning: "path of the Unix socket, from the data folder; empty for none",
    },
    Setting {
        key: "listen.allow_plaintext",
        kind: Kind::Flag,
        default: "false",
        meaning: "permit listen.tcp off loopback, where anybody on the way reads and alters",
    },
    Setting {
        key: "listen.trust_loopback",
        kind: Kind::Flag,
        default: "false",
        meaning: "take every tcp:// client on loopback for the operator",
    },
    Setting {
        key: "listen.names",
        kind: Kind::List,
        default: "",
        meaning: "further names and addresses for the certificate that the server makes itself",
    },
    Setting {
        key: "listen.certificate",
        kind: Kind::Text,
        default: "",
        meaning: "certificate file (PEM) of your own, instead of the one the server makes",
    },
    Setting {
        key: "listen.key",
        kind: Kind::Text,
        default: "",
        meaning: "private key file (PEM) of that certificate",
    },
];

/// Where the server listens.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Every address, TLS first.
    pub addresses: Vec<ListenAddress>,
    /// Where plain TCP may listen.
    pub plaintext: Plaintext,
    /// Every plain client on loopback is the operator.
    pub trust_loopback: bool,
    /// Further names for the self-made certificate.
    pub names: Vec<String>,
    /// A certificate and key of the operator's own.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl Listen {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        const ADDRESS: &str = "a list of IP address and port, as in [\"127.0.0.1:7447\", \"[::1]:7447\"]";
        let tls: Vec<SocketAddr> = values.parsed_list("listen.tls", ADDRESS)?;
        let tcp: Vec<SocketAddr> = values.parsed_list("listen.tcp", ADDRESS)?;
        let allowed = values.flag("listen.allow_plaintext");
        let exposed = tcp.iter().find(|address| !address.ip().to_canonical().is_loopback());
        if let Some(address) = exposed.filter(|_| !allowed) {
            return Err(ConfigError::Together(format!(
                "listen.tcp would offer unencrypted calls on {address}, which is not loopback: anybody on the way could read \
                 and alter them. Use listen.tls, or say listen.allow_plaintext = true if the network itself is protected"
            )));
        }
        let unix = values.path("listen.unix").map(ListenAddress::Unix);
        let tcp = tcp.into_iter().map(ListenAddress::Tcp);
        Ok(Self {
            addresses: tls.into_iter().map(ListenAddress::Tls).chain(tcp).chain(unix).collect(),
            plaintext: if allowed { Plaintext::Anywhere } else { Plaintext::LoopbackOnly },
            trust_loopback: values.flag("listen.trust_loopback"),
            names: values.list("listen.names").to_vec(),
            certificate: certificate(values)?,
        })
    }

    /// The Unix socket, where the command line finds the server.
    #[must_use]
    pub fn unix(&self) -> Option<&Path> {
        self.addresses.iter().find_map(|address| match address {
            ListenAddress::Unix(path) => Some(path.as_path()),
            ListenAddress::Tcp(_) | ListenAddress::Tls(_) => None,
        })
    }
}

fn certificate(values: &Values) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
    match (values.path("listen.certificate"), values.path("listen.key")) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (certificate, _) => {
            let missing = if certificate.is_some() { "listen.key" } else { "listen.certificate" };
            let why = "set, because listen.certificate and listen.key go together".to_owned();
            Err(ConfigError::value(missing, &Origin::Default, why))
        }
    }
}
