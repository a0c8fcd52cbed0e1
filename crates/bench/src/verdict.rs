//! What became of a goal: reached when the median is within its bound. Absent: the goals.

use crate::numbers::{interval, significant};
use crate::statistics::Summary;
use crate::table::Table;

/// The edge of a goal.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A goal and what became of it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Verdict {
    title: String,
    /// Behind each number: ` x` where it says how many times as large.
    unit: &'static str,
    bound: Bound,
    measured: Summary,
}

impl Verdict {
    pub(crate) fn new(title: String, unit: &'static str, bound: Bound, measured: Summary) -> Self {
        Self { title, unit, bound, measured }
    }

    pub(crate) fn is_reached(&self) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => self.measured.median >= bound,
            Bound::AtMost(bound) => self.measured.median <= bound,
        }
    }
}

/// A line for each goal.
pub(crate) fn table(verdicts: &[Verdict]) -> Table {
    let mut table = Table::new(&["goal", "wanted", "measured", ""]);
    for verdict in verdicts {
        let unit = verdict.unit;
        let wanted = match verdict.bound {
            Bound::AtLeast(bound) => format!("at least {}{unit}", significant(bound)),
            Bound::AtMost(bound) => format!("at most {}{unit}", significant(bound)),
        };
        let measured = format!("{}{unit}", interval(verdict.measured));
        let reached = if verdict.is_reached() { "reached" } else { "**not reached**" };
        table.push([verdict.title.clone(), wanted, measured, reached.to_owned()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_decides_and_the_table_says_so() {
        let measured = Summary { median: 0.65, min: 0.5, max: 0.9 };
        let verdict = |bound| Verdict::new("CPU".to_owned(), " x", bound, measured);
        assert!(verdict(Bound::AtMost(0.65)).is_reached() && !verdict(Bound::AtMost(0.64)).is_reached());
        assert!(verdict(Bound::AtLeast(0.65)).is_reached() && !verdict(Bound::AtLeast(0.66)).is_reached());
        let shown = table(&[verdict(Bound::AtMost(0.6))]).markdown();
        assert!(shown.contains("at most 0.60 x") && shown.contains("0.65 (0.50 to 0.90) x"), "{shown}");
        assert!(shown.contains("**not reached**"), "{shown}");
    }
}
