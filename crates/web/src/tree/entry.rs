//! What was found at a path, with everything that an answer needs. Absent: how it was found.

use std::cell::{Cell, RefCell};
use std::iter::repeat_n;
use std::rc::Rc;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::Now;
use super::root::Root;
use super::stamp::Stamp;
use super::watch::{Coverage, Stale};
use crate::accept::Coding;
use crate::background::Task;
use crate::event_loop::Answer;
use crate::limits;
use crate::plan::{Facts, Found, Variant};

/// What was found, and on what that rests.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What it is.
    pub(crate) thing: Thing,
    /// Its bytes, for each variant of the facts.
    pub(crate) contents: Vec<(Coding, Content)>,
    /// Answers that were made up from it, by what was asked.
    pub(crate) answers: RefCell<Vec<Answer>>,
    /// Whether it is to be compressed.
    pub(crate) compression: Cell<Compression>,
    pub(super) holding: Cell<Holding>,
    pub(super) stale: Stale,
    pub(super) coverage: Coverage,
    /// What stood at each path that was looked at; without what is absent beside it, where an event would tell of that.
    pub(super) seen: Vec<(Box<[u8]>, Option<Stamp>)>,
    pub(super) checked: Cell<(u64, u64)>,
}

/// Whether a file is to be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// No: too small, too large, compressed already, or not worth it.
    Unfit,
    /// When somebody asks for it who would take it.
    Wanted,
    /// It is being done, under this number.
    Asked(u64),
}

/// Whether a file that is held open is to be held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding {
    /// No: it is in memory, or too large.
    Unfit,
    /// When it was asked for `wanted` times, of which there were so many.
    After { asked: u32, wanted: u32 },
    /// It is being done, under this number; if nothing comes of it, it waits for so many requests.
    Asked { ticket: u64, wanted: u32 },
}

/// [`Found`], with its facts.
#[derive(Debug)]
pub(crate) enum Thing {
    /// See [`Found::Missing`].
    Missing,
    /// See [`Found::Refused`].
    Refused,
    /// See [`Found::Directory`].
    Directory,
    /// See [`Found::File`].
    File(Facts),
}

/// The bytes of a file in one encoding.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// In memory.
    Memory(Arc<[u8]>),
    /// On disk.
    Open(Rc<OpenFile>),
}

/// An open file, and which version of it is meant.
#[derive(Debug)]
pub(crate) struct OpenFile {
    /// Open for reading; offsets are given with each read.
    pub(crate) file: OwnedFd,
    pub(super) stamp: Stamp,
}

impl OpenFile {
    /// The version of `file` that is there now.
    #[cfg(test)]
    pub(crate) fn of(file: OwnedFd) -> Result<Self, Errno> {
        let stamp = Stamp::new(&rustix::fs::fstat(&file)?);
        Ok(Self { file, stamp })
    }

    /// Which version it is.
    pub(crate) const fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// All bytes of the version that was found; none when the file is another one by now.
    pub(crate) fn read_version(&self) -> Option<Arc<[u8]>> {
        let mut shared: Arc<[u8]> = repeat_n(0, usize::try_from(self.stamp.len).ok()?).collect();
        let bytes = Arc::get_mut(&mut shared)?;
        let mut filled = 0;
        while filled < bytes.len() {
            let offset = u64::try_from(filled).ok()?;
            match rustix::io::pread(&self.file, &mut bytes[filled..], offset) {
                Ok(0) => return None,
                Ok(read) => filled += read,
                Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        self.is_unchanged().then_some(shared)
    }

    /// The same version, through a descriptor of its own.
    fn again(&self) -> Option<Self> {
        let file = rustix::io::fcntl_dupfd_cloexec(&self.file, 0).ok()?;
        Some(Self { file, stamp: self.stamp })
    }

    fn is_holdable(&self) -> bool {
        self.stamp.len <= limits::HELD_FILE_BYTES_MAX
    }

    /// Whether the file is still the version that was found.
    pub(crate) fn is_unchanged(&self) -> bool {
        rustix::fs::fstat(&self.file).is_ok_and(|stat| {
            // Removing the name, or adding one, does not touch the bytes.
            let now = Stamp::new(&stat);
            now == self.stamp || (now.links != self.stamp.links && now.same_bytes(&self.stamp))
        })
    }
}

impl Holding {
    /// For an entry with these contents.
    pub(super) fn of(contents: &[(Coding, Content)]) -> Self {
        let is_fit = |(_, content): &(Coding, Content)| match content {
            Content::Memory(_) => false,
            Content::Open(open) => open.is_holdable(),
        };
        if contents.iter().any(is_fit) { Self::After { asked: 0, wanted: HOLD_AFTER } } else { Self::Unfit }
    }
}

impl Entry {
    /// Keeps an answer that was made up, if there is room.
    pub(crate) fn remember(&self, answer: Answer) {
        let mut answers = self.answers.borrow_mut();
        if answers.len() < limits::ANSWERS_PER_NAME_MAX {
            answers.push(answer);
        }
    }

    /// For the plan.
    pub(crate) fn found(&self) -> Found<'_> {
        match &self.thing {
            Thing::Missing => Found::Missing,
            Thing::Refused => Found::Refused,
            Thing::Directory => Found::Directory,
            Thing::File(facts) => Found::File(facts),
        }
    }

    /// The bytes in this encoding.
    pub(crate) fn content(&self, coding: Coding) -> Option<&Content> {
        self.contents.iter().find(|(own, _)| *own == coding).map(|(_, content)| content)
    }

    /// What is to be compressed of it, if that can be told without waiting.
    pub(crate) fn to_compress(&self) -> Option<Task> {
        match self.content(Coding::Identity)? {
            Content::Memory(bytes) => Some(Task::CompressBytes(Arc::clone(bytes))),
            Content::Open(open) => open.again().map(Task::CompressFile),
        }
    }

    /// What is to be held in memory of it under the number `ticket`, now that it was asked for once more. What cannot be held
    /// is tried ever more seldom.
    pub(super) fn to_hold(&self, ticket: u64) -> Option<Task> {
        let Holding::After { asked, wanted } = self.holding.get() else { return None };
        let asked = asked + 1;
        if asked < wanted {
            self.holding.set(Holding::After { asked, wanted });
            return None;
        }
        self.holding.set(Holding::Asked { ticket, wanted: wanted.saturating_mul(2) });
        self.contents.iter().find_map(|(coding, content)| match content {
            Content::Open(open) if open.is_holdable() => Some(Task::Hold(open.again()?, *coding)),
            Content::Open(_) | Content::Memory(_) => None,
        })
    }

    /// Takes note that nothing came of what was asked for under the number `ticket`.
    pub(super) fn go_without(&self, ticket: u64) {
        match self.holding.get() {
            Holding::Asked { ticket: own, wanted } if own == ticket => {
                self.holding.set(Holding::After { asked: 0, wanted });
            }
            Holding::Unfit | Holding::After { .. } | Holding::Asked { .. } => {}
        }
    }

    /// The same with these forms, which were made from it under the number `ticket`. It rests on the same, so it is stale when this is.
    /// None when it was not asked for.
    pub(super) fn with_made(&self, ticket: u64, forms: Vec<(Coding, Arc<[u8]>)>) -> Option<Self> {
        let Thing::File(facts) = &self.thing else { return None };
        let is_compressed = self.compression.get() == Compression::Asked(ticket);
        let is_held = matches!(self.holding.get(), Holding::Asked { ticket: own, .. } if own == ticket);
        if !(is_compressed || is_held) {
            return None;
        }
        let mut facts = facts.clone();
        let mut contents = self.contents.clone();
        let original = facts.variants.first()?.etag.clone();
        for (coding, bytes) in forms {
            if let Some((_, content)) = contents.iter_mut().find(|(own, _)| *own == coding) {
                *content = Content::Memory(bytes);
                continue;
            }
            let len = u64::try_from(bytes.len()).ok()?;
            facts.variants.push(Variant { coding, len, etag: original.of_compressed(coding) });
            contents.push((coding, Content::Memory(bytes)));
        }
        let compression = if is_compressed { Compression::Unfit } else { self.compression.get() };
        Some(Self {
            thing: Thing::File(facts),
            holding: Cell::new(Holding::of(&contents)),
            contents,
            answers: RefCell::default(),
            compression: Cell::new(compression),
            stale: Rc::clone(&self.stale),
            coverage: self.coverage,
            seen: self.seen.clone(),
            checked: self.checked.clone(),
        })
    }

    /// Whether an event came for it.
    pub(super) fn is_stale(&self) -> bool {
        self.stale.get()
    }

    /// Whether it is what would be found now.
    pub(super) fn is_right(&self, root: &Root, now: Now) -> bool {
        if self.is_stale() {
            return false;
        }
        let (ms, turn) = self.checked.get();
        let is_recent = match self.coverage {
            Coverage::Watched => now.ms.saturating_sub(ms) < limits::WATCHED_AGE_MS_MAX,
            Coverage::Linked => turn == now.turn,
            Coverage::Unwatched => now.ms.saturating_sub(ms) < limits::UNWATCHED_AGE_MS_MAX,
        };
        if is_recent {
            return true;
        }
        let is_same = self.seen.iter().all(|(path, stamp)| root.stamp(path) == *stamp);
        self.checked.set((now.ms, now.turn));
        is_same
    }

    /// About the bytes that it takes; `descriptor_bytes` is what an open file counts for, and large files are shared by `loops`.
    pub(super) fn cost(&self, key_bytes: usize, descriptor_bytes: usize, loops: usize) -> usize {
        let is_large = |len| u64::try_from(len).is_ok_and(|len| len > limits::CACHED_FILE_BYTES_MAX);
        let contents = self.contents.iter().map(|(_, content)| match content {
            Content::Memory(bytes) if is_large(bytes.len()) => bytes.len().div_ceil(loops),
            Content::Memory(bytes) => bytes.len(),
            Content::Open(_) => descriptor_bytes,
        });
        // Heads made up later are bounded in number and length; they are counted beforehand.
        contents.sum::<usize>() + key_bytes + ENTRY_COST_BYTES
    }

    #[cfg(test)]
    pub(super) fn absent() -> Self {
        Self {
            thing: Thing::Missing,
            contents: Vec::new(),
            answers: RefCell::default(),
            compression: Cell::new(Compression::Unfit),
            holding: Cell::new(Holding::Unfit),
            stale: Rc::default(),
            coverage: Coverage::Watched,
            seen: Vec::new(),
            checked: Cell::default(),
        }
    }
}

const ENTRY_COST_BYTES: usize = 2048;

/// Who downloads something once does not push out what others want.
const HOLD_AFTER: u32 = 2;
