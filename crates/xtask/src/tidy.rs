//! What no compiler checks and every reader relies on, as a test: `cargo xtask tidy`.
//!
//! Each rule is a function from a [`Tree`] (paths and texts) or from the list of crates to [`Finding`]s, so that its
//! tests plant a violation without touching a disk.
//!
//! Absent: formatting and everything that rustc, clippy or rustdoc can say. Nothing is repaired here.

mod edges;
mod exceptions;
mod links;
mod manifests;
mod names;
mod outline;
mod placeholders;
mod reached;
mod size;
mod tree;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

pub use edges::Crate;
pub use tree::Tree;

/// A violation: where it is, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Relative to the workspace's folder.
    pub path: String,
    /// Counted from 1; none when the whole file is meant.
    pub line: Option<usize>,
    /// What is wrong and what to do instead.
    pub message: String,
}

impl Finding {
    fn of_file(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, message: message.into() }
    }

    fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line: Some(line), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

/// Every finding in the workspace at `root`, in order of path and line.
///
/// # Errors
/// When the folder cannot be read or `cargo metadata` fails.
pub fn findings(root: &Path) -> Result<Vec<Finding>> {
    Ok(check(&Tree::read(root)?, &edges::crates(root)?))
}

/// Prints the findings of the workspace at `root`; a failure when there are some.
///
/// # Errors
/// As [`findings`], and when nothing can be printed.
pub fn report(root: &Path) -> Result<ExitCode> {
    let findings = findings(root)?;
    let mut output = std::io::stdout().lock();
    for finding in &findings {
        writeln!(output, "{finding}")?;
    }
    writeln!(output, "tidy: {} findings", findings.len())?;
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every rule over one workspace.
fn check(tree: &Tree, crates: &[Crate]) -> Vec<Finding> {
    let mut found = edges::check(crates);
    found.extend(manifests::check(tree));
    found.extend(names::check(tree));
    found.extend(placeholders::check(tree));
    found.extend(reached::check(tree));
    found.extend(links::check(tree));
    found.extend(size::check(tree));
    found.extend(exceptions::check(tree));
    found.sort();
    found
}

#[cfg(test)]
mod tests;
