//! Finds the disk that a path of SQLite names: `/<number>/<name>`.
//!
//! SQLite's calls for sleep, time and randomness name no file; they are about the disk that the calling thread used
//! last.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Shared;

static DISKS: Mutex<BTreeMap<u64, Weak<Shared>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static LAST_USED: Cell<u64> = const { Cell::new(0) };
}

/// A number that no other disk of this process has.
pub(super) fn number() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(super) fn enter(disk: &Arc<Shared>) {
    disks().insert(disk.number, Arc::downgrade(disk));
}

pub(super) fn leave(number: u64) {
    disks().remove(&number);
}

pub(super) fn used(number: u64) {
    LAST_USED.set(number);
}

pub(super) fn last_used() -> Option<Arc<Shared>> {
    find(LAST_USED.get())
}

/// The disk and the name on it.
pub(super) fn locate(path: &str) -> Option<(Arc<Shared>, &str)> {
    let (number, name) = path.strip_prefix('/')?.split_once('/')?;
    Some((find(number.parse().ok()?)?, name))
}

fn find(number: u64) -> Option<Arc<Shared>> {
    let weak = disks().get(&number).cloned()?;
    weak.upgrade()
}

fn disks() -> MutexGuard<'static, BTreeMap<u64, Weak<Shared>>> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}
