//! One version of a file, open: on disk, where it may become another, or sealed in memory, where nobody can change it.

use std::iter::repeat_n;
use std::sync::Arc;

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

use super::stamp::Stamp;
use crate::descriptors::FilePlace;
use crate::limits;

/// An open file, and which version of it is meant.
#[derive(Debug)]
pub(crate) struct OpenFile {
    /// Open for reading; offsets are given with each read.
    pub(super) file: OwnedFd,
    pub(super) stamp: Stamp,
    pub(super) place: FilePlace,
}

/// A copy of a version in memory of the kernel's. No call changes it any more, so what is sent of it without a copy stays
/// what it is until the last peer has read it (memfd_create(2), fcntl(2) "File Sealing").
#[derive(Debug)]
pub(crate) struct Sealed {
    memory: OwnedFd,
    len: u64,
}

/// The file is another one by now, or cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changed;

impl OpenFile {
    /// The version of `file` that is there now.
    #[cfg(test)]
    pub(crate) fn of(file: OwnedFd) -> Result<Self, Errno> {
        let stamp = Stamp::new(&rustix::fs::fstat(&file)?);
        let place = crate::descriptors::OpenFiles::new(1).place().expect("there is room for one");
        Ok(Self { file, stamp, place })
    }

    /// Which version it is.
    pub(crate) const fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The bytes at `offset`, if they are still of this version.
    pub(crate) fn read_at(&self, into: &mut [u8], offset: u64) -> Result<(), Changed> {
        read_at(self.file.as_fd(), into, offset)?;
        // Behind the last byte that is read, before the first that cannot be taken back.
        self.is_unchanged().then_some(()).ok_or(Changed)
    }

    /// All bytes of the version.
    pub(crate) fn read_whole(&self) -> Result<Arc<[u8]>, Changed> {
        let bytes = read_whole(self.file.as_fd(), self.stamp.len)?;
        self.is_unchanged().then_some(bytes).ok_or(Changed)
    }

    /// The same version, through a descriptor of its own.
    pub(super) fn again(&self) -> Option<Self> {
        let place = self.place.another()?;
        let file = rustix::io::fcntl_dupfd_cloexec(&self.file, 0).ok()?;
        Some(Self { file, stamp: self.stamp, place })
    }

    fn is_unchanged(&self) -> bool {
        rustix::fs::fstat(&self.file).is_ok_and(|stat| {
            // Removing the name, or adding one, does not touch the bytes.
            let now = Stamp::new(&stat);
            now == self.stamp || (now.links != self.stamp.links && now.same_bytes(&self.stamp))
        })
    }
}

impl Sealed {
    /// A copy of a version, unless the system has no memory or descriptor left, or the file is another one by now.
    pub(crate) fn of_file(file: &OpenFile) -> Option<Self> {
        let memory = memory()?;
        let mut piece = vec![0; limits::COPY_BYTES];
        let mut offset = 0;
        while offset < file.stamp.len {
            let left = usize::try_from(file.stamp.len - offset).unwrap_or(usize::MAX);
            let piece = &mut piece[..left.min(limits::COPY_BYTES)];
            read_at(file.file.as_fd(), piece, offset).ok()?;
            write(&memory, piece)?;
            offset += u64::try_from(piece.len()).ok()?;
        }
        if !file.is_unchanged() {
            return None;
        }
        seal(memory, file.stamp.len)
    }

    /// A copy of these bytes, unless the system has no memory or descriptor left.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let memory = memory()?;
        write(&memory, bytes)?;
        seal(memory, u64::try_from(bytes.len()).ok()?)
    }

    /// Its bytes.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// What the kernel sends from.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// The bytes at `offset`.
    pub(crate) fn read_at(&self, into: &mut [u8], offset: u64) -> Result<(), Changed> {
        read_at(self.memory.as_fd(), into, offset)
    }

    /// All bytes.
    pub(crate) fn read_whole(&self) -> Result<Arc<[u8]>, Changed> {
        read_whole(self.memory.as_fd(), self.len)
    }
}

fn memory() -> Option<OwnedFd> {
    memfd_create("held", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).ok()
}

fn write(memory: &OwnedFd, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        match rustix::io::write(memory, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(())
}

fn seal(memory: OwnedFd, len: u64) -> Option<Sealed> {
    fcntl_add_seals(&memory, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)
        .ok()?;
    Some(Sealed { memory, len })
}

fn read_whole(file: BorrowedFd<'_>, len: u64) -> Result<Arc<[u8]>, Changed> {
    let len = usize::try_from(len).map_err(|_| Changed)?;
    let mut bytes: Arc<[u8]> = repeat_n(0, len).collect();
    read_at(file, Arc::get_mut(&mut bytes).expect("nobody else has it yet"), 0)?;
    Ok(bytes)
}

fn read_at(file: BorrowedFd<'_>, into: &mut [u8], offset: u64) -> Result<(), Changed> {
    let mut filled = 0;
    while filled < into.len() {
        let at = offset + u64::try_from(filled).unwrap_or(0);
        match rustix::io::pread(file, &mut into[filled..], at) {
            Ok(0) => return Err(Changed),
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(_) => return Err(Changed),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_cannot_be_changed() {
        let sealed = Sealed::of_bytes(b"as it was").unwrap();
        assert_eq!(rustix::io::pwrite(&sealed.memory, b"not", 0), Err(Errno::PERM));
        assert_eq!(rustix::fs::ftruncate(&sealed.memory, 3), Err(Errno::PERM));
        assert_eq!(&*sealed.read_whole().unwrap(), b"as it was");
        let mut part = [0; 3];
        sealed.read_at(&mut part, 3).unwrap();
        assert_eq!(&part, b"it ");
        assert_eq!(sealed.read_at(&mut part, 7), Err(Changed));
    }

    #[test]
    fn another_version_is_never_copied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "before").unwrap();
        let file = OpenFile::of(std::fs::File::open(&path).unwrap().into()).unwrap();
        assert_eq!(&*Sealed::of_file(&file).unwrap().read_whole().unwrap(), b"before");
        std::fs::write(&path, "behind").unwrap();
        assert!(Sealed::of_file(&file).is_none());
        assert_eq!(file.read_whole(), Err(Changed));
    }
}
