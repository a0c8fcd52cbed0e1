//! How far behind its schedule a prober sends, from when its probes were heard. Absent: hearing them.
//!
//! The schedule is probe n at start + n * interval. Its start is not told, so the probe that was earliest by its schedule is
//! taken to be on time. A prober that sent as many probes as were asked for is held to its count: each is one place of the schedule
//! later than the one before. One that sent fewer is given the benefit of the doubt: each probe belongs to the place
//! that it is nearest to.

use anyhow::{Context as _, Result};

/// What became of a schedule.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Sending {
    /// Probes that were heard.
    pub(super) sent: u64,
    /// Behind the schedule, in microseconds: median, 99 of 100, all.
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) max_us: f64,
}

/// Reads the schedule of a prober that was asked for so many probes.
///
/// # Errors
/// When none was heard.
pub(super) fn read(stamps: &[u64], interval_ns: u64, asked: u64) -> Result<Sending> {
    let sent = u64::try_from(stamps.len())?;
    let start = *stamps.first().context("no probe was heard")?;
    let mut behind: Vec<i64> = Vec::with_capacity(stamps.len());
    let mut next_place = 0;
    for stamp in stamps {
        let since = i64::try_from(stamp.saturating_sub(start))?;
        let nearest = (u64::try_from(since)? + interval_ns / 2) / interval_ns;
        let place = if sent == asked { next_place } else { nearest.max(next_place) };
        behind.push(since - i64::try_from(place * interval_ns)?);
        next_place = place + 1;
    }
    let earliest = behind.iter().min().copied().unwrap_or(0);
    behind.sort_unstable();
    let micros = |per_thousand: usize| -> Result<f64> {
        let at = (behind.len() * per_thousand).div_ceil(1000).max(1) - 1;
        let nanos = behind.get(at).context("no probe was heard")? - earliest;
        Ok(std::time::Duration::from_nanos(u64::try_from(nanos)?).as_secs_f64() * 1e6)
    };
    Ok(Sending { sent, p50_us: micros(500)?, p99_us: micros(990)?, max_us: micros(1000)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(of: Sending) -> [String; 4] {
        let whole = |micros: f64| format!("{micros:.0}");
        [of.sent.to_string(), whole(of.p50_us), whole(of.p99_us), whole(of.max_us)]
    }

    #[test]
    fn a_late_probe_does_not_move_those_after_it() {
        // Due each millisecond; the first is 5 us late, the fourth 300 us.
        let stamps = [5, 1_000, 2_000, 3_300, 4_000].map(|us: u64| 7_000_000 + us * 1_000);
        assert_eq!(rounded(read(&stamps, 1_000_000, 5).unwrap()), ["5", "0", "300", "300"]);
    }

    #[test]
    fn who_sends_all_but_ever_later_is_late() {
        let stamps: Vec<u64> = (0..1_000).map(|n| n * 1_100_000).collect();
        assert_eq!(rounded(read(&stamps, 1_000_000, 1_000).unwrap()), ["1000", "49900", "98900", "99900"]);
    }

    #[test]
    fn who_leaves_places_out_is_measured_by_the_places_it_took() {
        let stamps = [0, 1_000, 5_020, 6_010].map(|us: u64| us * 1_000);
        assert_eq!(rounded(read(&stamps, 1_000_000, 7).unwrap()), ["4", "0", "20", "20"]);
        assert!(read(&[], 1, 1).is_err());
    }
}
