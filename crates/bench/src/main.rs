//! `bench`: figures, each beside a peer in the same run.

use anyhow::Result;
use clap::{Parser, Subcommand};

use bench::peers::textbook;
use bench::{calls, latency, mail, memory, probe, restart, soak, solo, web};

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
    /// Files served beside lighttpd, nginx, Caddy and static-web-server, alternating, every byte verified
    Web(web::Options),
    /// Probes and reflectors beside irtt, sockperf, fping, STAMP reflectors and plain C, alternating, every reply counted
    Probe(probe::Options),
    /// Mail submitted beside curl, msmtp, swaks, s-nail, smtplib and smtp-source, alternating, every message counted
    Mail(mail::Options),
    /// The process in which the textbook table runs
    #[command(hide = true)]
    Textbook(textbook::Options),
    /// One load on Switchboard alone: for trying things, and under a profiler
    Load(solo::Options),
    /// Latency at 10 %, 50 % and 90 % of the highest rate, and of one call alone beside its floor
    Latency(latency::Options),
    /// Memory and disk of a server, its connections, sessions and withdrawals; time from exec to the first answer
    Memory(memory::Options),
    /// Time to the first answer after a crash with millions of transfers on file; a long statement; the audit
    Restart(restart::Options),
    /// Days of work in minutes; fails when memory, files, threads or log grow
    Soak(soak::Options),
}

fn main() -> Result<()> {
    match Arguments::parse().what {
        What::Calls(options) => calls::run(&options),
        What::Web(options) => web::run(&options),
        What::Probe(options) => probe::run(&options),
        What::Mail(options) => mail::run(&options),
        What::Textbook(options) => textbook::run_child(&options),
        What::Load(options) => options.run(),
        What::Latency(options) => options.run(),
        What::Memory(options) => options.run(),
        What::Restart(options) => options.run(),
        What::Soak(options) => options.run(),
    }
}
