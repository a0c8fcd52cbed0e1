//! Seeded chance: the same seed gives the same faults. SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
//! Generators, OOPSLA 2014). Absent: any use where an adversary must not predict it.

/// A source of pseudo-random numbers.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The source of this seed; `stream` separates uses of the same seed.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut source = Self(seed ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        source.next_u64();
        source
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True with this probability; 0 never, 1 always.
    pub fn happens(&mut self, probability: f64) -> bool {
        // 32 bits are exact in an f64, and finer than any probability a person writes.
        let drawn = u32::try_from(self.next_u64() >> 32).expect("32 bits are left");
        f64::from(drawn) < probability * f64::from(u32::MAX) + probability
    }

    /// A number from `range`, both ends possible.
    pub fn between(&mut self, range: std::ops::RangeInclusive<u64>) -> u64 {
        let width = range.end().saturating_sub(*range.start()).saturating_add(1);
        range.start() + self.next_u64() % width
    }
}
