//! Settings from the environment: `SWITCHBOARD_SECTION_KEY`. A variable that starts with a section's name and is no setting
//! is an error, and so is one that is nearly a setting; others that merely start with `SWITCHBOARD_` (an orchestrator sets
//! some for a service of that name) are left alone.

use std::ffi::OsString;

use super::error::nearest;
use super::value::{Origin, Values};
use super::{ConfigError, settings};

const PREFIX: &str = "SWITCHBOARD_";

/// Variables that the flags of the command line read.
const OF_FLAGS: [&str; 2] = ["SWITCHBOARD_CONFIG", "SWITCHBOARD_DATA"];

/// Reads `environment` over what `values` holds so far.
pub(super) fn read(environment: &[(OsString, OsString)], values: &mut Values) -> Result<(), ConfigError> {
    for (name, text) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX) && !OF_FLAGS.contains(name))
        else {
            continue;
        };
        let origin = Origin::Environment { name: name.to_owned() };
        let Some(key) = settings().map(|setting| setting.key).find(|key| variable(key) == name) else {
            refuse_near_miss(name, &origin)?;
            continue;
        };
        let text = text.to_str().ok_or_else(|| ConfigError::value(key, &origin, "valid UTF-8".to_owned()))?;
        values.set_text(key, text, origin)?;
    }
    Ok(())
}

/// The variable that sets `key`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
}

fn refuse_near_miss(name: &str, origin: &Origin) -> Result<(), ConfigError> {
    // What an orchestrator sets for a service named after a section: switchboard-web.
    if ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"].iter().any(|of_service| name.contains(of_service)) {
        return Ok(());
    }
    let in_section = settings().any(|setting| {
        let section = setting.key.split('.').next().unwrap_or_default();
        name[PREFIX.len()..].starts_with(&format!("{}_", section.to_ascii_uppercase()))
    });
    let variables: Vec<String> = settings().map(|setting| variable(setting.key)).collect();
    let near = nearest(name, variables.iter().map(String::as_str));
    let nearly = near.is_some_and(|near| strsim::damerau_levenshtein(name, near) <= 2);
    if !in_section && !nearly {
        return Ok(());
    }
    let hint = match near {
        Some(near) => format!("did you mean {near}?"),
        None => "`switchboard config show` lists every setting".to_owned(),
    };
    Err(ConfigError::UnknownKey { key: name.to_owned(), place: origin.to_string(), hint })
}
