//! Whether a body comes fast enough, as a machine: what was waited and what came are told to it. Absent: the clock; time that
//! this side needs to write is never told, so that a slow reader of standard output is nobody's fault.

use std::time::Duration;

/// Bytes over a span of waiting, counted anew behind each span.
#[derive(Debug)]
pub(super) struct Rate {
    bytes_per_second_min: u64,
    span: Duration,
    waited: Duration,
    came: u64,
}

impl Rate {
    /// Wants so many bytes a second on average over `span`; 0 wants none.
    pub(super) fn new(bytes_per_second_min: u64, span: Duration) -> Self {
        Self { bytes_per_second_min, span, waited: Duration::ZERO, came: 0 }
    }

    /// So many bytes came after this wait. Returns, when they are too few, the bytes of the span and its length.
    pub(super) fn came(&mut self, bytes: u64, waited: Duration) -> Option<(u64, Duration)> {
        self.came = self.came.saturating_add(bytes);
        self.waited = self.waited.saturating_add(waited);
        if self.waited < self.span {
            return None;
        }
        let wanted = u128::from(self.bytes_per_second_min) * self.waited.as_millis() / 1000;
        let too_slow = (u128::from(self.came) < wanted).then_some((self.came, self.waited));
        (self.came, self.waited) = (0, Duration::ZERO);
        too_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn few_bytes_over_a_whole_span_are_too_slow() {
        let mut rate = Rate::new(100, 10 * SECOND);
        for _ in 0..9 {
            assert_eq!(rate.came(1, SECOND), None);
        }
        assert_eq!(rate.came(1, SECOND), Some((10, 10 * SECOND)));
    }

    #[test]
    fn a_burst_carries_its_own_span_and_no_other() {
        let mut rate = Rate::new(100, 10 * SECOND);
        assert_eq!(rate.came(1_000_000, 10 * SECOND), None);
        assert_eq!(rate.came(999, 10 * SECOND), Some((999, 10 * SECOND)));
        assert_eq!(rate.came(1000, 10 * SECOND), None);
    }

    #[test]
    fn nothing_is_too_slow_when_nothing_is_wanted() {
        assert_eq!(Rate::new(0, SECOND).came(0, 100 * SECOND), None);
    }
}
