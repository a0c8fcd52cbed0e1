//! Redis under redis-benchmark: a Lua script, every write in the append-only file and synced before its answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use crate::calls::case::{Case, Task};
use crate::cpu;

use super::books::Books;
use super::{Ran, WARM_SECONDS};
use crate::child::{self, Owned, Stop};
use crate::load::{ACCOUNTS, FILLED_MINOR};

const SCRIPT: &str = include_str!("redis.lua");
const FILL: &str = "for i = 0, ARGV[1] - 1 do redis.call('SET', string.format('a:%012d', i), ARGV[2]) end";
/// Money gone from the accounts, sum and number of the entries.
const BOOKS: &str = "
local gone, entered, entries, cursor = 0, 0, 0, '0'
for i = 0, ARGV[1] - 1 do gone = gone + ARGV[2] - redis.call('GET', string.format('a:%012d', i)) end
repeat
  local page = redis.call('SCAN', cursor, 'MATCH', 'e:*', 'COUNT', 10000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    entries = entries + 1
    entered = entered + redis.call('HGET', key, 'amount')
  end
until cursor == '0'
return string.format('%.0f %.0f %.0f', gone, entered, entries)";
/// Random numbers of a key are drawn below this, a multiple of the number of accounts.
const RANGE: u32 = 2_000_000_000;
/// Calls of the first load, whose speed tells how many fill the time.
const CALLS_FIRST: u32 = 8192;

/// The folder for its runs.
#[derive(Debug)]
pub(super) struct Site {
    place: PathBuf,
}

/// A running server.
struct Running<'a> {
    process: Owned,
    port: u16,
    stop: &'a Stop,
}

pub(super) fn version(stop: &Stop) -> Result<String> {
    let told = child::run(stop, "redis-server", child::guarded("redis-server").arg("--version"))?;
    let number = told.split("v=").nth(1).and_then(|rest| rest.split_whitespace().next());
    Ok(format!("Redis {}", number.with_context(|| format!("no version: {told}"))?))
}

impl Site {
    pub(super) fn make(place: &Path) -> Result<Self> {
        fs::create_dir(place)?;
        Ok(Self { place: place.to_owned() })
    }

    pub(super) fn run(&self, case: Case, seconds: f64, stop: &Stop) -> Result<Ran> {
        let running = self.start(stop)?;
        let script = running.cli(&["SCRIPT", "LOAD", SCRIPT])?.trim().to_owned();
        // The tool counts calls, not seconds: a short load says how many are needed.
        let first = running.load(case, 0, CALLS_FIRST, &script)?;
        let warm = running.load(case, 1, count_for(&first, WARM_SECONDS)?, &script)?;
        let ran = running.load(case, 2, count_for(&warm, seconds)?, &script)?;
        let calls = first.calls + warm.calls + ran.calls;
        running.books()?.verify(case.withdrawn(calls))?;
        if case.task == Task::Balance {
            running.verify_reads(calls)?;
        }
        running.process.end(stop)?;
        Ok(ran)
    }

    fn start<'a>(&self, stop: &'a Stop) -> Result<Running<'a>> {
        let files = self.place.join("files");
        if files.exists() {
            fs::remove_dir_all(&files)?;
        }
        fs::create_dir(&files)?;
        let port = child::free_port()?;
        let log = self.place.join("log");
        let (out, err) = child::log_file(&log)?;
        let mut server = child::guarded("redis-server");
        server.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(&files);
        server.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        server.args(["--auto-aof-rewrite-percentage", "0", "--loglevel", "warning"]);
        let process = Owned::start("Redis", server.stdout(out).stderr(err), Signal::TERM)?;
        let mut running = Running { process, port, stop };
        let mut ping = running.program("redis-cli");
        ping.args(["-e", "PING"]).stdout(Stdio::null()).stderr(Stdio::null());
        running.process.wait_ready(stop, &log, || ping.status().is_ok_and(|status| status.success()))?;
        running.cli(&["EVAL", FILL, "0", &ACCOUNTS.to_string(), &FILLED_MINOR.to_string()])?;
        Ok(running)
    }
}

/// The entry of a call: two random numbers of 12 digits, so that no id comes twice within a part.
fn entry(part: u8) -> String {
    format!("e:{part}:__rand_int____rand_int__")
}

impl Running<'_> {
    /// The tool may draw the same numbers again when it is started twice in a second: each part has its own ids.
    fn load(&self, case: Case, part: u8, count: u32, script: &str) -> Result<Ran> {
        let entry = entry(part);
        // Whole rounds of all connections: the tool sends pipelines, and stops when the count is full.
        let count = count.next_multiple_of(case.in_flight());
        let mut tool = self.program("redis-benchmark");
        tool.args([
            "--csv",
            "--precision",
            "3",
            "-c",
            &case.connections.to_string(),
            "-n",
            &count.to_string(),
        ]);
        tool.args(["-P", &case.depth.to_string()]);
        match case.task {
            Task::Withdraw => tool.args(["-r", &RANGE.to_string(), "EVALSHA", script, "1", &entry, "1"]),
            Task::WithdrawHot => {
                tool.args(["-r", &RANGE.to_string(), "EVALSHA", script, "1", &entry, "1", "a:000000000001"])
            }
            Task::Balance => tool.args(["-r", &ACCOUNTS.to_string(), "GET", "a:__rand_int__"]),
            Task::Bulk(_) => unreachable!("Peer::can leaves bulk transfers to Switchboard"),
        };
        let before = cpu::spent(self.process.pid());
        let report = child::run(self.stop, "redis-benchmark", &mut tool)?;
        let cpu = cpu::spent(self.process.pid()).saturating_sub(before);
        let elapsed = Duration::from_secs_f64(f64::from(count) / read_report(&report)?);
        Ok(Ran { calls: count.into(), elapsed, cpu })
    }

    fn books(&self) -> Result<Books> {
        Books::parse(&self.cli(&["EVAL", BOOKS, "0", &ACCOUNTS.to_string(), &FILLED_MINOR.to_string()])?)
    }

    /// Every read found its account. The books and the filling read too, so there are more hits than calls.
    fn verify_reads(&self, calls: u64) -> Result<()> {
        let told = self.cli(&["INFO", "stats"])?;
        let number = |name: &str| -> Result<u64> {
            let found =
                told.lines().find_map(|line| line.strip_prefix(name)).context("the statistics of Redis")?;
            Ok(found.trim().parse()?)
        };
        let (hits, misses) = (number("keyspace_hits:")?, number("keyspace_misses:")?);
        ensure!(
            hits >= calls && misses == 0,
            "the work was not done: clients counted {calls} reads, but {hits} found an account and {misses} did not"
        );
        Ok(())
    }

    fn cli(&self, arguments: &[&str]) -> Result<String> {
        child::run(self.stop, "redis-cli", self.program("redis-cli").arg("-e").args(arguments))
    }

    fn program(&self, name: &str) -> Command {
        let mut command = child::guarded(name);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command
    }
}

/// Calls that fill so many seconds at the speed of an earlier load.
fn count_for(earlier: &Ran, seconds: f64) -> Result<u32> {
    let rate = f64::from(u32::try_from(earlier.calls)?) / earlier.elapsed.as_secs_f64();
    // Through a decimal: floats have no checked way to whole numbers.
    format!("{:.0}", (rate * seconds).max(1.0)).parse().context("too many calls for one load")
}

/// Calls a second, from the comma-separated report of redis-benchmark: `"test","rps",...`.
fn read_report(report: &str) -> Result<f64> {
    let unread = || format!("redis-benchmark reported something else: {report}");
    let last = report.lines().rev().find(|line| !line.trim().is_empty()).with_context(unread)?;
    let (_, figures) = last.split_once("\",\"").with_context(unread)?;
    let rate: f64 = figures.split('"').next().with_context(unread)?.parse().with_context(unread)?;
    ensure!(rate > 0.0, "no call in the time: {report}");
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\"
\"EVALSHA 0a1b 1 e:__rand_int____rand_int__ 1\",\"48543.69\",\"1.270\",\"0.328\",\"1.223\"
";

    #[test]
    fn the_report_of_redis_benchmark_is_read() {
        assert!((read_report(REPORT).unwrap() - 48_543.69).abs() < 1e-9);
    }

    #[test]
    fn foreign_words_are_not_taken_for_a_result() {
        read_report("").unwrap_err();
        read_report("Error from server: NOSCRIPT No matching script").unwrap_err();
        read_report("\"test\",\"rps\",\"avg_latency_ms\"").unwrap_err();
    }

    #[test]
    fn the_count_fills_the_time_at_the_speed_seen_before() {
        let earlier = Ran { calls: 50_000, elapsed: Duration::from_millis(500), cpu: Duration::ZERO };
        assert_eq!(count_for(&earlier, 3.0).unwrap(), 300_000);
        assert_eq!(count_for(&earlier, 0.0).unwrap(), 1);
    }
}
