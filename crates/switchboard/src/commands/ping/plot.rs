//! The picture of a run in a file: checked before the run begins, written at its end. Absent: what is drawn.

use std::path::{Path, PathBuf};

use switchboard_probe::udp::{Event, Pinger};

use super::chart::{self, Series};
use super::target::Named;
use super::trace::Trace;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output_file::{self, Overwriting};

/// Pixels of a PNG for each of the picture.
const PNG_SCALE: f64 = 2.0;

/// A picture that is to be drawn.
pub(super) struct Plot {
    file: PathBuf,
    kind: Kind,
    overwriting: Overwriting,
    traces: Vec<Trace>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Svg,
    Png,
}

impl Plot {
    /// Checks that the file can be written. Its name says what it will be.
    pub(super) fn at(file: &Path, overwrite: bool, targets: usize) -> Result<Self, Failure> {
        let kind = match file.extension().and_then(|ending| ending.to_str()) {
            Some("svg") => Kind::Svg,
            Some("png") => Kind::Png,
            Some(_) | None => {
                let what = format!("{} ends neither in .svg nor in .png", file.display());
                return Err(Failure::new(Exit::Usage, what).advise("name --plot FILE.svg or --plot FILE.png"));
            }
        };
        let overwriting = Overwriting::when(overwrite);
        output_file::check(file, overwriting)?;
        let traces = (0..targets).map(|_| Trace::of_one_among(targets)).collect();
        Ok(Self { file: file.to_owned(), kind, overwriting, traces })
    }

    /// Takes what happened.
    pub(super) fn take(&mut self, place: usize, event: &Event) {
        if let Some(trace) = self.traces.get_mut(place) {
            trace.take(event);
        }
    }

    /// Draws and writes it.
    pub(super) fn write(&self, named: &[Named], pinger: &Pinger) -> Result<(), Failure> {
        let series: Vec<Series<'_>> = named
            .iter()
            .zip(&self.traces)
            .enumerate()
            .filter_map(|(place, (named, trace))| {
                Some(Series { name: &named.name, trace, statistics: pinger.statistics(place)? })
            })
            .collect();
        let picture = chart::draw(&series);
        let bytes = match self.kind {
            Kind::Svg => picture.to_svg().into_bytes(),
            Kind::Png => {
                picture.to_png(PNG_SCALE).map_err(|error| Failure::from_error(Exit::CannotCreate, error))?
            }
        };
        output_file::write(&self.file, self.overwriting, &bytes)
    }
}
