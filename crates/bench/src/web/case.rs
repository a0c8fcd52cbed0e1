//! What is asked of a web server: the matrix of cases.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Connections of most loads.
pub const CONNECTIONS: u16 = 64;
/// Requests in flight on each connection where they are pipelined.
pub const PIPELINED: u16 = 16;
/// Streams on each connection of HTTP/2.
pub const STREAMS: u16 = 32;
/// Connections that wait while memory is looked at.
pub const IDLE_CONNECTIONS: u16 = 1000;
/// Requests a second of the steady load, over all connections: about half of what the slower peers can do.
pub const STEADY_PER_SECOND: u16 = 10_000;

/// A load that is put on the peers one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Case {
    /// A file of 1 KiB, one request in flight on each connection.
    Small,
    /// The same, 16 in flight.
    Pipelined,
    /// The same file to a client that has it.
    NotModified,
    /// A file that is not there.
    NotFound,
    /// A file of 100 KiB.
    Medium,
    /// A file of 10 MiB.
    Large,
    /// 1 KiB on a new connection each.
    Connect,
    /// 1 KiB at fixed times, for latency.
    Steady,
    /// What the server occupies, alone and with idle connections.
    Memory,
    /// 1 KiB over HTTP/1.1 under TLS.
    TlsSmall,
    /// 1 KiB on a new TLS connection each, nothing resumed.
    TlsConnect,
    /// 1 KiB over HTTP/2.
    Http2,
}

/// All of them, in the order in which they are run and shown.
pub const MATRIX: &[Case] = &[
    Case::Small,
    Case::Pipelined,
    Case::NotModified,
    Case::NotFound,
    Case::Medium,
    Case::Large,
    Case::Connect,
    Case::Steady,
    Case::Memory,
    Case::TlsSmall,
    Case::TlsConnect,
    Case::Http2,
];

impl Case {
    /// Whether it needs TLS.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        match self {
            Self::TlsSmall | Self::TlsConnect | Self::Http2 => true,
            Self::Small
            | Self::Pipelined
            | Self::NotModified
            | Self::NotFound
            | Self::Medium
            | Self::Large
            | Self::Connect
            | Self::Steady
            | Self::Memory => false,
        }
    }

    /// For a reader.
    #[must_use]
    pub fn title(self) -> String {
        let many = format!("{CONNECTIONS} connections");
        match self {
            Self::Small => format!("1 KiB, {many}"),
            Self::Pipelined => format!("1 KiB, {many}, {PIPELINED} requests in flight on each"),
            Self::NotModified => format!("304 Not Modified, {many}"),
            Self::NotFound => format!("404 Not Found, {many}"),
            Self::Medium => format!("100 KiB, {many}"),
            Self::Large => format!("10 MiB, {many}"),
            Self::Connect => format!("1 KiB, a new connection each, {CONNECTIONS} at a time"),
            Self::Steady => format!("1 KiB, {STEADY_PER_SECOND} requests a second over {many}"),
            Self::Memory => format!("Memory, alone and with {IDLE_CONNECTIONS} idle connections"),
            Self::TlsSmall => format!("1 KiB, TLS, {many}"),
            Self::TlsConnect => format!("1 KiB, a new TLS connection each, {CONNECTIONS} at a time"),
            Self::Http2 => format!("1 KiB, HTTP/2, {many}, {STREAMS} streams on each"),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "1k",
            Self::Pipelined => "1k-pipelined",
            Self::NotModified => "304",
            Self::NotFound => "404",
            Self::Medium => "100k",
            Self::Large => "10m",
            Self::Connect => "connect",
            Self::Steady => "steady",
            Self::Memory => "memory",
            Self::TlsSmall => "tls-1k",
            Self::TlsConnect => "tls-connect",
            Self::Http2 => "h2",
        })
    }
}

crate::by_name::by_name!(Case, "case", MATRIX);
