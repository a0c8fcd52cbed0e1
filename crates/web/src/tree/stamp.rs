//! What the file system says about a file: enough to know one version of it from another. Absent: its bytes.

use rustix::fs::{FileType, Stat};

/// Seconds and nanoseconds since 1970, as the file system keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileTime {
    /// Whole seconds; before 1970 negative.
    pub(crate) seconds: i64,
    /// Nanoseconds within the second.
    pub(crate) nanoseconds: u32,
}

impl FileTime {
    /// How many nanoseconds this lies before `other`; negative when after.
    pub(crate) fn nanoseconds_until(self, other: Self) -> i128 {
        let whole = |time: Self| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
        whole(other) - whole(self)
    }
}

/// One version of a file. Two equal stamps are the same bytes, as far as the file system tells: every write moves
/// `changed`, which no program can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    /// The number of the file within its file system.
    pub(crate) inode: u64,
    /// Its bytes.
    pub(crate) len: u64,
    /// When its bytes were written last, or what somebody set instead.
    pub(crate) modified: FileTime,
    /// When anything about it changed last.
    pub(crate) changed: FileTime,
    mode: u32,
    /// Names that lead to it.
    pub(crate) links: u64,
}

impl Stamp {
    pub(crate) fn new(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            len: u64::try_from(stat.st_size).unwrap_or(0),
            modified: FileTime { seconds: stat.st_mtime, nanoseconds: nanoseconds(stat.st_mtime_nsec) },
            changed: FileTime { seconds: stat.st_ctime, nanoseconds: nanoseconds(stat.st_ctime_nsec) },
            mode: stat.st_mode,
            links: stat.st_nlink,
        }
    }

    /// Whether both are of the same bytes, as far as the time of the last write tells.
    pub(crate) fn same_bytes(&self, other: &Self) -> bool {
        let bytes = |stamp: &Self| (stamp.device, stamp.inode, stamp.len, stamp.modified);
        bytes(self) == bytes(other)
    }

    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }
}

fn nanoseconds(raw: u64) -> u32 {
    u32::try_from(raw).unwrap_or(0)
}
