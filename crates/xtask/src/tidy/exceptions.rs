//! The clock ban may be lifted only where a driver meets the world. The lint itself stands in clippy.toml.

use super::{Finding, Tree};

/// Crates whose machines and rules take time as an argument, so that the simulation can give them any.
const CLOCKLESS: &[&str] = &["call", "commands", "store", "engine", "services"];

/// The lint that carries the ban.
const LINT: &str = "disallowed_methods";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree.sources().filter(|(path, _)| is_clockless(path)) {
        let lifted = text.lines().enumerate().filter(|(_, line)| line.contains(LINT));
        found.extend(lifted.map(|(index, _)| {
            Finding::at(path, index + 1, "only drivers read a clock: take the time as an argument")
        }));
    }
    found
}

/// Sources of a clockless crate; its tests may have a deadline.
fn is_clockless(path: &str) -> bool {
    let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
    !is_test && CLOCKLESS.iter().any(|name| path.starts_with(&format!("crates/{name}/")))
}
