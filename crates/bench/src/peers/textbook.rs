//! The table of the textbooks, in SQLite in process: a row per idempotency key for ever, looked up before, inserted
//! with the effect. No network, no server: what is left of a call when everything but the database is taken away.
//!
//! It runs in a process of its own, so that its CPU time is told from the load's. As many calls as a case has in flight
//! are made durable by one commit.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rusqlite::{Connection, OptionalExtension as _, Statement, params};
use serde::{Deserialize, Serialize};

use crate::calls::case::Case;
use crate::cpu;

use super::books::Books;
use super::{Ran, WARM_SECONDS};
use crate::child::{self, Stop};
use crate::load::{ACCOUNTS, FILLED_MINOR};

const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -262144;
CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE entry (
  call_id BLOB PRIMARY KEY,
  account INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  balance_after INTEGER NOT NULL,
  at INTEGER NOT NULL
) WITHOUT ROWID;";

/// What the process is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Folder of the database
    #[arg(long)]
    folder: PathBuf,
    /// Calls that one commit makes durable
    #[arg(long)]
    per_commit: u32,
    /// Accounts to take from
    #[arg(long)]
    accounts: u32,
    /// Seconds that count
    #[arg(long)]
    seconds: f64,
}

/// What the process tells.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    calls: u64,
    calls_warm: u64,
    elapsed_ns: u64,
    cpu_ns: u64,
    gone: i64,
    entered: i64,
    entries: i64,
}

pub(super) fn version() -> String {
    format!("SQLite {}", rusqlite::version())
}

pub(super) fn run(folder: &Path, case: Case, seconds: f64, stop: &Stop) -> Result<Ran> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir(folder)?;
    let mut command = child::guarded(std::env::current_exe()?);
    command.arg("textbook").arg("--folder").arg(folder);
    command.args(["--per-commit", &case.in_flight().to_string(), "--accounts", &case.accounts().to_string()]);
    command.args(["--seconds", &seconds.to_string()]);
    let told = child::run(stop, "bench textbook", &mut command)?;
    let told: Told = serde_json::from_str(&told).with_context(|| format!("no JSON: {told}"))?;
    let books = Books { gone: told.gone, entered: told.entered, entries: told.entries };
    books.verify(case.withdrawn(told.calls + told.calls_warm))?;
    Ok(Ran {
        calls: told.calls,
        elapsed: Duration::from_nanos(told.elapsed_ns),
        cpu: Duration::from_nanos(told.cpu_ns),
    })
}

/// What the process does; prints what it did as JSON.
///
/// # Errors
/// When SQLite fails.
#[expect(clippy::print_stdout, reason = "the other process reads it")]
pub fn run_child(options: &Options) -> Result<()> {
    let connection = Connection::open(options.folder.join("textbook.db"))?;
    connection.execute_batch(SCHEMA)?;
    connection.execute(
        "INSERT INTO account SELECT value, ?1 FROM (WITH RECURSIVE c(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM c \
         WHERE value < ?2) SELECT value FROM c)",
        params![FILLED_MINOR, ACCOUNTS],
    )?;
    let mut teller = Teller::new(&connection, options)?;
    let (calls_warm, _) = teller.withdraw_for(WARM_SECONDS.min(options.seconds))?;
    let before = cpu::spent(std::process::id());
    let (calls, elapsed) = teller.withdraw_for(options.seconds)?;
    let cpu = cpu::spent(std::process::id()) - before;
    drop(teller);
    let one = |question: &str| connection.query_row(question, [], |row| row.get::<_, i64>(0));
    let told = Told {
        calls,
        calls_warm,
        elapsed_ns: u64::try_from(elapsed.as_nanos())?,
        cpu_ns: u64::try_from(cpu.as_nanos())?,
        gone: FILLED_MINOR * i64::from(ACCOUNTS) - one("SELECT sum(balance) FROM account")?,
        entered: one("SELECT coalesce(sum(amount), 0) FROM entry")?,
        entries: one("SELECT count(*) FROM entry")?,
    };
    println!("{}", serde_json::to_string(&told)?);
    Ok(())
}

/// Who withdraws, with the statements at hand.
struct Teller<'a> {
    begin: Statement<'a>,
    look: Statement<'a>,
    take: Statement<'a>,
    enter: Statement<'a>,
    commit: Statement<'a>,
    per_commit: u32,
    accounts: u64,
    random: u64,
    at: i64,
}

impl<'a> Teller<'a> {
    fn new(connection: &'a Connection, options: &Options) -> Result<Self> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed)?;
        Ok(Self {
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            look: connection.prepare("SELECT balance_after FROM entry WHERE call_id = ?1")?,
            take: connection.prepare(
                "UPDATE account SET balance = balance - 1 WHERE id = ?1 AND balance >= 1 RETURNING balance",
            )?,
            enter: connection.prepare("INSERT INTO entry VALUES (?1, ?2, 1, ?3, ?4)")?,
            commit: connection.prepare("COMMIT")?,
            per_commit: options.per_commit,
            accounts: options.accounts.into(),
            random: u64::from_le_bytes(seed) | 1,
            at: 0,
        })
    }

    /// Withdraws until the time is over and the last commit is durable; returns how often, and how long it took.
    #[expect(clippy::disallowed_methods, reason = "the driver of the load reads the clock")]
    fn withdraw_for(&mut self, seconds: f64) -> Result<(u64, Duration)> {
        let begun = Instant::now();
        let lasts = Duration::from_secs_f64(seconds);
        let mut calls = 0;
        loop {
            self.begin.execute([])?;
            for _ in 0..self.per_commit {
                self.withdraw()?;
                calls += 1;
            }
            self.commit.execute([])?;
            let elapsed = begun.elapsed();
            if elapsed >= lasts {
                return Ok((calls, elapsed));
            }
        }
    }

    fn withdraw(&mut self) -> Result<i64> {
        let (high, low, account) = (self.random(), self.random(), self.random() % self.accounts + 1);
        let mut call_id = [0; 16];
        call_id[..8].copy_from_slice(&high.to_be_bytes());
        call_id[8..].copy_from_slice(&low.to_be_bytes());
        let recorded: Option<i64> = self.look.query_row([&call_id[..]], |row| row.get(0)).optional()?;
        if let Some(balance) = recorded {
            return Ok(balance);
        }
        let account = i64::try_from(account)?;
        let balance: i64 = self.take.query_row([account], |row| row.get(0))?;
        self.at += 1;
        self.enter.execute(params![&call_id[..], account, balance, self.at])?;
        Ok(balance)
    }

    /// xorshift64: ids that do not come twice within a run, in no order.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
