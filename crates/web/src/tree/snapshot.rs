//! Copies of a version of a file that nobody can change, so that what the kernel sends of them without a further copy stays
//! what it is until the last peer has read it.
//!
//! A snapshot is a file without a name (open(2), `O_TMPFILE`) in a folder on disk, which no other process can reach but as
//! this user or as root, by way of `/proc`. The page cache holds it in large pieces, from which sending costs a quarter less than from
//! memory files, and may let go of them, since they are on disk. Where no such file can be had, it is a sealed one in memory
//! (memfd_create(2), fcntl(2) "File Sealing"). One that cannot be read any more, because the disk failed or somebody truncated it,
//! is given up. *Absent:* which files are worth it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{
    FallocateFlags, FsWord, MemfdFlags, Mode, OFlags, SealFlags, fallocate, fcntl_add_seals, fdatasync,
    fstatfs, memfd_create, openat,
};
use rustix::io::Errno;

use super::version::{Changed, OpenFile, read_at, read_whole};
use crate::limits;

/// A version of a file, for good.
#[derive(Debug)]
pub(crate) struct Snapshot {
    file: OwnedFd,
    len: u64,
    is_broken: AtomicBool,
}

/// Where snapshots are made.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// A folder on disk; without one they are made in memory.
    folder: Option<OwnedFd>,
}

/// Why there is no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unmade {
    /// The file is another one by now, or cannot be read.
    Changed,
    /// The system has no room or no descriptor left.
    NoRoom,
}

/// `f_type` of statfs(2) for file systems in memory: tmpfs and ramfs.
const IN_MEMORY: [FsWord; 2] = [0x0102_1994, 0x8584_58f6];

impl Scratch {
    /// In the folder at `path`, or in memory when it is none, is itself in memory, or has no files without a name.
    pub(crate) fn at(path: &Path) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).ok();
        let is_fit = |folder: &OwnedFd| {
            fstatfs(folder).is_ok_and(|about| !IN_MEMORY.contains(&about.f_type))
                && nameless(folder).is_some()
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
                read_at(file.file.as_fd(), piece, offset).map_err(|Changed| Unmade::Changed)?;
                write(into, piece)?;
                offset += u64::try_from(piece.len()).expect("a length fits in 64 bits");
            }
            Ok(())
        })?;
        file.is_unchanged().then_some(snapshot)
    }

    /// A snapshot of these bytes, unless there is no room or no descriptor left.
    pub(crate) fn of_bytes(&self, bytes: &[u8]) -> Option<Snapshot> {
        self.of(u64::try_from(bytes.len()).ok()?, |into| write(into, bytes))
    }

    fn of(&self, len: u64, mut fill: impl FnMut(&OwnedFd) -> Result<(), Unmade>) -> Option<Snapshot> {
        let on_disk = self.folder.as_ref().map(|folder| on_disk(folder, len, &mut fill));
        let made = match on_disk {
            None | Some(Err(Unmade::NoRoom)) => in_memory(&mut fill),
            Some(Ok(file)) => Ok(file),
            Some(Err(Unmade::Changed)) => Err(Unmade::Changed),
        };
        Some(Snapshot { file: made.ok()?, len, is_broken: AtomicBool::new(false) })
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

    /// The bytes at `offset`. A snapshot that does not have them is given up.
    pub(crate) fn read_at(&self, into: &mut [u8], offset: u64) -> Result<(), Changed> {
        read_at(self.file.as_fd(), into, offset).inspect_err(|_| self.give_up())
    }

    /// All bytes.
    pub(crate) fn read_whole(&self) -> Result<Arc<[u8]>, Changed> {
        read_whole(self.file.as_fd(), self.len).inspect_err(|_| self.give_up())
    }

    /// It does not have the bytes any more that it had: nothing is answered from it again.
    pub(crate) fn give_up(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    /// Whether it was given up.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }
}

/// Room is taken first, and what was written is on disk before anybody is sent any of it: a disk that is full or fails says so
/// now, and not by giving other bytes back later.
fn on_disk(
    folder: &OwnedFd,
    len: u64,
    fill: &mut impl FnMut(&OwnedFd) -> Result<(), Unmade>,
) -> Result<OwnedFd, Unmade> {
    let file = nameless(folder).ok_or(Unmade::NoRoom)?;
    match fallocate(&file, FallocateFlags::empty(), 0, len) {
        Ok(()) | Err(Errno::OPNOTSUPP) => {}
        Err(_) => return Err(Unmade::NoRoom),
    }
    fill(&file)?;
    fdatasync(&file).map_err(|_| Unmade::NoRoom)?;
    Ok(file)
}

fn in_memory(fill: &mut impl FnMut(&OwnedFd) -> Result<(), Unmade>) -> Result<OwnedFd, Unmade> {
    let no_room = |_| Unmade::NoRoom;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = memfd_create("snapshot", flags).map_err(no_room)?;
    fill(&memory)?;
    let nothing_more = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&memory, nothing_more).map_err(no_room)?;
    Ok(memory)
}

/// A file without a name, which can be given none (`O_EXCL`), and which nobody may open again, of whatever name under `/proc`,
/// unless this user lets them.
fn nameless(folder: &OwnedFd) -> Option<OwnedFd> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    openat(folder, ".", flags, Mode::empty()).ok()
}

fn write(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Unmade> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(_) => return Err(Unmade::NoRoom),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::confine::Readable;
    use crate::settings::Site;

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
        let mut tries = 0;
        let snapshot = on_disk().of(3, |into| {
            tries += 1;
            write(into, if tries == 1 { b"a" } else { b"abc" })?;
            if tries == 1 { Err(Unmade::NoRoom) } else { Ok(()) }
        });
        assert_eq!(&*snapshot.unwrap().read_whole().unwrap(), b"abc");
        let changed = on_disk().of(3, |_| {
            tries += 1;
            Err(Unmade::Changed)
        });
        assert!(changed.is_none() && tries == 3, "a file that is another one is not copied again");
    }

    #[test]
    fn what_was_truncated_is_given_up() {
        let snapshot = on_disk().of_bytes(b"as it was").unwrap();
        let mut part = [0; 9];
        snapshot.read_at(&mut part, 0).unwrap();
        rustix::fs::ftruncate(&snapshot.file, 0).unwrap();
        assert!(!snapshot.is_broken());
        assert_eq!((snapshot.read_at(&mut part, 0), snapshot.is_broken()), (Err(Changed), true));
    }

    #[test]
    fn a_confined_thread_makes_them_on_disk() {
        let root = tempfile::tempdir().unwrap();
        let readable = Readable::of(&[Site::new(root.path())]).unwrap();
        let confined = move || {
            let scratch = on_disk();
            readable.confine_this_thread(scratch.folder()).unwrap();
            let snapshot = scratch.of_bytes(b"a").unwrap();
            let is_named = fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("named"), "a").is_ok();
            (rustix::fs::fstatfs(&snapshot.file).unwrap().f_type, is_named)
        };
        let (file_system, is_named) = std::thread::spawn(confined).join().unwrap();
        assert!(!IN_MEMORY.contains(&file_system));
        assert!(!is_named, "it makes no file with a name");
    }
}
