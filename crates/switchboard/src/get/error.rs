//! What can go wrong with a fetch: what happened, why, what to do next, and whether another attempt may fare better. Absent:
//! exit codes, which stand with the other failures of the program, and values of fields, which may be secrets.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;
use switchboard_tls::TlsError;
use thiserror::Error;

use super::retry;

/// Why there is no file.
#[derive(Debug, Error)]
pub enum GetError {
    /// The target is no URL that can be fetched.
    #[error("{text:?} cannot be fetched: {why}")]
    Url {
        /// What was written, shortened.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// A header field cannot be sent.
    #[error("the header field {name:?} cannot be sent: {why}")]
    Field {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The URL ends with no name.
    #[error("{url} names no file; say where to keep it with -o FILE")]
    NoName {
        /// The URL.
        url: String,
    },
    /// The environment names a proxy that cannot be used.
    #[error(
        "{proxy} cannot be used as a proxy: only http:// proxies are; correct the variables http_proxy, https_proxy and all_proxy, or name the host in no_proxy"
    )]
    ProxyScheme {
        /// Scheme and host of the proxy.
        proxy: String,
    },
    /// The proxy does not open the tunnel.
    #[error(
        "the proxy {proxy} does not connect to {host}: it answered {status}; correct https_proxy, or name the host in no_proxy"
    )]
    Proxy {
        /// The proxy.
        proxy: String,
        /// Where to.
        host: String,
        /// What it answered.
        status: StatusCode,
    },
    /// A name has no address.
    #[error("{host} cannot be found; check the name and the network")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's answer.
        source: io::Error,
    },
    /// Nobody answers at the address.
    #[error("cannot connect to {host}; check that a server listens there, the port and the network")]
    Connect {
        /// Host and port.
        host: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The connection is not secure.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Something took too long.
    #[error("{what} within {} s; try again, or allow more with {flag}", seconds.as_secs_f64())]
    TimedOut {
        /// What did not happen.
        what: String,
        /// The bound.
        seconds: Duration,
        /// The flag that raises it.
        flag: &'static str,
    },
    /// Bytes came, and too few of them.
    #[error(
        "only {} came from {host} within {} s, where {bytes_per_second_min} a second are wanted; try again, or want less with --min-rate",
        counted(*bytes), seconds.as_secs_f64().round()
    )]
    TooSlow {
        /// Host and port.
        host: String,
        /// What came.
        bytes: u64,
        /// While it was waited for.
        seconds: Duration,
        /// The bound.
        bytes_per_second_min: u64,
    },
    /// The connection ended before the answer began.
    #[error(
        "{host} ended the connection without an answer; try again, and check that the port is one of HTTP"
    )]
    NoAnswer {
        /// Host and port.
        host: String,
        /// What the HTTP library says.
        source: hyper::Error,
    },
    /// The other side does not speak HTTP.
    #[error("{host} does not answer in HTTP; check the port, and whether it is http:// or https://")]
    NotHttp {
        /// Host and port.
        host: String,
        /// What the HTTP library says.
        source: hyper::Error,
    },
    /// The body ended early.
    #[error("the body broke off after {}{}", counted(*received), of(*expected))]
    CutShort {
        /// Bytes that arrived in this answer.
        received: u64,
        /// Bytes that were announced.
        expected: Option<u64>,
        /// What the HTTP library says.
        source: hyper::Error,
    },
    /// A status that nobody asked for.
    #[error(
        "{host} answered {status}, which nothing asked for and which brings no file; check the URL, and what answers there"
    )]
    Unasked {
        /// Host and port.
        host: String,
        /// The status.
        status: StatusCode,
    },
    /// Where the body ends can be read in two ways.
    #[error(
        "the answer of {host} {why}: programs on the way may see another end of it, and another file; tell who runs that server or proxy"
    )]
    Framing {
        /// Host and port.
        host: String,
        /// How.
        why: &'static str,
    },
    /// The answer contradicts itself or the request.
    #[error("{host} answered what was not asked: {why}; without --continue the file is fetched whole")]
    Contradiction {
        /// Host and port.
        host: String,
        /// How.
        why: String,
    },
    /// The body cannot be decoded.
    #[error(
        "the body cannot be decoded as {coding}; it is damaged or broke off: try again, or without --compressed"
    )]
    Decode {
        /// The content coding.
        coding: &'static str,
        /// What the decoder says.
        source: io::Error,
    },
    /// A content coding nobody asked for and nobody here knows.
    #[error("the body is coded as {coding:?}, which this program does not decode; try without --compressed")]
    UnknownCoding {
        /// The content coding.
        coding: String,
    },
    /// A redirect leads nowhere.
    #[error("the redirect of {from} cannot be followed: {why}")]
    Redirect {
        /// The URL that was answered so.
        from: String,
        /// What is wrong with it.
        why: String,
    },
    /// A redirect leads from https to http.
    #[error(
        "{from} redirects to {to}, which is not encrypted: anybody on the way could change the file. Fetch that URL if you mean it, or add --allow-downgrade"
    )]
    Downgrade {
        /// The URL that was answered so.
        from: String,
        /// Where it leads.
        to: String,
    },
    /// Redirects do not end.
    #[error(
        "gave up after {count} redirects, the last to {to}; it is a loop, or allow more with --max-redirects"
    )]
    RedirectsTooMany {
        /// How many were followed.
        count: u32,
        /// Where the last one leads.
        to: String,
    },
    /// The server said no, or failed.
    #[error("{url}: {status}")]
    Status {
        /// The URL.
        url: String,
        /// The status.
        status: StatusCode,
        /// When the server wants to be asked again.
        asked_pause: Option<Duration>,
    },
    /// The system refused an operation on a file.
    #[error("cannot {action} {}; check the folder, its permissions and the room on the disk", path.display())]
    File {
        /// What was tried, fitting after "cannot".
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Where the file should be is something that cannot be written.
    #[error("{} {why}; name another file with -o", path.display())]
    Place {
        /// The path.
        path: PathBuf,
        /// What is there.
        why: &'static str,
    },
    /// Another run writes the same part.
    #[error("another program writes {}; wait until it ends, or name another file with -o", path.display())]
    InUse {
        /// The part.
        path: PathBuf,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output")]
    Output {
        /// The system's answer.
        source: io::Error,
    },
    /// The file is not text and would go to a terminal.
    #[error(
        "this is no text, and could steer the terminal; keep it with -o FILE or -O, or print it all the same with -o -"
    )]
    Binary,
    /// The file is larger than the person wants.
    #[error("the file is larger than {}; allow more with --max-size", counted(*max))]
    TooLarge {
        /// The bound, in bytes.
        max: u64,
    },
}

impl GetError {
    /// Whether the same request may fare better later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::TimedOut { .. }
            | Self::TooSlow { .. }
            | Self::NoAnswer { .. }
            | Self::CutShort { .. } => true,
            Self::Tls(error) => error.is_transient(),
            Self::Status { status, .. } | Self::Proxy { status, .. } => retry::may_pass(*status),
            Self::Url { .. }
            | Self::Field { .. }
            | Self::NoName { .. }
            | Self::ProxyScheme { .. }
            | Self::NotHttp { .. }
            | Self::Unasked { .. }
            | Self::Framing { .. }
            | Self::Contradiction { .. }
            | Self::Decode { .. }
            | Self::UnknownCoding { .. }
            | Self::Redirect { .. }
            | Self::Downgrade { .. }
            | Self::RedirectsTooMany { .. }
            | Self::File { .. }
            | Self::Place { .. }
            | Self::InUse { .. }
            | Self::Output { .. }
            | Self::Binary
            | Self::TooLarge { .. } => false,
        }
    }

    /// The pause that the server asked for.
    pub(super) fn asked_pause(&self) -> Option<Duration> {
        if let Self::Status { asked_pause, .. } = self { *asked_pause } else { None }
    }
}

/// So many bytes, in words.
#[must_use]
pub fn counted(bytes: u64) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

fn of(expected: Option<u64>) -> String {
    expected.map(|bytes| format!(" of {bytes}")).unwrap_or_default()
}
