//! The files that were asked for: checked before the experiment begins, put in their place whole. Absent: what is in them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::lab::picture::Picture;

/// Pixels of a PNG for each of its chart.
const PNG_SCALE: f64 = 2.0;

/// The files that an experiment may write.
#[derive(Clone, Debug, Args)]
pub struct Wanted {
    /// Writes every figure as comma-separated values
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Draws the chart as SVG
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Draws the chart as PNG
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Replaces the files named here if they exist
    #[arg(long)]
    pub overwrite: bool,
}

/// What is written where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Content {
    Csv,
    Svg,
    Png,
}

/// The files of one run.
#[derive(Debug)]
pub(super) struct Files {
    wanted: Vec<(Content, PathBuf)>,
    overwrite: bool,
}

impl Files {
    /// Those that are wanted. Nothing is written so far.
    pub(super) fn named(wanted: &Wanted) -> Result<Self, Failure> {
        let named = [(Content::Csv, &wanted.csv), (Content::Svg, &wanted.svg), (Content::Png, &wanted.png)];
        let overwrite = wanted.overwrite;
        let wanted: Vec<_> =
            named.into_iter().filter_map(|(content, path)| Some((content, path.clone()?))).collect();
        let files = Self { wanted, overwrite };
        for (number, (_, path)) in files.wanted.iter().enumerate() {
            if files.wanted[..number].iter().any(|(_, earlier)| earlier == path) {
                let what = format!("{} is named for two files", path.display());
                return Err(Failure::new(Exit::Usage, what).advise("give each file a name of its own"));
            }
            check(path, files.overwrite)?;
        }
        Ok(files)
    }

    /// The names, in order.
    pub(super) fn names(&self) -> Vec<String> {
        self.wanted.iter().map(|(_, path)| path.display().to_string()).collect()
    }

    /// Writes them all.
    pub(super) fn write(
        &self,
        csv: impl Fn() -> String,
        picture: impl Fn() -> Picture,
    ) -> Result<(), Failure> {
        for (content, path) in &self.wanted {
            let bytes = match content {
                Content::Csv => csv().into_bytes(),
                Content::Svg => picture().to_svg().into_bytes(),
                Content::Png => picture()
                    .to_png(PNG_SCALE)
                    .map_err(|error| Failure::from_error(Exit::CannotCreate, error))?,
            };
            put(path, &bytes, self.overwrite)?;
        }
        Ok(())
    }
}

/// Minutes of measuring are not to end in vain.
pub(super) fn check(path: &Path, overwrite: bool) -> Result<(), Failure> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        let what = format!("there is no folder {} for {}", folder.display(), path.display());
        return Err(Failure::new(Exit::CannotCreate, what).advise("make the folder, or name another one"));
    }
    if path.is_dir() {
        let what = format!("{} is a folder", path.display());
        return Err(Failure::new(Exit::CannotCreate, what).advise("name a file in it"));
    }
    if path.exists() && !overwrite {
        return Err(exists(path));
    }
    Ok(())
}

/// The file is there whole or not at all.
pub(super) fn put(path: &Path, bytes: &[u8], overwrite: bool) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(Exit::CannotCreate, format!("cannot write {}", path.display()))
            .because(error)
            .advise("check the folder, its permissions and the room on the disk")
    };
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder_of(path))
        .map_err(cannot)?;
    file.write_all(bytes).map_err(cannot)?;
    match overwrite {
        true => file.persist(path).map_err(|error| cannot(error.error))?,
        false => file.persist_noclobber(path).map_err(|error| {
            let came_between = error.error.kind() == std::io::ErrorKind::AlreadyExists;
            if came_between { exists(path) } else { cannot(error.error) }
        })?,
    };
    Ok(())
}

fn exists(path: &Path) -> Failure {
    Failure::new(Exit::CannotCreate, format!("{} exists", path.display()))
        .advise("name another file, or add --overwrite to replace it")
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}
