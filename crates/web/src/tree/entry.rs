//! What was found at a path, with everything that an answer needs. Absent: how it was found.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::Now;
use super::root::Root;
use super::snapshot::Snapshot;
use super::stamp::Stamp;
use super::version::OpenFile;
use super::watch::{Coverage, Stale};
use crate::accept::Coding;
use crate::background::{Form, Source, Task};
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

/// Whether a snapshot is to be made of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding {
    /// No: there is one, or it is too small.
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
    /// In a snapshot that the kernel sends from.
    Snapshot(Arc<Snapshot>),
    /// On disk.
    Open(Rc<OpenFile>),
}

impl Content {
    /// Whether the kernel would send a snapshot of it with less work.
    fn is_holdable(&self) -> bool {
        match self {
            Self::Memory(bytes) => bytes.len() >= limits::HELD_FILE_BYTES_MIN,
            Self::Open(_) => true,
            Self::Snapshot(_) => false,
        }
    }

    /// Whether its bytes cannot be read any more.
    fn is_broken(&self) -> bool {
        match self {
            Self::Snapshot(snapshot) => snapshot.is_broken(),
            Self::Memory(_) | Self::Open(_) => false,
        }
    }

    /// For another thread; none when the system has no descriptor left.
    fn source(&self) -> Option<Source> {
        match self {
            Self::Memory(bytes) => Some(Source::Bytes(Arc::clone(bytes))),
            Self::Open(open) => open.again().map(Source::File),
            Self::Snapshot(snapshot) => Some(Source::Snapshot(Arc::clone(snapshot))),
        }
    }
}

impl Holding {
    /// For an entry with these contents.
    pub(super) fn of(contents: &[(Coding, Content)]) -> Self {
        if contents.iter().any(|(_, content)| content.is_holdable()) {
            Self::After { asked: 0, wanted: HOLD_AFTER }
        } else {
            Self::Unfit
        }
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
        self.content(Coding::Identity)?.source().map(Task::Compress)
    }

    /// Of what a snapshot is to be made under the number `ticket`, now that it was asked for once more. What cannot be held
    /// is tried ever more seldom.
    pub(super) fn to_hold(&self, ticket: u64) -> Option<Task> {
        let Holding::After { asked, wanted } = self.holding.get() else { return None };
        let asked = asked + 1;
        if asked < wanted {
            self.holding.set(Holding::After { asked, wanted });
            return None;
        }
        self.holding.set(Holding::Asked { ticket, wanted: wanted.saturating_mul(2) });
        let (coding, content) = self.contents.iter().find(|(_, content)| content.is_holdable())?;
        let source = content.source();
        if source.is_none() {
            // For lack of a descriptor.
            self.go_without(ticket);
        }
        Some(Task::Hold(source?, *coding))
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
    pub(super) fn with_made(&self, ticket: u64, forms: Vec<(Coding, Form)>) -> Option<Self> {
        let Thing::File(facts) = &self.thing else { return None };
        let is_compressed = self.compression.get() == Compression::Asked(ticket);
        let is_held = matches!(self.holding.get(), Holding::Asked { ticket: own, .. } if own == ticket);
        if !(is_compressed || is_held) {
            return None;
        }
        let mut facts = facts.clone();
        let mut contents = self.contents.clone();
        let original = facts.variants.first()?.etag.clone();
        for (coding, form) in forms {
            let (content, len) = match form {
                Form::Bytes(bytes) => (Content::Memory(Arc::clone(&bytes)), u64::try_from(bytes.len()).ok()?),
                Form::Snapshot(snapshot) => (Content::Snapshot(Arc::clone(&snapshot)), snapshot.len()),
            };
            if let Some((_, own)) = contents.iter_mut().find(|(own, _)| *own == coding) {
                *own = content;
                continue;
            }
            facts.variants.push(Variant { coding, len, etag: original.of_compressed(coding) });
            contents.push((coding, content));
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

    /// Whether an event came for it, or its bytes are gone.
    pub(super) fn is_stale(&self) -> bool {
        self.stale.get() || self.contents.iter().any(|(_, content)| content.is_broken())
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

    /// About the bytes that it takes; `descriptor_bytes` is what an open file counts for, and snapshots are shared by `loops`.
    pub(super) fn cost(&self, key_bytes: usize, descriptor_bytes: usize, loops: usize) -> usize {
        let contents = self.contents.iter().map(|(_, content)| match content {
            Content::Memory(bytes) => bytes.len(),
            Content::Snapshot(snapshot) => {
                usize::try_from(snapshot.len()).unwrap_or(usize::MAX).div_ceil(loops)
            }
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
