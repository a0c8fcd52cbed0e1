//! Timestamps as they travel: 64 bits in one of two formats, and 16 bits that say how far off they may be and which format
//! it is. Absent: leap seconds and the offset of TAI; a difference of two stamps of one clock needs neither.

use std::time::Duration;

use crate::time::Timestamp;

/// Seconds from 1900 (NTP) to 1970.
const NTP_EPOCH_S: u64 = 2_208_988_800;
const NANOS_PER_S: u64 = 1_000_000_000;

/// The format of a timestamp: the Z bit (RFC 8186 §2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// Seconds since 1900 and 32 bits of fraction (RFC 5905 §6). Steps of 0.23 ns.
    #[default]
    Ntp,
    /// Seconds since 1970 and nanoseconds, each 32 bits: truncated PTP (IEEE 1588).
    Ptp,
}

/// A timestamp as it stands in a packet: what a stranger's clock wrote, not interpreted yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WireTime(pub u64);

impl WireTime {
    /// `time` in this format.
    #[must_use]
    pub fn new(time: Timestamp, format: Format) -> Self {
        let (seconds, nanos) = (time.nanos() / NANOS_PER_S, time.nanos() % NANOS_PER_S);
        match format {
            // Rounded to the nearest step, so that the way back gives the same nanosecond; below 2^32 for any nanos < 10^9.
            Format::Ntp => {
                let era_seconds = (seconds + NTP_EPOCH_S) & 0xffff_ffff;
                Self((era_seconds << 32) | (((nanos << 32) + NANOS_PER_S / 2) / NANOS_PER_S))
            }
            Format::Ptp => Self((seconds & 0xffff_ffff) << 32 | nanos),
        }
    }

    /// The time it says. NTP's seconds began anew in 2036; the half of the numbers from 1968 on belongs to the era before
    /// (RFC 4330 §3). More than a billion nanoseconds carry over.
    #[must_use]
    pub fn timestamp(self, format: Format) -> Timestamp {
        let (seconds, low) = (self.0 >> 32, self.0 & 0xffff_ffff);
        let nanos = match format {
            Format::Ntp => {
                let era_start = if seconds & 0x8000_0000 == 0 { 1 << 32 } else { 0 };
                let since_1970 = (era_start + seconds).saturating_sub(NTP_EPOCH_S);
                since_1970 * NANOS_PER_S + ((low * NANOS_PER_S + (1 << 31)) >> 32)
            }
            Format::Ptp => seconds * NANOS_PER_S + low,
        };
        Timestamp::from_nanos(nanos)
    }
}

/// How far off a clock may be (RFC 4656 §4.1.2): multiplier * 2^scale / 2^32 seconds. The multiplier is never zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorEstimate {
    /// Whether the clock follows UTC by an external source: the S bit.
    pub synchronized: bool,
    /// The format of the timestamp beside it: the Z bit.
    pub format: Format,
    /// Six bits.
    pub scale: u8,
    /// At least 1.
    pub multiplier: u8,
}

impl ErrorEstimate {
    /// An estimate no smaller than `error`, the closest that can be said; about a 2^31st of a second to 500 years.
    #[must_use]
    pub fn new(synchronized: bool, format: Format, error: Duration) -> Self {
        let steps = (error.as_nanos() << 32).div_ceil(u128::from(NANOS_PER_S)).max(1);
        let scale = (0..63).find(|scale| steps.div_ceil(1 << scale) <= 255).unwrap_or(63);
        let multiplier = u8::try_from(steps.div_ceil(1 << scale)).unwrap_or(u8::MAX);
        Self { synchronized, format, scale, multiplier }
    }

    /// A clock of which nothing is known.
    #[must_use]
    pub fn unknown(format: Format) -> Self {
        Self { synchronized: false, format, scale: 63, multiplier: u8::MAX }
    }

    /// The error it stands for.
    #[must_use]
    pub fn error(self) -> Duration {
        let steps = u128::from(self.multiplier) << self.scale;
        let nanos = (steps * u128::from(NANOS_PER_S)) >> 32;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Its two octets.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 2] {
        let format = match self.format {
            Format::Ntp => 0,
            Format::Ptp => 0x40,
        };
        [u8::from(self.synchronized) << 7 | format | self.scale & 0x3f, self.multiplier]
    }

    /// Reads two octets. Any two mean something; a multiplier of zero, which is not to be sent, is kept.
    #[must_use]
    pub fn from_bytes([first, multiplier]: [u8; 2]) -> Self {
        let format = if first & 0x40 == 0 { Format::Ntp } else { Format::Ptp };
        Self { synchronized: first & 0x80 != 0, format, scale: first & 0x3f, multiplier }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ntp_eras_join() {
        // 2036-02-07T06:28:16Z, the first second of NTP's era 1.
        let turn = Timestamp::from_nanos(2_085_978_496 * NANOS_PER_S);
        assert_eq!(WireTime::new(turn, Format::Ntp), WireTime(0));
        assert_eq!(WireTime(0).timestamp(Format::Ntp), turn);
        assert_eq!(WireTime(u64::MAX).timestamp(Format::Ntp), turn);
        let epoch = WireTime::new(Timestamp::default(), Format::Ntp);
        assert_eq!(epoch, WireTime(0x83aa_7e80_0000_0000));
    }

    #[test]
    fn error_estimates_never_promise_too_much() {
        let estimate = |error| ErrorEstimate::new(true, Format::Ntp, error);
        assert_eq!(estimate(Duration::ZERO).to_bytes(), [0x80, 1]);
        assert_eq!(estimate(Duration::from_secs(1)).to_bytes(), [0x80 | 25, 128]);
        assert_eq!(
            ErrorEstimate::new(false, Format::Ptp, Duration::from_secs(1)).to_bytes(),
            [0x40 | 25, 128]
        );
        assert_eq!(estimate(Duration::MAX).scale, 63);
    }

    proptest! {
        #[test]
        fn every_nanosecond_survives_the_wire(nanos in 0..4_294_967_296 * NANOS_PER_S) {
            let time = Timestamp::from_nanos(nanos);
            prop_assert_eq!(WireTime::new(time, Format::Ptp).timestamp(Format::Ptp), time);
            if nanos < 4_200_000_000 * NANOS_PER_S {
                prop_assert_eq!(WireTime::new(time, Format::Ntp).timestamp(Format::Ntp), time);
            }
        }

        #[test]
        fn any_bits_are_some_time(bits: u64) {
            for format in [Format::Ntp, Format::Ptp] {
                let _some_time = WireTime(bits).timestamp(format);
            }
        }

        #[test]
        fn an_estimate_covers_the_error_and_survives_the_wire(nanos in 1..u64::MAX / 2, synchronized: bool) {
            let error = Duration::from_nanos(nanos);
            let estimate = ErrorEstimate::new(synchronized, Format::Ptp, error);
            // A step is 0.23 ns, and what it stands for is rounded down to a whole nanosecond.
            prop_assert!(estimate.error() + Duration::from_nanos(1) >= error);
            prop_assert!(estimate.error().as_nanos() <= error.as_nanos() + error.as_nanos() / 100 + 1);
            prop_assert_eq!(ErrorEstimate::from_bytes(estimate.to_bytes()), estimate);
        }
    }
}
