//! `bench restart`: how soon a server answers again with many transfers on file: after kill -9 under full load, after an
//! orderly stop, and with nothing of its files in memory. Beside it the newest page of a long statement, and the audit.
//!
//! Every answered withdrawal is looked for after each kill. Absent: power cuts; the simulation makes those.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use rustix::fs::{Advice, fadvise};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::figure::{self, Figure, Goal, number};
use crate::latency::temporary;
use crate::ledger::Ledger;
use crate::load::{ACCOUNTS, Accounts, Done, FILLED_MINOR, Load, Pace, Work};
use crate::progress;
use crate::server::{self, Server};
use crate::start::Start;
use crate::statistics::median;
use crate::usage::{OnDisk, Usage};

/// The account with the long statement.
const HOT: i64 = 1;
/// Connections of the load.
const CONNECTIONS: usize = 64;
/// Calls in flight on each: while the ledger is filled, and when the server is killed.
const DEPTH_FILLING: u16 = 64;
const DEPTH: u16 = 16;
/// Withdrawals of one step of filling.
const STEP: u64 = 100_000;
/// Lines of the page of a statement.
const LINES: u16 = 50;
/// How long the load runs before the server is killed in the first round; each later round kills somewhat later.
const KILLED_AFTER: Duration = Duration::from_millis(1500);
const KILLED_LATER_BY: Duration = Duration::from_millis(137);
/// Longer than any load is left to run.
const LOAD_LASTS: Duration = Duration::from_secs(600);

/// Goals, in milliseconds: first answer after a restart, and the page of a statement.
const ANSWER_MS_MAX: f64 = 1000.0;
const STATEMENT_MS_MAX: f64 = 5.0;

const MIB: f64 = 1024.0 * 1024.0;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Transfers on file
    #[arg(long, default_value_t = 10_000_000)]
    transfers: u64,
    /// Those of them on the account whose statement is read
    #[arg(long, default_value_t = 1_000_000)]
    hot: u64,
    /// Rounds of a kill, a restart, an orderly stop, a restart
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Pages of the statement
    #[arg(long, default_value_t = 5000)]
    statements: u64,
    /// A data folder that stays: filled where it is not yet, and used again
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where the data folder is made that does not stay
    #[arg(long, conflicts_with = "folder")]
    place: Option<PathBuf>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// Times of one way to be started.
#[derive(Default)]
struct Starts {
    ready_ms: Vec<f64>,
    answer_ms: Vec<f64>,
}

/// What the rounds gave.
#[derive(Default)]
struct Rounds {
    killed: Starts,
    stopped: Starts,
    cold: Starts,
    stop_ms: Vec<f64>,
    log_bytes_max: u64,
}

impl Options {
    /// Measures and prints.
    ///
    /// # Errors
    /// When the server does not build or start, refuses a call, or has lost one that it answered.
    #[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
    pub fn run(self) -> Result<()> {
        let program = vec![server::build()?.into_os_string()];
        let place = temporary(self.place.as_deref())?;
        let folder = self.folder.clone().unwrap_or_else(|| place.path().join("data"));
        std::fs::create_dir_all(folder.parent().unwrap_or(Path::new(".")))
            .context("cannot make the folder")?;
        let mut figures = vec![self.fill(&program, &folder)?];
        let bar = progress::bar(u64::from(self.rounds) + 3, "restart");
        let mut rounds = Rounds::default();
        for round in 0..self.rounds {
            rounds.add(&program, &folder, KILLED_AFTER + round * KILLED_LATER_BY)?;
            bar.inc(1);
        }
        figures.extend(rounds.figures());
        figures.extend(self.statements_and_audit(&program, &folder, &bar)?);
        bar.finish_and_clear();
        match self.json {
            true => {
                println!("{:#}", json!({ "transfers": self.transfers, "figures": figure::json(&figures) }))
            }
            false => print!("{}", figure::table(&figures)),
        }
        Ok(())
    }

    /// Adds withdrawals until there are as many as wanted; returns the size of the database.
    fn fill(&self, program: &[OsString], folder: &Path) -> Result<Figure> {
        let is_new = !folder.join("switchboard.db").exists();
        let server = Server::open(program, folder)?;
        if is_new {
            server.fill(ACCOUNTS)?;
        }
        let books = Ledger::open(&server)?;
        let on_file = books.withdraw(HOT)?;
        let hot = self.hot.saturating_sub(u64::try_from(FILLED_MINOR - books.balance(HOT)?)?);
        let rest = self.transfers.saturating_sub(on_file + hot);
        let bar = progress::bar(hot + rest, "withdrawals on file");
        withdraw_many(&server, Accounts::Hot, hot, &bar)?;
        withdraw_many(&server, Accounts::Any(ACCOUNTS), rest, &bar)?;
        bar.finish_and_clear();
        drop(books);
        server.stop()?;
        let database = number(OnDisk::of(folder).database) / MIB;
        Ok(Figure::new("database", database, "MiB"))
    }

    fn statements_and_audit(
        &self,
        program: &[OsString],
        folder: &Path,
        bar: &ProgressBar,
    ) -> Result<Vec<Figure>> {
        let server = Server::open(program, folder)?;
        let alone = statements(&server, self.statements)?;
        bar.inc(1);
        let busy = beside_load(&server, || statements(&server, self.statements))?;
        bar.inc(1);
        let books = Ledger::open(&server)?;
        let (on_file, lines) = (books.withdraw(HOT)?, FILLED_MINOR - books.balance(HOT)?);
        let (report, took) = timed(|| books.audit())?;
        anyhow::ensure!(
            report.transfers == on_file,
            "{} transfers on file, the newest is {on_file}",
            report.transfers
        );
        drop(books);
        let peak = Usage::of(server.pid())?.rss_peak;
        server.stop()?;
        bar.inc(1);
        let goal = Goal::AtMost(STATEMENT_MS_MAX);
        Ok(vec![
            Figure::new("lines of the statement", number(u64::try_from(lines)?), ""),
            quantile("newest 50 lines, p50", &alone, 0.5),
            quantile("newest 50 lines, p99", &alone, 0.99).with(goal),
            quantile("newest 50 lines beside full load, p50", &busy, 0.5),
            quantile("newest 50 lines beside full load, p99", &busy, 0.99),
            Figure::milliseconds("audit of all transfers", took),
            Figure::new("largest resident set, the audit included", number(peak) / MIB, "MiB"),
            Figure::new("transfers audited, ledger sound", number(report.transfers), ""),
        ])
    }
}

impl Rounds {
    fn add(&mut self, program: &[OsString], folder: &Path, killed_after: Duration) -> Result<()> {
        let killed = kill_under_load(program, folder, killed_after)?;
        self.log_bytes_max = self.log_bytes_max.max(OnDisk::of(folder).log);
        let server = self.killed.add(program, folder)?;
        killed.check(&server)?;
        self.stop(server)?;
        let server = self.stopped.add(program, folder)?;
        self.stop(server)?;
        forget_files(folder)?;
        let server = self.cold.add(program, folder)?;
        self.stop(server)
    }

    fn stop(&mut self, server: Server) -> Result<()> {
        let ((), took) = timed(|| server.stop())?;
        self.stop_ms.push(took.as_secs_f64() * 1e3);
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![Figure::new(
            "write-ahead log found after a kill, longest",
            number(self.log_bytes_max) / 1024.0,
            "KiB",
        )];
        let ways = [
            ("kill -9", &self.killed),
            ("orderly stop", &self.stopped),
            ("stop, files not in memory", &self.cold),
        ];
        for (after, starts) in ways {
            let slowest = starts.answer_ms.iter().copied().fold(0.0, f64::max);
            figures.extend([
                Figure::new(format!("{after}: exec to ready file, median"), median(&starts.ready_ms), "ms"),
                Figure::new(
                    format!("{after}: exec to first answered withdrawal, median"),
                    median(&starts.answer_ms),
                    "ms",
                ),
                Figure::new(format!("{after}: the same, slowest"), slowest, "ms")
                    .with(Goal::AtMost(ANSWER_MS_MAX)),
            ]);
        }
        figures.push(Figure::new("orderly stop, median", median(&self.stop_ms), "ms"));
        figures
    }
}

impl Starts {
    fn add(&mut self, program: &[OsString], folder: &Path) -> Result<Server> {
        let mut start = Start::of(program, folder)?;
        self.answer_ms.push(start.first_call()?.as_secs_f64() * 1e3);
        self.ready_ms.push(start.ready.as_secs_f64() * 1e3);
        Ok(start.server)
    }
}

/// What is known of the withdrawals around a kill.
struct Killed {
    /// The newest transfer before the load.
    before: u64,
    /// Withdrawals of the load that were answered.
    answered: u64,
}

impl Killed {
    /// What was answered is on file, and nothing that was not asked for.
    fn check(&self, server: &Server) -> Result<()> {
        self.accounts_for(Ledger::open(server)?.withdraw(HOT)?)
    }

    /// `newest` is the second withdrawal after the restart.
    fn accounts_for(&self, newest: u64) -> Result<()> {
        let ours = newest.checked_sub(self.before + 2).context("transfers are missing that were on file")?;
        let in_flight = u64::try_from(CONNECTIONS)? * u64::from(DEPTH);
        anyhow::ensure!(
            (self.answered..=self.answered + in_flight).contains(&ours),
            "{} withdrawals were answered before the kill, {ours} are on file",
            self.answered
        );
        Ok(())
    }
}

/// Kills a server in the middle of a load.
#[expect(clippy::disallowed_methods, reason = "a fault at a chosen time is made by waiting")]
fn kill_under_load(program: &[OsString], folder: &Path, after: Duration) -> Result<Killed> {
    let server = Server::open(program, folder)?;
    let before = Ledger::open(&server)?.withdraw(HOT)?;
    let mut ready = load(&server, Accounts::Any(ACCOUNTS), DEPTH, Pace::Closed(LOAD_LASTS)).connect()?;
    let answered = std::thread::scope(|scope| -> Result<u64> {
        let running = scope.spawn(|| {
            let ended = ready.run();
            (ended.is_err(), ready.answered())
        });
        std::thread::sleep(after);
        kill_process(pid(&server)?, Signal::KILL)?;
        let (cut_off, answered) = running.join().map_err(|_| anyhow::anyhow!("the load panicked"))?;
        anyhow::ensure!(cut_off && answered > 0, "the server was not killed in the middle of a load");
        Ok(answered)
    })?;
    drop(server);
    Ok(Killed { before, answered })
}

/// Does something while withdrawals run as fast as they can.
fn beside_load<T>(server: &Server, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let lasts = Duration::from_secs(1);
    let mut ready = load(server, Accounts::Any(ACCOUNTS), DEPTH, Pace::Closed(lasts)).connect()?;
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| -> Result<()> {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                ready.run()?;
            }
            Ok(())
        });
        let done = work();
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        running.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        done
    })
}

fn statements(server: &Server, count: u64) -> Result<Done> {
    let work = Work::Statement(Accounts::Hot, LINES);
    let target = server.tcp.clone();
    Load { target, connections: 1, depth: 1, work, pace: Pace::Count(count), seed: 1 }.run()
}

fn withdraw_many(server: &Server, accounts: Accounts, count: u64, bar: &ProgressBar) -> Result<()> {
    let mut ready = load(server, accounts, DEPTH_FILLING, Pace::Count(STEP)).connect()?;
    for _ in 0..count / STEP {
        ready.run()?;
        bar.inc(STEP);
    }
    drop(ready);
    load(server, accounts, DEPTH_FILLING, Pace::Count(count % STEP)).run()?;
    Ok(())
}

fn load(server: &Server, accounts: Accounts, depth: u16, pace: Pace) -> Load {
    let work = Work::Withdraw(accounts);
    Load { target: server.tcp.clone(), connections: CONNECTIONS, depth, work, pace, seed: 1 }
}

/// Has the kernel drop the folder's files from memory; what is not on disk yet is written first.
fn forget_files(folder: &Path) -> Result<()> {
    for name in ["switchboard.db", "switchboard.db-wal"] {
        let Ok(file) = File::open(folder.join(name)) else { continue };
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

fn quantile(what: &str, done: &Done, q: f64) -> Figure {
    Figure::new(what, number(done.latency_us.value_at_quantile(q)) / 1e3, "ms")
}

#[expect(clippy::disallowed_methods, reason = "what is measured is a time")]
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let begun = Instant::now();
    Ok((work()?, begun.elapsed()))
}

fn pid(server: &Server) -> Result<Pid> {
    Pid::from_raw(i32::try_from(server.pid())?).context("a process id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_call_and_one_too_many_are_noticed() {
        let killed = Killed { before: 1000, answered: 500 };
        let in_flight = u64::try_from(CONNECTIONS).unwrap() * u64::from(DEPTH);
        killed.accounts_for(1502).unwrap();
        killed.accounts_for(1502 + in_flight).unwrap();
        killed.accounts_for(1501).unwrap_err();
        killed.accounts_for(1503 + in_flight).unwrap_err();
        killed.accounts_for(999).unwrap_err();
    }
}
