//! Who may read and who may write a database, as SQLite's own unix VFS decides it: the five levels of a file lock
//! (sqlite.org/lockingv3.html) and the eight locks of the shared memory of a write-ahead log (sqlite.org/walformat.html,
//! "WAL Locks"). A conflict is told at once; nobody waits here.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::volume::{FileId, HandleId, Volume};

/// A piece of shared memory. SQLite keeps its address, so whoever mapped it holds it.
pub(super) type Region = Arc<[AtomicU64]>;

/// The levels of a file lock, ascending.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Level {
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

/// How locks of the shared memory are held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hold {
    Shared,
    Exclusive,
}

/// Somebody else holds a lock that does not go with this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Busy;

/// One open file and what it has locked.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) file: FileId,
    level: Level,
    maps_memory: bool,
    shared: u8,
    exclusive: u8,
}

impl Client {
    pub(super) fn new(file: FileId) -> Self {
        Self { file, level: Level::None, maps_memory: false, shared: 0, exclusive: 0 }
    }
}

impl Volume {
    fn client(&mut self, handle: HandleId) -> &mut Client {
        self.clients.get_mut(&handle).expect("a handle of this generation is in the table until it is closed")
    }

    fn others(&self, handle: HandleId) -> impl Iterator<Item = &Client> {
        let file = self.clients.get(&handle).map(|client| client.file);
        self.clients
            .iter()
            .filter(move |(id, other)| **id != handle && Some(other.file) == file)
            .map(|it| it.1)
    }

    pub(super) fn lock(&mut self, handle: HandleId, wanted: Level) -> Result<(), Busy> {
        let held = self.client(handle).level;
        if held >= wanted {
            return Ok(());
        }
        let others = self.others(handle).map(|other| other.level).max().unwrap_or(Level::None);
        let reached = match wanted {
            Level::None => held,
            Level::Shared if others >= Level::Pending => return Err(Busy),
            Level::Shared => Level::Shared,
            Level::Reserved | Level::Pending | Level::Exclusive if others >= Level::Reserved => {
                return Err(Busy);
            }
            Level::Reserved | Level::Pending => wanted,
            // A writer that waits for the readers to leave lets no new ones in.
            Level::Exclusive if others >= Level::Shared && held == Level::Reserved => Level::Pending,
            Level::Exclusive if others >= Level::Shared => held,
            Level::Exclusive => Level::Exclusive,
        };
        self.client(handle).level = reached;
        if reached < wanted { Err(Busy) } else { Ok(()) }
    }

    pub(super) fn unlock(&mut self, handle: HandleId, down_to: Level) {
        let client = self.client(handle);
        client.level = client.level.min(down_to);
    }

    pub(super) fn is_reserved(&mut self, handle: HandleId) -> bool {
        let own = self.client(handle).level;
        self.others(handle).map(|other| other.level).chain([own]).any(|level| level >= Level::Reserved)
    }

    /// The region with this number, made if `extend`.
    pub(super) fn map_memory(
        &mut self,
        handle: HandleId,
        region: usize,
        bytes: usize,
        extend: bool,
    ) -> Option<Region> {
        let client = self.client(handle);
        client.maps_memory = true;
        let file = client.file;
        let regions = self.shared_memory.entry(file).or_default();
        while extend && regions.len() <= region {
            regions.push((0..bytes.div_ceil(size_of::<u64>())).map(|_| AtomicU64::new(0)).collect());
        }
        regions.get(region).cloned()
    }

    /// Gives the memory back. It is gone with the last one that maps it: the next one recovers from the log.
    pub(super) fn unmap_memory(&mut self, handle: HandleId) {
        let client = self.client(handle);
        (client.maps_memory, client.shared, client.exclusive) = (false, 0, 0);
        let file = client.file;
        if !self.others(handle).any(|other| other.maps_memory) {
            self.shared_memory.remove(&file);
        }
    }

    pub(super) fn lock_memory(&mut self, handle: HandleId, locks: u8, hold: Hold) -> Result<(), Busy> {
        let others = self.others(handle);
        let (shared, exclusive) = others.fold((0, 0), |sum, it| (sum.0 | it.shared, sum.1 | it.exclusive));
        let own = self.client(handle);
        match hold {
            Hold::Shared if exclusive & locks != 0 => return Err(Busy),
            Hold::Exclusive if (exclusive | shared) & locks != 0 => return Err(Busy),
            Hold::Shared => own.shared |= locks,
            Hold::Exclusive => own.exclusive |= locks,
        }
        Ok(())
    }

    pub(super) fn unlock_memory(&mut self, handle: HandleId, locks: u8) {
        let own = self.client(handle);
        (own.shared, own.exclusive) = (own.shared & !locks, own.exclusive & !locks);
    }

    /// Closes: locks and memory go with it.
    pub(super) fn close(&mut self, handle: HandleId) {
        self.unmap_memory(handle);
        self.clients.remove(&handle);
        self.forget_unreachable();
    }
}
