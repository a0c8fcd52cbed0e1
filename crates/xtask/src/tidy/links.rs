//! Documents: every link between files leads somewhere, and every document is reached from the ones at the top.

use std::collections::BTreeSet;

use super::tree::{folder, joined};
use super::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in documents(tree) {
        for (line, target) in links(text) {
            let leads_somewhere = joined(folder(path), target).is_some_and(|target| {
                target.is_empty() || tree.contains(&target) || tree.contains_folder(&target)
            });
            if !leads_somewhere {
                found.push(Finding::at(path, line, format!("the link to {target} leads nowhere")));
            }
        }
    }
    let mut reached = BTreeSet::new();
    for (path, _) in documents(tree).filter(|(path, _)| !path.contains('/')) {
        follow(tree, path, &mut reached);
    }
    let lost = tree.paths().filter(|path| path.starts_with("docs/") && !reached.contains(*path));
    found.extend(lost.filter(|path| !is_named(tree, path)).map(|path| {
        Finding::of_file(
            path,
            "nothing leads to this document: link it from README.md or from another document",
        )
    }));
    found
}

fn documents(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.texts().filter(|(path, _)| path.ends_with(".md"))
}

fn follow(tree: &Tree, path: &str, reached: &mut BTreeSet<String>) {
    if !reached.insert(path.to_owned()) || !path.ends_with(".md") {
        return;
    }
    for (_, target) in links(tree.text(path).unwrap_or_default()) {
        if let Some(target) = joined(folder(path), target)
            && tree.contains(&target)
        {
            follow(tree, &target, reached);
        }
    }
}

/// Files of `docs/` that are no documents (vectors, pictures, schemas) may be used by a test or named in a document
/// instead of being linked.
fn is_named(tree: &Tree, path: &str) -> bool {
    let uses = |(user, text): (&str, &str)| {
        let name = path.trim_start_matches("docs/");
        let folder = folder(path);
        let may_use = [".rs", ".md", ".py"].iter().any(|end| user.ends_with(end));
        may_use && user != path && (text.contains(name) || folder != "docs" && text.contains(folder))
    };
    !path.ends_with(".md") && tree.texts().any(uses)
}

/// Line and target of every link to a file: `[text](target)` and `[label]: target`, without anchors; addresses on the
/// network and what stands in code are left out.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second piece stands between backticks.
        for piece in line.split('`').step_by(2) {
            found.extend(
                piece
                    .split("](")
                    .skip(1)
                    .filter_map(|rest| rest.split([')', ' ']).next())
                    .map(|t| (index + 1, t)),
            );
        }
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            found.push((index + 1, target.trim()));
        }
    }
    found
        .into_iter()
        .map(|(line, target)| (line, target.split('#').next().unwrap_or_default()))
        .filter(|(_, target)| !target.is_empty() && !target.contains(':'))
        .collect()
}
