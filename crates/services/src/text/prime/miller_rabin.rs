//! The Miller-Rabin test, the bases that prove small primes, and the bases for large numbers.
//! Absent: the choice of how many rounds.

use std::sync::LazyLock;

use dashu_int::UBig;
use dashu_int::monty::MontgomeryRepr;
use dashu_int::ops::BitTest;

use super::Step;

/// Whether an odd number above the base passes: base^d is 1, or some base^(d * 2^r) is -1, where
/// number - 1 = d * 2^s with d odd and r < s (Rabin, "Probabilistic algorithm for testing
/// primality", 1980).
pub(super) fn passes(number: &UBig, ring: &MontgomeryRepr, base: UBig) -> bool {
    let less_one = number - UBig::ONE;
    let twos = less_one.trailing_zeros().expect("an odd number above 1 less one is not zero");
    let one = ring.reduce(UBig::ONE);
    let minus_one = ring.reduce(less_one.clone());
    let mut power = ring.reduce(base).pow(&(less_one >> twos));
    power == one || {
        let mut left = twos;
        while power != minus_one && left > 1 {
            power = power.sqr();
            left -= 1;
        }
        power == minus_one
    }
}

/// A base from 2 to number - 2, as good as random but the same on every node: an extendable hash
/// of the number and the step, 128 bits longer than the number so that the remainder is even.
pub(super) fn hashed_base(number: &UBig, step: Step) -> UBig {
    let mut hasher = blake3::Hasher::new_derive_key("switchboard text prime: Miller-Rabin base, version 1");
    hasher.update(&[step.code()]).update(&number.to_le_bytes());
    let mut bytes = vec![0; number.bit_len().div_ceil(8) + 16];
    hasher.finalize_xof().fill(&mut bytes);
    UBig::from_le_bytes(&bytes) % (number - UBig::from(3_u8)) + UBig::from(2_u8)
}

/// The primes to which every composite below [`PROVED_BELOW`] fails one Miller-Rabin test.
pub(super) const PROVING_BASES: [u8; 13] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41];

/// The least composite that passes Miller-Rabin to the first 13 primes (Sorenson and Webster,
/// "Strong pseudoprimes to twelve prime bases", Mathematics of Computation 86, 2017).
pub(super) static PROVED_BELOW: LazyLock<UBig> =
    LazyLock::new(|| UBig::from(3_317_044_064_679_887_385_961_981_u128));
