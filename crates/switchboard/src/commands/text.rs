//! `switchboard text upper|lower|prime`: from arguments, files or standard input. Absent: the mapping and the judging
//! themselves, which the text service does, and any bound on the length of a stream.

mod case;
mod input;
mod prime;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Invocation;
use crate::caller::Caller;
use crate::exit::Exit;
use crate::failure::Failure;

/// What can be asked of the text service.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Turns small letters into capitals, for all of Unicode
    #[command(
        after_help = "Examples:\n  switchboard text upper 'straße'\n  switchboard text upper --file book.txt > BOOK.TXT\n  \
        zcat book.gz | switchboard text upper"
    )]
    Upper(Letters),
    /// Turns capitals into small letters, for all of Unicode
    #[command(after_help = "Examples:\n  switchboard text lower 'ΟΔΟΣ'\n  switchboard text lower < BOOK.TXT")]
    Lower(Letters),
    /// Says whether decimal integers of up to 4096 bits are prime, and how surely
    #[command(
        after_help = "With several numbers, or numbers from a stream, one answer a line. Exit code 65: not an integer number.\n\n\
        Examples:\n  switchboard text prime 97\n  seq 1 100 | switchboard text prime"
    )]
    Prime(Numbers),
}

/// Where letters come from: the argument, a file, or standard input.
#[derive(Clone, Debug, Args)]
pub struct Letters {
    /// The text; without it, standard input is read to its end. On a terminal, line by line until `end` or `bye`
    #[arg(value_name = "TEXT", conflicts_with = "file")]
    pub text: Option<String>,
    /// Reads this file
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Puts U+FFFD for what is not UTF-8, instead of stopping there
    #[arg(long)]
    pub lossy: bool,
}

/// Where numbers come from: the arguments, a file, or standard input.
#[derive(Clone, Debug, Args)]
pub struct Numbers {
    /// The numbers; without any, one is read from each line of standard input
    #[arg(value_name = "NUMBER", conflicts_with = "file", allow_negative_numbers = true)]
    pub numbers: Vec<String>,
    /// Reads one number from each line of this file
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Runs the action.
///
/// # Errors
/// When the input cannot be read or is not what the command takes, or no server answers.
pub fn run(on: &Invocation, action: Action) -> Result<Exit, Failure> {
    on.block_on(async {
        let caller = Caller::volatile(on).await?;
        let ended = match action {
            Action::Upper(letters) => case::run(on, &caller, case::Direction::Upper, letters).await,
            Action::Lower(letters) => case::run(on, &caller, case::Direction::Lower, letters).await,
            Action::Prime(numbers) => prime::run(on, &caller, numbers).await,
        };
        caller.close().await?;
        ended
    })
}
