//! Counting tests from the lines that Rust's test programs print themselves. No process, no clock.
//!
//! A program says `running N tests`, and at its end `test result: ok. N passed; ...`. A program that dies between the
//! two has lost a test, and is counted so. A closing line whose sum is not the N announced is another program's
//! output shown by a failing test, and is ignored.

/// Figures over all test programs of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed, measured benchmarks included.
    pub passed: u64,
    /// Tests that failed, and one for each program that died before its closing line.
    pub failed: u64,
    /// Tests marked `#[ignore]`, and doctests marked `ignore`.
    pub ignored: u64,
}

impl Tally {
    fn sum(&self) -> Option<u64> {
        self.passed.checked_add(self.failed)?.checked_add(self.ignored)
    }
}

/// Reads the lines of a run one by one.
#[derive(Debug, Default)]
pub struct Reader {
    tally: Tally,
    announced: Option<u64>,
}

impl Reader {
    /// Takes the next line of output, without its line end.
    pub fn handle_line(&mut self, line: &str) {
        if let Some(count) = announcement(line) {
            self.close_unfinished();
            self.announced = Some(count);
        } else if let Some(closing) = closing(line)
            && self.announced.is_some()
            && self.announced == closing.sum()
        {
            self.tally.passed += closing.passed;
            self.tally.failed += closing.failed;
            self.tally.ignored += closing.ignored;
            self.announced = None;
        }
    }

    /// The figures, after the last line.
    #[must_use]
    pub fn finish(mut self) -> Tally {
        self.close_unfinished();
        self.tally
    }

    fn close_unfinished(&mut self) {
        if self.announced.take().is_some() {
            self.tally.failed += 1;
        }
    }
}

fn announcement(line: &str) -> Option<u64> {
    let rest = line.strip_prefix("running ")?;
    rest.strip_suffix(" tests").or_else(|| rest.strip_suffix(" test"))?.parse().ok()
}

fn closing(line: &str) -> Option<Tally> {
    let rest = line.strip_prefix("test result: ")?;
    let (_verdict, figures) = rest.split_once(". ")?;
    let mut tally = Tally::default();
    for figure in figures.split("; ") {
        let (number, name) = figure.split_once(' ')?;
        match name {
            "passed" | "measured" => tally.passed = tally.passed.checked_add(number.parse().ok()?)?,
            "failed" => tally.failed = number.parse().ok()?,
            "ignored" => tally.ignored = number.parse().ok()?,
            // Tests that the caller's filter left out, and the time.
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, passed: u64, failed: u64, ignored: u64) {
        let mut reader = Reader::default();
        output.lines().for_each(|line| reader.handle_line(line));
        assert_eq!(reader.finish(), Tally { passed, failed, ignored });
    }

    const GOOD: &str = "running 3 tests\ntest a ... ok\n\n\
        test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s\n";

    #[test]
    fn programs_add_up() {
        let bad = "running 1 test\ntest b ... FAILED\n\n\
            test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s\n";
        check(&format!("{GOOD}{bad}{GOOD}"), 4, 1, 2);
        check("", 0, 0, 0);
    }

    #[test]
    fn a_program_that_dies_is_a_failure() {
        let dead = "running 5 tests\ntest a ... ok\n";
        check(&format!("{dead}{GOOD}"), 2, 1, 1);
        check(&format!("{GOOD}{dead}"), 2, 1, 1);
    }

    #[test]
    fn quoted_output_is_not_counted() {
        let quoted =
            "test result: ok. 90 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s";
        check(&GOOD.replace("test a ... ok", quoted), 2, 0, 1);
        check(quoted, 0, 0, 0);
        check("test result: ok. many passed; 0 failed", 0, 0, 0);
    }
}
