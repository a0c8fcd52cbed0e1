//! The client of the textbook: sends, waits one second, sends again, until a reply comes. It learns nothing from one call for
//! the next, so the course of one call is a loop. Absent: our client; that is the till.

use super::link::{Link, Way};
use super::statistics::Sample;

/// Between two attempts, in microseconds.
pub(super) const WAIT_US: u64 = 1_000_000;

/// One withdrawal over this link. A round trip is shorter than the wait, so the first attempt that gets through both ways
/// is the one that is answered.
pub(super) fn withdraw(link: &mut Link) -> Sample {
    for attempt in 1_u32.. {
        let arrived = link.carry(Way::Request);
        let answered = arrived.and_then(|there_us| Some(there_us + link.carry(Way::Reply)?));
        if let Some(round_trip_us) = answered {
            let waited_us = u64::from(attempt - 1) * WAIT_US;
            return Sample { us: waited_us + round_trip_us, attempts: attempt, copies: attempt };
        }
    }
    unreachable!("a link that loses less than everything lets an attempt through before 2^32 of them")
}
