//! The files of the workspace: relative paths with `/`, and the text of those that are text.
//!
//! Absent: what git ignores (`target`, caches), inputs that fuzzing made (`corpus`) and hidden folders of other tools are
//! never read; symbolic links are not followed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Larger files are listed but not read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const FOLDERS_SKIPPED: &[&str] = &["target", "__pycache__", "corpus"];
const HIDDEN_READ: &[&str] = &[".ci", ".cargo", ".github"];

/// The files by path. A file that is not UTF-8 text has none.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads the folder `root`.
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind =
                entry.file_type().with_context(|| format!("cannot look at {}", entry.path().display()))?;
            let hidden = name.starts_with('.') && !HIDDEN_READ.contains(&name.as_str());
            if kind.is_dir() && !hidden && !FOLDERS_SKIPPED.contains(&name.as_str()) {
                self.read_folder(&entry.path(), &format!("{prefix}{name}/"))?;
            } else if kind.is_file() && !hidden {
                self.files.insert(format!("{prefix}{name}"), text(&entry.path())?);
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn planted(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).into(), Some((*text).into()))).collect();
        Self { files }
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The Rust sources.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".rs"))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Whether a file lies below `folder`.
    pub(super) fn contains_folder(&self, folder: &str) -> bool {
        let prefix = format!("{folder}/");
        self.files.range(prefix.clone()..).next().is_some_and(|(path, _)| path.starts_with(&prefix))
    }

    /// Folders that hold a package manifest, `""` for the workspace's own if it has one.
    pub(super) fn packages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter_map(|(path, text)| {
            let folder = path.strip_suffix("Cargo.toml")?;
            text.lines().any(|line| line.trim() == "[package]").then_some((folder, text))
        })
    }
}

fn text(path: &Path) -> Result<Option<String>> {
    let complain = || format!("cannot read {}", path.display());
    if fs::metadata(path).with_context(complain)?.len() > FILE_BYTES_MAX {
        return Ok(None);
    }
    Ok(String::from_utf8(fs::read(path).with_context(complain)?).ok())
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What stands before the last part, without the slash; `""` at the top.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// `path` seen from `folder`, with `.` and `..` taken out. None when it leads out of the workspace.
pub(super) fn joined(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
