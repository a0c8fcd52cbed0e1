//! The sending side: beat n of a run is due n intervals after its start, whatever happened to those before. Beats that were
//! missed because the host slept or was stopped are not made up for; their numbers are left out. Absent: clocks, sockets.

use std::time::Duration;

use super::key::Key;
use super::limits::{INTERVAL_MS_MAX, INTERVAL_MS_MIN, PAUSE_S_MAX};
use super::packet::{Beat, Kind, PACKET_BYTES};
use crate::time::{Moment, Timestamp, nanos_of};

/// How a host takes its leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Farewell {
    /// It is not to be missed.
    Goodbye,
    /// It is to be missed after so many seconds.
    Pause {
        /// For how long, in seconds.
        seconds: u32,
    },
}

impl Farewell {
    /// A pause of this length, rounded up to seconds; `None` beyond [`PAUSE_S_MAX`].
    #[must_use]
    pub fn pause(length: Duration) -> Option<Self> {
        let seconds = u32::try_from(length.as_millis().div_ceil(1_000)).ok()?;
        (1..=PAUSE_S_MAX).contains(&seconds).then_some(Self::Pause { seconds })
    }
}

/// The milliseconds of an interval between beats; `None` outside of its bounds.
#[must_use]
pub fn interval_ms(interval: Duration) -> Option<u32> {
    let milliseconds = u32::try_from(interval.as_millis()).ok()?;
    (INTERVAL_MS_MIN..=INTERVAL_MS_MAX).contains(&milliseconds).then_some(milliseconds)
}

/// One run of a host's sender.
#[derive(Debug)]
pub struct Sender {
    key: Key,
    host: u64,
    epoch: u64,
    interval_ms: u32,
    start: Moment,
    /// The number that comes next.
    next: u64,
}

impl Sender {
    /// Begins a run at `start`. Its epoch has to be greater than those of all earlier runs.
    #[must_use]
    pub fn new(host: u64, key: Key, epoch: u64, interval_ms: u32, start: Moment) -> Self {
        let interval_ms = interval_ms.clamp(INTERVAL_MS_MIN, INTERVAL_MS_MAX);
        Self { key, host, epoch, interval_ms, start, next: 0 }
    }

    /// When the next beat is due.
    #[must_use]
    pub fn due(&self) -> Moment {
        self.start.plus_nanos(self.next.saturating_mul(self.interval_ns()))
    }

    /// The beat that is due; `None` before it is. `stamp` is the wall clock now.
    pub fn beat(&mut self, now: Moment, stamp: Timestamp) -> Option<[u8; PACKET_BYTES]> {
        if now < self.due() {
            return None;
        }
        let sequence = now.nanos_since(self.start) / self.interval_ns();
        self.next = sequence + 1;
        Some(self.seal(Kind::Beat, sequence, stamp))
    }

    /// One copy of the last words. Each has a number of its own.
    pub fn farewell(&mut self, farewell: Farewell, stamp: Timestamp) -> [u8; PACKET_BYTES] {
        let sequence = self.next;
        self.next += 1;
        let kind = match farewell {
            Farewell::Goodbye => Kind::Goodbye,
            Farewell::Pause { seconds } => Kind::Pause { seconds },
        };
        self.seal(kind, sequence, stamp)
    }

    fn seal(&self, kind: Kind, sequence: u64, stamp: Timestamp) -> [u8; PACKET_BYTES] {
        let Self { host, epoch, interval_ms, .. } = *self;
        self.key.seal(&Beat { kind, interval_ms, host, epoch, sequence, stamp })
    }

    fn interval_ns(&self) -> u64 {
        nanos_of(Duration::from_millis(self.interval_ms.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_ms(milliseconds: u64) -> Moment {
        Moment::from_nanos(milliseconds * 1_000_000)
    }

    #[test]
    fn the_schedule_is_strict_and_missed_beats_are_left_out() {
        let mut sender = Sender::new(7, Key::new([1; 32]), 3, 1_000, at_ms(500));
        let mut sent = Vec::new();
        for now in [499, 500, 501, 1_499, 1_700, 2_500, 9_999, 10_400, 10_500] {
            let packet = sender.beat(at_ms(now), Timestamp::from_nanos(now));
            sent.extend(packet.map(|packet| (now, Beat::parse(&packet).unwrap().sequence)));
        }
        assert_eq!(sent, [(500, 0), (1_700, 1), (2_500, 2), (9_999, 9), (10_500, 10)]);
        let [first, second] = [(); 2].map(|()| {
            Beat::parse(&sender.farewell(Farewell::Pause { seconds: 60 }, Timestamp::default())).unwrap()
        });
        assert_eq!((first.sequence, second.sequence), (11, 12));
        assert_eq!((first.kind, first.host, first.epoch), (Kind::Pause { seconds: 60 }, 7, 3));
    }

    #[test]
    fn lengths_have_bounds() {
        let seconds = Duration::from_secs;
        assert_eq!(Farewell::pause(Duration::from_millis(1_001)), Some(Farewell::Pause { seconds: 2 }));
        assert!([0, 31 * 86_400, u64::MAX].iter().all(|wrong| Farewell::pause(seconds(*wrong)).is_none()));
        assert_eq!(interval_ms(seconds(1)), Some(1_000));
        assert!([0, 86_401].iter().all(|wrong| interval_ms(seconds(*wrong)).is_none()));
    }
}
