//! What can go wrong with the store, and what that means to who asked.

use std::path::PathBuf;

use rusqlite::ErrorCode;

/// An error of the store. Every text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the data folder.
    #[error(
        "the data folder {folder} is in use by process {holder}; stop that server first, or use another --data folder"
    )]
    FolderInUse {
        /// The folder.
        folder: PathBuf,
        /// Process id of the holder, as it wrote it, or "unknown".
        holder: String,
    },
    /// A folder or file cannot be made, read or written.
    #[error("{action} {path} failed; check that the folder exists, belongs to this user and has room")]
    Folder {
        /// "creating", "opening", ...
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A key file that others can read.
    #[error("{path} can be read by other users (mode {mode:o}); if it was not copied, run: chmod 600 {path}")]
    KeyExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key file of the wrong size.
    #[error("{path} holds {bytes} bytes instead of 32; restore it from your copy of the keys folder")]
    KeyDamaged {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: usize,
    },
    /// A network file system.
    #[error(
        "{folder} is on a network file system, which may acknowledge writes that it loses; use a local disk, or say --unsafe-durability"
    )]
    NetworkFileSystem {
        /// The folder.
        folder: PathBuf,
    },
    /// The database file is not intact.
    #[error(
        "the database {path} is damaged ({detail}); nothing was changed. Restore the newest backup: switchboard restore FILE (automatic ones are in the backup folder beside it)"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the check said.
        detail: String,
    },
    /// The database was written by a newer program.
    #[error(
        "the database has schema {found}, this program knows up to {known}; start the newer program, or restore a backup made before the upgrade"
    )]
    NewerSchema {
        /// Version in the file.
        found: u32,
        /// Newest version known here.
        known: u32,
    },
    /// Not one of our databases.
    #[error("{path} is no Switchboard database; check the --data folder or the file's name")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file system cannot keep a write-ahead log.
    #[error(
        "{path} cannot be opened with a write-ahead log (SQLite stays in mode {mode:?}); use a local disk"
    )]
    NoLog {
        /// The file.
        path: PathBuf,
        /// The mode that SQLite stays in.
        mode: String,
    },
    /// A restore was cut off while it put the database in place.
    #[error(
        "a restore was interrupted: {incoming} is not in place yet. Run switchboard restore FILE again; the replaced database is kept with the ending .before-restore"
    )]
    RestoreInterrupted {
        /// The file that was to become the database.
        incoming: PathBuf,
    },
    /// A backup that does not pass its checks.
    #[error("the backup {path} did not pass its check: {detail}; use another one")]
    BadBackup {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The disk is full. The transaction was taken back.
    #[error("the disk of the data folder is full; nothing was executed. Make room and send the call again")]
    Full(#[source] rusqlite::Error),
    /// The file system reported that written bytes may not be on the disk: nothing after it can be trusted.
    #[error(
        "the disk failed to store written bytes (fsync); the server ends itself. Check the disk, then start again"
    )]
    FsyncFailed(#[source] rusqlite::Error),
    /// Any other failure of the engine below.
    #[error("the database engine failed")]
    Sql(#[source] rusqlite::Error),
    /// Rows that our own code cannot have written.
    #[error(
        "the store holds an impossible row: {0}; run switchboard bank audit and restore a backup if it fails"
    )]
    Impossible(String),
    /// A name, key or value of an embedder's row over its bound.
    #[error("{what} of {bytes} bytes is over the limit of {limit}")]
    RowTooLarge {
        /// "row key", "row value", "name of a row space".
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
}

/// What the caller may do about an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// The transaction is gone; the same work may be tried again.
    Transient,
    /// The process must end: what is on the disk is not known.
    Fatal,
    /// A person must act before it can work.
    Standing,
}

impl StoreError {
    /// What the caller may do.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Full(_) | Self::Sql(_) => Class::Transient,
            Self::FsyncFailed(_) | Self::Corrupt { .. } => Class::Fatal,
            Self::FolderInUse { .. }
            | Self::Folder { .. }
            | Self::KeyExposed { .. }
            | Self::KeyDamaged { .. }
            | Self::NetworkFileSystem { .. }
            | Self::NoLog { .. }
            | Self::RestoreInterrupted { .. }
            | Self::NewerSchema { .. }
            | Self::Foreign { .. }
            | Self::BadBackup { .. }
            | Self::Impossible(_)
            | Self::RowTooLarge { .. } => Class::Standing,
        }
    }

    /// Whether the engine below says that a row with this key is there already.
    pub(crate) fn is_constraint(error: &rusqlite::Error) -> bool {
        error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};
        let extended = error.sqlite_error().map(|e| e.extended_code);
        if matches!(extended, Some(SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC)) {
            return Self::FsyncFailed(error);
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path: PathBuf::from("switchboard.db"), detail: error.to_string() }
            }
            _ => Self::Sql(error),
        }
    }
}
