//! The write-ahead log that a process before this one left, made durable before SQLite reads it.
//!
//! After a sync that failed the kernel may show bytes of the log that it will never store. SQLite would take them
//! for a commit and copy pages from it into the database: a power cut in the middle of that leaves half a
//! transaction there and no log to finish it from. Written again, the same bytes are stored by the next sync.
//!
//! Absent: what the log means.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{Options, StoreError};

const PIECE_BYTES: usize = 256 * 1024;

/// Writes the log beside `database` again, in place, and syncs it. Nobody else may write it meanwhile.
pub(crate) fn make_durable(database: &Path, options: &Options) -> Result<(), StoreError> {
    let path = beside(database);
    let written = match (&options.vfs, options.write_again) {
        (None, _) => write_again(&path),
        (Some(_), Some(write_again)) => write_again(&path),
        (Some(_), None) => Ok(()),
    };
    written.map_err(|source| StoreError::Folder { action: "writing", path, source })
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn write_again(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(facts) if facts.len() > 0 => {}
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let log: File = OpenOptions::new().read(true).write(true).open(path)?;
    let (mut piece, mut offset) = (vec![0; PIECE_BYTES], 0);
    loop {
        let count = log.read_at(&mut piece, offset)?;
        if count == 0 {
            return log.sync_data();
        }
        log.write_all_at(&piece[..count], offset)?;
        offset += u64::try_from(count).expect("a piece is small");
    }
}
