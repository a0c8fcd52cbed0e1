//! The bytes of one file: what a reader sees, what is safe on the medium, and the changes between the two. A power
//! cut decides for each sector of 512 bytes at which of its versions it stopped.
//!
//! Promised, as SQLite's "powersafe overwrite" demands: a torn sector differs only inside the range that was being
//! written. A truncation is an entry in the file system's journal: it happened or not, as a whole, and in order with
//! other truncations.
//!
//! Absent: names (volume.rs).

use std::collections::BTreeSet;

use crate::chance::Chance;

/// The unit in which a disk keeps or loses bytes.
const SECTOR_BYTES: usize = 512;

/// One file.
#[derive(Debug, Default)]
pub(super) struct Medium {
    seen: Vec<u8>,
    safe: Vec<u8>,
    pending: Vec<Change>,
    /// A folder's entry is written with the first sync of a new file.
    pub(super) entry_is_safe: bool,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize(usize),
}

/// How one power cut treats what was not synced. One for all files: a disk with a large cache, or a small one.
#[derive(Debug)]
pub(super) struct Mood {
    /// Probability that a version of a sector reached the medium, when the one before did.
    pub(super) keeps: f64,
    /// Probability that the version at which a sector stopped got there in part.
    tears: f64,
    /// New sectors that were not written hold what an older file left there, instead of zeros.
    garbage: bool,
}

/// What a power cut did.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Loss {
    pub(super) dropped: u64,
    pub(super) torn: u64,
}

impl Mood {
    pub(super) fn draw(chance: &mut Chance) -> Self {
        Self {
            keeps: *chance.pick(&[0.0, 0.0, 0.2, 0.5, 0.8, 0.95, 1.0]),
            tears: *chance.pick(&[0.0, 0.3, 0.9]),
            garbage: chance.below(4) == 0,
        }
    }
}

impl Medium {
    /// A file that has been there for long.
    pub(super) fn settled(bytes: Vec<u8>) -> Self {
        Self { safe: bytes.clone(), seen: bytes, pending: Vec::new(), entry_is_safe: true }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.seen
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.seen, offset, bytes);
        self.pending.push(Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn resize(&mut self, length: usize) {
        self.seen.resize(length, 0);
        self.pending.push(Change::Resize(length));
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            match change {
                Change::Write { offset, bytes } => put(&mut self.safe, offset, &bytes),
                Change::Resize(length) => self.safe.resize(length, 0),
            }
        }
        // Differs only where an earlier sync failed and dropped what it should have written.
        self.safe.resize(self.seen.len(), 0);
    }

    /// A sync that failed: the kernel takes the pages for written, and the medium never saw them.
    pub(super) fn lose_pending(&mut self) {
        self.pending.clear();
    }

    /// The power goes: what is left becomes all there is.
    pub(super) fn lose_power(&mut self, mood: &Mood, chance: &mut Chance) -> Loss {
        let mut wreck = Wreck::new(std::mem::take(&mut self.safe));
        for change in self.pending.drain(..) {
            match change {
                Change::Write { offset, bytes } => wreck.write(offset, &bytes, mood, chance),
                Change::Resize(length) => wreck.resize(length, mood, chance),
            }
        }
        wreck.image.resize(wreck.size, 0);
        self.safe = wreck.image;
        self.seen = self.safe.clone();
        wreck.loss
    }
}

/// A file while the power goes.
struct Wreck {
    image: Vec<u8>,
    /// Where the medium ended before any of this.
    old_size: usize,
    /// Sectors that never reach a later version.
    stopped: BTreeSet<usize>,
    size: usize,
    /// What the size would be if nothing were lost.
    size_seen: usize,
    size_stopped: bool,
    /// Behind a truncation that was lost the new bytes had no place on the medium.
    reach: usize,
    loss: Loss,
}

impl Wreck {
    fn new(safe: Vec<u8>) -> Self {
        Self {
            old_size: safe.len(),
            size: safe.len(),
            size_seen: safe.len(),
            image: safe,
            stopped: BTreeSet::new(),
            size_stopped: false,
            reach: usize::MAX,
            loss: Loss::default(),
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8], mood: &Mood, chance: &mut Chance) {
        let end = (offset + bytes.len()).min(self.reach);
        let mut at = offset;
        while at < end {
            let stop = end.min((at / SECTOR_BYTES + 1) * SECTOR_BYTES);
            self.write_piece(at, &bytes[at - offset..stop - offset], mood, chance);
            at = stop;
        }
        self.grow(offset + bytes.len(), mood, chance);
    }

    fn write_piece(&mut self, at: usize, piece: &[u8], mood: &Mood, chance: &mut Chance) {
        let sector = at / SECTOR_BYTES;
        if self.stopped.contains(&sector) {
            self.loss.dropped += 1;
            return;
        }
        if chance.happens(mood.keeps) {
            put(&mut self.image, at, piece);
            return;
        }
        self.stopped.insert(sector);
        if mood.garbage && at >= self.old_size {
            let mut garbage = vec![0; piece.len()];
            chance.fill(&mut garbage);
            put(&mut self.image, at, &garbage);
        }
        if chance.happens(mood.tears) {
            put(&mut self.image, at, &piece[..chance.index(piece.len())]);
            self.loss.torn += 1;
        } else {
            self.loss.dropped += 1;
        }
    }

    fn grow(&mut self, end: usize, mood: &Mood, chance: &mut Chance) {
        if end <= self.size_seen {
            return;
        }
        self.size_seen = end;
        self.size_stopped = self.size_stopped || !chance.happens(mood.keeps);
        if !self.size_stopped {
            self.size = end;
        }
    }

    fn resize(&mut self, length: usize, mood: &Mood, chance: &mut Chance) {
        if length >= self.size_seen {
            return self.grow(length, mood, chance);
        }
        self.size_seen = length;
        self.size_stopped = self.size_stopped || !chance.happens(mood.keeps);
        if self.size_stopped {
            self.reach = self.reach.min(length);
            return;
        }
        self.size = length;
        self.image.truncate(length);
        self.old_size = self.old_size.min(length);
        self.stopped.retain(|sector| sector * SECTOR_BYTES < length);
    }
}

fn put(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset..end].copy_from_slice(bytes);
}
