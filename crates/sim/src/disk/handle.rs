//! An open file in SQLite's terms: its operations and result codes, the same as those of its unix VFS.
//!
//! Promised: a handle that was opened before a detachment or a power cut fails every operation but closing, and
//! touches nothing of the new life. The shared memory that it mapped stays valid until it is closed, because SQLite
//! reads it without asking.
//!
//! Absent: pointers (vfs.rs).

use std::sync::{Arc, MutexGuard};

use rusqlite::ffi;

use super::fault::{Failure, Operation, Stop};
use super::locks::{Busy, Hold, Level, Region};
use super::volume::{FileId, HandleId, Volume, Wanted};
use super::{Shared, registry};

/// An SQLite result code that is not `SQLITE_OK`.
pub(super) type Code = i32;

/// Bytes of shared memory that SQLite may map of one database; its log would be larger than a disk.
const REGIONS_MAX: usize = 1 << 16;

/// An open file.
#[derive(Debug)]
pub(super) struct Handle {
    shared: Arc<Shared>,
    id: HandleId,
    file: FileId,
    generation: u64,
    regions: Vec<Region>,
    /// Of a file that goes with its handle.
    deletes: Option<String>,
}

/// Opens a file. Without a path: a nameless one on the disk that this thread used last.
pub(super) fn open(path: Option<&str>, flags: i32) -> Result<Handle, Code> {
    let is_set = |flag: i32| flags & flag != 0;
    let (shared, name) = match path {
        Some(path) => {
            let (shared, name) = registry::locate(path).ok_or(ffi::SQLITE_CANTOPEN)?;
            (shared, Some(name))
        }
        None => (registry::last_used().ok_or(ffi::SQLITE_CANTOPEN)?, None),
    };
    let mut volume = shared.lock();
    let wanted =
        Wanted { create: is_set(ffi::SQLITE_OPEN_CREATE), exclusive: is_set(ffi::SQLITE_OPEN_EXCLUSIVE) };
    let file = match name {
        Some(name) => volume.open(name, wanted),
        None => volume.open_nameless(),
    };
    let file = file.map_err(|stop| code(Operation::Open, stop))?;
    let id = volume.attach(file);
    let generation = volume.generation;
    drop(volume);
    let deletes = name.filter(|_| is_set(ffi::SQLITE_OPEN_DELETEONCLOSE)).map(str::to_owned);
    Ok(Handle { shared, id, file, generation, regions: Vec::new(), deletes })
}

/// Deletes by path, as a connection does with its log.
pub(super) fn delete(path: &str, syncs_folder: bool) -> Result<(), Code> {
    let (shared, name) = registry::locate(path).ok_or(ffi::SQLITE_IOERR_DELETE)?;
    let mut volume = shared.lock();
    volume.delete(name).map_err(|stop| match stop {
        Stop::Missing => ffi::SQLITE_IOERR_DELETE_NOENT,
        Stop::Off | Stop::Failed(_) => code(Operation::Delete, stop),
    })?;
    if syncs_folder {
        volume.sync_folder().map_err(|_| ffi::SQLITE_IOERR_DIR_FSYNC)?;
    }
    Ok(())
}

/// Whether a file is there. An empty one is not, when only its existence is asked.
pub(super) fn access(path: &str, flags: i32) -> Result<bool, Code> {
    let (shared, name) = registry::locate(path).ok_or(ffi::SQLITE_IOERR_ACCESS)?;
    let volume = shared.lock();
    if volume.is_off() {
        return Err(ffi::SQLITE_IOERR_ACCESS);
    }
    Ok(volume
        .file(name)
        .is_some_and(|file| flags != ffi::SQLITE_ACCESS_EXISTS || !volume.bytes(file).is_empty()))
}

impl Handle {
    /// The disk, unless this handle outlived its process or the power.
    fn live(&self, lost: Code) -> Result<MutexGuard<'_, Volume>, Code> {
        let volume = self.shared.lock();
        if volume.is_off() || volume.generation != self.generation { Err(lost) } else { Ok(volume) }
    }

    pub(super) fn read(&self, offset: usize, buffer: &mut [u8]) -> Result<(), Code> {
        let mut volume = self.live(ffi::SQLITE_IOERR_READ)?;
        let count = volume.read(self.file, offset, buffer).map_err(|stop| code(Operation::Read, stop))?;
        if count < buffer.len() {
            buffer[count..].fill(0);
            return Err(ffi::SQLITE_IOERR_SHORT_READ);
        }
        Ok(())
    }

    pub(super) fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Code> {
        let mut volume = self.live(ffi::SQLITE_IOERR_WRITE)?;
        volume.write(self.file, offset, bytes).map_err(|stop| code(Operation::Write, stop))
    }

    pub(super) fn truncate(&self, size: usize) -> Result<(), Code> {
        let mut volume = self.live(ffi::SQLITE_IOERR_TRUNCATE)?;
        volume.truncate(self.file, size).map_err(|stop| code(Operation::Truncate, stop))
    }

    pub(super) fn sync(&self) -> Result<(), Code> {
        let mut volume = self.live(ffi::SQLITE_IOERR_FSYNC)?;
        volume.sync(self.file).map_err(|stop| code(Operation::Sync, stop))
    }

    pub(super) fn size(&self) -> Result<usize, Code> {
        Ok(self.live(ffi::SQLITE_IOERR_FSTAT)?.bytes(self.file).len())
    }

    pub(super) fn lock(&self, level: Level) -> Result<(), Code> {
        let mut volume = self.live(ffi::SQLITE_IOERR_LOCK)?;
        volume.begin(Operation::Lock).map_err(|stop| code(Operation::Lock, stop))?;
        volume.lock(self.id, level).map_err(|Busy| ffi::SQLITE_BUSY)
    }

    pub(super) fn unlock(&self, down_to: Level) -> Result<(), Code> {
        self.live(ffi::SQLITE_IOERR_UNLOCK)?.unlock(self.id, down_to);
        Ok(())
    }

    pub(super) fn is_reserved(&self) -> Result<bool, Code> {
        Ok(self.live(ffi::SQLITE_IOERR_CHECKRESERVEDLOCK)?.is_reserved(self.id))
    }

    pub(super) fn sector_bytes(&self) -> u32 {
        self.shared.lock().sector_bytes
    }

    /// The region of shared memory with this number; none when it is not there and not to be made.
    pub(super) fn map_memory(
        &mut self,
        region: usize,
        bytes: usize,
        extend: bool,
    ) -> Result<Option<Region>, Code> {
        if region >= REGIONS_MAX {
            return Err(ffi::SQLITE_IOERR_SHMSIZE);
        }
        let found = self.live(ffi::SQLITE_IOERR_SHMMAP)?.map_memory(self.id, region, bytes, extend);
        self.regions.extend(found.clone());
        Ok(found)
    }

    pub(super) fn unmap_memory(&mut self) {
        if let Ok(mut volume) = self.live(ffi::SQLITE_IOERR_SHMMAP) {
            volume.unmap_memory(self.id);
        }
        self.regions.clear();
    }

    pub(super) fn lock_memory(&self, locks: u8, hold: Hold) -> Result<(), Code> {
        let mut volume = self.live(ffi::SQLITE_IOERR_SHMLOCK)?;
        volume.begin(Operation::Lock).map_err(|stop| match stop {
            Stop::Failed(Failure::Busy) => ffi::SQLITE_BUSY,
            Stop::Off | Stop::Missing | Stop::Failed(Failure::Io | Failure::Full | Failure::SyncLost) => {
                ffi::SQLITE_IOERR_SHMLOCK
            }
        })?;
        volume.lock_memory(self.id, locks, hold).map_err(|Busy| ffi::SQLITE_BUSY)
    }

    pub(super) fn unlock_memory(&self, locks: u8) -> Result<(), Code> {
        self.live(ffi::SQLITE_IOERR_SHMLOCK)?.unlock_memory(self.id, locks);
        Ok(())
    }

    /// Closing always succeeds.
    pub(super) fn close(self) {
        let Ok(mut volume) = self.live(ffi::SQLITE_IOERR_CLOSE) else { return };
        volume.close(self.id);
        if let Some(name) = &self.deletes {
            // Nobody is told that a temporary file stays.
            let _stays = volume.delete(name);
        }
    }
}

fn code(operation: Operation, stop: Stop) -> Code {
    match (stop, operation) {
        (Stop::Failed(Failure::Full), _) => ffi::SQLITE_FULL,
        (Stop::Failed(Failure::Busy), _) => ffi::SQLITE_BUSY,
        (_, Operation::Read) => ffi::SQLITE_IOERR_READ,
        (_, Operation::Write) => ffi::SQLITE_IOERR_WRITE,
        (_, Operation::Sync) => ffi::SQLITE_IOERR_FSYNC,
        (_, Operation::Truncate) => ffi::SQLITE_IOERR_TRUNCATE,
        (_, Operation::Open) => ffi::SQLITE_CANTOPEN,
        (_, Operation::Delete) => ffi::SQLITE_IOERR_DELETE,
        (_, Operation::Lock) => ffi::SQLITE_IOERR_LOCK,
    }
}
