//! No promise to finish something later: neither in sources nor in documents.

use super::{Finding, Tree};

/// Taken apart, so that this file does not find itself.
const WORDS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("TB", "D"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    // Licence texts are not ours to word.
    for (path, text) in tree.texts().filter(|(path, _)| !path.starts_with("LICENSE")) {
        for (index, line) in text.lines().enumerate() {
            if let Some(word) = WORDS.iter().find(|word| contains_word(line, word)) {
                found.push(Finding::at(path, index + 1, format!("`{word}`: finish it, or leave it out")));
            }
        }
        if path.ends_with(".md") {
            found.extend(unfinished_end(path, text));
        }
    }
    found
}

fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        // Quoted it is a value: one of the marks is the ISO 4217 code for "no currency".
        let is_value = before == Some('"') && after == Some('"');
        // After `name!` anything may follow.
        !is_value && !before.is_some_and(is_part) && (word.ends_with('!') || !after.is_some_and(is_part))
    })
}

/// A document that ends with a heading, an ellipsis or a colon was not finished.
fn unfinished_end(path: &str, text: &str) -> Option<Finding> {
    let Some((index, last)) = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).last()
    else {
        return Some(Finding::of_file(path, "is empty"));
    };
    let last = last.trim();
    let unfinished = last.starts_with('#') || ["...", "…", ":"].iter().any(|end| last.ends_with(end));
    unfinished.then(|| Finding::at(path, index + 1, "the document ends in the middle: finish it"))
}
