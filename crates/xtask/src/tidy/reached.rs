//! No source that nothing reaches: every `.rs` file of a package is a target or is declared by `mod` from one, and
//! every other file below a package or in `examples/` is named by what uses it.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::outline::{Module, outline};
use super::tree::{file_name, folder, joined};
use super::{Finding, Tree};

/// Folders of targets that cargo finds by itself: `X.rs` and `NAME/main.rs` in them are roots.
const TARGET_FOLDERS: &[&str] = &["src/bin", "tests", "benches", "examples"];
/// Folders that every package has: naming one is no use of what lies in it.
const LAYOUT_FOLDERS: &[&str] = &["src", "tests", "benches", "examples"];
/// Names that tools look for by themselves.
const KNOWN_TO_TOOLS: &[&str] = &["Cargo.toml", "Cargo.lock", "clippy.toml", ".gitignore"];
/// Made by proptest beside a source of the same name.
const SEEDS_FOLDER: &str = "proptest-regressions";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let packages: Vec<&str> = tree.packages().map(|(folder, _)| folder).collect();
    let mut reached = BTreeSet::new();
    for (folder, manifest) in tree.packages() {
        for root in roots(tree, folder, manifest) {
            follow(tree, &root, true, &mut reached);
        }
    }
    let lost = |path: &&str| {
        let in_package = packages.iter().any(|folder| path.starts_with(folder));
        if path.ends_with(".rs") {
            in_package && !reached.contains(*path)
        } else {
            is_unnamed(tree, path, in_package)
        }
    };
    tree.paths()
        .filter(lost)
        .map(|path| Finding::of_file(path, "nothing reaches this file: declare, name or delete it"))
        .collect()
}

fn roots(tree: &Tree, package: &str, manifest: &str) -> Vec<String> {
    let inside = |path: &str| path.strip_prefix(package).map(str::to_owned);
    let is_found_by_cargo = |path: &str| {
        matches!(path, "src/lib.rs" | "src/main.rs" | "build.rs")
            || TARGET_FOLDERS.iter().any(|targets| {
                folder(path) == *targets || file_name(path) == "main.rs" && folder(folder(path)) == *targets
            })
    };
    let mut roots: Vec<String> = tree
        .sources()
        .filter(|(path, _)| inside(path).is_some_and(|path| is_found_by_cargo(&path)))
        .map(|(path, _)| path.to_owned())
        .collect();
    let named = manifest.parse::<Table>().map(|manifest| named_targets(&manifest)).unwrap_or_default();
    roots.extend(named.iter().filter_map(|path| joined(package, path)));
    roots
}

/// The paths in `[lib]`, `[[bin]]`, `[[test]]` and their like.
fn named_targets(manifest: &Table) -> Vec<String> {
    let mut targets: Vec<&Value> = manifest.get("lib").into_iter().collect();
    for kind in ["bin", "test", "bench", "example"] {
        targets.extend(manifest.get(kind).and_then(Value::as_array).into_iter().flatten());
    }
    targets.iter().filter_map(|target| Some(target.get("path")?.as_str()?.to_owned())).collect()
}

/// Follows `mod` declarations. A root and a `mod.rs` own their folder, any other file the folder of its own name.
fn follow(tree: &Tree, path: &str, is_root: bool, reached: &mut BTreeSet<String>) {
    let Some(text) = tree.text(path) else { return };
    if !reached.insert(path.to_owned()) {
        return;
    }
    let owns_folder = is_root || file_name(path) == "mod.rs";
    let own = if owns_folder { folder(path) } else { path.trim_end_matches(".rs") };
    for module in outline(text).unwrap_or_default().modules.iter().filter(|module| module.is_file) {
        for candidate in candidates(module, folder(path), own) {
            follow(tree, &candidate, false, reached);
        }
    }
}

fn candidates(module: &Module, beside: &str, own: &str) -> Vec<String> {
    let around = module.around.join("/");
    let places = match &module.path {
        Some(path) if module.around.is_empty() => vec![joined(beside, path)],
        Some(path) => vec![joined(&format!("{own}/{around}"), path)],
        None => {
            let place = format!("{own}/{around}");
            vec![
                joined(&place, &format!("{}.rs", module.name)),
                joined(&place, &format!("{}/mod.rs", module.name)),
            ]
        }
    };
    places.into_iter().flatten().collect()
}

/// Whether a file that is not Rust and has to be used by a source, a manifest or a script is named by none of them.
fn is_unnamed(tree: &Tree, path: &str, in_package: bool) -> bool {
    let name = file_name(path);
    let is_ours = in_package || path.starts_with("examples/");
    if !is_ours || KNOWN_TO_TOOLS.contains(&name) || path.ends_with(".md") || path.contains(SEEDS_FOLDER) {
        return false;
    }
    // A test that walks a folder of vectors names the folder.
    let parent = Some(file_name(folder(path))).filter(|parent| !LAYOUT_FOLDERS.contains(parent));
    let names = |text: &str| {
        let names_folder =
            |parent| text.contains(&format!("{parent}/")) || text.contains(&format!("/{parent}\""));
        text.contains(name) || parent.is_some_and(names_folder)
    };
    let may_use = |user: &str| {
        user != path
            && ([".rs", ".toml", ".py", ".sh"].iter().any(|end| user.ends_with(end))
                || user.starts_with(".ci/"))
    };
    !tree.texts().any(|(user, text)| may_use(user) && names(text))
}
