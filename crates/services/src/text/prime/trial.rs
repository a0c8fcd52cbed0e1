//! Division by all small primes. Absent: any other way to find a factor.

use std::sync::LazyLock;

use dashu_int::UBig;

use crate::text::limits::TRIAL_FACTOR_MAX;

/// The smallest prime below `TRIAL_FACTOR_MAX` that divides the number and is not the number.
pub(super) fn smallest_factor(number: &UBig) -> Option<u32> {
    TRIAL_PRIMES.iter().take_while(|group| UBig::from(group.primes[0]).sqr() <= *number).find_map(|group| {
        let remainder = number % group.product;
        group
            .primes
            .iter()
            .copied()
            .find(|&prime| remainder.is_multiple_of(prime.into()) && *number != UBig::from(prime))
    })
}

/// Primes whose product fits a word: one long division serves them all.
struct PrimeGroup {
    product: u64,
    primes: Vec<u32>,
}

static TRIAL_PRIMES: LazyLock<Vec<PrimeGroup>> = LazyLock::new(|| {
    let mut groups: Vec<PrimeGroup> = Vec::new();
    for prime in primes_below(TRIAL_FACTOR_MAX) {
        match groups.last_mut().and_then(|group| Some((group.product.checked_mul(prime.into())?, group))) {
            Some((product, group)) => {
                group.product = product;
                group.primes.push(prime);
            }
            None => groups.push(PrimeGroup { product: prime.into(), primes: vec![prime] }),
        }
    }
    groups
});

/// The sieve of Eratosthenes.
fn primes_below(limit: u32) -> Vec<u32> {
    let mut primes: Vec<u32> = Vec::new();
    let mut composite = vec![false; usize::try_from(limit).expect("a limit fits memory")];
    for candidate in 2..composite.len() {
        if !composite[candidate] {
            primes.push(u32::try_from(candidate).expect("below a 32-bit limit"));
            composite.iter_mut().skip(candidate * candidate).step_by(candidate).for_each(|mark| *mark = true);
        }
    }
    primes
}
