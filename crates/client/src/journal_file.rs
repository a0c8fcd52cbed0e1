//! One append-only file on disk, held by one process: created for its owner only, locked, flushed, with room reserved
//! ahead, and rewritten in one step. A flush or write that failed poisons it: what the disk holds is then unknown, and
//! only opening the file again tells.
//!
//! Absent: what the bytes mean (`switchboard_call::journal`) and when to write them (the driver).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::error::JournalError;
use crate::limits::{JOURNAL_FILE_BYTES_MAX, OPEN_ATTEMPTS_MAX, RESERVE_STEP_BYTES};

/// An open, locked journal file, positioned at its end.
#[derive(Debug)]
pub(crate) struct JournalFile {
    file: File,
    path: PathBuf,
    /// Bytes of sound contents.
    length: u64,
    /// The disk has room for the file up to this length.
    reserved: u64,
    bytes_max: u64,
    poisoned: bool,
}

impl JournalFile {
    /// Opens and locks the file at `path`, making it if there is none, and returns its bytes.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<u8>), JournalError> {
        for _ in 0..OPEN_ATTEMPTS_MAX {
            let file = open_or_create(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(JournalError::Locked { path: path.into() }),
                Err(TryLockError::Error(source)) => return Err(failed("lock", path, source)),
            }
            // Between opening and locking, its holder may have put a rewritten file in its place.
            if is_still_at(&file, path)? {
                return Self::read(file, path);
            }
        }
        Err(JournalError::Locked { path: path.into() })
    }

    /// The same with a smaller bound on its length, in bytes.
    #[cfg(test)]
    pub(crate) fn bounded(self, bytes_max: u64) -> Self {
        Self { bytes_max, ..self }
    }

    /// The same on a disk that has promised room and then takes nothing.
    #[cfg(test)]
    pub(crate) fn failing(self) -> Self {
        let file = File::open(&self.path).expect("the file was just made");
        Self { file, reserved: u64::MAX, ..self }
    }

    fn read(mut file: File, path: &Path) -> Result<(Self, Vec<u8>), JournalError> {
        let mut bytes = Vec::new();
        let whole = (&mut file).take(JOURNAL_FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
        let count = whole.map_err(|source| failed("read", path, source))?;
        let length = u64::try_from(count).expect("a usize fits 64 bits");
        if length > JOURNAL_FILE_BYTES_MAX {
            return Err(JournalError::TooLarge { path: path.into(), bytes_max: JOURNAL_FILE_BYTES_MAX });
        }
        // The process before this one may have been killed between a write and its flush: what is appended from here on
        // vouches for these bytes.
        file.sync_data().map_err(|source| failed("flush to disk", path, source))?;
        let path = path.to_owned();
        let opened =
            Self { file, path, length, reserved: length, bytes_max: JOURNAL_FILE_BYTES_MAX, poisoned: false };
        Ok((opened, bytes))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether no write failed: the file holds exactly what was appended.
    pub(crate) fn is_sound(&self) -> bool {
        !self.poisoned
    }

    /// Makes sure that `more` bytes can be appended, whatever other programs write to the disk meanwhile.
    pub(crate) fn reserve(&mut self, more: u64) -> Result<(), JournalError> {
        let wanted = self.length.saturating_add(more);
        if wanted > self.bytes_max {
            return Err(JournalError::Full { path: self.path.clone(), bytes_max: self.bytes_max });
        }
        while self.reserved < wanted {
            let step = (wanted - self.reserved).max(RESERVE_STEP_BYTES);
            self.allocate(step)?;
            self.reserved += step;
        }
        Ok(())
    }

    /// The file keeps its length, so that a reader never meets reserved bytes.
    fn allocate(&mut self, step: u64) -> Result<(), JournalError> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.reserved, step) {
            Ok(()) => Ok(()),
            // A file system that cannot promise room; ask at least whether there is some.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.look_for_room(step),
            Err(error) => Err(self.no_room(error.into())),
        }
    }

    fn look_for_room(&self, step: u64) -> Result<(), JournalError> {
        let disk = rustix::fs::fstatvfs(&self.file).map_err(|error| self.no_room(error.into()))?;
        match disk.f_bavail.saturating_mul(disk.f_frsize) >= step {
            true => Ok(()),
            false => Err(self.no_room(ErrorKind::StorageFull.into())),
        }
    }

    fn no_room(&self, source: io::Error) -> JournalError {
        JournalError::NoRoom { path: self.path.clone(), source }
    }

    /// Appends `bytes`; they are safe only after [`Self::sync`].
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        self.guarded("write", |file| file.write_all(bytes))?;
        self.length += u64::try_from(bytes.len()).expect("a usize fits 64 bits");
        self.reserved = self.reserved.max(self.length);
        Ok(())
    }

    /// Flushes everything appended to the disk.
    pub(crate) fn sync(&mut self) -> Result<(), JournalError> {
        self.guarded("flush to disk", |file| file.sync_data())
    }

    /// Cuts the file to its first `length` bytes.
    pub(crate) fn cut(&mut self, length: u64) -> Result<(), JournalError> {
        self.guarded("shorten", |file| file.set_len(length).and_then(|()| file.sync_data()))?;
        self.length = length;
        self.reserved = length;
        Ok(())
    }

    /// Puts `contents` in place of everything, in one step: after a crash the file is the old one or the new one.
    pub(crate) fn replace(&mut self, contents: &[u8]) -> Result<(), JournalError> {
        let failed = |source| failed("rewrite", &self.path, source);
        let new = write_beside(&self.path, contents).map_err(failed)?;
        std::fs::rename(beside(&self.path), &self.path).map_err(failed)?;
        // From here on the new file is the journal, also if the flush of the folder fails.
        self.file = new;
        self.length = u64::try_from(contents.len()).expect("a usize fits 64 bits");
        self.reserved = self.length;
        let path = self.path.clone();
        self.guarded("flush the folder of", |_| sync_folder_of(&path))
    }

    fn guarded(
        &mut self,
        action: &'static str,
        act: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned { path: self.path.clone() });
        }
        act(&mut self.file).map_err(|source| {
            self.poisoned = true;
            failed(action, &self.path, source)
        })
    }
}

/// The bytes of a journal that another process may hold, as they are now.
pub(crate) fn peek(path: &Path) -> Result<Vec<u8>, JournalError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|source| failed("open", path, source))?;
    file.take(JOURNAL_FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|source| failed("read", path, source))?;
    Ok(bytes)
}

fn open_or_create(path: &Path) -> Result<File, JournalError> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            sync_folder_of(path).map_err(|source| failed("flush the folder of", path, source))?;
            Ok(file)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => open_existing(&options, path),
        Err(source) => Err(failed("create", path, source)),
    }
}

fn open_existing(options: &OpenOptions, path: &Path) -> Result<File, JournalError> {
    let file = options.open(path).map_err(|source| failed("open", path, source))?;
    let metadata = file.metadata().map_err(|source| failed("examine", path, source))?;
    if !metadata.is_file() || metadata.mode() & 0o022 != 0 {
        return Err(JournalError::Exposed { path: path.into(), mode: metadata.mode() & 0o7777 });
    }
    Ok(file)
}

fn is_still_at(file: &File, path: &Path) -> Result<bool, JournalError> {
    let failed = |source| failed("examine", path, source);
    let held = file.metadata().map_err(failed)?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(failed(source)),
    }
}

/// A new locked file next to `path`, flushed.
fn write_beside(path: &Path, contents: &[u8]) -> io::Result<File> {
    let path = beside(path);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
    file.try_lock()?;
    file.write_all(contents)?;
    file.sync_all()?;
    Ok(file)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::File { action, path: path.into(), source }
}

#[cfg(test)]
mod tests;
