//! Section `[log]`: what is told on standard error and in which form. Absent: files and rotation; whoever starts the server
//! keeps its standard error (systemd does).

use super::ConfigError;
use super::value::{Kind, Setting, Values};

/// The settings of this section.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "log.level",
        kind: Kind::Text,
        default: "info",
        meaning: "error, warn, info, debug or trace; or directives as in \"info,switchboard_server=debug\"",
    },
    Setting {
        key: "log.format",
        kind: Kind::Text,
        default: "auto",
        meaning: "text, json, or auto (text on a terminal, json otherwise)",
    },
];

/// What is logged and how.
#[derive(Clone, Debug)]
pub struct Log {
    /// Directives as `tracing_subscriber::EnvFilter` reads them.
    pub level: String,
    /// The form of a line.
    pub format: Format,
}

/// The form of a log line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For a person.
    Text,
    /// One JSON object a line.
    Json,
}

impl Log {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let format = match values.text("log.format") {
            "auto" => Format::Auto,
            "text" => Format::Text,
            "json" => Format::Json,
            _ => return Err(values.wrong("log.format", "auto, text or json".to_owned())),
        };
        let level = values.text("log.level").to_owned();
        if tracing_subscriber::EnvFilter::builder().parse(&level).is_err() {
            let wanted =
                "error, warn, info, debug or trace, or directives as in info,switchboard_server=debug";
            return Err(values.wrong("log.level", wanted.to_owned()));
        }
        Ok(Self { level, format })
    }
}
