//! How fast a principal may start new slots: a token bucket per principal. Rows are only deleted with
//! age, so their number is bounded here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::limits::{MINT_RATE_PRINCIPALS_MAX, NEW_SLOTS_BURST_MAX, NEW_SLOTS_PER_SECOND_MAX};
use crate::principal::Principal;

#[derive(Debug, Default)]
pub(crate) struct MintRate {
    buckets: Mutex<BTreeMap<Principal, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u64,
    filled_us: u64,
}

impl MintRate {
    /// Takes one token; false when there is none.
    pub(crate) fn take(&self, principal: Principal, now_us: u64) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MINT_RATE_PRINCIPALS_MAX && !buckets.contains_key(&principal) {
            buckets.retain(|_, bucket| bucket.refilled(now_us).tokens < NEW_SLOTS_BURST_MAX);
        }
        let full = Bucket { tokens: NEW_SLOTS_BURST_MAX, filled_us: now_us };
        let bucket = buckets.entry(principal).or_insert(full);
        *bucket = bucket.refilled(now_us);
        let granted = bucket.tokens > 0;
        bucket.tokens = bucket.tokens.saturating_sub(1);
        granted
    }
}

impl Bucket {
    fn refilled(self, now_us: u64) -> Self {
        let new = now_us.saturating_sub(self.filled_us).saturating_mul(NEW_SLOTS_PER_SECOND_MAX) / 1_000_000;
        if new == 0 {
            // A clock that went back must not stop the refill for ever.
            return Self { tokens: self.tokens, filled_us: self.filled_us.min(now_us) };
        }
        Self { tokens: self.tokens.saturating_add(new).min(NEW_SLOTS_BURST_MAX), filled_us: now_us }
    }
}
