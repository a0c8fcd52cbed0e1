//! What a client process is told when it starts: in one environment variable, because it is this very test program again.
//! Absent: what it does.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Carries the errand as JSON.
pub(crate) const VARIABLE: &str = "SWITCHBOARD_KILL_ERRAND";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Errand {
    pub(crate) seed: u64,
    /// Which of the clients.
    pub(crate) client: u64,
    /// The server's address.
    pub(crate) address: String,
    /// The key that a `tls://` server must hold.
    pub(crate) pin: Option<String>,
    /// The operator key, where the transport does not say who we are.
    pub(crate) operator_key: Option<PathBuf>,
    pub(crate) journal: PathBuf,
    pub(crate) notes: PathBuf,
    /// Where further notes go, when the file is only read: a terminal device that leads out of the machine.
    pub(crate) console: Option<PathBuf>,
    /// An account with enough on it for everybody.
    pub(crate) rich: i64,
    /// An account that is soon empty.
    pub(crate) poor: i64,
    /// Whether the server has the example's service.
    pub(crate) seats: bool,
}

impl Errand {
    /// That of this process, if it is a client process.
    pub(crate) fn of_this_process() -> Option<Self> {
        let text = std::env::var(VARIABLE).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap()
    }
}
