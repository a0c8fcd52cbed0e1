//! `bench`: figures, each beside a peer in the same run.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

use bench::load::{Accounts, Load, Pace, Work};
use bench::peers::textbook;
use bench::server::Server;
use bench::{calls, cpu, latency, memory, restart, server, soak};

/// Measures Switchboard beside its peers on this machine.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every case on Switchboard and its peers, alternating, with the work verified: tables, charts, BENCHMARKS.md
    Calls(calls::Options),
    /// The process in which the textbook table runs
    #[command(hide = true)]
    Textbook(textbook::Options),
    /// One load on Switchboard alone: for trying things, and under a profiler
    Load(One),
    /// Latency at 10 %, 50 % and 90 % of the highest rate, and of one call alone beside its floor
    Latency(latency::Options),
    /// Memory and disk of a server, its connections, sessions and withdrawals; time from exec to the first answer
    Memory(memory::Options),
    /// Time to the first answer after a crash with millions of transfers on file; a long statement; the audit
    Restart(restart::Options),
    /// Days of work in minutes; fails when memory, files, threads or log grow
    Soak(soak::Options),
}

/// One load.
#[derive(Debug, clap::Args)]
struct One {
    /// Connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Calls in flight on each
    #[arg(long, default_value_t = 1)]
    depth: u16,
    /// Seconds to run
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Stop after so many calls instead
    #[arg(long)]
    count: Option<u64>,
    /// Calls a second, due at fixed times
    #[arg(long)]
    rate: Option<f64>,
    /// All withdrawals from one account
    #[arg(long)]
    hot: bool,
    /// Ask for balances
    #[arg(long)]
    reads: bool,
    /// So many transfers in each call
    #[arg(long, conflicts_with_all = ["hot", "reads"])]
    bulk: Option<u16>,
    /// Under TLS
    #[arg(long)]
    tls: bool,
    /// What runs the server: a profiler and its arguments
    #[arg(last = true)]
    under: Vec<OsString>,
}

fn main() -> Result<()> {
    match Arguments::parse().what {
        What::Calls(options) => calls::run(&options),
        What::Textbook(options) => textbook::run_child(&options),
        What::Load(one) => one.run(),
        What::Latency(options) => options.run(),
        What::Memory(options) => options.run(),
        What::Restart(options) => options.run(),
        What::Soak(options) => options.run(),
    }
}

/// Accounts of a load.
const ACCOUNTS: u32 = 1000;

impl One {
    #[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
    fn run(self) -> Result<()> {
        let binary = server::build()?;
        let place = tempfile::tempdir()?;
        let mut command = self.under.clone();
        command.push(binary.into_os_string());
        let server = Server::open(&command, &place.path().join("data"))?;
        server.fill(ACCOUNTS)?;
        let accounts = if self.hot { Accounts::Hot } else { Accounts::Any(ACCOUNTS) };
        let work = match self.bulk {
            Some(count) => Work::TransferMany(ACCOUNTS, count),
            None if self.reads => Work::Balance(accounts),
            None => Work::Withdraw(accounts),
        };
        let lasts = Duration::from_secs_f64(self.seconds);
        let pace = match (self.count, self.rate) {
            (Some(count), _) => Pace::Count(count),
            (None, Some(per_second)) => Pace::Open { per_second, lasts },
            (None, None) => Pace::Closed(lasts),
        };
        let target = if self.tls { server.tls.clone() } else { server.tcp.clone() };
        let load = Load { target, connections: self.connections, depth: self.depth, work, pace, seed: 1 };
        let mut ready = load.connect()?;
        let before = cpu::spent(server.pid());
        let done = ready.run()?;
        let spent = cpu::spent(server.pid()) - before;
        let quantile = |q| done.latency_us.value_at_quantile(q);
        println!(
            "{:.0} calls/s, {:.2} us CPU a call, latency p50 {} p99 {} p99.9 {} us",
            done.per_second(),
            spent.as_secs_f64() * 1e6 / f64::from(u32::try_from(done.calls)?),
            quantile(0.5),
            quantile(0.99),
            quantile(0.999),
        );
        drop(ready);
        server.stop()
    }
}
