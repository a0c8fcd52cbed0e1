//! The one source of chance: SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
//! generators", figure 15), forked by name so that a fault more in one place does not shift what another draws.
//!
//! Absent: any other randomness. What the kernel gives a real process comes from here too.

/// A stream of chance.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for `what`, number `which`, that depends on the seed alone and not on what was drawn.
    #[must_use]
    pub fn of(seed: u64, what: &str, which: u64) -> Self {
        // FNV-1a: spreads short names; nobody attacks it here.
        let name = what.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut mixed = Self(seed ^ name.rotate_left(17) ^ which.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self(mixed.draw())
    }

    /// 64 fresh bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 to `bound - 1`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The multiply-shift of Lemire 2019 without its rejection: the bias is under 2^-32 for bounds this small.
        let wide = u128::from(self.draw()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the upper half of 128 bits has 64")
    }

    /// An index into something with `length` entries.
    pub fn index(&mut self, length: usize) -> usize {
        let bound = u64::try_from(length).expect("a length fits 64 bits");
        usize::try_from(self.below(bound)).expect("it is below a length")
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// True with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// Evenly distributed in [0, 1).
    pub fn fraction(&mut self) -> f64 {
        let bits = u32::try_from(self.draw() >> 32).expect("32 bits are left");
        f64::from(bits) / 4_294_967_296.0
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// Fills a buffer, as the kernel's random source would.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for piece in buffer.chunks_mut(8) {
            let bytes = self.draw().to_le_bytes();
            piece.copy_from_slice(&bytes[..piece.len()]);
        }
    }
}
