//! The upper tail of the normal distribution, as far out as anybody asks: its logarithm, and the place where it has a given
//! one. Phi-accrual measures suspicion in it. Absent: every other distribution.

/// Beyond this many standard deviations nothing is told apart.
const DEVIATIONS_MAX: f64 = 1_000.0;
/// Terms of the continued fraction; at 2 standard deviations it is exact to ten digits with them.
const TERMS: u8 = 60;

/// The negative decimal logarithm of the chance that a normal variable exceeds its mean by this many standard deviations: the
/// φ of Hayashibara et al. 2004.
#[must_use]
pub fn level(deviations: f64) -> f64 {
    -ln_tail(deviations.clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX)) / std::f64::consts::LN_10
}

/// How many standard deviations above the mean the level is reached; the inverse of [`level`].
#[must_use]
pub fn deviations(wanted: f64) -> f64 {
    let (mut low, mut high) = (-DEVIATIONS_MAX, DEVIATIONS_MAX);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if level(middle) < wanted { low = middle } else { high = middle }
    }
    high
}

/// ln(Q(x)), Q(x) being the chance to exceed x.
fn ln_tail(x: f64) -> f64 {
    let ln_density = -x * x / 2.0 - (2.0 * std::f64::consts::PI).ln() / 2.0;
    if x >= 2.0 {
        // Laplace's continued fraction: Q(x) = density / (x + 1/(x + 2/(x + 3/(x + ...)))).
        let fraction = (1..=TERMS).rev().fold(x, |below, term| x + f64::from(term) / below);
        return ln_density - fraction.ln();
    }
    // The rest is close to the middle, where the series of the distribution function is exact:
    // P(x) = 1/2 + density * (x + x^3/3 + x^5/(3*5) + ...).
    let size = x.abs();
    if size >= 2.0 {
        return (-ln_tail(size).exp()).ln_1p();
    }
    let (mut term, mut sum) = (x, x);
    for odd in (3..=61_u8).step_by(2) {
        term *= x * x / f64::from(odd);
        sum += term;
    }
    (0.5 - ln_density.exp() * sum).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_that_of_the_tables() {
        // Abramowitz and Stegun, tables 26.1 and 26.2.
        for (x, tail) in [
            (-3.0, 0.998_650_101_968),
            (-1.0, 0.841_344_746_069),
            (0.0, 0.5),
            (1.0, 0.158_655_253_931),
            (2.0, 0.022_750_131_948),
            (3.0, 1.349_898_031_63e-3),
            (6.0, 9.865_876_450_38e-10),
        ] {
            let found: f64 = ln_tail(x).exp();
            assert!((found / tail - 1.0).abs() < 1e-10, "{x}: {found}");
        }
        // -log Q(10) = 23.11805, Q(40): 349.43701.
        assert!((level(10.0) - 23.118_05).abs() < 1e-5 && (level(40.0) - 349.437_01).abs() < 1e-5);
    }

    #[test]
    fn the_inverse_finds_its_way_back() {
        for wanted in [0.1, 0.3, 1.0, 3.0, 8.0, 12.0, 300.0] {
            assert!((level(deviations(wanted)) - wanted).abs() < 1e-9 * wanted, "{wanted}");
        }
    }
}
