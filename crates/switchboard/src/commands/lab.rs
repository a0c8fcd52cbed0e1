//! `switchboard lab`: experiments with faults made on purpose, in a folder of their own. Absent: the faults themselves; they
//! are in the laboratory.

pub mod beat;
mod files;
pub mod loss;

use clap::Subcommand;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;

/// The experiments.
#[derive(Clone, Debug, Subcommand)]
pub enum Experiment {
    /// Measures time and attempts until a withdrawal is done, against the share of messages that is lost
    Loss(loss::Arguments),
    /// Measures how soon three detectors find that a host fell silent, against their false alarms
    Beat(beat::Arguments),
}

/// Runs the experiment.
///
/// # Errors
/// When it cannot run, or shows what must not be.
pub fn run(
    screen: &Screen,
    services: switchboard_engine::Registry,
    experiment: &Experiment,
) -> Result<Exit, Failure> {
    match experiment {
        Experiment::Loss(arguments) => loss::run(screen, services, arguments),
        Experiment::Beat(arguments) => beat::run(screen, arguments),
    }
}
