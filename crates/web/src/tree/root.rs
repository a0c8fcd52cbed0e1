//! A folder that is served, opened once, and what a path below it is.
//!
//! *Promises* that no path and no link leads out of the folder (`openat2` with `RESOLVE_BENEATH`, decided by the kernel at
//! the moment of opening), that opening never waits for a writer of a fifo, and that only regular files are opened for
//! their bytes. *Absent:* names, index files, a cache.

use std::path::{Path, PathBuf};

use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::stamp::Stamp;
use crate::error::Error;
use crate::limits;

/// The folder of a site.
#[derive(Debug)]
pub(crate) struct Root {
    directory: OwnedFd,
}

/// What a path is.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A regular file, open for reading.
    File(OwnedFd, Stamp),
    /// A folder.
    Directory,
    /// Nothing of that name.
    Missing,
    /// Something that is not served: a link out of the root, a device, a file without permission.
    Refused,
}

/// A path looked up.
#[derive(Debug)]
pub(crate) struct Looked {
    /// What it is.
    pub(crate) opened: Opened,
    /// Whether a symbolic link was followed on the way.
    pub(crate) through_link: bool,
}

impl Root {
    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// When it is missing, not a folder, or not permitted.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let failed = |source: Errno| root_error(path, source);
        let directory = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(failed)?;
        // Without the permission to search it, every request would be answered 404.
        rustix::fs::accessat(&directory, ".", rustix::fs::Access::EXEC_OK, AtFlags::empty())
            .map_err(failed)?;
        Ok(Self { directory })
    }

    /// Looks up `path`, relative and without empty segments; the empty path is the root itself.
    ///
    /// # Errors
    /// When the system cannot tell at the moment: too many open files, no memory, a failing disk.
    pub(crate) fn look_up(&self, path: &[u8]) -> Result<Looked, Errno> {
        let direct = self.open_below(path, READ, ResolveFlags::NO_SYMLINKS);
        let (result, through_link) = match direct {
            Err(Errno::LOOP) => (self.open_below(path, READ, ResolveFlags::empty()), true),
            other => (other, false),
        };
        let opened = match result {
            Ok(file) => classify(file)?,
            // A folder may be searched without being read.
            Err(Errno::ACCESS) => match self.place(path) {
                Ok(_) => Opened::Directory,
                Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => return Err(error),
                Err(_) => Opened::Refused,
            },
            Err(error) => unopened(error)?,
        };
        Ok(Looked { opened, through_link })
    }

    /// Opens the folder at `path` as a place only, following no link.
    pub(crate) fn place(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open_below(path, OFlags::PATH | OFlags::DIRECTORY, ResolveFlags::NO_SYMLINKS)
    }

    /// What stands at `path` now, or `None` when nothing does. It is compared with an earlier stamp and never served,
    /// so it may look through any link.
    pub(crate) fn stamp(&self, path: &[u8]) -> Option<Stamp> {
        let stat = rustix::fs::statat(&self.directory, or_here(path), AtFlags::empty()).ok()?;
        Some(Stamp::new(&stat))
    }

    fn open_below(&self, path: &[u8], flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
        let resolve = resolve | ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut tries = limits::OPEN_TRIES_MAX;
        loop {
            let opened = rustix::fs::openat2(
                self.directory.as_fd(),
                or_here(path),
                flags | OFlags::CLOEXEC,
                Mode::empty(),
                resolve,
            );
            match opened {
                // The kernel met a rename on the way and could not vouch for the result.
                Err(Errno::AGAIN | Errno::INTR) if tries > 0 => tries -= 1,
                other => return other,
            }
        }
    }
}

const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

fn or_here(path: &[u8]) -> &[u8] {
    if path.is_empty() { b"." } else { path }
}

fn classify(file: OwnedFd) -> Result<Opened, Errno> {
    let stamp = Stamp::new(&rustix::fs::fstat(&file)?);
    Ok(match stamp.kind() {
        FileType::RegularFile => Opened::File(file, stamp),
        FileType::Directory => Opened::Directory,
        FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Opened::Refused,
    })
}

fn unopened(error: Errno) -> Result<Opened, Errno> {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::INVAL => Ok(Opened::Missing),
        // A link out (XDEV), a circle (LOOP), no permission, a socket or a device without a driver.
        Errno::XDEV | Errno::LOOP | Errno::ACCESS | Errno::PERM | Errno::NXIO | Errno::NODEV => {
            Ok(Opened::Refused)
        }
        other => Err(other),
    }
}

fn root_error(path: &Path, source: Errno) -> Error {
    let path: PathBuf = path.to_owned();
    match source {
        Errno::NOENT => Error::RootMissing { path },
        Errno::NOTDIR => Error::RootNotDirectory { path },
        Errno::ACCESS | Errno::PERM => Error::RootNotPermitted { path },
        other => Error::Root { path, source: other.into() },
    }
}
