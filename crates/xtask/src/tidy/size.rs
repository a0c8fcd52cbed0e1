//! The size ratchet: files and functions stay below a limit, and what is above it may shrink but not grow.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::outline::outline;
use super::{Finding, Tree};

/// Lines of a source file.
pub(super) const FILE_LINES_MAX: usize = 800;
/// Lines of a function, from `fn` to its closing brace.
pub(super) const FUNCTION_LINES_MAX: usize = 70;

/// Where the exceptions are listed.
pub(super) const RATCHET: &str = "crates/xtask/ratchet.toml";

/// What is over a limit and how large it may be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ratchet {
    #[serde(default)]
    files: BTreeMap<String, usize>,
    #[serde(default)]
    functions: BTreeMap<String, usize>,
    #[serde(default)]
    tables: BTreeMap<String, String>,
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let ratchet = match toml::from_str::<Ratchet>(tree.text(RATCHET).unwrap_or_default()) {
        Ok(ratchet) => ratchet,
        Err(error) => return vec![Finding::of_file(RATCHET, format!("cannot be read: {}", error.message()))],
    };
    let mut files = BTreeMap::new();
    let mut functions = BTreeMap::new();
    for (path, text) in tree.sources() {
        if !ratchet.tables.contains_key(path) {
            files.insert(path.to_owned(), (1, text.lines().count()));
        }
        for function in outline(text).unwrap_or_default().functions {
            // Of functions with the same name in a file the longest counts.
            let size = functions.entry(format!("{path}::{}", function.name)).or_insert((function.line, 0));
            if function.lines > size.1 {
                *size = (function.line, function.lines);
            }
        }
    }
    let mut found = over(&files, &ratchet.files, FILE_LINES_MAX);
    found.extend(over(&functions, &ratchet.functions, FUNCTION_LINES_MAX));
    let unused_tables = ratchet.tables.keys().filter(|path| !tree.contains(path));
    found.extend(
        unused_tables.map(|path| Finding::of_file(RATCHET, format!("{path} is gone: delete its line"))),
    );
    found
}

/// Compares sizes (line, lines) with the limit and with what is excepted from it.
fn over(
    sizes: &BTreeMap<String, (usize, usize)>,
    excepted: &BTreeMap<String, usize>,
    limit: usize,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, &(line, lines)) in sizes {
        let (path, name) = key.split_once("::").unwrap_or((key, "the file"));
        match excepted.get(key) {
            None if lines > limit => {
                found.push(Finding::at(
                    path,
                    line,
                    format!("{name} has {lines} lines, at most {limit}: divide it"),
                ));
            }
            Some(&allowed) if lines > allowed => {
                found.push(Finding::at(
                    path,
                    line,
                    format!("{name} grew from {allowed} to {lines} lines: divide it"),
                ));
            }
            Some(_) if lines <= limit => {
                found.push(Finding::of_file(
                    RATCHET,
                    format!("{key} is within the limit now: delete its line"),
                ));
            }
            Some(&allowed) if lines < allowed => {
                found.push(Finding::of_file(RATCHET, format!("{key} shrank: write {lines} for {allowed}")));
            }
            None | Some(_) => {}
        }
    }
    let gone = excepted.keys().filter(|key| !sizes.contains_key(*key));
    found.extend(gone.map(|key| Finding::of_file(RATCHET, format!("{key} is gone: delete its line"))));
    found
}
