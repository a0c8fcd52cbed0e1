//! The site that the table is about.
//!
//! ```text
//! /index.html, /folder/index.html, /a.txt (10 bytes), /digits.txt (100 bytes), /empty.txt (0 bytes),
//! "/with space.txt", /naïve.txt    files, modified on 6 November 1994 at 08:49:37 UTC, without other encodings
//! /bare                            a folder without an index
//! /.hidden                         a file that is not shown
//! ```

use switchboard_web::accept::Coding;
use switchboard_web::conditional::EntityTag;
use switchboard_web::date::UnixSeconds;
use switchboard_web::plan::{Facts, Found, Variant};
use switchboard_web::target::Target;

/// When all files were modified.
pub(crate) const MODIFIED: UnixSeconds = UnixSeconds(784_111_777);

/// Paths as they are looked up, and lengths.
pub(crate) const FILES: &[(&str, u64)] = &[
    ("", 20),
    ("index.html", 20),
    ("folder", 20),
    ("folder/index.html", 20),
    ("a.txt", 10),
    ("digits.txt", 100),
    ("empty.txt", 0),
    ("with space.txt", 10),
    ("na\u{ef}ve.txt", 10),
];

/// What a lookup comes to.
pub(crate) enum Kept {
    Missing,
    Refused,
    Directory,
    File(Facts),
}

impl Kept {
    pub(crate) fn found(&self) -> Found<'_> {
        match self {
            Self::Missing => Found::Missing,
            Self::Refused => Found::Refused,
            Self::Directory => Found::Directory,
            Self::File(facts) => Found::File(facts),
        }
    }
}

/// The lookup of a file tree, without one.
pub(crate) fn lookup(target: &Target<'_>) -> Kept {
    let Target::Path(path) = target else { return Kept::Missing };
    let name = std::str::from_utf8(path.relative()).expect("paths are UTF-8");
    if path.segments().any(|segment| segment.starts_with(b".")) {
        return Kept::Refused;
    }
    let is_folder = matches!(name, "" | "folder" | "bare");
    match FILES.iter().find(|(file, _)| *file == name) {
        _ if is_folder && !path.has_trailing_slash() => Kept::Directory,
        Some((_, len)) if is_folder == path.has_trailing_slash() => Kept::File(facts(*len)),
        _ => Kept::Missing,
    }
}

fn facts(len: u64) -> Facts {
    Facts {
        media: "text/plain; charset=utf-8".into(),
        modified: Some(MODIFIED),
        variants: vec![Variant {
            coding: Coding::Identity,
            len,
            etag: EntityTag::of_file(1, len, i128::from(MODIFIED.0) * 1_000_000_000, Coding::Identity),
        }],
        negotiated: false,
    }
}
