//! Backup while the server runs, and restore with a raised generation.
//!
//! A backup is one database file, checked before it gets its name. It holds no key: the keys folder is
//! copied by the operator, apart. A restored store has a higher generation, so that every client that
//! lost an acknowledged call is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};
use switchboard_call::id::{Generation, StoreId};

use crate::folder::sync_folder;
use crate::limits::{AUTOMATIC_BACKUPS_MAX, BACKUP_PAGES_PER_STEP};
use crate::migrations::{self, State};
use crate::{Folder, Options, Snapshot, Store, StoreError};

/// What a finished backup or restore is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackupReport {
    /// The store that it holds.
    pub store: StoreId,
    /// Its generation.
    pub generation: Generation,
    /// Size of the file in bytes.
    pub bytes: u64,
}

/// Copies the database file `from` (which may be in use by a running server) to the new file `to`.
/// `progress` hears pages done and pages in all.
///
/// # Errors
/// When `to` exists, cannot be written, or the copy does not pass its check.
pub fn backup(
    from: &Path,
    to: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<BackupReport, StoreError> {
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| missing_or(error, from))?;
    if migrations::state(&source, from)? == State::Empty {
        return Err(StoreError::Foreign { path: from.to_owned() });
    }
    copy(&source, to, &mut progress)
}

/// Puts `backup` in the place of the folder's database, which is kept beside it with the ending
/// `.before-restore`. Returns the restored store with its raised generation.
///
/// # Errors
/// When the backup does not pass its check or the folder cannot be written; the old database then stays.
pub fn restore(folder: &Folder, backup: &Path, now_us: u64) -> Result<BackupReport, StoreError> {
    let source = Connection::open_with_flags(backup, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| missing_or(error, backup))?;
    let current = folder.database();
    let replaced = generation_of(&current);
    let prepared = folder.path().join("switchboard.db.prepared");
    remove_database(&prepared)?;
    copy(&source, &prepared, &mut |_, _| {})?;
    let report = raise_generation(&prepared, replaced, now_us)?;
    remove_sidecars(&prepared)?;
    let incoming = incoming_beside(&current);
    remove_database(&incoming)?;
    // From here on until the last rename no server starts over the folder.
    rename(&prepared, &incoming)?;
    sync_folder(folder.path())?;
    put_aside(&current)?;
    rename(&incoming, &current)?;
    sync_folder(folder.path())?;
    Ok(report)
}

/// Refuses a database in the middle of whose replacement a restore was cut off.
pub(crate) fn refuse_interrupted_restore(database: &Path) -> Result<(), StoreError> {
    let incoming = incoming_beside(database);
    if incoming.exists() { Err(StoreError::RestoreInterrupted { incoming }) } else { Ok(()) }
}

fn incoming_beside(database: &Path) -> PathBuf {
    with_ending(database, ".restoring")
}

/// Keeps the database that is replaced, whatever state it is in, with its log.
fn put_aside(current: &Path) -> Result<(), StoreError> {
    checkpoint_away(current);
    let kept = with_ending(current, ".before-restore");
    for ending in ["", "-wal"] {
        let (from, to) = (with_ending(current, ending), with_ending(&kept, ending));
        if from.exists() {
            rename(&from, &to)?;
        }
    }
    remove(&with_ending(current, "-shm"))?;
    remove(&with_ending(&kept, "-shm"))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The backup that precedes a migration; the oldest automatic ones make room.
pub(crate) fn before_migration(conn: &Connection, folder: &Path, now_us: u64) -> Result<(), StoreError> {
    let name = format!("before-migration-{}.db", now_us / 1_000_000);
    copy(conn, &folder.join(name), &mut |_, _| {})?;
    let failed = |source| StoreError::Folder { action: "listing", path: folder.to_owned(), source };
    let mut automatic: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(failed)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("before-migration-"))
        })
        .collect();
    automatic.sort();
    let surplus = automatic.len().saturating_sub(AUTOMATIC_BACKUPS_MAX);
    for path in &automatic[..surplus] {
        remove_database(path)?;
    }
    Ok(())
}

fn copy(
    source: &Connection,
    to: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<BackupReport, StoreError> {
    let failed = |source| StoreError::Folder { action: "creating", path: to.to_owned(), source };
    if to.exists() {
        return Err(failed(std::io::Error::from(std::io::ErrorKind::AlreadyExists)));
    }
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = tempfile::Builder::new().prefix(".backup-").tempdir_in(parent).map_err(failed)?;
    let file = unfinished.path().join("copy.db");
    let mut target = Connection::open(&file).map_err(|error| missing_or(error, to))?;
    copy_pages(source, &mut target, progress).map_err(|error| full_at(error, to))?;
    // A single file: the copy of a WAL database would otherwise want its -wal beside it.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    let report = check(&target, &file, to)?;
    target.close().map_err(|(_, error)| StoreError::from(error))?;
    fs::File::open(&file).and_then(|file| file.sync_all()).map_err(failed)?;
    rename(&file, to)?;
    sync_folder(parent)?;
    Ok(report)
}

/// Which disk is full: of a copy that is only the one it goes to.
fn full_at(error: StoreError, to: &Path) -> StoreError {
    if !matches!(error, StoreError::Full(_)) {
        return error;
    }
    let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
    StoreError::Folder { action: "writing", path: to.to_owned(), source }
}

fn copy_pages(
    source: &Connection,
    target: &mut Connection,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    // One snapshot for the whole copy: otherwise every commit of a running server starts it over.
    source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
    let copied = copy_snapshot(source, target, progress);
    source.execute_batch("ROLLBACK")?;
    copied
}

fn copy_snapshot(
    source: &Connection,
    target: &mut Connection,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    use rusqlite::backup::StepResult;
    let copying = Backup::new(source, target)?;
    loop {
        let step = copying.step(BACKUP_PAGES_PER_STEP)?;
        let state = copying.progress();
        let (all, left) = (state.pagecount.unsigned_abs(), state.remaining.unsigned_abs());
        progress(u64::from(all - left.min(all)), u64::from(all));
        if step == StepResult::Done {
            return Ok(());
        }
        if step != StepResult::More {
            // A writer holds the lock for the length of one commit.
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

/// The checks that a file must pass before it may be called a backup.
fn check(conn: &Connection, file: &Path, named: &Path) -> Result<BackupReport, StoreError> {
    let bad = |detail: String| StoreError::BadBackup { path: named.to_owned(), detail };
    let verdict: String = conn
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| bad(error.to_string()))?;
    if verdict != "ok" {
        return Err(bad(verdict));
    }
    migrations::state(conn, named)?;
    let meta = Snapshot::of(conn).meta()?;
    let bytes = fs::metadata(file).map_or(0, |facts| facts.len());
    Ok(BackupReport { store: meta.store, generation: meta.generation, bytes })
}

/// The generation of the database that is being replaced, as far as it can still be read: the restored
/// one must be higher than both.
fn generation_of(database: &Path) -> Generation {
    Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .ok()
        .and_then(|conn| Snapshot::of(&conn).meta().ok())
        .map_or(Generation(0), |meta| meta.generation)
}

fn raise_generation(file: &Path, replaced: Generation, now_us: u64) -> Result<BackupReport, StoreError> {
    let (_, mut writer) = Store::open_file(file, None, &Options::default(), now_us)?;
    let mut tx = writer.begin()?;
    let generation = tx.raise_generation(replaced, now_us)?;
    let store = tx.meta()?.store;
    tx.commit()?;
    writer.checkpoint()?;
    let bytes = fs::metadata(file).map_or(0, |facts| facts.len());
    Ok(BackupReport { store, generation, bytes })
}

/// Folds the log into the database that is put aside, if it is sound enough for that.
fn checkpoint_away(database: &Path) {
    if let Ok(conn) = Connection::open(database) {
        // A damaged database cannot be folded; it is kept as it is.
        let _folded = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|source| StoreError::Folder {
        action: "renaming to",
        path: to.to_owned(),
        source,
    })
}

fn remove_database(path: &Path) -> Result<(), StoreError> {
    remove(path)?;
    remove_sidecars(path)
}

fn remove_sidecars(path: &Path) -> Result<(), StoreError> {
    for ending in ["-wal", "-shm", "-journal"] {
        remove(&with_ending(path, ending))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::Folder { action: "removing", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn missing_or(error: rusqlite::Error, path: &Path) -> StoreError {
    match fs::metadata(path) {
        Err(source) => StoreError::Folder { action: "opening", path: path.to_owned(), source },
        Ok(_) => error.into(),
    }
}
