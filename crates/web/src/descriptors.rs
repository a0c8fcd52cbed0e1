//! How the descriptors of the process are divided among connections, files and the rest.
//!
//! *Promises* that connections, however many come, leave room for files to be opened and for connections to be turned away
//! with a word, and that files, however many are being sent, leave room for connections. *Absent:* descriptors that a program
//! opens beside the server after its start.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits;

/// Who may have how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Division {
    /// Connections at a time.
    pub(crate) connections_max: usize,
    /// Files that are open for longer than it takes to look at them.
    pub(crate) files_max: usize,
    /// Snapshots of files.
    pub(crate) snapshots_max: usize,
}

impl Division {
    /// Of `descriptors` in all, of which `open` are taken already, for so many event loops; as many connections as are
    /// `wanted`, if there is room.
    pub(crate) fn of(descriptors: usize, open: usize, loops: usize, wanted: usize) -> Self {
        let left = descriptors.saturating_sub(open);
        let others = limits::DESCRIPTORS_PER_LOOP * loops + limits::DESCRIPTORS_SPARE;
        // Where there are very few, everybody has fewer.
        let left = left - others.min(left / 2);
        let files_min = limits::OPEN_FILES_ASSURED.min(left / 4);
        let connections_max = wanted.min(left - files_min).max(1);
        let both = left.saturating_sub(connections_max);
        let snapshots_max = limits::HELD_FILES_MAX.min(both / 4);
        Self { connections_max, files_max: (both - snapshots_max).max(1), snapshots_max }
    }
}

/// Raises the soft limit to the hard one, since the soft one is often 1024 only for the sake of programs that use `select`,
/// and says how many descriptors the process may have.
pub(crate) fn raised() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // The hard limit is always permitted; where a sandbox says no, the soft one is what counts.
    let _raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let now = getrlimit(Resource::Nofile).current;
    now.and_then(|now| usize::try_from(now).ok()).unwrap_or(usize::MAX)
}

/// How many descriptors the process has now, about.
pub(crate) fn open_now() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(limits::DESCRIPTORS_SPARE, Iterator::count)
}

/// The files that event loops and the compressor hold open, counted. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct OpenFiles {
    open: Arc<AtomicUsize>,
    max: usize,
}

/// The right to hold a file open; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct FilePlace(OpenFiles);

impl OpenFiles {
    /// At most so many.
    pub(crate) fn new(max: usize) -> Self {
        Self { open: Arc::default(), max }
    }

    /// One more, if there is room.
    pub(crate) fn place(&self) -> Option<FilePlace> {
        let earlier = self.open.fetch_add(1, Ordering::Relaxed);
        // Dropped, and so given back, when it is one too many.
        Some(FilePlace(self.clone())).filter(|_| earlier < self.max)
    }
}

impl FilePlace {
    /// Another one, if there is room.
    pub(crate) fn another(&self) -> Option<Self> {
        self.0.place()
    }
}

impl Drop for FilePlace {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_room_for_both() {
        let wanted = 16_384;
        for descriptors in [0, 1, 20, 64, 128, 256, 1024, 4096, 20_000, 1 << 20, usize::MAX] {
            for loops in [1, 2, 64] {
                let open = 20;
                let division = Division::of(descriptors, open, loops, wanted);
                assert!(division.connections_max >= 1 && division.connections_max <= wanted);
                assert!(division.files_max >= 1);
                let files = division.files_max.saturating_add(division.snapshots_max);
                let sum = division.connections_max.saturating_add(files).saturating_add(open);
                assert!(sum <= descriptors.max(open + 2), "{descriptors} for {loops}: {division:?}");
            }
        }
    }

    #[test]
    fn enough_descriptors_leave_the_connections_as_they_are_wanted() {
        assert_eq!(Division::of(20_000, 20, 2, 16_384).connections_max, 16_384);
        assert_eq!(
            Division::of(1024, 20, 2, 16_384),
            Division { connections_max: 717, files_max: 180, snapshots_max: 59 }
        );
    }

    #[test]
    fn a_place_is_given_back() {
        let files = OpenFiles::new(1);
        let first = files.place();
        assert!(first.is_some() && files.place().is_none() && files.clone().place().is_none());
        drop(first);
        assert!(files.place().is_some());
    }
}
