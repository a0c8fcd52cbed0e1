//! Where reports are kept: parts of BENCHMARKS.md between marks, and charts in docs/benchmarks. Absent: what they say.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

const DOCUMENT: &str = "BENCHMARKS.md";
/// Where the charts stand.
pub(crate) const CHARTS: &str = "docs/benchmarks";

/// Writes the charts that were drawn, each with the name of its file, and replaces what stands in the document below `root`
/// between the lines `<!-- NAME -->` and `<!-- /NAME -->`.
///
/// # Errors
/// When a file cannot be written, or the document has lost its marks.
pub(crate) fn write(root: &Path, name: &str, part: &str, charts: &[(&str, Option<String>)]) -> Result<()> {
    let folder = root.join(CHARTS);
    fs::create_dir_all(&folder)?;
    for (file, drawn) in charts {
        if let Some(svg) = drawn {
            fs::write(folder.join(file), svg).with_context(|| format!("cannot write {CHARTS}/{file}"))?;
        }
    }
    let path = root.join(DOCUMENT);
    let document = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let replaced = replace(&document, name, part)?;
    fs::write(&path, replaced).with_context(|| format!("cannot write {DOCUMENT}"))
}

fn replace(document: &str, name: &str, part: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let lost = || format!("{DOCUMENT} needs a line {begin} and below it a line {end}");
    let (before, rest) = document.split_once(&begin).with_context(lost)?;
    let (_, after) = rest.split_once(&end).with_context(lost)?;
    Ok(format!("{before}{begin}\n{part}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_between_the_marks_is_replaced_and_nothing_else() {
        let document = "# Title\n<!-- calls -->\nold\n<!-- /calls -->\nbelow\n";
        let expected = "# Title\n<!-- calls -->\nnew\n<!-- /calls -->\nbelow\n";
        assert_eq!(replace(document, "calls", "new\n").unwrap(), expected);
        let told = replace(document, "web", "new").unwrap_err().to_string();
        assert!(told.contains("<!-- web -->") && told.contains("<!-- /web -->"), "{told}");
    }

    #[test]
    fn only_what_was_drawn_is_written() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(DOCUMENT), "<!-- web -->\n<!-- /web -->\n").unwrap();
        let charts = [("one.svg", Some("<svg/>".to_owned())), ("two.svg", None)];
        write(root.path(), "web", "| Redis |\n", &charts).unwrap();
        assert!(fs::read_to_string(root.path().join(DOCUMENT)).unwrap().contains("| Redis |"));
        assert!(root.path().join(CHARTS).join("one.svg").is_file());
        assert!(!root.path().join(CHARTS).join("two.svg").exists());
    }
}
