//! A table of a fixed size for what strangers send: where there is no room, the entry least worth keeping goes. A flood
//! from a million forged addresses pushes out its own entries before those of a sender that comes again and again.
//!
//! The place of a key is a set of [`SET_ENTRIES`]; looking for it takes the same time whatever the table holds. Absent:
//! deletion; entries that are idle for too long are as good as free.

use std::hash::{BuildHasher as _, Hash, RandomState};

use crate::limits::SET_ENTRIES;
use crate::time::Moment;

/// The table.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    sets: Vec<[Option<Entry<K, V>>; SET_ENTRIES]>,
    idle_ns: u64,
    hashing: RandomState,
    /// The key that was asked for last, and its set: most packets come from the sender of the one before.
    last: Option<(K, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    uses: u32,
    used_at: Moment,
}

impl<K: Copy + Eq + Hash, V: Copy + Default> Table<K, V> {
    /// A table for `entries_max` entries, each as good as gone when it was not used for `idle_ns`.
    pub(super) fn new(entries_max: usize, idle_ns: u64, hashing: RandomState) -> Self {
        let sets = vec![[None; SET_ENTRIES]; entries_max.div_ceil(SET_ENTRIES).max(1)];
        Self { sets, idle_ns, hashing, last: None }
    }

    #[cfg(test)]
    pub(super) fn sets(&self) -> usize {
        self.sets.len()
    }

    /// The value of `key`, made anew when there is none or it was idle for too long.
    pub(super) fn entry(&mut self, key: K, now: Moment) -> &mut V {
        let at = self.set(key);
        let idle_ns = self.idle_ns;
        let set = &mut self.sets[at];
        let live = |entry: &Entry<K, V>| now.nanos_since(entry.used_at) < idle_ns;
        let known =
            set.iter().position(|slot| slot.as_ref().is_some_and(|entry| entry.key == key && live(entry)));
        let at = known.unwrap_or_else(|| least_worth(set, live));
        let slot = &mut set[at];
        if known.is_none() {
            *slot = None;
        }
        let fresh = || Entry { key, value: V::default(), uses: 0, used_at: now };
        let entry = slot.get_or_insert_with(fresh);
        entry.uses = entry.uses.saturating_add(1);
        entry.used_at = entry.used_at.max(now);
        &mut entry.value
    }

    fn set(&mut self, key: K) -> usize {
        if let Some((last, at)) = self.last
            && last == key
        {
            return at;
        }
        let sets = u64::try_from(self.sets.len()).unwrap_or(u64::MAX);
        let at = usize::try_from(self.hashing.hash_one(key) % sets).unwrap_or(0);
        self.last = Some((key, at));
        at
    }
}

/// A free slot, else one that is idle, else the one used least often, and of those the one not used for longest.
fn least_worth<K, V>(set: &[Option<Entry<K, V>>; SET_ENTRIES], live: impl Fn(&Entry<K, V>) -> bool) -> usize {
    let worth = |slot: &Option<Entry<K, V>>| match slot {
        Some(entry) if live(entry) => (2, entry.uses, entry.used_at),
        Some(entry) => (1, 0, entry.used_at),
        None => (0, 0, Moment::default()),
    };
    (0..SET_ENTRIES).min_by_key(|&at| worth(&set[at])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE_NS: u64 = 1_000;

    #[test]
    fn a_value_lives_until_it_is_idle_for_too_long() {
        let mut table: Table<u32, u32> = Table::new(8, IDLE_NS, RandomState::new());
        *table.entry(1, Moment::from_nanos(0)) += 5;
        assert_eq!(*table.entry(1, Moment::from_nanos(999)), 5);
        assert_eq!(*table.entry(1, Moment::from_nanos(1_998)), 5);
        assert_eq!(*table.entry(1, Moment::from_nanos(2_998)), 0);
    }

    #[test]
    fn who_comes_often_stays_while_a_million_others_come_once() {
        let mut table: Table<u64, u32> = Table::new(64, u64::MAX, RandomState::new());
        let mut now = 0;
        let mut at = move || {
            now += 1;
            Moment::from_nanos(now)
        };
        for stranger in 1..100_000_u64 {
            table.entry(stranger, at());
            if stranger % 100 == 0 || stranger < 3 {
                *table.entry(0, at()) += 1;
            }
        }
        assert_eq!(*table.entry(0, at()), 1_001);
        assert_eq!(table.sets.len(), 8, "the table did not grow");
    }
}
