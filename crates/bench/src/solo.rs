//! `bench load`: one load on Switchboard alone, for trying things and under a profiler. Absent: a peer, and so a figure to
//! quote.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::Result;

use crate::cpu;
use crate::load::{ACCOUNTS, Accounts, Load, Pace, Work};
use crate::server::{self, Server};

/// One load.
#[derive(Debug, clap::Args)]
pub struct Options {
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

impl Options {
    /// Runs it and prints rate, CPU time and latency.
    ///
    /// # Errors
    /// When the server does not build or start, or refuses a call.
    #[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
    pub fn run(self) -> Result<()> {
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
