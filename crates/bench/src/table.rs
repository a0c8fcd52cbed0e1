//! A table, for Markdown and for a terminal.

use std::fmt::Write as _;

/// Columns with a heading each; all but the first hold figures and are set to the right in Markdown.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self { heading: heading.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: impl Into<Vec<String>>) {
        self.rows.push(row.into());
    }

    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = format!("|---|{}\n", "--:|".repeat(self.heading.len().saturating_sub(1)));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        line(&self.heading) + &rule + &rows
    }

    /// Without Markdown's marks of strong words.
    pub(crate) fn text(&self) -> String {
        let plain = |cell: &String| cell.replace("**", "");
        let lines: Vec<Vec<String>> = std::iter::once(&self.heading)
            .chain(&self.rows)
            .map(|row| row.iter().map(plain).collect())
            .collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for line in &lines {
            let mut shown = String::new();
            for (column, cell) in line.iter().enumerate() {
                let _infallible = write!(shown, "{cell:<width$}  ", width = width(column));
            }
            text.push_str("  ");
            text.push_str(shown.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_table_is_shown_in_two_ways() {
        let mut table = Table::new(&["", "calls/s"]);
        table.push(["Redis".to_owned(), "**1**".to_owned()]);
        assert_eq!(table.markdown(), "|  | calls/s |\n|---|--:|\n| Redis | **1** |\n");
        assert_eq!(table.text(), "         calls/s\n  Redis  1\n");
    }
}
