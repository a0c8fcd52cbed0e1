//! Names that say nothing are banned for crates, folders, files and modules; every source begins by saying what it is.

use super::outline::outline;
use super::tree::file_name;
use super::{Finding, Tree};

/// A part with such a name collects what has no place. Name the subject instead.
const BANNED: &[&str] = &["util", "utils", "common", "core", "helper", "helpers", "types", "misc"];
/// As endings of a longer name (`string_util`). `types` and `common` are not here: mime_types is a subject.
const BANNED_ENDINGS: &[&str] = &["util", "utils", "helper", "helpers", "misc"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found: Vec<Finding> =
        tree.paths().filter(|path| path.ends_with(".rs")).filter_map(path_names).collect();
    found.extend(tree.packages().filter_map(|(folder, _)| path_names(&format!("{folder}Cargo.toml"))));
    for (path, text) in tree.sources() {
        if !text.starts_with("//!") {
            found.push(Finding::at(
                path,
                1,
                "the first line is to be `//!`: what the file promises, what is absent",
            ));
        }
        found.extend(module_names(path, text));
    }
    found
}

fn path_names(path: &str) -> Option<Finding> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let banned = stem.split('/').find(|part| is_banned(part))?;
    Some(Finding::of_file(path, format!("`{banned}` says nothing: name the subject of {}", file_name(path))))
}

fn module_names(path: &str, text: &str) -> Vec<Finding> {
    let Some(outline) = outline(text) else {
        return vec![Finding::of_file(path, "cannot be read as Rust")];
    };
    let banned = outline.modules.iter().filter(|module| is_banned(&module.name));
    banned
        .map(|module| {
            Finding::at(path, module.line, format!("`mod {}` says nothing: name the subject", module.name))
        })
        .collect()
}

fn is_banned(name: &str) -> bool {
    let last = name.rsplit(['_', '-']).next().unwrap_or(name);
    BANNED.contains(&name) || BANNED_ENDINGS.contains(&last)
}
