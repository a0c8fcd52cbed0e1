//! Room kept for the moment at which the disk is full: a file beside the database that is given up, so that the
//! write-ahead log can be folded into the database and its own room be used again. Absent: when that is done
//! (open.rs).

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::{FallocateFlags, fallocate};

use crate::limits::RESERVE_BYTES;

/// The file, and whether it is there.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    kept: bool,
}

impl Reserve {
    pub(crate) fn at(path: PathBuf) -> Self {
        // A file without its room, as a killed process or a sparse copy leaves it, keeps nothing.
        let kept = fs::metadata(&path).is_ok_and(|facts| facts.blocks() * 512 >= RESERVE_BYTES);
        Self { path, kept }
    }

    /// Takes the room if there is room; without it the disk is full a little earlier.
    pub(crate) fn keep(&mut self) {
        if self.kept {
            return;
        }
        self.kept = self.allocate().is_ok();
        if !self.kept {
            let _nothing_there = fs::remove_file(&self.path);
        }
    }

    /// Gives the room to whoever needs it; false when there is none to give.
    pub(crate) fn give_up(&mut self) -> bool {
        self.kept = false;
        fs::remove_file(&self.path).is_ok()
    }

    fn allocate(&self) -> io::Result<()> {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES)?;
        file.sync_all()
    }
}
