//! The log of a server: to standard error, as text for a person or one JSON object a line. Absent: secrets; no crate logs a
//! body, a key or a credential.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::Log;
use crate::config::log::Format;

/// Whether a line is a JSON object.
pub(crate) fn is_json(log: &Log) -> bool {
    match log.format {
        Format::Json => true,
        Format::Text => false,
        Format::Auto => !io::stderr().is_terminal(),
    }
}

/// Starts logging; a second call changes nothing.
pub(crate) fn start(log: &Log) {
    let mut filter = EnvFilter::builder().parse_lossy(&log.level);
    if !log.level.contains("rustls") {
        // It warns of what strangers get wrong, and they could do that for ever.
        filter = filter.add_directive("rustls=error".parse().expect("a directive"));
    }
    let terminal = io::stderr().is_terminal();
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(filter)
        .with_ansi(terminal && !no_colour);
    // Only a second call can fail, and the first one's log goes on.
    let _started =
        if is_json(log) { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
}
