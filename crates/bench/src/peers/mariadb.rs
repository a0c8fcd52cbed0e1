//! MariaDB under sysbench: a stored function, prepared statements, the redo log synced at every commit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use crate::calls::case::Case;
use crate::cpu;

use super::books::Books;
use super::{Ran, WARM_SECONDS, whole_seconds};
use crate::child::{self, Owned, Stop};
use crate::load::{ACCOUNTS, FILLED_MINOR};

const SCHEMA: &str = include_str!("mariadb.sql");
const SCRIPT: &str = include_str!("mariadb.lua");
/// Durable at every commit; memory and log large enough that no checkpoint falls into a run; a thread stays when its
/// connection ends, so that its CPU time can be read.
const SETTINGS: &[&str] = &[
    "--bind-address=127.0.0.1",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=2G",
    "--innodb-log-file-size=2G",
    "--innodb-flush-method=O_DIRECT",
    "--transaction-isolation=READ-COMMITTED",
    "--max-connections=600",
    "--thread-cache-size=600",
    "--skip-name-resolve",
    "--log-bin-trust-function-creators=1",
    "--performance-schema=OFF",
];

/// Whether the log for replicas is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Binlog {
    Off,
    Synced,
}

/// An initialised data folder.
#[derive(Debug)]
pub(super) struct Site {
    place: PathBuf,
}

/// A running server.
struct Running<'a> {
    place: &'a Path,
    process: Owned,
    port: u16,
    stop: &'a Stop,
}

pub(super) fn version(stop: &Stop) -> Result<String> {
    let told = child::run(stop, "mariadbd", child::guarded("mariadbd").arg("--version"))?;
    let number = told.split("Ver ").nth(1).and_then(|rest| rest.split('-').next());
    Ok(format!("MariaDB {}", number.with_context(|| format!("no version: {told}"))?))
}

impl Site {
    pub(super) fn make(place: &Path, stop: &Stop) -> Result<Self> {
        fs::create_dir(place)?;
        let site = Self { place: place.to_owned() };
        let mut install = child::guarded("mariadb-install-db");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install
            .args(["--innodb-log-file-size=2G", &as_ourselves()])
            .arg(format!("--datadir={}", site.files()));
        child::run(stop, "mariadb-install-db", &mut install)?;
        fs::write(place.join("call.lua"), SCRIPT)?;
        Ok(site)
    }

    pub(super) fn run(&self, case: Case, seconds: f64, binlog: Binlog, stop: &Stop) -> Result<Ran> {
        let running = self.start(binlog, stop)?;
        let warm = running.load(case, WARM_SECONDS)?;
        let ran = running.load(case, seconds)?;
        running.books()?.verify(case.withdrawn(warm.calls + ran.calls))?;
        running.process.end(stop)?;
        Ok(ran)
    }

    fn start<'a>(&'a self, binlog: Binlog, stop: &'a Stop) -> Result<Running<'a>> {
        let port = child::free_port()?;
        let log = self.place.join("log");
        let (out, err) = child::log_file(&log)?;
        let mut mariadbd = child::guarded("mariadbd");
        mariadbd
            .args(["--no-defaults", &as_ourselves(), &format!("--datadir={}", self.files())])
            .args(SETTINGS);
        mariadbd.arg(format!("--port={port}")).arg(format!("--socket={}", socket(&self.place)));
        let binlogs = self.place.join("binlogs");
        match binlog {
            Binlog::Off => mariadbd.arg("--skip-log-bin"),
            Binlog::Synced => {
                if binlogs.exists() {
                    fs::remove_dir_all(&binlogs)?;
                }
                fs::create_dir(&binlogs)?;
                mariadbd.arg(format!("--log-bin={}/binlog", binlogs.display()));
                mariadbd.args(["--binlog-format=ROW", "--sync-binlog=1", "--server-id=1"])
            }
        };
        let process = Owned::start("MariaDB", mariadbd.stdout(out).stderr(err), Signal::TERM)?;
        let mut running = Running { place: &self.place, process, port, stop };
        let mut ping = running.client();
        ping.args(["-e", "SELECT 1"]).stdout(Stdio::null()).stderr(Stdio::null());
        running.process.wait_ready(stop, &log, || ping.status().is_ok_and(|status| status.success()))?;
        let schema = self.place.join("schema.sql");
        fs::write(&schema, format!("SET @filled = {FILLED_MINOR};\n{SCHEMA}"))?;
        child::run(stop, "mariadb", running.client().stdin(fs::File::open(&schema)?))?;
        Ok(running)
    }

    fn files(&self) -> String {
        self.place.join("files").to_string_lossy().into_owned()
    }
}

impl Running<'_> {
    fn load(&self, case: Case, seconds: f64) -> Result<Ran> {
        let mut seed = [0; 3];
        getrandom::fill(&mut seed)?;
        let seed = u32::from_be_bytes([0, seed[0], seed[1], seed[2]]) + 1;
        let mut sysbench = child::guarded("sysbench");
        sysbench.args([
            "--db-driver=mysql",
            "--mysql-host=127.0.0.1",
            "--mysql-user=bench",
            "--mysql-db=calls",
        ]);
        sysbench.arg(format!("--mysql-port={}", self.port)).arg(format!("--threads={}", case.connections));
        sysbench
            .arg(format!("--time={}", whole_seconds(seconds)))
            .args(["--events=0", "--rand-type=uniform"]);
        // Seeded by us: its own seed is the second, and two loads within one would send the same ids.
        sysbench.arg(format!("--rand-seed={seed}")).arg(format!("--accounts={}", case.accounts()));
        let before = cpu::spent(self.process.pid());
        let report = child::run(self.stop, "sysbench", sysbench.arg(self.place.join("call.lua")).arg("run"))?;
        let cpu = cpu::spent(self.process.pid()).saturating_sub(before);
        let (calls, elapsed) = read_report(&report)?;
        Ok(Ran { calls, elapsed, cpu })
    }

    fn books(&self) -> Result<Books> {
        let question = format!(
            "SELECT {FILLED_MINOR} * {ACCOUNTS} - (SELECT SUM(balance) FROM calls.account), \
             COALESCE(SUM(amount), 0), COUNT(*) FROM calls.entry"
        );
        Books::parse(&child::run(self.stop, "mariadb", self.client().args(["-N", "-B", "-e", &question]))?)
    }

    fn client(&self) -> Command {
        let mut command = child::guarded("mariadb");
        command.args(["--no-defaults", "-uroot", &format!("--socket={}", socket(self.place))]);
        command
    }
}

fn socket(place: &Path) -> String {
    place.join("socket").to_string_lossy().into_owned()
}

/// It refuses to be root unless told so.
fn as_ourselves() -> String {
    format!(
        "--user={}",
        if xtask::install::is_root() { "root".to_owned() } else { std::env::var("USER").unwrap_or_default() }
    )
}

/// Events and the time they took, from the report of sysbench.
fn read_report(report: &str) -> Result<(u64, Duration)> {
    let unread = || format!("sysbench reported something else: {report}");
    let number = |name: &str| report.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    let events: u64 = number("total number of events:").with_context(unread)?.parse().with_context(unread)?;
    let time = number("total time:").and_then(|time| time.strip_suffix('s')).with_context(unread)?;
    let seconds: f64 = time.parse().with_context(unread)?;
    Ok((events, Duration::from_secs_f64(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "SQL statistics:
    queries performed:
        total:                           86012
    ignored errors:                      0      (0.00 per sec.)

General statistics:
    total time:                          5.0040s
    total number of events:              86012

Latency (ms):
         95th percentile:                        6.55
";

    #[test]
    fn the_report_of_sysbench_is_read() {
        assert_eq!(read_report(REPORT).unwrap(), (86_012, Duration::from_millis(5004)));
    }

    #[test]
    fn foreign_words_are_not_taken_for_a_result() {
        read_report("FATAL: unable to connect to MySQL server").unwrap_err();
        read_report(&REPORT.replace("5.0040s", "soon")).unwrap_err();
        read_report(&REPORT.replace("events:              86012", "events: none")).unwrap_err();
    }
}
