//! One alarm per subject, the earliest first. Absent: a clock.

use std::collections::{BTreeMap, BTreeSet};

/// Times at which subjects want attention.
#[derive(Debug)]
pub(super) struct Timers<S> {
    by_subject: BTreeMap<S, u64>,
    by_time: BTreeSet<(u64, S)>,
}

impl<S: Ord + Copy> Timers<S> {
    pub(super) fn new() -> Self {
        Self { by_subject: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// Replaces the subject's time; `None` ends it.
    pub(super) fn set(&mut self, subject: S, at_ms: Option<u64>) {
        let before = match at_ms {
            Some(at_ms) => self.by_subject.insert(subject, at_ms),
            None => self.by_subject.remove(&subject),
        };
        if before == at_ms {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, subject));
        }
        if let Some(at_ms) = at_ms {
            self.by_time.insert((at_ms, subject));
        }
    }

    /// The earliest time.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes a subject whose time has come.
    pub(super) fn pop_due(&mut self, now_ms: u64) -> Option<S> {
        let &(at_ms, subject) = self.by_time.first()?;
        if at_ms > now_ms {
            return None;
        }
        self.set(subject, None);
        Some(subject)
    }
}
