//! Which crate may use which: the table of ARCHITECTURE.md, checked against `cargo metadata`.
//!
//! Dev-dependencies are free: a test may use whatever it needs.

use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};

use super::Finding;

/// Which of our crates a crate may depend on. A crate border exists to forbid a dependency, so a new edge is a
/// decision, and a line here and in ARCHITECTURE.md.
const EDGES: &[(&str, &[&str])] = &[
    ("switchboard-call", &[]),
    ("switchboard-commands", &["switchboard-call"]),
    ("switchboard-store", &["switchboard-call", "switchboard-commands"]),
    ("switchboard-engine", &["switchboard-call", "switchboard-store"]),
    ("switchboard-services", &["switchboard-commands", "switchboard-store", "switchboard-engine"]),
    ("switchboard-tls", &[]),
    ("switchboard-client", &["switchboard-call", "switchboard-commands", "switchboard-tls"]),
    ("switchboard-server", &["switchboard-call", "switchboard-engine", "switchboard-tls"]),
    ("switchboard-web", &["switchboard-commands", "switchboard-engine", "switchboard-tls"]),
    ("switchboard-probe", &[]),
    ("switchboard-mail", &["switchboard-tls"]),
];

/// The binary and the tools use what they need.
const BINARY: &str = "switchboard";
const TOOLS: &[&str] = &["sim", "bench", "xtask", "fuzz"];

/// Crates of others that would break a promise: machines without I/O, rules without sockets, SQL only in the store.
const FOREIGN: &[(&str, &[&str])] = &[
    ("switchboard-call", &["tokio", "tokio-rustls", "rusqlite", "rustls", "rustix", "socket2", "mio"]),
    ("switchboard-commands", &["tokio", "tokio-rustls", "rusqlite", "rustls", "rustix", "socket2", "mio"]),
    ("switchboard-services", &["tokio", "tokio-rustls", "rusqlite", "rustls", "rustix", "socket2", "mio"]),
    ("switchboard-store", &["tokio", "tokio-rustls", "rustls"]),
    ("switchboard-engine", &["tokio-rustls", "rusqlite", "rustls", "socket2", "mio"]),
    ("switchboard-client", &["rusqlite"]),
    ("switchboard-server", &["rusqlite"]),
    ("switchboard-web", &["rusqlite"]),
    ("switchboard-tls", &["rusqlite"]),
    ("switchboard-probe", &["rusqlite"]),
    ("switchboard-mail", &["rusqlite"]),
];

/// A crate of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crate {
    /// Its package name.
    pub name: String,
    /// Its folder below `crates/`.
    pub folder: String,
    /// Packages that its library or binary is built with or built by; dev-dependencies are not among them.
    pub depends_on: Vec<String>,
}

/// The crates of the workspace at `root`. Reads manifests only: no network, no lock, no build.
///
/// # Errors
/// When `cargo metadata` fails, for example because a manifest is wrong.
pub(super) fn crates(root: &Path) -> Result<Vec<Crate>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata does not understand the workspace")?;
    let crates = metadata.packages.iter().map(|package| {
        let depends_on = package.dependencies.iter().filter(|used| used.kind != DependencyKind::Development);
        Crate {
            name: package.name.to_string(),
            folder: package
                .manifest_path
                .parent()
                .and_then(|path| path.file_name())
                .unwrap_or_default()
                .into(),
            depends_on: depends_on.map(|used| used.name.clone()).collect(),
        }
    });
    Ok(crates.collect())
}

pub(super) fn check(crates: &[Crate]) -> Vec<Finding> {
    let mut found = Vec::new();
    for one in crates {
        let manifest = format!("crates/{}/Cargo.toml", one.folder);
        let mut complain = |message: String| found.push(Finding::of_file(&manifest, message));
        let expected = expected_name(&one.folder);
        if one.name != expected {
            complain(format!("the package is to be named {expected}, after its folder"));
        }
        for used in &one.depends_on {
            if crates.iter().any(|other| other.name == *used) && !edge_allowed(&one.name, used) {
                complain(format!("{} may not depend on {used}: see the table in ARCHITECTURE.md", one.name));
            }
            if listed(FOREIGN, &one.name).is_some_and(|banned| banned.contains(&used.as_str())) {
                complain(format!("{} may not depend on {used}: it is to stay free of that", one.name));
            }
        }
        if !uses_what_it_needs(&one.name) && listed(EDGES, &one.name).is_none() {
            complain(format!(
                "{} is in no table: add it to EDGES in tidy/edges.rs and to ARCHITECTURE.md",
                one.name
            ));
        }
    }
    found
}

fn expected_name(folder: &str) -> String {
    if uses_what_it_needs(folder) { folder.into() } else { format!("switchboard-{folder}") }
}

fn uses_what_it_needs(name: &str) -> bool {
    name == BINARY || TOOLS.contains(&name)
}

fn edge_allowed(from: &str, to: &str) -> bool {
    if TOOLS.contains(&to) {
        return TOOLS.contains(&from);
    }
    uses_what_it_needs(from) || listed(EDGES, from).is_some_and(|allowed| allowed.contains(&to))
}

fn listed<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(listed, _)| *listed == name).map(|(_, names)| *names)
}
