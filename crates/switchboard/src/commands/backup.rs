//! `switchboard backup FILE`: a copy of the database, made while the server runs. Absent: keys; they are copied apart.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use switchboard_store::{Folder, backup};

use super::Invocation;
use crate::exit::Exit;
use crate::failure::Failure;

/// What `backup` takes.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The backup is checked before it gets its name. It holds no key: copy the folder keys apart, once.\n\n\
    Example:\n  switchboard backup /media/stick/switchboard-monday.db"
)]
pub struct Arguments {
    /// The file to write; it must not exist
    pub file: PathBuf,
}

/// Writes the backup.
///
/// # Errors
/// When there is no database, or the file cannot be written or does not pass its check.
pub fn run(on: &Invocation, arguments: &Arguments) -> Result<Exit, Failure> {
    let database = Folder::database_in(&on.data);
    if !database.exists() {
        let what = format!("there is no database in {}", on.data.display());
        let advice = "name the data folder with --data DIR; `switchboard serve` makes one";
        return Err(Failure::new(Exit::Input, what).advise(advice));
    }
    let report = backup(&database, &arguments.file, |_, _| {})?;
    let as_json = || {
        json!({
            "file": arguments.file,
            "store": report.store.to_string(),
            "generation": report.generation.0,
            "bytes": report.bytes,
        })
    };
    let as_text = || {
        let (file, keys) = (arguments.file.display(), on.data.join("keys"));
        format!(
            "wrote {file}: {} bytes, checked (store {}, generation {})\nthe keys are not in it; keep a copy of {} as well",
            report.bytes,
            report.store,
            report.generation.0,
            keys.display()
        )
    };
    on.screen.answer(as_json, as_text)?;
    Ok(Exit::Done)
}
