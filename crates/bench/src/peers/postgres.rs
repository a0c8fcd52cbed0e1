//! PostgreSQL under pgbench: a stored function, prepared statements, WAL synced at every commit.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use crate::calls::case::{Case, Task};
use crate::cpu;

use super::books::Books;
use super::{Ran, WARM_SECONDS, whole_seconds};
use crate::child::{self, Owned, Stop, Tool};
use crate::load::{ACCOUNTS, FILLED_MINOR};

/// Debian keeps the programs of each version in `VERSION/bin` below.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Who runs it and owns its files: it refuses to be root.
const USER: &str = "postgres";
const SCHEMA: &str = include_str!("postgres.sql");
const BOOKS: &str = "SELECT :filled::bigint * :accounts - (SELECT sum(balance)::bigint FROM account), \
                     coalesce(sum(amount), 0)::bigint, count(*) FROM entry";
/// Time allowed for making the connections.
const CONNECT_SECONDS: f64 = 1.0;
/// Longest wait for backends to come or go, in seconds.
const BACKENDS_SECONDS_MAX: u64 = 30;

/// Durable at every commit; memory and log large enough that no checkpoint falls into a run.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
shared_buffers = 2GB
fsync = on
synchronous_commit = on
full_page_writes = on
wal_level = minimal
max_wal_senders = 0
max_wal_size = 8GB
checkpoint_timeout = 30min
";

/// The newest installed programs.
pub(super) fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).ok()?.flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).max_by_key(|path| number(path))?.join("bin");
    let has = |program| newest.join(program).is_file();
    ["initdb", "postgres", "psql", "pgbench"].into_iter().all(has).then_some(newest)
}

/// An initialised cluster.
#[derive(Debug)]
pub(super) struct Site {
    programs: PathBuf,
    place: PathBuf,
}

/// A running server.
struct Running<'a> {
    site: &'a Site,
    process: Owned,
    port: u16,
    stop: &'a Stop,
}

impl Site {
    pub(super) fn make(place: &Path, stop: &Stop) -> Result<Self> {
        let programs = programs().context("PostgreSQL is not installed")?;
        fs::create_dir(place)?;
        let site = Self { programs, place: place.to_owned() };
        if xtask::install::is_root() {
            child::run(stop, "chown", child::guarded("chown").arg(USER).arg(place))?;
        }
        let mut initdb = site.as_user("initdb");
        initdb.args(["--auth", "trust", "--username", USER, "--no-locale", "--encoding", "UTF8", "--pgdata"]);
        child::run(stop, "initdb", initdb.arg(site.cluster()))?;
        let configuration = site.cluster().join("postgresql.conf");
        let settings = fs::read_to_string(&configuration)? + SETTINGS;
        fs::write(&configuration, settings)?;
        Ok(site)
    }

    pub(super) fn version(&self, stop: &Stop) -> Result<String> {
        let told =
            child::run(stop, "postgres", child::guarded(self.programs.join("postgres")).arg("--version"))?;
        let number = told.split_whitespace().nth(2).with_context(|| format!("no version: {told}"))?;
        Ok(format!("PostgreSQL {number}"))
    }

    pub(super) fn run(&self, case: Case, seconds: f64, stop: &Stop) -> Result<Ran> {
        let running = self.start(stop)?;
        let script = self.place.join("call.sql");
        fs::write(&script, script_of(case))?;
        let warm = running.load(case, WARM_SECONDS, &script)?;
        let ran = running.load(case, seconds, &script)?;
        running.books()?.verify(case.withdrawn(warm.calls + ran.calls))?;
        running.process.end(stop)?;
        Ok(ran)
    }

    fn start<'a>(&'a self, stop: &'a Stop) -> Result<Running<'a>> {
        let port = child::free_port()?;
        let log = self.place.join("log");
        let (out, err) = child::log_file(&log)?;
        let mut postgres = self.as_user("postgres");
        postgres.arg("-D").arg(self.cluster()).args(["-p", &port.to_string()]).stdout(out).stderr(err);
        let process = Owned::start("PostgreSQL", &mut postgres, Signal::INT)?;
        let mut running = Running { site: self, process, port, stop };
        let mut is_ready = running.client("pg_isready");
        is_ready.arg("--quiet");
        running.process.wait_ready(stop, &log, || is_ready.status().is_ok_and(|status| status.success()))?;
        let schema = self.place.join("schema.sql");
        fs::write(&schema, SCHEMA)?;
        running.psql(&["-f", &schema.to_string_lossy()])?;
        Ok(running)
    }

    fn cluster(&self) -> PathBuf {
        self.place.join("cluster")
    }

    /// A program that refuses to be root. When this program dies it shuts down at once, which frees shared memory.
    fn as_user(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        if !xtask::install::is_root() {
            return child::guarded_by("QUIT", program);
        }
        let mut command = child::guarded_by("QUIT", "setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--pdeathsig", "QUIT", "--"]);
        command.arg(program);
        command
    }
}

impl Running<'_> {
    fn load(&self, case: Case, seconds: f64, script: &Path) -> Result<Ran> {
        let connections = case.connections.to_string();
        let mut pgbench = self.client("pgbench");
        pgbench.args(["--no-vacuum", "--protocol", "prepared", "--jobs", "1", "--client", &connections]);
        // Its time runs from before it connects; the rate that it reports does not.
        pgbench.args(["--time", &whole_seconds(seconds + CONNECT_SECONDS), "--file"]).arg(script);
        self.wait_for_backends("end of sessions", |backends| backends == 0)?;
        let mut tool = Tool::start("pgbench", &mut pgbench)?;
        // A backend is forked for each connection and ends with it. The time of forking is not that of calls, so it
        // is counted from when all are there; what they spent is read after the server has reaped them, to the tick.
        self.wait_for_backends("connections", |backends| {
            tool.ensure_running().is_err() || backends >= usize::from(case.connections)
        })?;
        let before = self.spent();
        let report = tool.finish(self.stop)?;
        self.wait_for_backends("end of connections", |backends| backends == 0)?;
        let cpu = self.spent().saturating_sub(before);
        let done = read_report(&report)?;
        let calls_per_script = if case.depth == 1 { 1 } else { u64::from(case.depth) };
        Ok(Ran { calls: done.0 * calls_per_script, elapsed: done.1, cpu })
    }

    fn spent(&self) -> Duration {
        cpu::spent(self.process.pid()) + cpu::reaped(self.process.pid())
    }

    /// Backends of clients are told from the server's own helpers by their titles: `postgres: USER DATABASE HOST ...`.
    fn wait_for_backends(&self, what: &str, mut is_so: impl FnMut(usize) -> bool) -> Result<()> {
        let pid = self.process.pid();
        let title = format!("postgres: {USER} {USER} ");
        self.stop.wait_until(BACKENDS_SECONDS_MAX, what, || {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
            let titles = children.split_whitespace().map(|child| fs::read(format!("/proc/{child}/cmdline")));
            Ok(is_so(titles.flatten().filter(|found| found.starts_with(title.as_bytes())).count()))
        })
    }

    fn books(&self) -> Result<Books> {
        let question = self.site.place.join("books.sql");
        fs::write(&question, BOOKS)?;
        Books::parse(&self.psql(&["-At", "-f", &question.to_string_lossy()])?)
    }

    fn psql(&self, arguments: &[&str]) -> Result<String> {
        let mut psql = self.client("psql");
        psql.args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1"]);
        psql.args(["--set", &format!("filled={FILLED_MINOR}"), "--set", &format!("accounts={ACCOUNTS}")]);
        child::run(self.stop, "psql", psql.args(arguments))
    }

    fn client(&self, program: &str) -> Command {
        let mut command = child::guarded(self.site.programs.join(program));
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string());
        command
            .env("PGUSER", USER)
            .env("PGDATABASE", USER)
            .env("PGOPTIONS", "-c client_min_messages=warning");
        command
    }
}

/// What pgbench repeats. Several calls in flight are a pipeline.
fn script_of(case: Case) -> String {
    let mut script = String::new();
    if case.depth > 1 {
        script.push_str("\\startpipeline\n");
    }
    for number in 0..case.depth {
        let accounts = case.accounts();
        let _infallible = match case.task {
            Task::Withdraw | Task::WithdrawHot => writeln!(
                script,
                "\\set a{number} random(1, {accounts})\nSELECT withdraw(gen_random_uuid(), :a{number}, 1);"
            ),
            Task::Balance => writeln!(
                script,
                "\\set a{number} random(1, {accounts})\nSELECT balance FROM account WHERE id = :a{number};"
            ),
            Task::Bulk(_) => unreachable!("Peer::can leaves bulk transfers to Switchboard"),
        };
    }
    if case.depth > 1 {
        script.push_str("\\endpipeline\n");
    }
    script
}

/// Transactions and the time they took without that of connecting, from the report of pgbench.
fn read_report(report: &str) -> Result<(u64, Duration)> {
    let line = |begin: &str| report.lines().find_map(|line| line.strip_prefix(begin));
    let unread = || format!("pgbench reported something else: {report}");
    let counted = line("number of transactions actually processed: ").with_context(unread)?;
    let done: u64 = counted.split('/').next().unwrap_or_default().trim().parse().with_context(unread)?;
    if let Some(failed) = line("number of failed transactions: ") {
        ensure!(failed.starts_with("0 "), "pgbench saw transactions fail: {report}");
    }
    if done == 0 {
        return Ok((0, Duration::ZERO));
    }
    let rate = line("tps = ").and_then(|rest| rest.split_whitespace().next()).with_context(unread)?;
    let rate: f64 = rate.parse().with_context(unread)?;
    Ok((done, Duration::from_secs_f64(f64::from(u32::try_from(done)?) / rate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: call.sql
scaling factor: 1
query mode: prepared
number of clients: 64
number of threads: 1
maximum number of tries: 1
duration: 5 s
number of transactions actually processed: 117000
number of failed transactions: 0 (0.000%)
latency average = 2.735 ms
initial connection time = 103.271 ms
tps = 23400.000000 (without initial connection time)
";

    #[test]
    fn the_report_of_pgbench_is_read() {
        assert_eq!(read_report(REPORT).unwrap(), (117_000, Duration::from_secs(5)));
    }

    #[test]
    fn failures_and_foreign_words_are_not_taken_for_a_result() {
        let failed = REPORT.replace("transactions: 0 (0.000%)", "transactions: 3 (0.002%)");
        assert!(read_report(&failed).unwrap_err().to_string().contains("fail"));
        read_report("connection to server failed").unwrap_err();
        read_report(&REPORT.replace("tps = 23400", "tps = none")).unwrap_err();
    }

    #[test]
    fn a_deep_case_is_one_pipeline_of_single_calls() {
        let script = script_of(Case::new(Task::Balance, 64, 16));
        assert_eq!(script.matches("SELECT").count(), 16);
        assert!(script.starts_with("\\startpipeline\n") && script.ends_with("\\endpipeline\n"));
        assert_eq!(
            script_of(Case::new(Task::WithdrawHot, 64, 1)).lines().next(),
            Some("\\set a0 random(1, 1)")
        );
    }
}
