//! The files that were asked for: checked before the experiment begins, put in their place whole. Absent: what is in them.

use std::path::PathBuf;

use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output_file::{self, Overwriting};
use crate::picture::Picture;

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
    overwriting: Overwriting,
}

impl Files {
    /// Those that are wanted. Nothing is written so far.
    pub(super) fn named(wanted: &Wanted) -> Result<Self, Failure> {
        let named = [(Content::Csv, &wanted.csv), (Content::Svg, &wanted.svg), (Content::Png, &wanted.png)];
        let overwriting = Overwriting::when(wanted.overwrite);
        let wanted: Vec<_> =
            named.into_iter().filter_map(|(content, path)| Some((content, path.clone()?))).collect();
        let files = Self { wanted, overwriting };
        for (number, (_, path)) in files.wanted.iter().enumerate() {
            if files.wanted[..number].iter().any(|(_, earlier)| earlier == path) {
                let what = format!("{} is named for two files", path.display());
                return Err(Failure::new(Exit::Usage, what).advise("give each file a name of its own"));
            }
            output_file::check(path, overwriting)?;
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
            output_file::write(path, self.overwriting, &bytes)?;
        }
        Ok(())
    }
}
