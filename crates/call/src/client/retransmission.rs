//! When to send a copy again on a link that loses frames: the estimator of RFC 6298 with bounds of
//! 20 ms and 1 s, doubling with jitter. Karn's rule needs no guess here: a reply echoes the attempt
//! number of the copy it answers. Absent: the copies, and any use on a stream.

use crate::limits::{RETRANSMISSION_MS_MAX, RETRANSMISSION_MS_MIN};

/// Smoothed round-trip time and its variation (RFC 6298 §2), in microseconds.
#[derive(Debug)]
pub(super) struct Estimator {
    smoothed_us: Option<u64>,
    variation_us: u64,
}

impl Estimator {
    pub(super) fn new() -> Self {
        Self { smoothed_us: None, variation_us: 0 }
    }

    /// Takes the round trip of one copy and the reply that names it.
    pub(super) fn sample(&mut self, round_trip_ms: u64) {
        let sample_us = round_trip_ms.min(60_000) * 1000;
        match self.smoothed_us {
            None => {
                self.smoothed_us = Some(sample_us);
                self.variation_us = sample_us / 2;
            }
            Some(smoothed_us) => {
                let apart_us = smoothed_us.abs_diff(sample_us);
                self.variation_us = (3 * self.variation_us + apart_us) / 4;
                self.smoothed_us = Some((7 * smoothed_us + sample_us) / 8);
            }
        }
    }

    /// The timeout before the copy after `doublings` unanswered ones, without jitter, in milliseconds.
    pub(super) fn timeout_ms(&self, doublings: u32) -> u64 {
        let once_ms = match self.smoothed_us {
            None => RETRANSMISSION_MS_MAX / 4,
            Some(smoothed_us) => (smoothed_us + 4 * self.variation_us).div_ceil(1000),
        };
        let once_ms = once_ms.clamp(RETRANSMISSION_MS_MIN, RETRANSMISSION_MS_MAX);
        (once_ms << doublings.min(10)).min(RETRANSMISSION_MS_MAX)
    }
}

/// `whole_ms` less a random part of up to a quarter, so that many clients do not send in step.
pub(super) fn with_jitter(whole_ms: u64, random: u8) -> u64 {
    whole_ms - whole_ms * u64::from(random) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_formulas_of_rfc_6298() {
        let mut estimator = Estimator::new();
        estimator.sample(100);
        assert_eq!(estimator.timeout_ms(0), 100 + 4 * 50);
        estimator.sample(100);
        // variation 3/4 * 50 = 37.5
        assert_eq!(estimator.timeout_ms(0), 100 + 150);
        estimator.sample(180);
        // variation (3 * 37.5 + 80) / 4 = 48.125, smoothed 110
        assert_eq!(estimator.timeout_ms(0), 110 + 193);
    }

    #[test]
    fn stays_within_its_bounds() {
        let mut estimator = Estimator::new();
        assert_eq!(estimator.timeout_ms(0), RETRANSMISSION_MS_MAX / 4);
        (0..50).for_each(|_| estimator.sample(0));
        assert_eq!(estimator.timeout_ms(0), RETRANSMISSION_MS_MIN);
        assert_eq!(estimator.timeout_ms(3), 8 * RETRANSMISSION_MS_MIN);
        assert_eq!(estimator.timeout_ms(u32::MAX), RETRANSMISSION_MS_MAX);
        (0..50).for_each(|_| estimator.sample(u64::MAX));
        assert_eq!(estimator.timeout_ms(0), RETRANSMISSION_MS_MAX);
    }

    #[test]
    fn jitter_takes_away_at_most_a_quarter() {
        assert_eq!(with_jitter(1000, 0), 1000);
        assert_eq!(with_jitter(1000, u8::MAX), 1000 - 249);
    }
}
