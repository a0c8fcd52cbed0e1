//! What happened, for a person: one line an event, with its virtual time. Told only when somebody listens.

use std::fmt::Write;

/// Lines kept at most: the end of a long story is where it fails.
const LINES_MAX: usize = 20_000;

/// The lines of one run.
#[derive(Debug, Default)]
pub struct Story {
    lines: Option<std::collections::VecDeque<String>>,
}

impl Story {
    /// A story that is written down.
    #[must_use]
    pub fn told() -> Self {
        Self { lines: Some(std::collections::VecDeque::new()) }
    }

    /// A story that nobody listens to.
    #[must_use]
    pub fn untold() -> Self {
        Self::default()
    }

    /// Adds a line; `what` is asked only when somebody listens.
    pub fn tell(&mut self, now_us: u64, what: impl FnOnce() -> String) {
        let Some(lines) = &mut self.lines else { return };
        if lines.len() >= LINES_MAX {
            lines.pop_front();
        }
        let mut line = String::new();
        let (seconds, micros) = (now_us / 1_000_000, now_us % 1_000_000);
        write!(line, "{seconds:>6}.{micros:06} s  {}", what()).expect("a String takes everything");
        lines.push_back(line);
    }

    /// The lines, oldest first.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.lines.map(Vec::from).unwrap_or_default()
    }
}
