//! The data folder: who holds it, where things are, and the keys that live beside the database.
//!
//! ```text
//!   DIR/lock            held while a process serves from DIR; names its process id
//!   DIR/switchboard.db  the database (with -wal and -shm beside it while open)
//!   DIR/reserve         room that is given up when the disk is full
//!   DIR/keys/           mode 0700, files 0600: digest.key, operator.key, the server's TLS identity
//!   DIR/backup/         automatic backups
//!   DIR/client/         journals of the command line
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::open::Durability;

/// An exclusively held data folder. The lock goes with this value.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder where needed and takes its lock.
    ///
    /// # Errors
    /// When another process holds it, it cannot be made, or it lies on a network file system and
    /// `durability` does not allow that.
    pub fn hold(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let is_new = !path.exists();
        make_private(path)?;
        for inner in ["keys", "backup", "client"] {
            make_private(&path.join(inner))?;
        }
        sync_folder(path)?;
        if let (true, Some(parent)) = (is_new, path.parent().filter(|parent| !parent.as_os_str().is_empty()))
        {
            sync_folder(parent)?;
        }
        if durability == Durability::Full && is_network_file_system(path) {
            return Err(StoreError::NetworkFileSystem { folder: path.to_owned() });
        }
        let lock = take_lock(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        Self::database_in(&self.path)
    }

    /// The database file of a folder that is not held.
    #[must_use]
    pub fn database_in(folder: &Path) -> PathBuf {
        folder.join("switchboard.db")
    }

    /// The room that is kept for a full disk.
    pub(crate) fn reserve(&self) -> PathBuf {
        self.path.join("reserve")
    }

    /// Where keys are.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// Where automatic backups are.
    #[must_use]
    pub fn backups(&self) -> PathBuf {
        self.path.join("backup")
    }

    /// The 32 random bytes of `keys/NAME.key`, made on first use.
    ///
    /// # Errors
    /// When the file cannot be made or read, is readable by others, or has another size.
    pub fn key(&self, name: &str) -> Result<[u8; 32], StoreError> {
        let path = self.keys().join(format!("{name}.key"));
        match read_key(&path) {
            Err(StoreError::Folder { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create_key(&path)
            }
            read => read,
        }
    }
}

/// Reads a key file of 32 bytes that only its owner may read.
pub(crate) fn read_key(path: &Path) -> Result<[u8; 32], StoreError> {
    let failed = |source| StoreError::Folder { action: "reading", path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(StoreError::KeyExposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::with_capacity(33);
    Read::by_ref(&mut file).take(33).read_to_end(&mut bytes).map_err(failed)?;
    let found = bytes.len();
    bytes.try_into().map_err(|_| StoreError::KeyDamaged { path: path.to_owned(), bytes: found })
}

fn create_key(path: &Path) -> Result<[u8; 32], StoreError> {
    let failed = |source| StoreError::Folder { action: "creating", path: path.to_owned(), source };
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| failed(error.into()))?;
    let folder = path.parent().expect("a key file lies in the keys folder");
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(&key).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist_noclobber(path).map_err(|error| failed(error.error))?;
    sync_folder(folder)?;
    Ok(key)
}

/// Makes renames and new files in `folder` durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| StoreError::Folder {
        action: "syncing",
        path: folder.to_owned(),
        source,
    })
}

fn make_private(path: &Path) -> Result<(), StoreError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| StoreError::Folder {
        action: "creating",
        path: path.to_owned(),
        source,
    })
}

fn take_lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let failed = |source| StoreError::Folder { action: "locking", path: path.clone(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = Read::by_ref(&mut file).take(32).read_to_string(&mut text);
            let holder = if read.is_ok() && !text.trim().is_empty() { text.trim() } else { "unknown" };
            return Err(StoreError::FolderInUse { folder: folder.to_owned(), holder: holder.to_owned() });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    write!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

/// Magic numbers of statfs(2) for file systems whose server may acknowledge a write that it loses.
fn is_network_file_system(path: &Path) -> bool {
    const NFS: i64 = 0x6969;
    const SMB: i64 = 0x517b;
    const SMB2: i64 = 0xfe53_4d42;
    const CIFS: i64 = 0xff53_4d42;
    const AFS: i64 = 0x5346_414f;
    const CEPH: i64 = 0x00c3_6400;
    const NINE_P: i64 = 0x0102_1997;
    rustix::fs::statfs(path)
        .is_ok_and(|facts| [NFS, SMB, SMB2, CIFS, AFS, CEPH, NINE_P].contains(&facts.f_type))
}
