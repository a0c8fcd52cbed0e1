//! Entries by name, bounded.
//!
//! Two generations: what is found in the old one moves to the young one, and when the young one has half of the room, the
//! old one is dropped whole and the young one takes its place. What was asked for recently stays, as with a list in order of
//! use, without one. Absent: whether an entry is right.

use std::collections::HashMap;
use std::rc::Rc;

use super::entry::Entry;

/// A bounded map of entries for each site.
#[derive(Debug)]
pub(super) struct Generations {
    young: Generation,
    old: Generation,
    bytes_max: usize,
    entries_max: usize,
}

#[derive(Debug)]
struct Generation {
    sites: Vec<HashMap<Box<[u8]>, Held>>,
    bytes: usize,
    entries: usize,
}

#[derive(Debug)]
struct Held {
    entry: Rc<Entry>,
    cost_bytes: usize,
}

impl Generations {
    /// For so many sites, with room for so many bytes and entries in all.
    pub(super) fn new(sites: usize, bytes_max: usize, entries_max: usize) -> Self {
        Self { young: Generation::new(sites), old: Generation::new(sites), bytes_max, entries_max }
    }

    /// The entry, if it `is_right`; one that is not is dropped.
    pub(super) fn find(
        &mut self,
        site: usize,
        key: &[u8],
        is_right: impl Fn(&Entry) -> bool,
    ) -> Option<Rc<Entry>> {
        if let Some(held) = self.young.sites[site].get(key) {
            if is_right(&held.entry) {
                return Some(Rc::clone(&held.entry));
            }
            self.young.remove(site, key);
            return None;
        }
        let (key, held) = self.old.remove(site, key)?;
        if !is_right(&held.entry) {
            return None;
        }
        let entry = Rc::clone(&held.entry);
        self.put(site, key, held);
        Some(entry)
    }

    /// Remembers an entry, unless it alone would take half of the room.
    pub(super) fn insert(&mut self, site: usize, key: &[u8], entry: Rc<Entry>, cost_bytes: usize) {
        self.old.remove(site, key);
        if cost_bytes <= self.bytes_max / 2 {
            self.put(site, key.into(), Held { entry, cost_bytes });
        }
    }

    fn put(&mut self, site: usize, key: Box<[u8]>, held: Held) {
        let young = &self.young;
        if young.bytes + held.cost_bytes > self.bytes_max / 2 || young.entries >= self.entries_max / 2 {
            let empty = Generation::new(self.young.sites.len());
            self.old = std::mem::replace(&mut self.young, empty);
        }
        self.young.insert(site, key, held);
    }
}

impl Generation {
    fn new(sites: usize) -> Self {
        Self { sites: (0..sites).map(|_| HashMap::new()).collect(), bytes: 0, entries: 0 }
    }

    fn insert(&mut self, site: usize, key: Box<[u8]>, held: Held) {
        self.bytes += held.cost_bytes;
        self.entries += 1;
        if let Some(replaced) = self.sites[site].insert(key, held) {
            self.bytes -= replaced.cost_bytes;
            self.entries -= 1;
        }
    }

    fn remove(&mut self, site: usize, key: &[u8]) -> Option<(Box<[u8]>, Held)> {
        let (key, held) = self.sites[site].remove_entry(key)?;
        self.bytes -= held.cost_bytes;
        self.entries -= 1;
        Some((key, held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_room_is_never_exceeded() {
        let mut cache = Generations::new(1, 1000, 100);
        cache.insert(0, b"popular", Rc::new(Entry::absent()), 100);
        for round in 0..200_u32 {
            cache.insert(0, &round.to_le_bytes(), Rc::new(Entry::absent()), 100);
            assert!(cache.find(0, b"popular", |_| true).is_some(), "round {round}");
            assert!(cache.young.bytes + cache.old.bytes <= 1000);
        }
        assert!(cache.find(0, &0_u32.to_le_bytes(), |_| true).is_none());
    }

    #[test]
    fn names_are_bounded_where_they_weigh_nothing() {
        let mut cache = Generations::new(2, 1000, 10);
        for round in 0..200_u32 {
            cache.insert(1, &round.to_le_bytes(), Rc::new(Entry::absent()), 0);
            assert!(cache.young.entries + cache.old.entries <= 10);
        }
    }

    #[test]
    fn what_is_wrong_is_dropped() {
        let mut cache = Generations::new(1, 1000, 10);
        cache.insert(0, b"a", Rc::new(Entry::absent()), 10);
        assert!(cache.find(0, b"a", |_| false).is_none());
        assert!(cache.find(0, b"a", |_| true).is_none());
        assert_eq!((cache.young.bytes, cache.young.entries), (0, 0));
    }
}
