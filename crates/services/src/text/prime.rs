//! Is this decimal integer prime, and how sure is the answer?
//!
//! Up to 3.3 * 10^24, so for every 64-bit number, the answer is proved. Above it a "composite" is
//! proved and a "prime" is probable: Baillie-PSW, which no composite is known to pass, and
//! Miller-Rabin rounds beside it. Equal numbers get equal answers, on every node.
//!
//! Both together cost too much at 4096 bits for one request, so the tests are numbered [`Step`]s.
//! [`judge`] carries out as many as its bound on work allows, and otherwise tells the caller which
//! step to ask for next; the last one gives the verdict. Nothing is kept between the requests:
//! who skips steps deceives only himself.
//!
//! Absent: factoring beyond trial division, primality certificates, other radices.

mod lucas;
mod miller_rabin;
mod trial;

use std::fmt;

use dashu_int::UBig;
use dashu_int::monty::MontgomeryRepr;
use dashu_int::ops::{BitTest, SquareRoot};

use crate::text::limits::{
    MILLER_RABIN_ROUNDS_MAX, PRIME_BITS_MAX, PRIME_DIGITS_MAX, PRIME_WORD_PRODUCTS_MAX, TRIAL_FACTOR_MAX,
};

/// What one request found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Settled.
    Verdict(Verdict),
    /// A composite would probably have failed by now; ask again from this step on.
    Continue(Step),
}

/// The answer to "is it prime?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Prime, as surely as the proof says.
    Prime(Proof),
    /// Certainly a product of two smaller numbers.
    Composite(Reason),
    /// An integer to which the question does not apply.
    Neither(Neither),
    /// Not a sign and decimal digits.
    NotAnInteger,
    /// A positive integer of more than `PRIME_BITS_MAX` bits.
    TooLarge,
}

/// How sure a "prime" is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Proved: no composite of this size passes the tests that were made.
    Deterministic,
    /// Not proved: it passed Baillie-PSW and this many Miller-Rabin rounds. A given composite
    /// passes the rounds with probability at most 4^-rounds. Their bases are a hash of the number,
    /// so somebody who hunts for such a composite needs about 4^rounds tries, each of which
    /// would have to pass Baillie-PSW too.
    Probable {
        /// Miller-Rabin rounds beside the one of Baillie-PSW.
        miller_rabin_rounds: u8,
    },
}

/// Why a composite is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The smallest prime that divides it.
    Factor(u32),
    /// The square of a smaller number.
    Square,
    /// It fails a Miller-Rabin test, which every prime passes. No factor is known.
    MillerRabin,
    /// It fails the strong Lucas test, which every prime passes. No factor is known.
    Lucas,
}

/// Why the question does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neither {
    /// Every number divides 0.
    Zero,
    /// 1 has one divisor; a prime has two.
    One,
    /// Primes are positive.
    Negative,
}

/// One of the tests of a large number, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step(u8);

impl Step {
    /// Trial division and Miller-Rabin to base 2, the first half of Baillie-PSW.
    pub const FIRST: Self = Self(0);
    const LUCAS: Self = Self(1);
    const LAST: Self = Self(Self::LUCAS.0 + MILLER_RABIN_ROUNDS_MAX);

    /// The step as one small integer, for the wire.
    #[must_use]
    pub fn code(self) -> u8 {
        self.0
    }

    /// The step that has this code; none for an integer that no step has.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        (code <= Self::LAST.0).then_some(Self(code))
    }

    fn next(self) -> Option<Self> {
        Self::from_code(self.0 + 1)
    }

    /// Multiplications of 64-bit words that the step takes at most: a product modulo a number of
    /// w words takes 2w², a Lucas chain two products a bit, a power with a window of four or more
    /// bits at most 1.25.
    fn word_products(self, bits: usize) -> usize {
        let product = 2 * bits.div_ceil(64).pow(2);
        if self == Self::LUCAS { 2 * bits * product } else { bits * product * 5 / 4 }
    }
}

/// Judges a decimal integer, with white space and a sign around it if need be, from a step on
/// ([`Step::FIRST`] when nothing was asked yet). Takes at most `PRIME_WORD_PRODUCTS_MAX`, or one step.
#[must_use]
pub fn judge(text: &str, from: Step) -> Judgement {
    match parse(text) {
        Ok(number) => judge_number(&number, from),
        Err(verdict) => Judgement::Verdict(verdict),
    }
}

/// The number, when it is one to test: at least 2 and within the bound.
fn parse(text: &str) -> Result<UBig, Verdict> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Verdict::NotAnInteger);
    }
    match digits.trim_start_matches('0') {
        "" => Err(Verdict::Neither(Neither::Zero)),
        _ if negative => Err(Verdict::Neither(Neither::Negative)),
        "1" => Err(Verdict::Neither(Neither::One)),
        long if long.len() > PRIME_DIGITS_MAX => Err(Verdict::TooLarge),
        digits => {
            let number = UBig::from_str_radix(digits, 10).expect("only decimal digits");
            if number.bit_len() > PRIME_BITS_MAX { Err(Verdict::TooLarge) } else { Ok(number) }
        }
    }
}

fn judge_number(number: &UBig, from: Step) -> Judgement {
    if (from == Step::FIRST || *number < *miller_rabin::PROVED_BELOW)
        && let Some(verdict) = judge_small(number)
    {
        return Judgement::Verdict(verdict);
    }
    if !number.bit(0) {
        return Judgement::Verdict(Verdict::Composite(Reason::Factor(2)));
    }
    if is_square(number) {
        return Judgement::Verdict(Verdict::Composite(Reason::Square));
    }
    let ring = MontgomeryRepr::new(number.clone());
    let (mut step, mut spent) = (from, 0);
    loop {
        if let Err(reason) = carry_out(step, number, &ring) {
            return Judgement::Verdict(Verdict::Composite(reason));
        }
        spent += step.word_products(number.bit_len());
        match step.next() {
            None => {
                let proof = Proof::Probable { miller_rabin_rounds: MILLER_RABIN_ROUNDS_MAX };
                return Judgement::Verdict(Verdict::Prime(proof));
            }
            Some(next) if spent + next.word_products(number.bit_len()) > PRIME_WORD_PRODUCTS_MAX => {
                return Judgement::Continue(next);
            }
            Some(next) => step = next,
        }
    }
}

/// What trial division and, below [`miller_rabin::PROVED_BELOW`], Miller-Rabin settle.
fn judge_small(number: &UBig) -> Option<Verdict> {
    if let Some(factor) = trial::smallest_factor(number) {
        return Some(Verdict::Composite(Reason::Factor(factor)));
    }
    if *number < UBig::from(u64::from(TRIAL_FACTOR_MAX).pow(2)) {
        return Some(Verdict::Prime(Proof::Deterministic));
    }
    if *number >= *miller_rabin::PROVED_BELOW {
        return None;
    }
    let ring = MontgomeryRepr::new(number.clone());
    let prime =
        miller_rabin::PROVING_BASES.iter().all(|&base| miller_rabin::passes(number, &ring, UBig::from(base)));
    Some(if prime { Verdict::Prime(Proof::Deterministic) } else { Verdict::Composite(Reason::MillerRabin) })
}

/// One step of an odd number without small factors that is no square.
fn carry_out(step: Step, number: &UBig, ring: &MontgomeryRepr) -> Result<(), Reason> {
    let (passed, reason) = match step {
        Step::FIRST => (miller_rabin::passes(number, ring, UBig::from(2_u8)), Reason::MillerRabin),
        Step::LUCAS => (lucas::strong(number, ring), Reason::Lucas),
        Step(_) => {
            let base = miller_rabin::hashed_base(number, step);
            (miller_rabin::passes(number, ring, base), Reason::MillerRabin)
        }
    };
    if passed { Ok(()) } else { Err(reason) }
}

fn is_square(number: &UBig) -> bool {
    number.sqrt().sqr() == *number
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prime(Proof::Deterministic) => write!(f, "prime (proved)"),
            Self::Prime(Proof::Probable { miller_rabin_rounds }) => write!(
                f,
                "probably prime (not proved: it passed Baillie-PSW, which no composite is known to pass, and \
                 {miller_rabin_rounds} Miller-Rabin rounds, which a composite passes with probability at most \
                 4^-{miller_rabin_rounds})"
            ),
            Self::Composite(Reason::Factor(factor)) => write!(f, "not prime ({factor} divides it)"),
            Self::Composite(Reason::Square) => write!(f, "not prime (it is a square)"),
            Self::Composite(Reason::MillerRabin) => {
                write!(f, "not prime (it fails a Miller-Rabin test; no factor is known)")
            }
            Self::Composite(Reason::Lucas) => {
                write!(f, "not prime (it fails a strong Lucas test; no factor is known)")
            }
            Self::Neither(Neither::Zero) => write!(f, "neither prime nor composite (every number divides 0)"),
            Self::Neither(Neither::One) => {
                write!(f, "neither prime nor composite (1 has one divisor, a prime has two)")
            }
            Self::Neither(Neither::Negative) => {
                write!(f, "neither prime nor composite (primes are positive)")
            }
            Self::NotAnInteger => {
                write!(f, "not an integer number (write it in decimal digits, with a sign if need be)")
            }
            Self::TooLarge => write!(
                f,
                "too large (integers up to {PRIME_BITS_MAX} bits are judged, that is {PRIME_DIGITS_MAX} digits)"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
