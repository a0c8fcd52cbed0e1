//! What can be made to fail, how, and how often it has happened.

use std::collections::BTreeMap;
use std::fmt;

/// What is done to a disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Operation {
    /// Reading bytes of a file.
    Read,
    /// Writing bytes of a file.
    Write,
    /// fsync of a file or of the folder.
    Sync,
    /// Changing the size of a file.
    Truncate,
    /// Opening a file, which may create it.
    Open,
    /// Deleting or renaming a file.
    Delete,
    /// Taking a lock of the database or of its shared memory.
    Lock,
}

/// How it fails.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Failure {
    /// The device answers with an error (EIO). Nothing was done.
    Io,
    /// No space is left (ENOSPC). Nothing was done.
    Full,
    /// Somebody else holds the lock.
    Busy,
    /// The sync fails, and the kernel drops the unsynced bytes while readers still see them: a later sync succeeds
    /// without writing them (Rebello et al. 2020, "Can Applications Recover from fsync Failures?"). Of an operation
    /// that is no sync the same as [`Failure::Io`].
    SyncLost,
}

/// Operations that fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Which kind.
    pub operation: Operation,
    /// So many of the kind succeed first.
    pub after: u32,
    /// So many then fail.
    pub times: u32,
    /// How.
    pub failure: Failure,
}

/// What has happened to a disk since it was made.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Operations by kind, the failed ones included.
    pub operations: BTreeMap<Operation, u64>,
    /// Injected faults that struck.
    pub faults: BTreeMap<(Operation, Failure), u64>,
    /// Writes refused because the capacity was reached.
    pub refused_full: u64,
    /// Times the power was cut.
    pub power_cuts: u64,
    /// Times all open handles died without a power cut.
    pub detachments: u64,
    /// Pieces of sectors that power cuts dropped.
    pub sectors_dropped: u64,
    /// Pieces of sectors that power cuts tore.
    pub sectors_torn: u64,
    /// What busy handlers slept, in microseconds of nobody's time.
    pub slept_us: u64,
}

/// Why an operation on a journal was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskError {
    /// The disk has no power.
    Off,
    /// The device failed.
    Failed(Operation),
    /// No space is left.
    Full,
    /// There is no such file.
    Missing,
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("the disk has no power; turn it on"),
            Self::Failed(operation) => write!(f, "the disk failed a {operation:?}, as it was told to"),
            Self::Full => f.write_str("the disk is full; raise its capacity"),
            Self::Missing => f.write_str("there is no such file on the disk"),
        }
    }
}

impl std::error::Error for DiskError {}

/// Why an operation is not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    Off,
    Failed(Failure),
    Missing,
}

impl Stop {
    pub(super) fn of(self, operation: Operation) -> DiskError {
        match self {
            Self::Off => DiskError::Off,
            Self::Failed(Failure::Full) => DiskError::Full,
            Self::Failed(Failure::Io | Failure::Busy | Failure::SyncLost) => DiskError::Failed(operation),
            Self::Missing => DiskError::Missing,
        }
    }
}

/// The faults that wait for their operation.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// How this operation fails, if it does.
    pub(super) fn strike(&mut self, operation: Operation) -> Option<Failure> {
        let mut struck = None;
        for fault in self.0.iter_mut().filter(|fault| fault.operation == operation) {
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 && struck.is_none() {
                fault.times -= 1;
                struck = Some(fault.failure);
            }
        }
        self.0.retain(|fault| fault.times > 0);
        struck
    }
}
