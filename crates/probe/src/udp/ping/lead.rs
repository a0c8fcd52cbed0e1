//! How long before a probe is due its prober is awake, so that the time that waking takes does not make it late: about as long
//! as waking took lately, within a share of the interval that bounds what it costs. Absent: clocks and sleeping.

use std::time::Duration;

use crate::limits::{LEAD_NS_MAX, LEAD_SHORT_NS_MAX, SPIN_NS_MAX, WATCH_NS_MAX};
use crate::prober::Wait;
use crate::time::{Moment, nanos_of};

/// One of this many of its nanoseconds is taken from the lead at each waking that was in time.
const DECAY: u64 = 512;

/// How a prober waits for a due probe: asleep at first, then awake and looking for answers, at the very end by the clock alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lead {
    nanos: u64,
    learned: bool,
    most: u64,
    watch: u64,
}

impl Lead {
    /// For probes that are `apart`, with sleep in between. A tenth of the time, or three quarters of a short time, is the most
    /// that is spent awake. It begins with the most: the first probes are to be in time as well.
    pub(super) fn sleeping(apart: Duration) -> Self {
        let apart = nanos_of(apart);
        let most = (apart / 10).max(LEAD_SHORT_NS_MAX.min(apart / 4 * 3)).min(LEAD_NS_MAX);
        Self { nanos: most, learned: true, most, watch: watch(apart).min(most) }
    }

    /// Awake all the time, when probes are not too far apart.
    pub(super) fn spinning(apart: Duration) -> Self {
        Self { nanos: SPIN_NS_MAX, learned: false, most: SPIN_NS_MAX, watch: watch(nanos_of(apart)) }
    }

    /// How many nanoseconds to sleep: to a little before a probe is due, and no longer than until one is given up, which may as
    /// well happen late.
    pub(super) fn sleep(&self, wait: &Wait, now: Moment) -> u64 {
        let send = wait.send.map(|due| due.nanos_since(now).saturating_sub(self.nanos));
        let give_up = wait.give_up.map(|due| due.nanos_since(now));
        send.into_iter().chain(give_up).min().unwrap_or(0)
    }

    /// When a probe is due, where that is so soon that only the clock is to be watched.
    pub(super) fn close(&self, wait: &Wait, now: Moment) -> Option<Moment> {
        wait.send.filter(|due| due.nanos_since(now) <= self.watch)
    }

    /// It woke so many nanoseconds later than it wanted to.
    pub(super) fn woke(&mut self, late: u64) {
        if self.learned {
            let faded = self.nanos - self.nanos.div_ceil(DECAY);
            self.nanos = faded.max(late.saturating_add(self.watch)).min(self.most);
        }
    }
}

/// A tenth of the time at most: whoever asks for the round trip as this program sees it is not to be told much more.
fn watch(apart: u64) -> u64 {
    (apart / 10).min(WATCH_NS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A probe is due after so many nanoseconds.
    fn due(after: u64) -> Wait {
        Wait { send: Some(Moment::from_nanos(after)), give_up: None }
    }

    fn slept(lead: &Lead, wait: &Wait) -> u64 {
        lead.sleep(wait, Moment::default())
    }

    #[test]
    fn only_for_a_probe_that_is_due_it_is_awake_before_the_time() {
        let lead = Lead::sleeping(Duration::from_millis(10));
        let given_up = |after| Some(Moment::from_nanos(after));
        let dead = Wait { send: None, give_up: given_up(1_000_000) };
        assert_eq!(slept(&lead, &dead), 1_000_000);
        assert_eq!(lead.close(&dead, Moment::from_nanos(999_999)), None);
        let both = |give_up| Wait { give_up: given_up(give_up), ..due(1_000_000) };
        assert_eq!(slept(&lead, &both(1_000_000)), 1_000_000 - LEAD_NS_MAX);
        assert_eq!(slept(&lead, &both(300_000)), 300_000);
        assert_eq!(lead.close(&both(0), Moment::from_nanos(999_999)), due(1_000_000).send);
        assert_eq!(slept(&Lead::spinning(Duration::from_millis(1)), &dead), 1_000_000);
    }

    #[test]
    fn it_follows_the_time_that_waking_takes_within_its_bounds() {
        let mut lead = Lead::sleeping(Duration::from_millis(10));
        assert_eq!(slept(&lead, &due(1_000_000)), 1_000_000 - LEAD_NS_MAX, "it begins with the most");
        for _waking in 0..10_000 {
            lead.woke(50_000);
        }
        assert_eq!(slept(&lead, &due(1_000_000)), 1_000_000 - 50_000 - WATCH_NS_MAX);
        lead.woke(90_000);
        for _waking in 0..100 {
            lead.woke(50_000);
        }
        assert!(slept(&lead, &due(1_000_000)) < 1_000_000 - 80_000, "one in a hundred is remembered");
        lead.woke(u64::MAX);
        assert_eq!(slept(&lead, &due(1_000_000)), 1_000_000 - LEAD_NS_MAX);
    }

    #[test]
    fn what_it_costs_is_a_share_of_the_time() {
        let awake = |apart_us| {
            let apart = Duration::from_micros(apart_us);
            nanos_of(apart) - slept(&Lead::sleeping(apart), &due(nanos_of(apart)))
        };
        assert_eq!([1_000_000, 1_000, 200, 100, 20].map(awake), [500_000, 100_000, 75_000, 75_000, 15_000]);
        let spinning = Lead::spinning(Duration::from_millis(1));
        assert_eq!(slept(&spinning, &due(1_000_000)), 0);
        let close = |lead: &Lead, left| lead.close(&due(left), Moment::default()).is_some();
        assert!(close(&spinning, WATCH_NS_MAX) && !close(&spinning, WATCH_NS_MAX + 1));
        assert!(!close(&Lead::spinning(Duration::from_micros(20)), 2_001));
    }
}
