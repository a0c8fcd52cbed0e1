//! The originals between the door and their answer, and the copies that attached to them: a copy either gets
//! its original's answer or becomes an original itself, whatever the moment it comes at.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::PoisonError;

use super::sync::{Mutex, MutexGuard};

/// Originals by `K`; a copy shows the same `M` (mark) and waits as `W`.
pub(crate) struct InHand<K, M, W> {
    copies_max: usize,
    originals: Mutex<HashMap<K, Original<M, W>>>,
}

struct Original<M, W> {
    mark: M,
    copies: Vec<W>,
}

/// What a call at the door is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Attached {
    /// A copy; it is answered with its original.
    Copy,
    /// One copy more than may wait.
    TooMany,
    /// The original now; [`InHand::release`] must follow.
    Original,
    /// Another call than the original, whose key it has.
    Stranger,
}

impl<K: Eq + Hash, M: PartialEq, W: Clone> InHand<K, M, W> {
    pub(crate) fn new(copies_max: usize) -> Self {
        Self { copies_max, originals: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn attach(&self, key: K, mark: M, waiter: &W) -> Attached {
        match self.originals().entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(Original { mark, copies: Vec::new() });
                Attached::Original
            }
            Entry::Occupied(mut original) => {
                let original = original.get_mut();
                if original.mark != mark {
                    return Attached::Stranger;
                }
                if original.copies.len() >= self.copies_max {
                    return Attached::TooMany;
                }
                original.copies.push(waiter.clone());
                Attached::Copy
            }
        }
    }

    /// The original has its answer, which is for these copies too.
    pub(crate) fn release(&self, key: &K) -> Vec<W> {
        self.originals().remove(key).map_or_else(Vec::new, |original| original.copies)
    }

    fn originals(&self) -> MutexGuard<'_, HashMap<K, Original<M, W>>> {
        self.originals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
