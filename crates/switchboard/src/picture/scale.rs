//! A logarithmic scale for a chart: where a value stands between two steps. Absent: pixels.

/// A logarithmic scale between two steps: 1, 2 and 5 times a power of ten.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Scale {
    lowest: f64,
    highest: f64,
}

impl Scale {
    /// The steps around all positive values.
    pub(crate) fn around(values: impl Iterator<Item = f64>) -> Self {
        let positive: Vec<f64> = values.filter(|value| *value > 0.0).collect();
        if positive.is_empty() {
            return Self { lowest: 1.0, highest: 10.0 };
        }
        let least = positive.iter().copied().fold(f64::INFINITY, f64::min);
        let most = positive.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let lowest = steps().take_while(|step| *step <= least * ROUNDED).last();
        let highest = steps().find(|step| *step * ROUNDED >= most && Some(*step) > lowest);
        Self { lowest: lowest.unwrap_or(1.0), highest: highest.unwrap_or(10.0) }
    }

    /// From 0 at the lower end to 1 at the upper one.
    pub(crate) fn share(self, value: f64) -> f64 {
        let Self { lowest, highest } = self;
        (value.clamp(lowest, highest) / lowest).ln() / (highest / lowest).ln()
    }

    /// The steps within.
    pub(crate) fn steps(self) -> impl Iterator<Item = f64> {
        steps().filter(move |step| (self.lowest..=self.highest).contains(step))
    }

    /// Whether a step has its number beside it: all of them where there are few.
    pub(crate) fn labels(self, step: f64) -> bool {
        self.highest / self.lowest <= 250.0 || is_power(step)
    }
}

/// Sums of decimal fractions are a little off.
const ROUNDED: f64 = 1.0 + 1e-9;

/// 1, 2 and 5 times every power of ten that can occur, rising.
fn steps() -> impl Iterator<Item = f64> {
    (-9..=9)
        .flat_map(|power| ["1", "2", "5"].map(|digit| format!("{digit}e{power}")))
        .filter_map(|text| text.parse().ok())
}

/// Whether a step is a power of ten.
pub(crate) fn is_power(step: f64) -> bool {
    let exponent = step.log10();
    (exponent - exponent.round()).abs() < 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_steps_around_the_values() {
        let scale = |values: &[f64]| {
            let scale = Scale::around(values.iter().copied());
            (scale.lowest, scale.highest)
        };
        assert_eq!(scale(&[0.009, 99.0]), (0.005, 100.0));
        assert_eq!(scale(&[0.01, 101.0]), (0.01, 200.0));
        assert_eq!(scale(&[1.0]), (1.0, 2.0));
        assert_eq!(scale(&[]), (1.0, 10.0));
    }
}
