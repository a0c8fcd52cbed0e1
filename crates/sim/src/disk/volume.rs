//! All files of one disk, their names, who has them open, and its power. Every operation passes here: this is where
//! faults strike, the capacity is kept, and the power ends.
//!
//! A name, like a file's bytes, is seen at once and safe later: with the first sync of a new file, or of the folder.
//! A handle belongs to the generation in which it was opened; what ends a process or the power begins a new one, and
//! no older handle reaches it.
//!
//! Absent: what SQLite calls these things (handle.rs).

use std::collections::{BTreeMap, BTreeSet};

use super::fault::{Counts, Failure, Fault, Faults, Operation, Stop};
use super::locks::{Client, Region};
use super::medium::{Medium, Mood};
use crate::chance::Chance;

/// What a disk holds when nobody says less, in bytes; more is a mistake of the one who writes.
const CAPACITY_BYTES_MAX: u64 = 1 << 30;

/// A file, whatever its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct FileId(u64);

/// A file that somebody has open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct HandleId(u64);

/// What an opening asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) create: bool,
    pub(super) exclusive: bool,
}

#[derive(Debug)]
pub(super) struct Volume {
    chance: Chance,
    /// What the device says its sectors are, in bytes.
    pub(super) sector_bytes: u32,
    files: BTreeMap<FileId, Medium>,
    names: BTreeMap<String, FileId>,
    safe_names: BTreeMap<String, FileId>,
    pub(super) clients: BTreeMap<HandleId, Client>,
    pub(super) shared_memory: BTreeMap<FileId, Vec<Region>>,
    next: u64,
    pub(super) generation: u64,
    off: bool,
    cut_in: Option<u32>,
    faults: Faults,
    capacity_bytes: u64,
    used_bytes: u64,
    pub(super) now_us: u64,
    pub(super) counts: Counts,
}

impl Volume {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::of(seed, "disk", 0);
        Self {
            sector_bytes: *chance.pick(&[512, 4096]),
            chance,
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            clients: BTreeMap::new(),
            shared_memory: BTreeMap::new(),
            next: 0,
            generation: 0,
            off: false,
            cut_in: None,
            faults: Faults::default(),
            capacity_bytes: CAPACITY_BYTES_MAX,
            used_bytes: 0,
            now_us: 0,
            counts: Counts::default(),
        }
    }

    pub(super) fn is_off(&self) -> bool {
        self.off
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    pub(super) fn file(&self, name: &str) -> Option<FileId> {
        self.names.get(name).copied()
    }

    pub(super) fn bytes(&self, file: FileId) -> &[u8] {
        self.files.get(&file).map_or(&[], Medium::bytes)
    }

    pub(super) fn fill_random(&mut self, buffer: &mut [u8]) {
        self.chance.fill(buffer);
    }
}

/// What ends, and what goes wrong.
impl Volume {
    pub(super) fn inject(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    pub(super) fn clear_faults(&mut self) {
        self.faults.clear();
        self.cut_in = None;
    }

    pub(super) fn set_capacity_bytes(&mut self, capacity: Option<u64>) {
        self.capacity_bytes = capacity.unwrap_or(CAPACITY_BYTES_MAX);
    }

    pub(super) fn detach(&mut self) {
        self.counts.detachments += 1;
        self.forget_handles();
    }

    fn forget_handles(&mut self) {
        self.generation += 1;
        self.clients.clear();
        self.shared_memory.clear();
        self.forget_unreachable();
    }

    pub(super) fn cut_power_after(&mut self, operations: u32) {
        match operations {
            0 => self.cut_power(),
            _ => self.cut_in = Some(operations),
        }
    }

    pub(super) fn cut_power(&mut self) {
        if self.off {
            return;
        }
        self.off = true;
        self.cut_in = None;
        self.counts.power_cuts += 1;
        let mood = Mood::draw(&mut self.chance);
        self.settle_names(&mood);
        self.forget_handles();
        for file in self.files.values_mut() {
            let loss = file.lose_power(&mood, &mut self.chance);
            self.counts.sectors_dropped += loss.dropped;
            self.counts.sectors_torn += loss.torn;
            file.entry_is_safe = true;
        }
        self.used_bytes = self.files.values().map(|file| length(file.bytes())).sum();
    }

    pub(super) fn power_on(&mut self) {
        self.off = false;
        self.cut_in = None;
    }

    /// Each name that changed since the folder was synced is what it was, or what it became.
    fn settle_names(&mut self, mood: &Mood) {
        let all: BTreeSet<String> = self.names.keys().chain(self.safe_names.keys()).cloned().collect();
        for name in all {
            let (seen, safe) = (self.names.get(&name).copied(), self.safe_names.get(&name).copied());
            if seen == safe || self.chance.happens(mood.keeps) {
                continue;
            }
            match safe {
                Some(file) => self.names.insert(name, file),
                None => self.names.remove(&name),
            };
        }
        self.safe_names.clone_from(&self.names);
    }

    /// Every operation begins here.
    pub(super) fn begin(&mut self, operation: Operation) -> Result<(), Stop> {
        if self.off {
            return Err(Stop::Off);
        }
        *self.counts.operations.entry(operation).or_default() += 1;
        let Some(failure) = self.faults.strike(operation) else { return Ok(()) };
        *self.counts.faults.entry((operation, failure)).or_default() += 1;
        Err(Stop::Failed(failure))
    }

    /// An operation that changes the disk, done but not synced, may have been the last one.
    fn spend_power(&mut self) -> Result<(), Stop> {
        match self.cut_in {
            None => Ok(()),
            Some(0 | 1) => {
                self.cut_power();
                Err(Stop::Off)
            }
            Some(left) => {
                self.cut_in = Some(left - 1);
                Ok(())
            }
        }
    }
}

/// Files.
impl Volume {
    /// The file of this name, made if it is wanted.
    pub(super) fn open(&mut self, name: &str, wanted: Wanted) -> Result<FileId, Stop> {
        self.begin(Operation::Open)?;
        match self.file(name) {
            Some(_) if wanted.exclusive => Err(Stop::Failed(Failure::Io)),
            Some(file) => Ok(file),
            None if !wanted.create => Err(Stop::Missing),
            None => {
                let file = self.make(Medium::default());
                self.names.insert(name.to_owned(), file);
                self.spend_power()?;
                Ok(file)
            }
        }
    }

    /// A file without a name, gone when it is closed.
    pub(super) fn open_nameless(&mut self) -> Result<FileId, Stop> {
        self.begin(Operation::Open)?;
        Ok(self.make(Medium::default()))
    }

    fn make(&mut self, medium: Medium) -> FileId {
        let file = FileId(self.number());
        self.used_bytes += length(medium.bytes());
        self.files.insert(file, medium);
        file
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn attach(&mut self, file: FileId) -> HandleId {
        let handle = HandleId(self.number());
        self.clients.insert(handle, Client::new(file));
        handle
    }

    /// Returns how many bytes there were to read.
    pub(super) fn read(&mut self, file: FileId, offset: usize, buffer: &mut [u8]) -> Result<usize, Stop> {
        self.begin(Operation::Read)?;
        let there = self.bytes(file).get(offset..).unwrap_or_default();
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        Ok(count)
    }

    pub(super) fn write(&mut self, file: FileId, offset: usize, bytes: &[u8]) -> Result<(), Stop> {
        self.begin(Operation::Write)?;
        let old = self.bytes(file).len();
        let new = old.max(offset.saturating_add(bytes.len()));
        self.make_room(old, new)?;
        self.medium(file)?.write(offset, bytes);
        self.spend_power()
    }

    pub(super) fn truncate(&mut self, file: FileId, size: usize) -> Result<(), Stop> {
        self.begin(Operation::Truncate)?;
        self.make_room(self.bytes(file).len(), size)?;
        self.medium(file)?.resize(size);
        self.spend_power()
    }

    fn make_room(&mut self, old: usize, new: usize) -> Result<(), Stop> {
        let used = (self.used_bytes + bytes_of(new)).saturating_sub(bytes_of(old));
        if new > old && used > self.capacity_bytes {
            self.counts.refused_full += 1;
            return Err(Stop::Failed(Failure::Full));
        }
        self.used_bytes = used;
        Ok(())
    }

    pub(super) fn sync(&mut self, file: FileId) -> Result<(), Stop> {
        let begun = self.begin(Operation::Sync);
        if begun == Err(Stop::Failed(Failure::SyncLost)) {
            self.medium(file)?.lose_pending();
        }
        begun?;
        self.spend_power()?;
        let medium = self.medium(file)?;
        medium.sync();
        if !medium.entry_is_safe {
            medium.entry_is_safe = true;
            self.safe_names.clone_from(&self.names);
        }
        Ok(())
    }

    pub(super) fn sync_folder(&mut self) -> Result<(), Stop> {
        self.begin(Operation::Sync)?;
        self.spend_power()?;
        self.safe_names.clone_from(&self.names);
        self.forget_unreachable();
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), Stop> {
        self.begin(Operation::Delete)?;
        let file = self.names.remove(from).ok_or(Stop::Missing)?;
        self.names.insert(to.to_owned(), file);
        self.spend_power()
    }

    pub(super) fn delete(&mut self, name: &str) -> Result<(), Stop> {
        self.begin(Operation::Delete)?;
        self.names.remove(name).ok_or(Stop::Missing)?;
        self.forget_unreachable();
        self.spend_power()
    }

    fn medium(&mut self, file: FileId) -> Result<&mut Medium, Stop> {
        self.files.get_mut(&file).ok_or(Stop::Missing)
    }

    /// Drops files that have no name, seen or safe, and that nobody has open.
    pub(super) fn forget_unreachable(&mut self) {
        let named: BTreeSet<FileId> = self.names.values().chain(self.safe_names.values()).copied().collect();
        let open: BTreeSet<FileId> = self.clients.values().map(|client| client.file).collect();
        self.files.retain(|file, _| named.contains(file) || open.contains(file));
        self.used_bytes = self.files.values().map(|file| length(file.bytes())).sum();
    }
}

/// What an operator does to a disk that nothing runs on: done at once, and safe.
impl Volume {
    pub(super) fn place(&mut self, name: &str, bytes: Vec<u8>) {
        let file = self.make(Medium::settled(bytes));
        self.names.insert(name.to_owned(), file);
        self.safe_names.insert(name.to_owned(), file);
        self.forget_unreachable();
    }

    pub(super) fn take_away(&mut self, name: &str) {
        self.names.remove(name);
        self.safe_names.remove(name);
        self.forget_unreachable();
    }
}

fn length(bytes: &[u8]) -> u64 {
    bytes_of(bytes.len())
}

fn bytes_of(count: usize) -> u64 {
    u64::try_from(count).expect("a length fits 64 bits")
}
