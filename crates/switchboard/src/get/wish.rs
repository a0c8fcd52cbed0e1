//! What a person wants fetched, and what came of it, as data. Absent: how it is done.

use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderMap;
use switchboard_tls::Trust;
use url::Url;

use super::Method;
use super::fields::Fields;
use super::redirect::Downgrade;

/// Where the body goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// It is counted and hashed only.
    Nowhere,
    /// Standard output, a terminal: text alone.
    Terminal,
    /// Standard output, whatever it is.
    Output,
    /// A file, in one step when it is whole.
    File(PathBuf),
}

/// Whether a body may come compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// It is asked for, and decoded.
    Asked,
    /// It is not asked for; what comes is kept as it is.
    Declined,
}

/// Whether a part of an earlier run is gone on with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begun {
    /// Where its version can be held to.
    GoneOnWith,
    /// It is begun anew.
    Dropped,
}

/// Whether status and header fields go to standard output before the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Head {
    /// They do; so does the body of an answer that is an error.
    Shown,
    /// The body alone is shown.
    Hidden,
}

/// What a person wants.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What is fetched.
    pub url: Url,
    /// How it is asked for.
    pub method: Method,
    /// Fields for the host of `url`.
    pub fields: Fields,
    /// Where the body goes.
    pub place: Place,
    /// Parts of earlier runs.
    pub begun: Begun,
    /// Whether status and fields are shown.
    pub head: Head,
    /// Whether it may come compressed.
    pub compression: Compression,
    /// Whom to believe under https.
    pub trust: Trust,
    /// Redirects that are followed; with 0 a redirect is an answer like any other.
    pub redirects_max: u32,
    /// Whether a redirect may lead from https to http.
    pub downgrade: Downgrade,
    /// Attempts beyond the first.
    pub retries: u32,
    /// The pause before the second attempt.
    pub first_pause: Duration,
    /// For a connection.
    pub connect_timeout: Duration,
    /// For the next byte.
    pub stall_timeout: Duration,
    /// Bytes per second of a body, on average over `stall_timeout`; 0 takes any.
    pub bytes_per_second_min: u64,
    /// The largest file that is wanted.
    pub bytes_max: Option<u64>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The URL that answered, behind all redirects.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub fields: HeaderMap,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of them, in hexadecimal digits.
    pub sha256: String,
    /// Where it stands.
    pub file: Option<PathBuf>,
}
