//! Which answers are out of date: inotify on the folders from which they were made.
//!
//! *Promises* that an event of a name marks what was made from that name before [`Watches::drain`] returns, and that
//! whatever cannot be followed any more (a full queue, a folder gone) is marked too. The kernel queues the event before the
//! system call that made the change returns, so who drains after a request arrived sees every change before that request.
//!
//! *Absent:* changes that come without an event: through another hard link, behind a symbolic link, by memory map, from
//! another machine. Who depends on such a file looks again instead; the tree decides that.

use std::cell::Cell;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::rc::{Rc, Weak};

use rustix::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::root::Root;
use crate::limits;

/// Set when what carries it is out of date.
pub(crate) type Stale = Rc<Cell<bool>>;

/// How far events tell about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Coverage {
    /// Every change makes an event.
    Watched,
    /// A folder on the way could not be watched.
    Unwatched,
    /// A symbolic link is on the way.
    Linked,
}

/// The folders that one event loop watches.
#[derive(Debug)]
pub(crate) struct Watches {
    inotify: Option<OwnedFd>,
    folders: HashMap<i32, Folder>,
    by_path: HashMap<(usize, Box<[u8]>), i32>,
    max: usize,
    buffer: Box<[MaybeUninit<u8>]>,
}

#[derive(Debug)]
struct Folder {
    site: usize,
    path: Box<[u8]>,
    dependents: HashMap<Box<[u8]>, Vec<Weak<Cell<bool>>>>,
    /// Names in `dependents` at which those that nobody needs any more are dropped.
    prune_at: usize,
}

impl Watches {
    /// At most `max` folders. Where the system has no inotify instance left nothing is watched, and it is told so.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok(),
            folders: HashMap::new(),
            by_path: HashMap::new(),
            max,
            buffer: vec![MaybeUninit::uninit(); limits::INOTIFY_BUFFER_BYTES].into_boxed_slice(),
        }
    }

    /// What becomes readable when there are events.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(rustix::fd::AsFd::as_fd)
    }

    /// Lets every later change of a name on the way to `path`, and of what it names, set `stale`.
    pub(crate) fn follow(&mut self, root: &Root, site: usize, path: &[u8], stale: &Stale) -> Coverage {
        let mut start = 0;
        loop {
            let end = path[start..].iter().position(|byte| *byte == b'/').map_or(path.len(), |at| start + at);
            let folder = &path[..start.saturating_sub(1)];
            match self.watch(root, site, folder) {
                Ok(Some(watch)) => self.depend(watch, &path[start..end], stale),
                Ok(None) => return Coverage::Unwatched,
                // Made from the absence of the folder; the name before covers that.
                Err(Errno::NOENT | Errno::NOTDIR) => return Coverage::Watched,
                Err(Errno::LOOP) => return Coverage::Linked,
                Err(_) => return Coverage::Unwatched,
            }
            if end == path.len() {
                return Coverage::Watched;
            }
            start = end + 1;
        }
    }

    /// Reads all events and marks what they make stale. When events were lost, everything.
    pub(crate) fn drain(&mut self) {
        let Some(inotify) = self.inotify.take() else { return };
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut reader = inotify::Reader::new(&inotify, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(std::ffi::CStr::to_bytes);
                    self.apply(&inotify, event.wd(), event.events(), name);
                }
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        self.inotify = Some(inotify);
        self.buffer = buffer;
    }

    fn watch(&mut self, root: &Root, site: usize, path: &[u8]) -> Result<Option<i32>, Errno> {
        let key = (site, Box::from(path));
        if let Some(watch) = self.by_path.get(&key) {
            return Ok(Some(*watch));
        }
        let Some(inotify) = &self.inotify else { return Ok(None) };
        if self.folders.len() >= self.max {
            return Ok(None);
        }
        let place = root.place(path)?;
        if is_remote(&place) {
            return Ok(None);
        }
        // Through the descriptor, so that what is watched is what was opened, whatever is renamed meanwhile.
        let link = format!("/proc/self/fd/{}", place.as_raw_fd());
        let Ok(watch) = inotify::add_watch(inotify, link, WATCHED) else { return Ok(None) };
        if self.folders.contains_key(&watch) {
            // The same folder under two paths; its events would be told for one of them only.
            return Ok(None);
        }
        let folder =
            Folder { site, path: path.into(), dependents: HashMap::new(), prune_at: PRUNE_NAMES_MIN };
        self.folders.insert(watch, folder);
        self.by_path.insert(key, watch);
        Ok(Some(watch))
    }

    fn depend(&mut self, watch: i32, name: &[u8], stale: &Stale) {
        let Some(folder) = self.folders.get_mut(&watch) else { return };
        if folder.dependents.len() >= folder.prune_at {
            folder.dependents.retain(|_, list| {
                list.retain(|one| one.strong_count() > 0);
                !list.is_empty()
            });
            folder.prune_at = PRUNE_NAMES_MIN.max(folder.dependents.len() * 2);
        }
        let list = folder.dependents.entry(name.into()).or_default();
        if list.len() == list.capacity() {
            list.retain(|one| one.strong_count() > 0);
        }
        list.push(Rc::downgrade(stale));
    }

    fn apply(&mut self, inotify: &OwnedFd, watch: i32, events: ReadFlags, name: Option<&[u8]>) {
        if events.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.forget_everything(inotify);
            return;
        }
        let Some(folder) = self.folders.get(&watch) else { return };
        match name {
            Some(name) => {
                mark(folder.dependents.get(name));
                if events.contains(ReadFlags::ISDIR) && events.intersects(MOVED) {
                    let (site, mut below) = (folder.site, folder.path.to_vec());
                    if !below.is_empty() {
                        below.push(b'/');
                    }
                    below.extend_from_slice(name);
                    self.forget_below(inotify, site, &below);
                }
            }
            None if events.intersects(GONE) => self.forget(inotify, watch),
            // The permissions of the folder itself.
            None => folder.dependents.values().for_each(|list| mark(Some(list))),
        }
    }

    fn forget_below(&mut self, inotify: &OwnedFd, site: usize, path: &[u8]) {
        let is_below = |folder: &Folder| {
            folder.site == site
                && folder.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        let gone: Vec<i32> =
            self.folders.iter().filter(|(_, folder)| is_below(folder)).map(|(watch, _)| *watch).collect();
        for watch in gone {
            self.forget(inotify, watch);
        }
    }

    fn forget_everything(&mut self, inotify: &OwnedFd) {
        let all: Vec<i32> = self.folders.keys().copied().collect();
        for watch in all {
            self.forget(inotify, watch);
        }
    }

    fn forget(&mut self, inotify: &OwnedFd, watch: i32) {
        let Some(folder) = self.folders.remove(&watch) else { return };
        self.by_path.remove(&(folder.site, folder.path));
        folder.dependents.values().for_each(|list| mark(Some(list)));
        // Fails when the kernel dropped it already, with the folder.
        let _gone = inotify::remove_watch(inotify, watch);
    }
}

const PRUNE_NAMES_MIN: usize = 64;

const WATCHED: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

const MOVED: ReadFlags =
    ReadFlags::CREATE.union(ReadFlags::DELETE).union(ReadFlags::MOVED_FROM).union(ReadFlags::MOVED_TO);

const GONE: ReadFlags =
    ReadFlags::DELETE_SELF.union(ReadFlags::MOVE_SELF).union(ReadFlags::IGNORED).union(ReadFlags::UNMOUNT);

fn mark(list: Option<&Vec<Weak<Cell<bool>>>>) {
    for stale in list.into_iter().flatten().filter_map(Weak::upgrade) {
        stale.set(true);
    }
}

/// File systems on which another machine, or a program behind FUSE, changes files without an event here.
fn is_remote(place: &OwnedFd) -> bool {
    const NFS: u64 = 0x6969;
    const SMB: u64 = 0x517b;
    const SMB2: u64 = 0xfe53_4d42;
    const CIFS: u64 = 0xff53_4d42;
    const NINE_P: u64 = 0x0102_1997;
    const FUSE: u64 = 0x6573_5546;
    const CEPH: u64 = 0x00c3_6400;
    const REMOTE: [u64; 7] = [NFS, SMB, SMB2, CIFS, NINE_P, FUSE, CEPH];
    let kind = rustix::fs::fstatfs(place).map_or(0, |about| about.f_type);
    u64::try_from(kind).is_ok_and(|kind| REMOTE.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(watches: &mut Watches, root: &std::path::Path, path: &str) -> (Stale, Coverage) {
        let stale = Stale::default();
        let coverage = watches.follow(&Root::open(root).unwrap(), 0, path.as_bytes(), &stale);
        (stale, coverage)
    }

    #[test]
    fn an_event_marks_its_own_name_alone() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("d")).unwrap();
        let mut watches = Watches::new(10);
        let (changed, _) = followed(&mut watches, root.path(), "d/changed");
        let (other, coverage) = followed(&mut watches, root.path(), "d/other");
        assert_eq!(coverage, Coverage::Watched);
        std::fs::write(root.path().join("d/changed"), "x").unwrap();
        watches.drain();
        assert!(changed.get() && !other.get());
    }

    #[test]
    fn events_that_were_lost_make_everything_stale() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("quiet")).unwrap();
        let mut watches = Watches::new(10);
        let (quiet, _) = followed(&mut watches, root.path(), "quiet/file");
        let queued_max = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let queued_max: usize = queued_max.trim().parse().unwrap();
        // Equal events that follow each other would be one.
        for name in ["a", "b"].into_iter().cycle().take(queued_max + 10) {
            std::fs::write(root.path().join(name), "").unwrap();
        }
        watches.drain();
        assert!(quiet.get());
        assert!(watches.folders.is_empty());
        let (again, coverage) = followed(&mut watches, root.path(), "quiet/file");
        assert_eq!(coverage, Coverage::Watched, "watching begins anew");
        std::fs::write(root.path().join("quiet/file"), "x").unwrap();
        watches.drain();
        assert!(again.get());
    }

    #[test]
    fn more_folders_than_may_be_watched_are_known_as_such() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        std::os::unix::fs::symlink("a", root.path().join("link")).unwrap();
        let mut watches = Watches::new(2);
        assert_eq!(followed(&mut watches, root.path(), "a/f").1, Coverage::Watched);
        assert_eq!(followed(&mut watches, root.path(), "a/b/f").1, Coverage::Unwatched);
        let mut watches = Watches::new(10);
        assert_eq!(followed(&mut watches, root.path(), "link/f").1, Coverage::Linked);
        assert_eq!(followed(&mut watches, root.path(), "none/f").1, Coverage::Watched);
    }

    #[test]
    fn what_nobody_depends_on_any_more_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let mut watches = Watches::new(10);
        for number in 0..10_000 {
            let _dropped = followed(&mut watches, root.path(), &number.to_string());
        }
        let names = watches.folders.values().map(|folder| folder.dependents.len()).max();
        assert!(names.unwrap() <= PRUNE_NAMES_MIN);
    }
}
