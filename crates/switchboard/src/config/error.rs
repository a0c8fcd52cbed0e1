//! What can be wrong with a configuration: always the key, the place, and what would be right.

use std::io;
use std::path::PathBuf;

use switchboard_tls::TlsError;

use super::value::Origin;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}; check the path and its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{} line {line} is not TOML: {why}; correct it and run `switchboard config check`", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What the parser expected.
        why: String,
    },
    /// The file is longer than a configuration is.
    #[error("the configuration file {} is larger than {bytes_max} bytes; check that the path is right", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The bound.
        bytes_max: u64,
    },
    /// No setting of this name.
    #[error("unknown setting {key} ({place}); {hint}")]
    UnknownKey {
        /// As it was written.
        key: String,
        /// File and line, variable or flag.
        place: String,
        /// The nearest known key, or where the list is.
        hint: String,
    },
    /// A value that its key does not take.
    #[error("{key} ({place}) must be {wanted}")]
    Value {
        /// The key.
        key: String,
        /// File and line, variable or flag.
        place: String,
        /// What would be right.
        wanted: String,
    },
    /// Certificates or keys that are named cannot be used.
    #[error("{key} ({place}) cannot be used")]
    Certificate {
        /// The key, or the table.
        key: &'static str,
        /// File and line, variable or flag.
        place: String,
        /// What is wrong with them.
        source: Box<TlsError>,
    },
    /// Settings that exclude each other or are dangerous together.
    #[error("{0}")]
    Together(String),
}

/// Share of equal letters from which a known name counts as meant (Jaro-Winkler, 0 to 1).
const LIKENESS_MIN: f64 = 0.75;

impl ConfigError {
    pub(super) fn unknown_key(key: &str, origin: &Origin) -> Self {
        let known = super::settings().chain(super::table_settings()).map(|setting| setting.key);
        let hint = match nearest(key, known) {
            Some(near) => format!("did you mean {near}?"),
            None => "`switchboard config show` lists every setting".to_owned(),
        };
        Self::UnknownKey { key: key.to_owned(), place: origin.to_string(), hint }
    }

    pub(super) fn value(key: &str, origin: &Origin, wanted: String) -> Self {
        Self::Value { key: key.to_owned(), place: origin.to_string(), wanted }
    }
}

/// The known name most like `name`, when one is like it at all. A key in the wrong section counts as like.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |key: &str| {
        let whole = strsim::jaro_winkler(name, key);
        if last(name) == last(key) { whole.max(0.95) } else { whole }
    };
    let best = known.map(|key| (likeness(key), key)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= LIKENESS_MIN).then_some(best.1)
}
