//! Packets spoiled on purpose, by a seed: of each session the same packets suffer the same. Absent: who may be subject to it
//! and how it is carried out; that is the reflector's.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::limits::FAULT_DELAY_MS_MAX;

/// On which way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    /// To the reflector.
    Up,
    /// From the reflector.
    Down,
}

/// What a packet suffers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// It is lost.
    Drop,
    /// One bit of it is another: of the time that the sender wrote, so that the sender can see it.
    Corrupt,
    /// It comes twice.
    Duplicate,
    /// It is held until the next packet of its session has overtaken it.
    Reorder,
    /// It is held for a while.
    Delay,
}

impl Way {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Up, Self::Down];

    /// Its word on command lines and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl Kind {
    /// All, in the order in which they are tried: a packet suffers the first that hits it, and no other.
    pub const ALL: [Self; 5] = [Self::Drop, Self::Corrupt, Self::Duplicate, Self::Reorder, Self::Delay];

    /// Its word on command lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Corrupt => "corrupt",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Delay => "delay",
        }
    }

    /// Its word in counts.
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Drop => "dropped",
            Self::Corrupt => "corrupted",
            Self::Duplicate => "duplicated",
            Self::Reorder => "reordered",
            Self::Delay => "delayed",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// One wish: of the packets on this way, this share suffers this. Written `up:drop:1/10`, `down:delay:0.05:80`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// On which way.
    pub way: Way,
    /// What.
    pub kind: Kind,
    /// How many.
    pub share: Share,
    /// For how long a packet is held, where it is delayed.
    pub delay: Duration,
}

/// What becomes of packets on both ways.
#[derive(Clone, Debug)]
pub struct Faults {
    seed: u64,
    shares: [[Option<Share>; Kind::ALL.len()]; Way::ALL.len()],
    delays: [Duration; Way::ALL.len()],
}

/// How far a session has come in its faults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fates {
    blocks: [[Option<Block>; Kind::ALL.len()]; Way::ALL.len()],
}

/// How many of how many packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    hit: u32,
    of: u32,
}

impl Faults {
    /// Of several wishes for the same kind on the same way the last holds.
    #[must_use]
    pub fn new(wishes: &[Fault], seed: u64) -> Self {
        let mut faults = Self { seed, shares: Default::default(), delays: Default::default() };
        for wish in wishes {
            faults.shares[wish.way.index()][wish.kind.index()] = Some(wish.share);
            if wish.kind == Kind::Delay {
                faults.delays[wish.way.index()] = wish.delay;
            }
        }
        faults
    }

    /// What the next packet of a session suffers on this way.
    #[must_use]
    pub fn next(&self, way: Way, fates: &mut Fates) -> Option<Kind> {
        let mut suffered = None;
        for kind in Kind::ALL {
            let Some(share) = self.shares[way.index()][kind.index()] else { continue };
            let place = u64::try_from(way.index() * Kind::ALL.len() + kind.index()).unwrap_or(0);
            let fresh = || Block::new(self.seed ^ (place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let block = fates.blocks[way.index()][kind.index()].get_or_insert_with(fresh);
            if block.next_is_hit(share) && suffered.is_none() {
                suffered = Some(kind);
            }
        }
        suffered
    }

    /// For how long a delayed packet is held on this way.
    #[must_use]
    pub fn delay(&self, way: Way) -> Duration {
        self.delays[way.index()]
    }

    /// What decides which packets.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

/// Packets in a row, of which a number is hit.
#[derive(Clone, Copy, Debug)]
struct Block {
    random: Random,
    /// Packets left in this block, and how many of them are to be hit.
    left: u32,
    to_hit: u32,
}

impl Block {
    fn new(seed: u64) -> Self {
        Self { random: Random(seed), left: 0, to_hit: 0 }
    }

    /// Whether the next packet is hit. Of every whole block exactly the share is.
    fn next_is_hit(&mut self, share: Share) -> bool {
        if self.left == 0 {
            (self.left, self.to_hit) = (share.of, share.hit);
        }
        // The chance of each is what is left to hit of what is left: every choice of places is equally likely.
        let hit = self.random.below(self.left) < self.to_hit;
        self.left -= 1;
        self.to_hit -= u32::from(hit);
        hit
    }
}

impl Share {
    /// Four of eleven.
    pub const REPORT: Self = Self { hit: 4, of: 11 };
    /// Packets of a block for a share that is written as a number.
    const BLOCK: u32 = 1_000;
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no fault: write up or down, drop, corrupt, duplicate, reorder or delay, and a share, with \
                 colons between them, and for a delay its milliseconds: up:drop:1/10, down:delay:0.05:80"
            )
        };
        let mut words = text.split(':');
        let (way, kind) = (words.next(), words.next());
        let way = Way::ALL.into_iter().find(|known| Some(known.name()) == way).ok_or_else(wrong)?;
        let kind = Kind::ALL.into_iter().find(|known| Some(known.name()) == kind).ok_or_else(wrong)?;
        let share = words.next().ok_or_else(wrong)?.parse()?;
        let delay = match (kind, words.next()) {
            (Kind::Delay, Some(ms)) => {
                ms.parse().ok().filter(|ms| *ms <= FAULT_DELAY_MS_MAX).ok_or_else(wrong)?
            }
            (Kind::Drop | Kind::Corrupt | Kind::Duplicate | Kind::Reorder, None) => 0,
            (Kind::Delay, None) | (Kind::Drop | Kind::Corrupt | Kind::Duplicate | Kind::Reorder, Some(_)) => {
                return Err(wrong());
            }
        };
        if words.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { way, kind, share, delay: Duration::from_millis(delay) })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.way.name(), self.kind.name(), self.share)?;
        match self.kind {
            Kind::Delay => write!(f, " by {} ms", self.delay.as_millis()),
            Kind::Drop | Kind::Corrupt | Kind::Duplicate | Kind::Reorder => Ok(()),
        }
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
        let (hit, of) = match text.split_once('/') {
            Some((hit, of)) => (hit.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?),
            None => (thousandths(text).ok_or_else(wrong)?, Self::BLOCK),
        };
        if of == 0 || hit > of { Err(wrong()) } else { Ok(Self { hit, of }) }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.hit, self.of)
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
#[derive(Clone, Copy, Debug)]
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
            let mut drops = Block::new(seed);
            for _block in 0..3 {
                let block: Vec<bool> = (0..11).map(|_| drops.next_is_hit(Share::REPORT)).collect();
                assert_eq!(block.iter().filter(|hit| **hit).count(), 4, "{block:?}");
                places.insert(block);
            }
        }
        assert!(places.len() > 250, "of 330 ways to choose, {} came", places.len());
    }

    #[test]
    fn the_same_seed_spoils_the_same_packets_of_every_session() {
        let wishes: Vec<Fault> = ["up:drop:0.3", "up:corrupt:0.1", "down:duplicate:1/5", "down:delay:1/9:20"]
            .map(|wish| wish.parse().unwrap())
            .into();
        let run = |seed| {
            let (faults, mut fates) = (Faults::new(&wishes, seed), Fates::default());
            let mut next = |way| (0..1_000).map(|_| faults.next(way, &mut fates)).collect::<Vec<_>>();
            Way::ALL.map(&mut next)
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
        let [up, down] = run(5);
        let count = |of: &[Option<Kind>], kind| of.iter().filter(|suffered| **suffered == Some(kind)).count();
        assert_eq!(count(&up, Kind::Drop), 300);
        assert!(
            (30..=100).contains(&count(&up, Kind::Corrupt)),
            "those that are dropped too are only dropped"
        );
        assert_eq!((count(&up, Kind::Delay), count(&down, Kind::Drop)), (0, 0));
        assert_eq!(count(&down, Kind::Duplicate), 200);
    }

    #[test]
    fn faults_are_read_or_refused() {
        let read = |text: &str| text.parse::<Fault>().map(|fault| fault.to_string());
        assert_eq!(read("up:drop:report").unwrap(), "up drop 4 of 11");
        assert_eq!(read("down:delay:0.05:80").unwrap(), "down delay 50 of 1000 by 80 ms");
        for wrong in [
            "",
            "drop",
            "up:drop",
            "drop:up:1/2",
            "up:drop:2",
            "up:drop:1/2:9",
            "up:delay:1/2",
            "up:delay:1/2:-1",
            "up:delay:1/2:999999",
            "up:delay:1/2:9:9",
            "UP:drop:1/2",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_read_or_refused() {
        let read = |text: &str| text.parse::<Share>().map(|share| share.to_string());
        assert_eq!(read("report").unwrap(), "4 of 11");
        assert_eq!(read("1/3").unwrap(), "1 of 3");
        for (text, hit) in [("0", 0), ("1", 1_000), ("0.25", 250), (".5", 500), ("0.001", 1)] {
            assert_eq!(read(text).unwrap(), format!("{hit} of 1000"));
        }
        for wrong in ["", ".", "-1", "2", "1.1", "0.0001", "5/4", "0/0", "1/x", "30%", "1e-3"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
