//! `cargo xtask`: reads the command line and hands over. Decides nothing itself.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::suite::{self, Request, Stage};
use xtask::{fuzzing, tidy, workspace_root};

/// The project's own commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test of the workspace, documentation tests included, then the simulation, then fuzzing.
    ///
    /// Three stages: `tests` (cargo test), `simulation` (3000 seeds, one test) and `fuzz` (20 seconds for each target, as
    /// many at a time as there are cores, a test each). With --long 100000 seeds and 120 seconds.
    ///
    /// Ends with the line `N passed, N failed` (`, N skipped` when some were). Exit status 0 only when something ran
    /// and nothing failed. Needs neither a terminal nor standard input.
    ///
    /// Some tests use Debian packages. With --install, or with CI=true in the environment, and run as root, missing
    /// ones are installed first, without starting services, and those of mail servers are unpacked into the target
    /// folder. Otherwise the apt-get line is printed and those tests are skipped; with CI=true a skip is a failure.
    Test {
        /// Install missing Debian packages first (root only; CI=true asks for the same).
        #[arg(long)]
        install: bool,
        /// More rounds in the tests that can use them (SWITCHBOARD_LONG=1), more seeds, longer fuzzing.
        #[arg(long)]
        long: bool,
        /// Only this stage.
        #[arg(long, value_enum, conflicts_with = "cargo_arguments")]
        only: Option<Stage>,
        /// Only cargo test, with these arguments in place of --workspace, e.g. `-- -p switchboard-call replay`.
        #[arg(last = true, value_name = "CARGO_TEST_ARGUMENTS")]
        cargo_arguments: Vec<String>,
    },
    /// Run fuzz targets with libFuzzer: those of `crates/fuzz`, all or one.
    ///
    /// Needs a C++ compiler and nothing else. An input that breaks a property is kept in target/fuzz/TARGET/found; copied
    /// into crates/fuzz/corpus/TARGET it is a test from then on.
    Fuzz {
        /// Only this target.
        target: Option<String>,
        /// How long each is run.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Add to the corpus in the tree what reaches new code.
        #[arg(long)]
        merge: bool,
    },
    /// Check what no compiler checks: crate edges, names, sizes, unreferenced files. Also runs as a test.
    Tidy,
}

const AFTER_HELP: &str =
    "`.ci/run` runs formatting, lints, documentation and `cargo xtask test`, in that order.";

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Test { install, long, only, cargo_arguments } => {
            suite::run(&workspace_root(), &Request { install, long, only, cargo_arguments })
        }
        Command::Fuzz { target, seconds, merge } => {
            let held = fuzzing::by_hand(&workspace_root(), target.as_deref(), seconds, merge)?;
            Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Tidy => tidy::report(&workspace_root()),
    }
}
