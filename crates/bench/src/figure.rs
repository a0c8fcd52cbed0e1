//! A figure with its unit, the goal beside it where there is one, and whether that is reached: as a table for a person and
//! as JSON. Absent: how it was measured.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::numbers::{significant, whole};

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What it ought to be.
    pub goal: Option<Goal>,
}

/// What a figure ought to be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Goal {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Figure {
    /// A figure without a goal.
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, unit, goal: None }
    }

    /// A time in milliseconds.
    pub fn milliseconds(what: impl Into<String>, time: Duration) -> Self {
        Self::new(what, time.as_secs_f64() * 1e3, "ms")
    }

    /// The same with a goal.
    #[must_use]
    pub fn with(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// Whether the goal is reached; none without a goal.
    #[must_use]
    pub fn is_reached(&self) -> Option<bool> {
        self.goal.map(|goal| match goal {
            Goal::AtMost(most) => self.value <= most,
            Goal::AtLeast(least) => self.value >= least,
        })
    }

    /// A count as it is, a measurement with the digits that it is worth.
    fn written(&self) -> String {
        if self.unit.is_empty() { whole(self.value) } else { significant(self.value) }
    }

    fn goal_in_words(&self) -> String {
        let Some(goal) = self.goal else { return String::new() };
        let wanted = match goal {
            Goal::AtMost(most) => format!("<= {}", significant(most)),
            Goal::AtLeast(least) => format!(">= {}", significant(least)),
        };
        let verdict = if self.is_reached() == Some(true) { "reached" } else { "NOT reached" };
        format!("{wanted} {}: {verdict}", self.unit)
    }
}

/// A table in columns: figure, value, unit, goal.
#[must_use]
pub fn table(figures: &[Figure]) -> String {
    let rows: Vec<[String; 3]> = figures
        .iter()
        .map(|figure| [figure.what.clone(), figure.written(), figure.goal_in_words()])
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (what, value) = (width(0), width(1));
    let mut text = String::new();
    for (figure, [name, number, goal]) in figures.iter().zip(&rows) {
        let line = format!("{name:what$}  {number:>value$} {:5} {goal}", figure.unit);
        writeln!(text, "{}", line.trim_end()).expect("writing into a String cannot fail");
    }
    text
}

/// The figures as an array of objects: `what`, `value`, `unit`, and with a goal `at_most` or `at_least` and `reached`.
#[must_use]
pub fn json(figures: &[Figure]) -> Value {
    let one = |figure: &Figure| {
        let mut view = json!({ "what": figure.what, "value": figure.value, "unit": figure.unit });
        if let Some(goal) = figure.goal {
            let (key, bound) = match goal {
                Goal::AtMost(most) => ("at_most", most),
                Goal::AtLeast(least) => ("at_least", least),
            };
            view[key] = bound.into();
            view["reached"] = figure.is_reached().into();
        }
        view
    };
    figures.iter().map(one).collect()
}

/// A count as a number to calculate with.
#[must_use]
pub fn number(count: u64) -> f64 {
    let half = |bits: u64| u32::try_from(bits & 0xffff_ffff).map_or(0.0, f64::from);
    half(count >> 32) * 4_294_967_296.0 + half(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_judged_on_the_side_it_bounds() {
        let at_most = |value| Figure::new("start", value, "ms").with(Goal::AtMost(50.0)).is_reached();
        assert_eq!((at_most(50.0), at_most(50.1)), (Some(true), Some(false)));
        let at_least = |value| Figure::new("reads", value, "/s").with(Goal::AtLeast(50.0)).is_reached();
        assert_eq!((at_least(50.0), at_least(49.9)), (Some(true), Some(false)));
        assert_eq!(Figure::new("idle", 1.0, "MiB").is_reached(), None);
    }

    #[test]
    fn the_table_lines_up_and_says_what_was_not_reached() {
        let figures = [
            Figure::new("calls", 1_234_567.0, ""),
            Figure::new("rate", 1_234_567.0, "/s"),
            Figure::new("start", 61.25, "ms").with(Goal::AtMost(50.0)),
        ];
        let lines = "calls  1,234,567\nrate   1,230,000 /s\nstart       61.2 ms    <= 50.0 ms: NOT reached\n";
        assert_eq!(table(&figures), lines);
        assert_eq!(json(&figures)[2]["reached"], false);
    }
}
