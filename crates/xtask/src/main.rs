//! `cargo xtask`: reads the command line and hands over. Decides nothing itself.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::suite::{self, Request};
use xtask::{tidy, workspace_root};

/// The project's own commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test of the workspace, documentation tests included.
    ///
    /// Ends with the line `N passed, N failed` (`, N skipped` when some were). Exit status 0 only when something ran
    /// and nothing failed. Needs neither a terminal nor standard input.
    ///
    /// Some tests use Debian packages. With --install, or with CI=true in the environment, and run as root, missing
    /// ones are installed first, without starting services. Otherwise the apt-get line is printed and those tests
    /// are skipped; with CI=true a skip is a failure.
    Test {
        /// Install missing Debian packages first (root only; CI=true asks for the same).
        #[arg(long)]
        install: bool,
        /// More rounds in the tests that can use them (SWITCHBOARD_LONG=1).
        #[arg(long)]
        long: bool,
        /// Arguments for `cargo test` in place of --workspace, e.g. `-- -p switchboard-call replay`.
        #[arg(last = true, value_name = "CARGO_TEST_ARGUMENTS")]
        cargo_arguments: Vec<String>,
    },
    /// Check what no compiler checks: crate edges, names, sizes, unreferenced files. Also runs as a test.
    Tidy,
}

const AFTER_HELP: &str =
    "`.ci/run` runs formatting, lints, documentation and `cargo xtask test`, in that order.";

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Test { install, long, cargo_arguments } => {
            suite::run(&workspace_root(), &Request { install, long, cargo_arguments })
        }
        Command::Tidy => tidy::report(&workspace_root()),
    }
}
