//! `switchboard config show|check`: what applies and where it came from. Absent: writing the file; it is the operator's.

use clap::Subcommand;
use serde_json::json;

use super::Invocation;
use crate::config::{self, Origin, Table, Value, meaning};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Side, table};

/// The two actions.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Action {
    /// Shows every setting, what applies, and where it came from
    #[command(
        after_help = "Precedence: flags, then environment SWITCHBOARD_SECTION_KEY, then the file, then the default.\n\n\
        Examples:\n  switchboard config show\n  SWITCHBOARD_LISTEN_TLS=0.0.0.0:7447 switchboard config show\n  \
        switchboard --set limits.slots=128 config show --json"
    )]
    Show,
    /// Checks the configuration and says nothing more than whether it is sound
    #[command(after_help = "Exit code 0: sound; 78: not, and the message names the key and the line.\n\n\
        Example:\n  switchboard config check --config /etc/switchboard.toml")]
    Check,
}

/// Runs the action. The configuration was read and checked before: who comes here has a sound one.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(on: &Invocation, action: Action) -> Result<Exit, Failure> {
    match action {
        Action::Show => show(on)?,
        Action::Check => {
            let json = || json!({ "sound": true, "data": on.data, "file": file(on) });
            on.screen.answer(json, || format!("the configuration is sound ({})", file(on)))?;
        }
    }
    Ok(Exit::Done)
}

fn show(on: &Invocation) -> Result<(), Failure> {
    let as_json = || {
        let one = |(key, value, origin): (&str, &Value, &Origin)| json!({ "key": key, "value": value.to_json(), "from": origin.to_json(), "meaning": meaning(key) });
        let settings: Vec<_> = on.config.values.iter().map(one).collect();
        let site = |site: &Table| {
            site.entries.iter().map(|(key, value, origin)| one((key, value, origin))).collect()
        };
        let sites: Vec<Vec<_>> = on.config.values.sites().iter().map(site).collect();
        json!({ "data": on.data, "file": file(on), "settings": settings, "web_sites": sites })
    };
    let as_text = || {
        let row = |(key, value, origin): (&str, &Value, &Origin)| {
            [key.to_owned(), value.to_string(), origin.to_string(), meaning(key).to_owned()]
        };
        let mut rows: Vec<_> = on.config.values.iter().map(row).collect();
        for (site, number) in on.config.values.sites().iter().zip(1_u32..) {
            rows.extend(site.entries.iter().map(|(key, value, origin)| {
                let [key, value, from, meaning] = row((key, value, origin));
                [format!("{key} ({number})"), value, from, meaning]
            }));
        }
        let columns =
            [("setting", Side::Left), ("value", Side::Left), ("from", Side::Left), ("meaning", Side::Left)];
        format!("data folder  {}\nfile         {}\n\n{}", on.data.display(), file(on), table(columns, &rows))
    };
    on.screen.answer(as_json, as_text)
}

fn file(on: &Invocation) -> String {
    let file = on.global.config.clone().unwrap_or_else(|| config::default_file(&on.data));
    let absent = if file.exists() { "" } else { " (none; the defaults apply)" };
    format!("{}{absent}", file.display())
}
