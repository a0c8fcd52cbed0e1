//! What is found at a path, from memory where that is known to be right.
//!
//! *Promises*
//! - that nothing outside the root, nothing hidden and nothing but a regular file is ever read ([`root`]);
//! - that an answer is never older than the request: an entry is used when no event came for it ([`watch`]) and a look at the
//!   disk at most 200 ms ago agreed (for changes that make no event), or, where events do not tell everything, when a look at
//!   it agreed: at each turn of the loop behind a symbolic or a second hard link, at most 50 ms ago where watching is
//!   impossible;
//! - that the bytes in memory are one version of the file: it is the same before and after it is read, and it was left
//!   alone for a moment before, since nothing tells of a write that is only half done;
//! - bounds on bytes, names, open files and watches.
//!
//! *Absent:* what is answered, and threads. Each event loop has a tree of its own: a hit takes no lock and shares no cache
//! line, at the price of a copy of the popular files for each loop; the budget is divided among them.

mod cache;
mod entry;
mod fill;
mod root;
mod snapshot;
mod stamp;
mod version;
mod watch;

use std::rc::Rc;
use std::sync::Arc;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use crate::background::{Job, Made, Place, Queue};
use crate::descriptors::OpenFiles;
use crate::error::Error;
use crate::event_loop::Control;
use crate::limits;
use crate::settings::{Limits, Site};
use crate::target::Path;

use cache::Generations;
use fill::Disk;
use root::Root;
use watch::Watches;

pub(crate) use entry::{Compression, Content, Entry, Thing};

pub(crate) use snapshot::{Scratch, Snapshot};
pub(crate) use stamp::{FileTime, Stamp};
pub(crate) use version::{Changed, OpenFile};

/// The folders of a server, opened; shared by its event loops.
#[derive(Debug)]
pub(crate) struct Sites {
    sites: Vec<OpenSite>,
}

#[derive(Debug)]
struct OpenSite {
    root: Root,
    hosts: Vec<String>,
    index: Vec<String>,
    well_known: bool,
}

/// The present, as the loop knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Milliseconds of the monotonic clock.
    pub(crate) ms: u64,
    /// The number of the turn.
    pub(crate) turn: u64,
    /// The time that files are stamped with.
    pub(crate) realtime: FileTime,
}

/// Whether a request may wait for a file that was changed just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It may, for [`limits::SETTLE_MS`] without a change.
    Wait,
    /// It waited for long: [`limits::SETTLE_HURRIED_MS`] have to do.
    Hurry,
}

/// Why nothing can be said at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The file may be half written; ask again in [`limits::SETTLE_MS`].
    Unsettled,
    /// As many files are open as there may be.
    Full,
    /// The system cannot: no memory, a failing disk.
    System(Errno),
}

/// What an event loop may keep.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    bytes_max: usize,
    folders_max: usize,
    descriptors_max: usize,
    open: OpenFiles,
    loops: usize,
}

/// The cache of one event loop.
#[derive(Debug)]
pub(crate) struct Tree {
    sites: Arc<Sites>,
    watches: Watches,
    files: Generations,
    absent: Generations,
    descriptor_cost_bytes: usize,
    open: OpenFiles,
    loops: usize,
    keeper: Keeper,
    /// Numbers that were given out.
    tickets: u64,
}

/// Whom to ask to hold large files in memory, and whom to tell of it.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    /// The thread.
    pub(crate) queue: Queue,
    /// The loop of the tree.
    pub(crate) control: Arc<Control>,
}

impl Share {
    /// One of `loops` equal ones. Half of the open files are for answers whose files the cache has forgotten.
    pub(crate) fn of(limits: &Limits, files_max: usize, loops: usize) -> Self {
        let loops = loops.max(1);
        Self {
            bytes_max: (limits.cache_bytes_max - held_bytes_max(limits)) / loops,
            folders_max: limits.watched_folders_max / loops,
            descriptors_max: (files_max / 2 / loops).clamp(1, limits::CACHE_DESCRIPTORS_MAX),
            open: OpenFiles::new(files_max),
            loops,
        }
    }

    /// The same, for who cannot be told of changes.
    pub(crate) fn without_watches(self) -> Self {
        Self { folders_max: 0, ..self }
    }
}

impl Sites {
    /// Opens the folders.
    ///
    /// # Errors
    /// When one is missing, not a folder, or not permitted.
    pub(crate) fn open(sites: &[Site]) -> Result<Self, Error> {
        let open = |site: &Site| {
            Ok(OpenSite {
                root: Root::open(&site.root)?,
                hosts: site.hosts.clone(),
                index: site.index.clone(),
                well_known: site.well_known,
            })
        };
        if sites.is_empty() {
            return Err(Error::NoSite);
        }
        Ok(Self { sites: sites.iter().map(open).collect::<Result<_, Error>>()? })
    }

    /// The site that answers for `authority`, a host with or without port.
    pub(crate) fn of(&self, authority: Option<&[u8]>) -> usize {
        if self.sites.len() == 1 {
            return 0;
        }
        let Some(host) = authority.map(without_port) else { return 0 };
        let is_its = |site: &OpenSite| site.hosts.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(host));
        self.sites.iter().position(is_its).unwrap_or(0)
    }
}

/// The trailing dot of a fully qualified name is not part of it either.
fn without_port(authority: &[u8]) -> &[u8] {
    let host = match authority.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !authority[colon..].contains(&b']') => &authority[..colon],
        _ => authority,
    };
    host.strip_suffix(b".").unwrap_or(host)
}

impl Tree {
    /// An empty cache.
    pub(crate) fn new(sites: Arc<Sites>, share: Share, keeper: Keeper) -> Self {
        let count = sites.sites.len();
        Self {
            watches: Watches::new(share.folders_max),
            files: Generations::new(count, share.bytes_max, limits::CACHE_FILES_MAX),
            absent: Generations::new(count, share.bytes_max, limits::CACHE_ABSENT_MAX),
            descriptor_cost_bytes: share.bytes_max / share.descriptors_max,
            open: share.open,
            loops: share.loops,
            keeper,
            tickets: 0,
            sites,
        }
    }

    /// Serves other folders from now on, and forgets what it knew. Returns what becomes readable when they change.
    pub(crate) fn replace_sites(&mut self, sites: Arc<Sites>, share: Share) -> Option<BorrowedFd<'_>> {
        // Numbers of before stay apart from those that come.
        let tickets = self.tickets;
        *self = Self { tickets, ..Self::new(sites, share, self.keeper.clone()) };
        self.descriptor()
    }

    /// The sites.
    pub(crate) fn sites(&self) -> &Sites {
        &self.sites
    }

    /// What becomes readable when files have changed.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watches.descriptor()
    }

    /// Takes note of every change up to now.
    pub(crate) fn drain(&mut self) {
        self.watches.drain();
    }

    /// What is known about `key`, if it is known to be right.
    pub(crate) fn cached(&mut self, site: usize, key: &[u8], now: Now) -> Option<Rc<Entry>> {
        let sites = &self.sites;
        let is_right = |entry: &Entry| entry.is_right(&sites.sites[site].root, now);
        self.files.find(site, key, is_right).or_else(|| self.absent.find(site, key, is_right))
    }

    /// Has a snapshot made of a file, if it was asked for often enough by now.
    pub(crate) fn hold(&mut self, site: usize, key: &[u8], entry: &Entry) {
        let Some(task) = entry.to_hold(self.tickets + 1) else { return };
        let ticket = self.ticket();
        let place = Place { site, key: key.into(), ticket };
        if !self.keeper.queue.offer(Job { task, to: Arc::clone(&self.keeper.control), place }) {
            entry.go_without(ticket);
        }
    }

    /// A number for what is to be made of a file.
    pub(crate) fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Puts what was made of a file beside it, if that is still known and right.
    pub(crate) fn add(&mut self, made: Made, now: Now) -> bool {
        let Made { is_compressed: _, place, forms } = made;
        if place.site >= self.sites.sites.len() {
            return false;
        }
        let Some(entry) = self.cached(place.site, &place.key, now) else { return false };
        if forms.is_empty() {
            entry.go_without(place.ticket);
            return false;
        }
        let Some(richer) = entry.with_made(place.ticket, forms) else { return false };
        let cost = richer.cost(place.key.len(), self.descriptor_cost_bytes, self.loops);
        self.files.insert(place.site, &place.key, Rc::new(richer), cost);
        true
    }

    /// Looks at the disk, and remembers what it found under `key`.
    ///
    /// # Errors
    /// When it cannot be told now.
    pub(crate) fn find(
        &mut self,
        site: usize,
        path: &Path<'_>,
        key: &[u8],
        now: Now,
        patience: Patience,
    ) -> Result<Rc<Entry>, Trouble> {
        let sites = Arc::clone(&self.sites);
        let of = &sites.sites[site];
        let disk = Disk { watches: &mut self.watches, open: &self.open };
        let entry = Rc::new(fill::fill(of, site, path, disk, now, patience)?);
        if !entry.is_stale() {
            let cost = entry.cost(key.len(), self.descriptor_cost_bytes, self.loops);
            let cache = match entry.thing {
                Thing::File(_) => &mut self.files,
                Thing::Directory | Thing::Missing | Thing::Refused => &mut self.absent,
            };
            cache.insert(site, key, Rc::clone(&entry), cost);
        }
        Ok(entry)
    }
}

/// The part of the memory for files that is for snapshots.
pub(crate) const fn held_bytes_max(limits: &Limits) -> usize {
    limits.cache_bytes_max / limits::HELD_SHARE
}

/// The key of a path in the cache: decoded, with a slash before it, and behind it if it names a folder.
pub(crate) fn key(path: &Path<'_>, key: &mut Vec<u8>) {
    key.clear();
    key.push(b'/');
    key.extend_from_slice(path.relative());
    if path.has_trailing_slash() && !path.relative().is_empty() {
        key.push(b'/');
    }
}

/// The key of a resource that needs no decoding, so that it is its own key: only such bytes stand in it before the query.
pub(crate) fn plain_key(resource: &[u8]) -> Option<&[u8]> {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~');
    let end = resource.iter().position(|byte| !is_plain(*byte));
    match end {
        None => Some(resource),
        Some(end) if resource[end] == b'?' => Some(&resource[..end]),
        Some(_) => None,
    }
}
