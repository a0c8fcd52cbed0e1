//! Opening the database: the one writing connection and the pool of reading ones.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use switchboard_call::flaw::{Flaw, planted};
use switchboard_call::id::StoreId;
use switchboard_call::limits::HORIZON_LAG_MS;

use crate::known::Known;
use crate::limits::{
    BUSY_MS_MAX, CHECKED_BYTES_MAX, LOG_COMMITS_MAX, LOG_ROWS_MAX, PAGE_CACHE_KIB_MAX,
    READER_PAGE_CACHE_KIB_MAX, READERS_MAX, STATEMENTS_CACHED_MAX,
};
use crate::migrations::{self, State};
use crate::reserve::Reserve;
use crate::{Class, Folder, Meta, Snapshot, StoreError, Tx, backup, log};

/// How sure a commit must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// Every commit is on the disk before anybody hears of it.
    #[default]
    Full,
    /// A power cut may lose the newest commits; for experiments, said aloud by the operator.
    Unsafe,
}

/// How to open.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How sure a commit must be.
    pub durability: Durability,
    /// Name of a registered SQLite VFS instead of the operating system's files; the simulation's disk.
    pub vfs: Option<String>,
    /// With a VFS: writes a file on it again, the same bytes in place, and syncs it.
    pub write_again: Option<fn(&Path) -> std::io::Result<()>>,
}

/// The reading side, shared by all threads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    readers: Arc<Readers>,
}

/// The writing side: one per database, owned by whoever holds the writer role.
#[derive(Debug)]
pub struct Writer {
    conn: Connection,
    /// Rows written and transactions begun up to and since the last checkpoint.
    rows_folded: u64,
    commits: u32,
    known: RefCell<Known>,
    /// None for a file without a folder.
    reserve: Option<Reserve>,
}

#[derive(Debug)]
struct Readers {
    path: PathBuf,
    options: Options,
    idle: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens the database of a held folder: makes it, or checks it and brings its schema up to date
    /// (after an automatic backup). `now_us` becomes the birth of a new store. On a full disk the room that the
    /// folder keeps for that is used.
    ///
    /// # Errors
    /// When the file is damaged, foreign, from a newer program, or cannot be written.
    pub fn open(folder: &Folder, options: &Options, now_us: u64) -> Result<(Self, Writer), StoreError> {
        let open = || Self::open_file(&folder.database(), Some(&folder.backups()), options, now_us);
        let mut reserve = Reserve::at(folder.reserve());
        let (store, mut writer) = match open() {
            Err(error) if error.class() == Class::Transient && reserve.give_up() => open()?,
            opened => opened?,
        };
        reserve.keep();
        writer.reserve = Some(reserve);
        Ok((store, writer))
    }

    /// Opens a database file that no folder belongs to (the simulation's disk, a backup under test).
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_file(
        path: &Path,
        backups: Option<&Path>,
        options: &Options,
        now_us: u64,
    ) -> Result<(Self, Writer), StoreError> {
        let located = |error| at_path(error, path);
        if options.vfs.is_none() {
            backup::refuse_interrupted_restore(path)?;
        }
        if !planted(Flaw::LeftUnsyncedAtOpen) {
            log::make_durable(path, options)?;
        }
        let conn = connect(path, options, Role::Writes).map_err(located)?;
        if options.vfs.is_some() || is_small(path) {
            check_whole(&conn, path).map_err(located)?;
        }
        match migrations::state(&conn, path).map_err(located)? {
            State::Current => {}
            State::Empty => create(&conn, now_us).map_err(located)?,
            State::Older => {
                if let Some(backups) = backups {
                    backup::before_migration(&conn, backups, now_us)?;
                }
                let known = RefCell::default();
                let tx = Tx::begin(&conn, &known)?;
                migrations::migrate(&conn).map_err(located)?;
                tx.commit()?;
            }
        }
        let mut writer = Writer {
            rows_folded: conn.total_changes(),
            commits: 0,
            known: RefCell::default(),
            conn,
            reserve: None,
        };
        if !planted(Flaw::LeftUnsyncedAtOpen) {
            writer.make_durable().map_err(located)?;
        }
        writer.view().meta().map_err(located)?;
        let readers = Readers { path: path.to_owned(), options: options.clone(), idle: Mutex::default() };
        Ok((Self { readers: Arc::new(readers) }, writer))
    }

    /// Runs `read` over one consistent view of the committed rows.
    ///
    /// # Errors
    /// When the store fails, or `read` says so.
    pub fn snapshot<T>(
        &self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let conn = self.readers.take()?;
        let snapshot = Snapshot::begin(&conn)?;
        let answer = read(&snapshot);
        snapshot.end()?;
        self.readers.give_back(conn);
        answer
    }

    /// The store's facts.
    ///
    /// # Errors
    /// When the store fails.
    pub fn meta(&self) -> Result<Meta, StoreError> {
        self.snapshot(|view| view.meta())
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.readers.path
    }
}

impl Writer {
    /// Begins the one writing transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub fn begin(&mut self) -> Result<Tx<'_>, StoreError> {
        self.commits = self.commits.saturating_add(1);
        Tx::begin(&self.conn, &self.known)
    }

    /// Copies the write-ahead log into the database when it has grown long. SQLite would do so by itself,
    /// but hide a failure of the disk.
    ///
    /// # Errors
    /// When the store fails; what was committed stays committed.
    pub fn fold_log_if_long(&mut self) -> Result<(), StoreError> {
        let rows = self.conn.total_changes() - self.rows_folded;
        if self.commits < LOG_COMMITS_MAX && rows < LOG_ROWS_MAX {
            return Ok(());
        }
        (self.commits, self.rows_folded) = (0, self.conn.total_changes());
        self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        self.reserve.iter_mut().for_each(Reserve::keep);
        Ok(())
    }

    /// To be called after [`StoreError::Full`], which the log alone can bring about: folds it into the database,
    /// which may grow by what the folder keeps for that, and gives its room back. Returns whether there may be
    /// room now. The next fold that finds room keeps some again.
    ///
    /// # Errors
    /// When the store fails; what was committed stays committed.
    pub fn make_room(&mut self) -> Result<bool, StoreError> {
        let given = self.reserve.as_mut().is_some_and(Reserve::give_up);
        match self.checkpoint() {
            Ok(()) => Ok(true),
            Err(StoreError::Full(_)) => Ok(given),
            Err(error) => Err(error),
        }
    }

    /// A process before this one may have been killed between writing a commit and syncing it: readers
    /// here find it, so it must be on the disk before anybody hears of it. A commit of our own syncs the log;
    /// the checkpoint also writes again what the kernel dropped after a failed sync, unless somebody reads an
    /// older snapshot. The commit after it syncs a new log: of the old one, which has a hole then, a power cut
    /// must not bring the part before the hole back.
    fn make_durable(&mut self) -> Result<(), StoreError> {
        self.commit_nothing()?;
        self.checkpoint()?;
        self.commit_nothing()
    }

    fn commit_nothing(&mut self) -> Result<(), StoreError> {
        let mut tx = self.begin()?;
        tx.touch_meta()?;
        tx.commit()
    }

    /// Copies the write-ahead log into the database, as a clean shutdown does.
    ///
    /// # Errors
    /// When the store fails.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// The committed rows, while no transaction is open.
    #[must_use]
    pub fn view(&self) -> Snapshot<'_> {
        Snapshot::of(&self.conn)
    }
}

impl Readers {
    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| connect(&self.path, &self.options, Role::Reads), Ok)
    }

    /// A connection that failed is dropped instead: only sound ones come back here.
    fn give_back(&self, conn: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < READERS_MAX {
            idle.push(conn);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Writes,
    Reads,
}

fn connect(path: &Path, options: &Options, role: Role) -> Result<Connection, StoreError> {
    let access = match role {
        Role::Writes => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Role::Reads => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if role == Role::Writes && options.vfs.is_none() {
        create_private(path);
    }
    let opened = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
        None => Connection::open_with_flags(path, flags),
    };
    let conn = opened.map_err(|error| match options.vfs {
        Some(_) => error.into(),
        None => cannot_open(error, path),
    })?;
    conn.busy_timeout(Duration::from_millis(BUSY_MS_MAX))?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    let synchronous = match options.durability {
        Durability::Full if planted(Flaw::SynchronousOff) => "OFF",
        Durability::Full => "FULL",
        Durability::Unsafe => "OFF",
    };
    let cache_kib = if role == Role::Writes { PAGE_CACHE_KIB_MAX } else { READER_PAGE_CACHE_KIB_MAX };
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::NoLog { path: path.to_owned(), mode });
    }
    conn.pragma_update(None, "synchronous", synchronous)?;
    conn.pragma_update(None, "cache_size", -cache_kib)?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    // An audit sorts every transfer there is.
    conn.pragma_update(None, "temp_store", if role == Role::Reads { "FILE" } else { "MEMORY" })?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "query_only", role == Role::Reads)?;
    Ok(conn)
}

/// Small enough to be looked at at every start. Damage in a larger one is met where it is read.
fn is_small(path: &Path) -> bool {
    std::fs::metadata(path).map_or(0, |facts| facts.len()) <= CHECKED_BYTES_MAX
}

/// Looks at every page.
fn check_whole(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(StoreError::Corrupt { path: path.to_owned(), detail: verdict.replace('\n', " ") })
}

fn create(conn: &Connection, now_us: u64) -> Result<(), StoreError> {
    let mut store = [0; 16];
    getrandom::fill(&mut store).map_err(|error| StoreError::Impossible(error.to_string()))?;
    let horizon_ms = (now_us / 1000).saturating_sub(HORIZON_LAG_MS);
    let known = RefCell::default();
    let mut tx = Tx::begin(conn, &known)?;
    migrations::migrate(conn)?;
    tx.create_meta(
        StoreId(store),
        i64::try_from(horizon_ms).unwrap_or(i64::MAX),
        i64::try_from(now_us).unwrap_or(i64::MAX),
    )?;
    tx.commit()
}

/// Balances are nobody else's business, whatever the umask. SQLite gives the log the mode of the database. What
/// stands in the way of this is met and told when the file is opened.
fn create_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    let _exists_already = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

/// A file that cannot be opened says only "unable to open database file": the operating system knows why.
fn cannot_open(error: rusqlite::Error, path: &Path) -> StoreError {
    let tried = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    match tried {
        Err(source) => StoreError::Folder { action: "opening", path: path.to_owned(), source },
        Ok(_) => error.into(),
    }
}

/// Names the file in errors that SQLite reports without one.
fn at_path(error: StoreError, path: &Path) -> StoreError {
    if let StoreError::Corrupt { detail, .. } = error {
        return StoreError::Corrupt { path: path.to_owned(), detail };
    }
    if let StoreError::Sql(error) = error {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly) {
            let source = std::io::Error::new(std::io::ErrorKind::ReadOnlyFilesystem, error);
            return StoreError::Folder { action: "writing", path: path.to_owned(), source };
        }
        return StoreError::Sql(error);
    }
    error
}
