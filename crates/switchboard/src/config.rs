//! The configuration: one TOML file, environment variables, flags; nothing has to be configured. Each setting is declared
//! once, in the table of its section, and everything else (file, environment, flags, `config show`, the list of known keys)
//! follows from that table.
//!
//! ```text
//!   flags > environment SWITCHBOARD_SECTION_KEY > file > default ──▶ Values ──▶ Listen, Limits, Store, Log, Client, Web, Probe, Mail
//! ```
//!
//! An unknown key is an error that names the key, the place and the nearest known key. Absent: secrets; no setting holds
//! one, so everything may be shown.

pub mod client;
pub mod limits;
pub mod listen;
pub mod log;
pub mod mail;
pub mod probe;
pub mod store;
pub mod web;

mod environment;
mod error;
mod file;
mod value;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use client::Client;
pub use error::ConfigError;
pub use limits::Limits;
pub use listen::Listen;
pub use log::Log;
pub use mail::Mail;
pub use probe::Probe;
pub use store::Store;
pub use value::{Origin, Setting, Table, Value, Values};
pub use web::Web;

/// The name of the file in the data folder.
pub const FILE_NAME: &str = "switchboard.toml";

/// Every setting there is, section by section.
const SECTIONS: [&[Setting]; 9] = [
    listen::SETTINGS,
    limits::SETTINGS,
    store::SETTINGS,
    log::SETTINGS,
    client::SETTINGS,
    web::SETTINGS,
    web::tls::SETTINGS,
    probe::SETTINGS,
    mail::SETTINGS,
];

/// What applies, each section in its own type.
#[derive(Debug)]
pub struct Config {
    /// Where the server listens.
    pub listen: Listen,
    /// What the server bears.
    pub limits: Limits,
    /// How the store keeps its promise.
    pub store: Store,
    /// What is logged and how.
    pub log: Log,
    /// Which servers the command line speaks to, and whom it believes.
    pub client: Client,
    /// What `switchboard web` serves.
    pub web: Web,
    /// How `switchboard reflect` answers.
    pub probe: Probe,
    /// Which accounts at mail servers there are.
    pub mail: Mail,
    /// The same as values with their origins.
    pub values: Values,
}

/// The places a configuration is read from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The data folder; relative paths in the configuration start there.
    pub data: PathBuf,
    /// The file that was named; without one, `switchboard.toml` of the data folder, if there is one.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Settings from flags: key, text, and the flag as it was written.
    pub flags: Vec<FlagSetting>,
}

/// One setting from the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlagSetting {
    /// `section.key`.
    pub key: String,
    /// The value as text; list items separated by commas.
    pub text: String,
    /// The flag, for messages.
    pub flag: String,
}

impl Config {
    /// Reads every source and checks every value.
    ///
    /// # Errors
    /// When a source cannot be read, a key is unknown, or a value is not what its key takes.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut values = Values::defaults(settings(), &sources.data);
        let file = sources.file.clone().unwrap_or_else(|| sources.data.join(FILE_NAME));
        if sources.file.is_some() || file.exists() {
            file::read(&file, &mut values)?;
        }
        environment::read(&sources.environment, &mut values)?;
        for setting in &sources.flags {
            let origin = Origin::Flag { flag: setting.flag.clone() };
            values.set_text(&setting.key, &setting.text, origin)?;
        }
        Self::from_values(values)
    }

    fn from_values(values: Values) -> Result<Self, ConfigError> {
        Ok(Self {
            listen: Listen::from_values(&values)?,
            limits: Limits::from_values(&values)?,
            store: Store::from_values(&values),
            log: Log::from_values(&values)?,
            client: Client::from_values(&values)?,
            web: Web::from_values(&values)?,
            probe: Probe::from_values(&values)?,
            mail: Mail::from_values(&values)?,
            values,
        })
    }
}

/// Every setting there is.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.into_iter().flatten()
}

/// The settings of tables of which there may be several.
fn table_settings() -> impl Iterator<Item = &'static Setting> {
    web::of_tables().chain(mail::ACCOUNT_SETTINGS)
}

/// What the setting `key` means; also one of a table such as `[[web.site]]` or `[mail.account.NAME]`.
#[must_use]
pub fn meaning(key: &str) -> &'static str {
    let known = settings().chain(table_settings()).find(|setting| setting.key == key);
    known.map_or("", |setting| setting.meaning)
}

/// The file that would be read for the data folder `data`.
#[must_use]
pub fn default_file(data: &Path) -> PathBuf {
    data.join(FILE_NAME)
}

#[cfg(test)]
mod tests;
