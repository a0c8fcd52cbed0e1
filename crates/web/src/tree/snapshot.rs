//! Copies of a version of a file that nobody can change, so that what the kernel sends of them without a further copy stays
//! what it is until the last peer has read it.
//!
//! A snapshot is a file without a name (open(2), `O_TMPFILE`) in a folder on disk, which no other process can reach but as
//! this one or as root, by way of `/proc`. The page cache holds it in large pieces, from which sending costs a third less than from
//! memory files, and may let go of them, since they are on disk. Where no such file can be had, it is a sealed one in memory
//! (memfd_create(2), fcntl(2) "File Sealing"). *Absent:* which files are worth it.

use std::path::Path;
use std::sync::Arc;

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{
    FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags, fallocate, fcntl_add_seals, fdatasync, fstatfs,
    memfd_create, openat,
};
use rustix::io::Errno;

use super::version::{Changed, OpenFile, read_at, read_whole};
use crate::limits;

/// A version of a file, for good.
#[derive(Debug)]
pub(crate) struct Snapshot {
    file: OwnedFd,
    len: u64,
}

/// Where snapshots are made.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// A folder on disk; without one they are made in memory.
    folder: Option<OwnedFd>,
}

/// `f_type` of statfs(2) for file systems in memory.
const TMPFS_MAGIC: i64 = 0x0102_1994;

impl Scratch {
    /// In the folder at `path`, or in memory when it is none, is itself in memory, or has no files without a name.
    pub(crate) fn at(path: &Path) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).ok();
        let is_fit = |folder: &OwnedFd| {
            fstatfs(folder).is_ok_and(|about| about.f_type != TMPFS_MAGIC) && nameless(folder).is_some()
        };
        Self { folder: folder.filter(is_fit) }
    }

    /// In memory.
    #[cfg(test)]
    pub(crate) const fn in_memory() -> Self {
        Self { folder: None }
    }

    /// The folder, if they are made on disk.
    pub(crate) const fn folder(&self) -> Option<&OwnedFd> {
        self.folder.as_ref()
    }

    /// A snapshot of a version, unless there is no room or no descriptor left, or the file is another one by now.
    pub(crate) fn of_file(&self, file: &OpenFile) -> Option<Snapshot> {
        let mut piece = vec![0; limits::COPY_BYTES];
        let snapshot = self.of(file.stamp().len, |into| {
            let mut offset = 0;
            while offset < file.stamp().len {
                let left = usize::try_from(file.stamp().len - offset).unwrap_or(usize::MAX);
                let piece = &mut piece[..left.min(limits::COPY_BYTES)];
                read_at(file.file.as_fd(), piece, offset).ok()?;
                write(into, piece)?;
                offset += u64::try_from(piece.len()).ok()?;
            }
            Some(())
        })?;
        file.is_unchanged().then_some(snapshot)
    }

    /// A snapshot of these bytes, unless there is no room or no descriptor left.
    pub(crate) fn of_bytes(&self, bytes: &[u8]) -> Option<Snapshot> {
        self.of(u64::try_from(bytes.len()).ok()?, |into| write(into, bytes))
    }

    fn of(&self, len: u64, mut fill: impl FnMut(&OwnedFd) -> Option<()>) -> Option<Snapshot> {
        let on_disk = self.folder.as_ref().and_then(|folder| on_disk(folder, len, &mut fill));
        let file = on_disk.or_else(|| in_memory(&mut fill))?;
        Some(Snapshot { file, len })
    }
}

impl Snapshot {
    /// Its bytes.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// What the kernel sends from.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The bytes at `offset`.
    pub(crate) fn read_at(&self, into: &mut [u8], offset: u64) -> Result<(), Changed> {
        read_at(self.file.as_fd(), into, offset)
    }

    /// All bytes.
    pub(crate) fn read_whole(&self) -> Result<Arc<[u8]>, Changed> {
        read_whole(self.file.as_fd(), self.len)
    }
}

/// Room is taken first, and what was written is on disk before anybody is sent any of it: a disk that is full or fails says so
/// now, and not by giving other bytes back later.
fn on_disk(folder: &OwnedFd, len: u64, fill: &mut impl FnMut(&OwnedFd) -> Option<()>) -> Option<OwnedFd> {
    let file = nameless(folder)?;
    match fallocate(&file, FallocateFlags::empty(), 0, len) {
        Ok(()) | Err(Errno::OPNOTSUPP) => {}
        Err(_) => return None,
    }
    fill(&file)?;
    fdatasync(&file).ok()?;
    Some(file)
}

fn in_memory(fill: &mut impl FnMut(&OwnedFd) -> Option<()>) -> Option<OwnedFd> {
    let memory = memfd_create("snapshot", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).ok()?;
    fill(&memory)?;
    let nothing_more = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&memory, nothing_more).ok()?;
    Some(memory)
}

/// A file without a name, which can be given none (`O_EXCL`), and which only root could open again.
fn nameless(folder: &OwnedFd) -> Option<OwnedFd> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    openat(folder, ".", flags, Mode::empty()).ok()
}

fn write(file: &OwnedFd, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// A folder of the build, which is on disk.
    fn on_disk() -> Scratch {
        let scratch = Scratch::at(&PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        assert!(scratch.folder().is_some(), "this test is for a file system on disk");
        scratch
    }

    #[test]
    fn a_snapshot_is_of_one_version_on_disk_and_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for scratch in [on_disk(), Scratch::in_memory()] {
            fs::write(&path, "before").unwrap();
            let file = OpenFile::of(fs::File::open(&path).unwrap().into()).unwrap();
            let snapshot = scratch.of_file(&file).unwrap();
            fs::write(&path, "behind").unwrap();
            assert_eq!((snapshot.len(), &*snapshot.read_whole().unwrap()), (6, b"before".as_slice()));
            assert!(scratch.of_file(&file).is_none(), "it is another one by now");
            let mut part = [0; 3];
            scratch.of_bytes(b"as it was").unwrap().read_at(&mut part, 3).unwrap();
            assert_eq!(&part, b"it ");
            assert_eq!(snapshot.read_at(&mut part, 4), Err(Changed));
        }
    }

    #[test]
    fn what_is_in_memory_cannot_be_changed_and_what_is_on_disk_has_no_name() {
        let sealed = Scratch::in_memory().of_bytes(b"as it was").unwrap();
        assert_eq!(rustix::io::pwrite(&sealed.file, b"not", 0), Err(Errno::PERM));
        assert_eq!(rustix::fs::ftruncate(&sealed.file, 3), Err(Errno::PERM));
        let nameless = on_disk().of_bytes(b"as it was").unwrap();
        let about = rustix::fs::fstat(&nameless.file).unwrap();
        assert_eq!((about.st_nlink, about.st_mode & 0o777), (0, 0));
    }

    #[test]
    fn without_a_folder_on_disk_snapshots_are_made_in_memory() {
        for path in ["/proc", "/dev/shm", "/nowhere", "/etc/passwd"] {
            let scratch = Scratch::at(Path::new(path));
            assert!(scratch.folder().is_none(), "{path}");
            assert_eq!(&*scratch.of_bytes(b"a").unwrap().read_whole().unwrap(), b"a");
        }
    }

    #[test]
    fn on_a_full_disk_a_snapshot_is_made_in_memory() {
        let scratch = on_disk();
        let too_much = u64::MAX / 4;
        let folder = scratch.folder().unwrap();
        assert!(super::on_disk(folder, too_much, &mut |_| Some(())).is_none());
        assert!(scratch.of(too_much, |into| write(into, b"a")).is_some());
    }
}
