//! A disk in memory: SQLite uses it through a VFS, journals use it as files. It keeps what was synced, and at a power
//! cut drops, keeps or tears the rest, sector by sector, as its seed decides. Nothing here waits or reads a clock.
//!
//! ```text
//!   SQLite --C--> vfs --> handle --+
//!                                  +--> volume (names, power, faults, locks) --> medium (seen | pending | safe)
//!   journal -------------> Disk ---+
//! ```
//!
//! Promised: the same seed and the same operations leave the same bytes, except for what SQLite draws from its own
//! generator, which is one per process: the salts of a write-ahead log and the checksums over them. Nothing depends on
//! their value.
//!
//! Absent: pages that the kernel reads again after a failed sync and finds old, sectors that rot, a device that lies
//! about a sync, folders below the root, permissions.

mod fault;
mod handle;
mod locks;
mod medium;
mod registry;
mod vfs;
mod volume;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use fault::{Counts, DiskError, Failure, Fault, Operation};
use volume::{FileId, Volume, Wanted};

/// The name under which SQLite knows all disks; the first part of a path says which.
pub const VFS: &str = "switchboard-sim";

/// A disk. Clones are the same disk; the last one takes it away, once SQLite has closed its files.
#[derive(Clone)]
pub struct Disk(Arc<Shared>);

struct Shared {
    number: u64,
    volume: Mutex<Volume>,
}

impl Shared {
    /// The disk, which becomes the one that this thread used last.
    fn lock(&self) -> MutexGuard<'_, Volume> {
        registry::used(self.number);
        self.volume.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        registry::leave(self.number);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("number", &self.number).finish_non_exhaustive()
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("number", &self.0.number).finish_non_exhaustive()
    }
}

impl Disk {
    /// A new disk: empty, with power. Everything it decides comes from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        vfs::register();
        let shared = Arc::new(Shared { number: registry::number(), volume: Mutex::new(Volume::new(seed)) });
        registry::enter(&shared);
        Self(shared)
    }

    /// The path under which SQLite's VFS [`VFS`] finds the file.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/{}/{name}", self.0.number))
    }

    fn volume(&self) -> MutexGuard<'_, Volume> {
        self.0.lock()
    }
}

/// Files as a process uses them, with the same power cuts and faults as SQLite's.
impl Disk {
    /// Writes at the end of a file, which is made if it is not there.
    ///
    /// # Errors
    /// When the disk is off or full, or a fault strikes.
    pub fn append(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        append(&mut self.volume(), name, bytes)
    }

    /// What was written to the file, and its name, are safe when this returns.
    ///
    /// # Errors
    /// When the disk is off, there is no such file, or a fault strikes.
    pub fn sync(&self, name: &str) -> Result<(), DiskError> {
        let mut volume = self.volume();
        let file = existing(&volume, name)?;
        volume.sync(file).map_err(|stop| stop.of(Operation::Sync))
    }

    /// Cuts a file to a size in bytes; not safe until it is synced.
    ///
    /// # Errors
    /// When the disk is off, there is no such file, or a fault strikes.
    pub fn truncate(&self, name: &str, size_bytes: u64) -> Result<(), DiskError> {
        let mut volume = self.volume();
        let file = existing(&volume, name)?;
        let size = usize::try_from(size_bytes).map_err(|_| DiskError::Full)?;
        volume.truncate(file, size).map_err(|stop| stop.of(Operation::Truncate))
    }

    /// Puts new contents in the place of a file, all or nothing: written aside, synced, renamed, the folder synced.
    ///
    /// # Errors
    /// When the disk is off or full, or a fault strikes; the file then has the old or the new contents.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let mut volume = self.volume();
        let aside = format!("{name}.new");
        let prepared = write_aside(&mut volume, &aside, bytes)
            .and_then(|()| volume.rename(&aside, name).map_err(|stop| stop.of(Operation::Delete)));
        if let Err(error) = prepared {
            if !volume.is_off() {
                volume.take_away(&aside);
            }
            return Err(error);
        }
        volume.sync_folder().map_err(|stop| stop.of(Operation::Sync))
    }
}

/// Writes a file again, the same bytes in place, and syncs it; nothing when there is none.
///
/// # Errors
/// When the disk is off or a fault strikes.
pub fn write_again(path: &Path) -> std::io::Result<()> {
    let Some((disk, name)) = path.to_str().and_then(registry::locate) else { return Ok(()) };
    let mut volume = disk.lock();
    let Some(file) = volume.file(name) else { return Ok(()) };
    let bytes = volume.bytes(file).to_vec();
    let written = volume.write(file, 0, &bytes).map_err(|stop| stop.of(Operation::Write));
    let synced = written.and_then(|()| volume.sync(file).map_err(|stop| stop.of(Operation::Sync)));
    synced.map_err(std::io::Error::other)
}

fn append(volume: &mut Volume, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
    let wanted = Wanted { create: true, exclusive: false };
    let file = volume.open(name, wanted).map_err(|stop| stop.of(Operation::Open))?;
    let end = volume.bytes(file).len();
    volume.write(file, end, bytes).map_err(|stop| stop.of(Operation::Write))
}

fn write_aside(volume: &mut Volume, aside: &str, bytes: &[u8]) -> Result<(), DiskError> {
    // What an earlier attempt left there.
    volume.take_away(aside);
    append(volume, aside, bytes)?;
    let file = existing(volume, aside)?;
    volume.sync(file).map_err(|stop| stop.of(Operation::Sync))
}

fn existing(volume: &Volume, name: &str) -> Result<FileId, DiskError> {
    match volume.file(name) {
        _ if volume.is_off() => Err(DiskError::Off),
        found => found.ok_or(DiskError::Missing),
    }
}

/// What an operator does with the disk in hand: nothing fails, and what it did is safe at once.
impl Disk {
    /// What a reader sees, or nothing when there is no such file.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let volume = self.volume();
        volume.file(name).map(|file| volume.bytes(file).to_vec())
    }

    /// Takes a file away. Who has it open keeps it until then.
    pub fn remove(&self, name: &str) {
        self.volume().take_away(name);
    }

    /// Puts a copy of what a reader of `from` sees in the place of `to`. Without `from` nothing happens.
    pub fn copy(&self, from: &str, to: &str) {
        if let Some(bytes) = self.read(from) {
            self.volume().place(to, bytes);
        }
    }

    /// Bytes in all files.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.volume().used_bytes()
    }
}

/// The end of a process, of power, and faults.
impl Disk {
    /// What SIGKILL does to the processes that have files of SQLite open: their handles fail from now on, locks and
    /// shared memory are gone, what was written stays.
    pub fn detach(&self) {
        self.volume().detach();
    }

    /// The power goes: as [`Disk::detach`], and what was not synced is kept, dropped or torn. Until
    /// [`Disk::power_on`] nothing works.
    pub fn cut_power(&self) {
        self.volume().cut_power();
    }

    /// The power goes at the `operations`-th change from now on (write, sync, truncation, creation, deletion, renaming;
    /// not reading or locking). That operation fails, and may have been done in part.
    pub fn cut_power_after(&self, operations: u32) {
        self.volume().cut_power_after(operations);
    }

    /// The power is back.
    pub fn power_on(&self) {
        self.volume().power_on();
    }

    /// Without power.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.volume().is_off()
    }

    /// Makes operations fail.
    pub fn inject(&self, fault: Fault) {
        self.volume().inject(fault);
    }

    /// Takes back faults that have not struck, and a power cut that has not come.
    pub fn clear_faults(&self) {
        self.volume().clear_faults();
    }

    /// What fits on the disk, in bytes; what is there already stays when it is more. None: more than anybody needs.
    pub fn set_capacity_bytes(&self, capacity: Option<u64>) {
        self.volume().set_capacity_bytes(capacity);
    }

    /// The time that SQLite is told, in microseconds since 1970.
    pub fn set_time_us(&self, now_us: u64) {
        self.volume().now_us = now_us;
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.volume().counts.clone()
    }
}
