//! Packets dropped on purpose, by a seed: the same seed drops the same ones. Absent: who may be subject to it; that is the
//! reflector's to say.

use std::fmt;
use std::str::FromStr;

/// Which packets are dropped: some number of every block of packets, at places that the seed decides.
#[derive(Clone, Debug)]
pub struct Drops {
    share: Share,
    random: Random,
    /// Packets left in this block, and how many of them are to be dropped.
    left: u32,
    to_drop: u32,
}

/// How many of how many packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    dropped: u32,
    of: u32,
}

impl Share {
    /// Four of eleven.
    pub const REPORT: Self = Self { dropped: 4, of: 11 };
    /// Packets of a block for a share that is written as a number.
    const BLOCK: u32 = 1_000;
}

impl Drops {
    /// Drops this share.
    #[must_use]
    pub fn new(share: Share, seed: u64) -> Self {
        Self { share, random: Random(seed), left: 0, to_drop: 0 }
    }

    /// Whether the next packet is dropped. Of every whole block exactly the share is.
    pub fn next_is_dropped(&mut self) -> bool {
        if self.left == 0 {
            (self.left, self.to_drop) = (self.share.of, self.share.dropped);
        }
        // The chance of each is what is left to drop of what is left: every choice of places is equally likely.
        let dropped = self.random.below(self.left) < self.to_drop;
        self.left -= 1;
        self.to_drop -= u32::from(dropped);
        dropped
    }
}

impl FromStr for Share {
    type Err = String;

    /// Reads `report`, `N/M`, or a number from 0 to 1 with at most three digits behind the point.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no share: write report (4 of 11), N/M, or a number from 0 to 1");
        if text == "report" {
            return Ok(Self::REPORT);
        }
        let (dropped, of) = match text.split_once('/') {
            Some((dropped, of)) => (dropped.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?),
            None => (thousandths(text).ok_or_else(wrong)?, Self::BLOCK),
        };
        if of == 0 || dropped > of { Err(wrong()) } else { Ok(Self { dropped, of }) }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.dropped, self.of)
    }
}

fn thousandths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    if fraction.len() > 3
        || whole.len() > 1
        || !digits(whole)
        || !digits(fraction)
        || text.trim_matches('.').is_empty()
    {
        return None;
    }
    format!("{whole}{fraction:0<3}").parse().ok()
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to choose places.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// One of the numbers below `bound`; zero when there is none.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let scaled = (u128::from(self.next()) * u128::from(bound)) >> 64;
        u32::try_from(scaled).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_report_is_four_of_every_eleven() {
        let mut places = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut drops = Drops::new(Share::REPORT, seed);
            for _block in 0..3 {
                let block: Vec<bool> = (0..11).map(|_| drops.next_is_dropped()).collect();
                assert_eq!(block.iter().filter(|dropped| **dropped).count(), 4, "{block:?}");
                places.insert(block);
            }
        }
        assert!(places.len() > 250, "of 330 ways to choose, {} came", places.len());
    }

    #[test]
    fn the_same_seed_drops_the_same_packets() {
        let run = |seed| {
            let mut drops = Drops::new("0.3".parse().unwrap(), seed);
            (0..1_000).map(|_| drops.next_is_dropped()).collect::<Vec<bool>>()
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
        assert_eq!(run(5).iter().filter(|dropped| **dropped).count(), 300);
    }

    #[test]
    fn shares_are_read_or_refused() {
        let read = |text: &str| text.parse::<Share>().map(|share| share.to_string());
        assert_eq!(read("report").unwrap(), "4 of 11");
        assert_eq!(read("1/3").unwrap(), "1 of 3");
        for (text, dropped) in [("0", 0), ("1", 1_000), ("0.25", 250), (".5", 500), ("0.001", 1)] {
            assert_eq!(read(text).unwrap(), format!("{dropped} of 1000"));
        }
        for wrong in ["", ".", "-1", "2", "1.1", "0.0001", "5/4", "0/0", "1/x", "30%", "1e-3"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
