//! `switchboard config show|check`: what applies and where it came from, and whether it would serve. Absent: writing the file; it is the operator's.

use std::time::{SystemTime, UNIX_EPOCH};

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
    /// Checks the configuration, and the certificates and keys that it names; says whether it is sound
    #[command(
        after_help = "Exit code 0: sound, with a warning for each certificate out of its dates; 78: not, and the message names the key \
        and the line. Files are read as the user who runs it.\n\n\
        Example:\n  switchboard config check --config /etc/switchboard.toml"
    )]
    Check,
}

/// Runs the action. The configuration was read and its values were checked before.
///
/// # Errors
/// When a certificate or key that it names cannot be used, and when standard output cannot be written.
pub fn run(on: &Invocation, action: Action) -> Result<Exit, Failure> {
    match action {
        Action::Show => show(on)?,
        Action::Check => {
            let warnings = config::web::tls::check(&on.config, now())
                .map_err(|error| Failure::from_error(Exit::Configuration, error))?;
            let json = || json!({ "sound": true, "data": on.data, "file": file(on), "warnings": warnings });
            on.screen.answer(json, || {
                let warned: String = warnings.iter().map(|text| format!("warning: {text}\n")).collect();
                format!("{warned}the configuration is sound ({})", file(on))
            })?;
        }
    }
    Ok(Exit::Done)
}

fn show(on: &Invocation) -> Result<(), Failure> {
    let as_json = || {
        let one = |(key, value, origin): (&str, &Value, &Origin)| json!({ "key": key, "value": value.to_json(), "from": origin.to_json(), "meaning": meaning(key) });
        let settings: Vec<_> = on.config.values.iter().map(one).collect();
        let entries = |table: &Table| -> Vec<_> {
            table.entries.iter().map(|(key, value, origin)| one((key, value, origin))).collect()
        };
        let tables = |name| on.config.values.tables(name).map(entries).collect::<Vec<_>>();
        let accounts = on.config.values.accounts().iter();
        let accounts: serde_json::Map<_, _> =
            accounts.map(|(name, table)| (name.clone(), entries(table).into())).collect();
        json!({
            "data": on.data,
            "file": file(on),
            "settings": settings,
            "web_sites": tables("web.site"),
            "web_certificates": tables("web.certificate"),
            "mail_accounts": accounts,
        })
    };
    let as_text = || {
        let row = |(key, value, origin): (&str, &Value, &Origin)| {
            [key.to_owned(), value.to_string(), origin.to_string(), meaning(key).to_owned()]
        };
        let mut rows: Vec<_> = on.config.values.iter().map(row).collect();
        for name in ["web.site", "web.certificate"] {
            for (table, number) in on.config.values.tables(name).zip(1_u32..) {
                rows.extend(table.entries.iter().map(|(key, value, origin)| {
                    let [key, value, from, meaning] = row((key, value, origin));
                    [format!("{key} ({number})"), value, from, meaning]
                }));
            }
        }
        for (name, account) in on.config.values.accounts() {
            rows.extend(account.entries.iter().map(|(key, value, origin)| {
                let [key, value, from, meaning] = row((key, value, origin));
                [format!("{key} ({name})"), value, from, meaning]
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

#[expect(clippy::disallowed_methods, reason = "the dates of a certificate are held against the time of day")]
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
