//! Section `[client]`: which servers the command line speaks to and whom it believes. Without `nodes` it speaks to the Unix
//! socket of its data folder. Absent: credentials themselves; a setting
//! names the file of one.

use std::path::PathBuf;

use switchboard_call::client::LinkKind;

use super::ConfigError;
use super::value::{Kind, Setting, Values};

/// The settings of this section.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "client.nodes",
        kind: Kind::List,
        default: "",
        meaning: "servers to try in turn, as in [\"tls://bank.example.org:7447\"]; none for the server of the data folder",
    },
    Setting {
        key: "client.trust",
        kind: Kind::Text,
        default: "first-use",
        meaning: "whom to believe over TLS: first-use (remember the key seen first), system, or the path of a CA file",
    },
    Setting {
        key: "client.pin",
        kind: Kind::Text,
        default: "",
        meaning: "the only server key to believe, as the server prints it: sha256:...",
    },
    Setting {
        key: "client.operator_key",
        kind: Kind::Text,
        default: "",
        meaning: "file of the key that makes us the operator at a tls:// server (keys/operator.key of its data folder)",
    },
    Setting {
        key: "client.link",
        kind: Kind::Text,
        default: "stream",
        meaning: "stream, or lossy behind the laboratory's proxy: single frames are lost, so they are sent again",
    },
    Setting {
        key: "client.wait_ms",
        kind: Kind::Number,
        default: "30000",
        meaning: "how long a command waits for its answer before it leaves the call open, in milliseconds",
    },
];

/// Longest wait for an answer, one day.
const WAIT_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// Which servers the command line speaks to, and whom it believes.
#[derive(Clone, Debug)]
pub struct Client {
    /// Server addresses as written; empty for the Unix socket of the data folder.
    pub nodes: Vec<String>,
    /// Whom to believe over TLS.
    pub trust: Trust,
    /// The file of the operator key that is presented; none to come without a credential.
    pub operator_key: Option<PathBuf>,
    /// What the bytes travel on.
    pub link: LinkKind,
    /// How long a command waits for its answer, in milliseconds.
    pub wait_ms: u64,
}

/// Whom to believe over TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trust {
    /// The key seen at the first connection.
    FirstUse,
    /// The authorities of this machine.
    System,
    /// The authorities in this file.
    CaFile(PathBuf),
    /// This key and no other.
    Pin(String),
}

impl Client {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let pin = values.text("client.pin");
        let trust = match values.text("client.trust") {
            _ if !pin.is_empty() => Trust::Pin(pin.to_owned()),
            "first-use" => Trust::FirstUse,
            "system" => Trust::System,
            "" => {
                return Err(values.wrong("client.trust", "first-use, system or the path of a CA file".into()));
            }
            _ => Trust::CaFile(values.path("client.trust").expect("the text is not empty")),
        };
        let link = match values.text("client.link") {
            "stream" => LinkKind::Stream,
            "lossy" => LinkKind::Lossy,
            _ => return Err(values.wrong("client.link", "stream or lossy".to_owned())),
        };
        Ok(Self {
            nodes: values.list("client.nodes").to_vec(),
            trust,
            operator_key: values.path("client.operator_key"),
            link,
            wait_ms: values.number("client.wait_ms", 1..=WAIT_MS_MAX)?,
        })
    }
}
