//! `switchboard demo`: cash is drawn from a durable ledger while requests and replies are lost and both processes are killed;
//! at the end the client's notes are held against the ledger.
//!
//! ```text
//!   client process ==TLS==> lossy proxy (this process) ──Unix socket──> server process
//!     kill -9 ↺                                                            kill -9 ↺
//!   its notes ─────────────────────────▶ verdict ◀──────────────────── the ledger
//! ```
//!
//! Everything happens in a folder of its own with ports of its own. Absent: any protection of its own; what is shown is what
//! every client and server do.

pub mod client;
mod notes;
mod processes;
mod run;
mod schedule;
mod story;

use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;

/// What `demo` takes.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Everything happens in a folder of its own under the system's temporary folder, with ports of its own; nothing \
    else is touched. Exit code 0: the books hold; 1: they do not.\n\n\
    Examples:\n  switchboard demo\n  switchboard demo --calls 500 --loss 0.5 --seed 7\n  switchboard demo --keep --json"
)]
pub struct Arguments {
    /// Repeats the choices of an earlier run, which printed its seed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many times cash is drawn
    #[arg(long, value_name = "N", default_value_t = 2500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub calls: u32,
    /// The share of requests and of replies that is lost
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = share)]
    pub loss: f64,
    /// How many times each side is killed
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub kills: u32,
    /// When no further cash is drawn, however much is left
    #[arg(long, value_name = "SECONDS", default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Keeps the folder, for a look at the ledger, the journal and the logs
    #[arg(long)]
    pub keep: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "write a share such as 0.2".to_owned())?;
    if (0.0..=0.95).contains(&share) { Ok(share) } else { Err("write a share from 0 to 0.95".to_owned()) }
}

/// Runs the demonstration.
///
/// # Errors
/// When it cannot run at all; that the books do not hold is an exit code.
pub fn run(screen: &Screen, arguments: &Arguments) -> Result<Exit, Failure> {
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let seed = match arguments.seed {
            Some(seed) => seed,
            None => super::random_seed()?,
        };
        let demo = run::run(screen, arguments, seed);
        // Dropped in the middle, the demonstration ends its processes and removes its folder.
        tokio::select! {
            ended = demo => ended,
            interrupted = interrupted() => Err(interrupted),
        }
    })
}

async fn interrupted() -> Failure {
    super::interrupted().await;
    Failure::new(
        Exit::Unavailable,
        "the demonstration was interrupted; its processes are ended and its folder is removed",
    )
}
