//! `bench memory`: what a server occupies and how soon it answers: idle, for each idle connection and session, with its page
//! caches in use, on disk for each withdrawal; and from exec to the first answers.
//!
//! Memory of a connection or session is a difference of proportional set sizes divided by their number. Absent: memory of the
//! kernel's sockets, which no process is charged for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::figure::{self, Figure, Goal, number};
use crate::latency::temporary;
use crate::ledger::Ledger;
use crate::load::{ACCOUNTS, Accounts, Load, Pace, Ready, Target, Work};
use crate::progress;
use crate::server::{self, Server};
use crate::start::Start;
use crate::statistics::median;
use crate::usage::{OnDisk, Usage, once_alone};

/// Open files that are not connections.
const FILES_BESIDE: u64 = 200;
/// Withdrawals of one step of the long load.
const STEP: u64 = 50_000;
/// Reads that fill the page caches of readers.
const READS: u64 = 200_000;

/// Goals: an idle server and the growth of its page caches in MiB, an idle connection in KiB, a start in milliseconds.
const IDLE_MIB_MAX: f64 = 20.0;
const CACHE_MIB_MAX: f64 = 64.0;
const CONNECTION_KIB_MAX: f64 = 10.0;
const START_MS_MAX: f64 = 50.0;

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Idle connections, and sessions with one call each; fewer where the limit of open files does not allow so many
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Withdrawals whose room on disk is measured
    #[arg(long, default_value_t = 1_000_000)]
    withdrawals: u64,
    /// Starts that are timed
    #[arg(long, default_value_t = 20)]
    starts: u32,
    /// Where the data folders are made
    #[arg(long)]
    place: Option<PathBuf>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// A server on its folder, and the binary it is started from.
struct House {
    program: Vec<OsString>,
    folder: PathBuf,
}

impl Options {
    /// Measures and prints.
    ///
    /// # Errors
    /// When the server does not build or start or refuses a call, and when its ledger is not what was asked for.
    #[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
    pub fn run(mut self) -> Result<()> {
        self.connections = self.connections.min(room_for_connections()?);
        let binary = server::build()?;
        let place = temporary(self.place.as_deref())?;
        let house = House::at(&binary, place.path())?;
        let bar = progress::bar(u64::from(self.starts) + 4 + self.withdrawals.div_ceil(STEP) + 1, "memory");
        let mut figures = house.starts(self.starts, &bar)?;
        figures.extend(house.plain(self.connections, &bar)?);
        figures.extend(house.tls(self.connections, &bar)?);
        let calls = u64::from(ACCOUNTS) + u64::from(self.starts) + u64::try_from(self.connections)?;
        figures.extend(house.withdrawals(self.withdrawals, calls, &bar)?);
        bar.finish_and_clear();
        match self.json {
            true => println!(
                "{:#}",
                json!({ "connections": self.connections, "figures": figure::json(&figures) })
            ),
            false => print!("{}", figure::table(&figures)),
        }
        Ok(())
    }
}

impl House {
    /// Where one address may connect as often as it likes and silence is not an end.
    fn at(binary: &Path, place: &Path) -> Result<Self> {
        let settings = place.join("settings.toml");
        let limits = "connections = 100000\nconnections_per_address = 100000\nidle_ms = 3600000\n";
        std::fs::write(&settings, format!("[limits]\n{limits}")).context("cannot write the settings")?;
        let program = vec![binary.into(), "--config".into(), settings.into()];
        Ok(Self { program, folder: place.join("data") })
    }

    /// The first start makes keys, certificate and database; the others are what a restart takes.
    fn starts(&self, starts: u32, bar: &ProgressBar) -> Result<Vec<Figure>> {
        let first = Start::of(&self.program, &self.folder)?;
        let new_folder = first.welcome;
        first.server.fill(ACCOUNTS)?;
        first.server.stop()?;
        let (mut ready, mut welcome, mut call) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..starts {
            let mut start = Start::of(&self.program, &self.folder)?;
            call.push(start.first_call()?.as_secs_f64() * 1e3);
            ready.push(start.ready.as_secs_f64() * 1e3);
            welcome.push(start.welcome.as_secs_f64() * 1e3);
            start.server.stop()?;
            bar.inc(1);
        }
        let slowest = call.iter().copied().fold(0.0, f64::max);
        let ms = |what: &str, values: &[f64]| Figure::new(what, median(values), "ms");
        Ok(vec![
            Figure::milliseconds("exec to welcome, new folder", new_folder),
            ms("exec to ready file, median", &ready),
            ms("exec to welcome, median", &welcome).with(Goal::AtMost(START_MS_MAX)),
            ms("exec to first answered withdrawal, median", &call).with(Goal::AtMost(START_MS_MAX)),
            Figure::new("exec to first answered withdrawal, slowest", slowest, "ms"),
        ])
    }

    /// Connections in the clear that then make one call each, and are closed.
    fn plain(&self, count: usize, bar: &ProgressBar) -> Result<Vec<Figure>> {
        let disk = OnDisk::of(&self.folder);
        let server = Server::open(&self.program, &self.folder)?;
        let idle = Usage::of(server.pid())?;
        let mut ready = connected(&server.tcp, count)?;
        let greeted = Usage::of(server.pid())?;
        bar.inc(1);
        ready.run()?;
        let called = Usage::of(server.pid())?;
        drop(ready);
        let closed = once_alone(server.pid(), idle)?;
        server.stop()?;
        bar.inc(1);
        let each = Each(u64::try_from(count)?);
        let grown = OnDisk::of(&self.folder).total().saturating_sub(disk.total());
        Ok(vec![
            Figure::new("idle after start, RSS", number(idle.rss) / MIB, "MiB")
                .with(Goal::AtMost(IDLE_MIB_MAX)),
            Figure::new("idle after start, PSS", number(idle.pss) / MIB, "MiB"),
            each.kib("idle connection, plain", greeted, idle).with(Goal::AtMost(CONNECTION_KIB_MAX)),
            each.kib("the same after one call of a session", called, idle),
            each.kib("left in memory of a connection and session gone", closed, idle),
            Figure::new("on disk, session of one withdrawal", number(grown) / number(each.0), "B"),
        ])
    }

    /// Connections under TLS.
    fn tls(&self, count: usize, bar: &ProgressBar) -> Result<Vec<Figure>> {
        let server = Server::open(&self.program, &self.folder)?;
        let idle = Usage::of(server.pid())?;
        let ready = connected(&server.tls, count)?;
        let greeted = Usage::of(server.pid())?;
        bar.inc(1);
        drop(ready);
        let closed = once_alone(server.pid(), idle)?;
        server.stop()?;
        bar.inc(1);
        let each = Each(u64::try_from(count)?);
        Ok(vec![
            each.kib("idle connection, TLS", greeted, idle),
            each.kib("left in memory of a TLS connection gone", closed, idle),
        ])
    }

    /// A long load, then reads: what the ledger takes on disk, and the page caches in memory. `calls` were made before.
    fn withdrawals(&self, withdrawals: u64, calls: u64, bar: &ProgressBar) -> Result<Vec<Figure>> {
        let disk = OnDisk::of(&self.folder);
        let server = Server::open(&self.program, &self.folder)?;
        let idle = Usage::of(server.pid())?;
        let mut log = 0;
        let mut left = withdrawals;
        while left > 0 {
            let step = left.min(STEP);
            busy(&server, Work::Withdraw(Accounts::Any(ACCOUNTS)), step)?;
            log = log.max(OnDisk::of(&self.folder).log);
            left -= step;
            bar.inc(1);
        }
        let written = once_alone(server.pid(), idle)?;
        busy(&server, Work::Balance(Accounts::Any(ACCOUNTS)), READS)?;
        let used = once_alone(server.pid(), idle)?;
        let report = Ledger::open(&server)?.audit()?;
        let audited = Usage::of(server.pid())?;
        anyhow::ensure!(
            report.transfers == calls + withdrawals,
            "{} transfers on file, {} were made",
            report.transfers,
            calls + withdrawals
        );
        server.stop()?;
        bar.inc(1);
        let grown = OnDisk::of(&self.folder).total().saturating_sub(disk.total());
        let mib = |what: &str, bytes: u64| Figure::new(what, number(bytes) / MIB, "MiB");
        let more = |now: Usage| now.pss.saturating_sub(idle.pss);
        Ok(vec![
            Figure::new("on disk, each withdrawal", number(grown) / number(withdrawals), "B"),
            mib("on disk, a million withdrawals", grown * 1_000_000 / withdrawals),
            mib("write-ahead log, longest seen", log),
            mib("memory grown by withdrawals", more(written)).with(Goal::AtMost(CACHE_MIB_MAX)),
            mib("memory grown by withdrawals and reads", more(used)).with(Goal::AtMost(CACHE_MIB_MAX)),
            mib("memory grown by an audit after them", more(audited)),
        ])
    }
}

/// Divides by a number of connections or sessions.
struct Each(u64);

impl Each {
    fn kib(&self, what: &str, now: Usage, before: Usage) -> Figure {
        Figure::new(what, number(now.pss.saturating_sub(before.pss)) / KIB / number(self.0), "KiB")
    }
}

/// So many connections, greeted and silent, that are to make one call each.
fn connected(target: &Target, count: usize) -> Result<Ready> {
    let work = Work::Withdraw(Accounts::Any(ACCOUNTS));
    let pace = Pace::Count(u64::try_from(count)?);
    Load { target: target.clone(), connections: count, depth: 1, work, pace, seed: 1 }.connect()
}

fn busy(server: &Server, work: Work, count: u64) -> Result<()> {
    let target = server.tcp.clone();
    Load { target, connections: 64, depth: 16, work, pace: Pace::Count(count), seed: count }.run()?;
    Ok(())
}

/// How many connections this process may have open; raises its limit as far as it may.
fn room_for_connections() -> Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let files = limit.maximum.unwrap_or(u64::MAX);
    Ok(usize::try_from(files.saturating_sub(FILES_BESIDE)).unwrap_or(usize::MAX))
}
