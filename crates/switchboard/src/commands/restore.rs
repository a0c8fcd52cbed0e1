//! `switchboard restore FILE`: puts a backup in place of the database and proves its books. Absent: a running server; it has to
//! be stopped first.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use switchboard_commands::bank::Reply;
use switchboard_store::{Folder, Options, Store, restore};

use super::Invocation;
use super::bank::show;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::serve::now_us;

/// What `restore` takes.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The server must not run. The database that is there is kept beside the new one. Every client that lost an \
    acknowledged call by this is told at its next connection. Exit code 1: restored, but its books do not hold.\n\n\
    Example:\n  switchboard restore /media/stick/switchboard-monday.db"
)]
pub struct Arguments {
    /// The backup
    pub file: PathBuf,
}

/// Puts the backup in place.
///
/// # Errors
/// When the server runs, or the file is no sound backup.
pub fn run(on: &Invocation, arguments: &Arguments) -> Result<Exit, Failure> {
    let options = Options { durability: on.config.store.durability, ..Options::default() };
    let folder = Folder::hold(&on.data, options.durability)?;
    let restored = restore(&folder, &arguments.file, now_us())?;
    let (store, _writer) = Store::open(&folder, &options, now_us())?;
    let report = store.snapshot(|rows| rows.audit())?;
    let sound = report.sound;
    let audited = Reply::Audited { report };
    let as_json = || {
        json!({
            "store": restored.store.to_string(),
            "generation": restored.generation.0,
            "audit": show::as_json(None, &audited),
        })
    };
    let as_text = || {
        format!(
            "restored store {} as generation {}\n{}",
            restored.store,
            restored.generation.0,
            show::as_text(&audited)
        )
    };
    on.screen.answer(as_json, as_text)?;
    Ok(if sound { Exit::Done } else { Exit::Refused })
}
