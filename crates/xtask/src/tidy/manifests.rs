//! Every manifest takes the workspace's lints and its common keys, and the workspace keeps the lints that matter most.

use toml::{Table, Value};

use super::{Finding, Tree};

const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// Table, lint, levels that keep its promise. `forbid` cannot be lifted by a crate or a function.
const LINTS_KEPT: &[(&str, &str, &str)] = &[
    ("rust", "unsafe_code", "forbid"),
    ("clippy", "disallowed_methods", "deny"),
    ("clippy", "todo", "deny"),
    ("clippy", "unimplemented", "deny"),
];

/// The one crate with unsafe code: its disk is a table of C functions for SQLite. What the workspace forbids it denies,
/// so that a module has to expect it; it copies all other lints.
const DENIES_UNSAFE: &str = "crates/sim/Cargo.toml";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let workspace = tree.text("Cargo.toml").map(str::parse::<Table>);
    let lints = workspace.as_ref().and_then(|read| read.as_ref().ok()).and_then(lints);
    let mut found: Vec<Finding> = tree
        .packages()
        .flat_map(|(folder, text)| package(&format!("{folder}Cargo.toml"), text, lints.as_ref()))
        .collect();
    match workspace {
        Some(Ok(manifest)) => {
            found.extend(LINTS_KEPT.iter().filter_map(|lint| workspace_lint(&manifest, *lint)))
        }
        Some(Err(_)) | None => {
            found.push(Finding::of_file("Cargo.toml", "the workspace's manifest cannot be read"))
        }
    }
    found
}

fn package(path: &str, text: &str, workspace_lints: Option<&Value>) -> Vec<Finding> {
    let Ok(manifest) = text.parse::<Table>() else {
        return vec![Finding::of_file(path, "is not TOML")];
    };
    let mut found = Vec::new();
    if path == DENIES_UNSAFE {
        if manifest.get("lints") != workspace_lints.map(denying_unsafe).as_ref() {
            found.push(Finding::of_file(
                path,
                "copy the workspace's lints, with unsafe_code = \"deny\" and no other difference",
            ));
        }
    } else if !takes_from_workspace(manifest.get("lints")) {
        found.push(Finding::of_file(
            path,
            "write [lints] workspace = true; it forbids unsafe code among others",
        ));
    }
    let package = manifest.get("package").and_then(Value::as_table);
    for key in INHERITED {
        if !takes_from_workspace(package.and_then(|package| package.get(*key))) {
            found.push(Finding::of_file(path, format!("write {key}.workspace = true below [package]")));
        }
    }
    if package.and_then(|package| package.get("description")).is_none() {
        found.push(Finding::of_file(path, "add a description: what the crate is, in one line"));
    }
    found
}

fn lints(workspace: &Table) -> Option<Value> {
    workspace.get("workspace")?.get("lints").cloned()
}

fn denying_unsafe(lints: &Value) -> Value {
    let mut lints = lints.clone();
    if let Some(level) = lints.get_mut("rust").and_then(|rust| rust.get_mut("unsafe_code")) {
        *level = "deny".into();
    }
    lints
}

fn takes_from_workspace(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

fn workspace_lint(manifest: &Table, (tool, lint, level): (&str, &str, &str)) -> Option<Finding> {
    let set = manifest.get("workspace")?.get("lints")?.get(tool).and_then(|lints| lints.get(lint));
    let set = set.and_then(|value| value.get("level").unwrap_or(value).as_str());
    (set != Some(level)).then(|| {
        Finding::of_file("Cargo.toml", format!("[workspace.lints.{tool}] is to hold {lint} = \"{level}\""))
    })
}
