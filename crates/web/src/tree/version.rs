//! One version of a file, open on disk, where it may become another.

use std::iter::repeat_n;
use std::sync::Arc;

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::stamp::Stamp;
use crate::descriptors::FilePlace;

/// An open file, and which version of it is meant.
#[derive(Debug)]
pub(crate) struct OpenFile {
    /// Open for reading; offsets are given with each read.
    pub(super) file: OwnedFd,
    pub(super) stamp: Stamp,
    pub(super) place: FilePlace,
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

    pub(super) fn is_unchanged(&self) -> bool {
        rustix::fs::fstat(&self.file).is_ok_and(|stat| {
            // Removing the name, or adding one, does not touch the bytes.
            let now = Stamp::new(&stat);
            now == self.stamp || (now.links != self.stamp.links && now.same_bytes(&self.stamp))
        })
    }
}

pub(super) fn read_whole(file: BorrowedFd<'_>, len: u64) -> Result<Arc<[u8]>, Changed> {
    let len = usize::try_from(len).map_err(|_| Changed)?;
    let mut bytes: Arc<[u8]> = repeat_n(0, len).collect();
    read_at(file, Arc::get_mut(&mut bytes).expect("nobody else has it yet"), 0)?;
    Ok(bytes)
}

pub(super) fn read_at(file: BorrowedFd<'_>, into: &mut [u8], offset: u64) -> Result<(), Changed> {
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
    fn another_version_is_never_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "before").unwrap();
        let file = OpenFile::of(std::fs::File::open(&path).unwrap().into()).unwrap();
        assert_eq!(&*file.read_whole().unwrap(), b"before");
        std::fs::write(&path, "behind").unwrap();
        assert_eq!(file.read_whole(), Err(Changed));
    }
}
