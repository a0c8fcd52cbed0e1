//! The test command: packages, then the stages, then one closing line.
//!
//! ```text
//!   tests       cargo test of everything but the simulation, then of the simulation
//!   simulation  one run of the simulation over many seeds: one test
//!   fuzz        each fuzz target for some seconds: a test each
//! ```
//!
//! The simulation is built apart: it turns on a feature that plants bugs, which must not reach what other tests start.
//! Output is shown as it comes. Figures of `cargo test` are those of the test programs themselves ([`tally`]).
//!
//! Absent: no test is chosen, retried or ordered here.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::fuzzing::{self, COMPILER, Driver};
use crate::install;
use crate::needs::{self, LONG_VARIABLE, Need, Provides, SKIP_LOG_VARIABLE, SKIP_VARIABLE};
use crate::tally::{self, Tally};

/// Longer lines are handed on in pieces.
const LINE_BYTES_MAX: u64 = 64 * 1024;
const LINES_IN_FLIGHT_MAX: usize = 1024;
/// Output that stays open this long after `cargo test` has ended is held by a process that a test left behind.
const OUTPUT_OPEN_AFTER_END_MAX: Duration = Duration::from_secs(10);

/// Seeds of the simulation, and with `--long`.
const SEEDS: [&str; 2] = ["3000", "100000"];
/// Seconds for each fuzz target, and with `--long`.
const FUZZ_SECONDS: [u64; 2] = [20, 120];

/// A part of the test command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stage {
    /// `cargo test` of every crate.
    Tests,
    /// The simulation over many seeds.
    Simulation,
    /// Every fuzz target for some seconds.
    Fuzz,
}

/// What was asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Install missing packages even without CI=true.
    pub install: bool,
    /// Pass [`LONG_VARIABLE`] on; more seeds, longer fuzzing.
    pub long: bool,
    /// Only this stage.
    pub only: Option<Stage>,
    /// Only `cargo test`, with these in place of `--workspace`.
    pub cargo_arguments: Vec<String>,
}

/// Runs the tests of the workspace at `root` and prints the closing line.
///
/// # Errors
/// When `cargo` cannot be started or its output cannot be read. Failing tests are an exit code, not an error.
pub fn run(root: &Path, request: &Request) -> Result<ExitCode> {
    let output = &mut std::io::stdout();
    let in_ci = is_ci(std::env::var("CI").ok().as_deref());
    let absent = prepare_packages(request.install || in_ci, output);
    let folder = tempfile::tempdir().context("cannot make a temporary folder for the log of skips")?;
    let skip_log = folder.path().join("skips");
    let settings = Settings { root, skip_log: &skip_log, absent: &absent, long: request.long };

    let mut figures = Tally::default();
    for stage in stages(request) {
        let done = match stage {
            Stage::Tests => tests(&settings, &request.cargo_arguments, output)?,
            Stage::Simulation => {
                simulation(&mut settings.command(&simulation_arguments(request.long)), output)?
            }
            Stage::Fuzz => fuzz(&settings, output),
        };
        add(&mut figures, &done);
    }
    let skips = fs::read_to_string(&skip_log).unwrap_or_default();
    let figures = conclude(&figures, &skips, in_ci, output);
    say(output, &closing_line(&figures));
    Ok(if is_success(&figures) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn stages(request: &Request) -> Vec<Stage> {
    match (request.only, request.cargo_arguments.is_empty()) {
        (_, false) => vec![Stage::Tests],
        (Some(stage), true) => vec![stage],
        (None, true) => vec![Stage::Tests, Stage::Simulation, Stage::Fuzz],
    }
}

/// What every command of a run has in common.
struct Settings<'a> {
    root: &'a Path,
    skip_log: &'a Path,
    absent: &'a [&'static Need],
    long: bool,
}

impl Settings<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(self.root).args(arguments).env(SKIP_LOG_VARIABLE, self.skip_log);
        if self.absent.is_empty() {
            command.env_remove(SKIP_VARIABLE);
        } else {
            command.env(SKIP_VARIABLE, packages(self.absent).join(","));
        }
        if self.long {
            command.env(LONG_VARIABLE, "1");
        } else {
            command.env_remove(LONG_VARIABLE);
        }
        command
    }
}

fn tests(settings: &Settings<'_>, cargo_arguments: &[String], output: &mut dyn Write) -> Result<Tally> {
    let chosen: Vec<&str> =
        ["test", "--no-fail-fast"].into_iter().chain(cargo_arguments.iter().map(String::as_str)).collect();
    let everything: [&[&str]; 2] = [
        &["test", "--no-fail-fast", "--workspace", "--exclude", "sim"],
        // In the profile of the run that follows, so that it is built once.
        &["test", "--no-fail-fast", "--release", "--package", "sim"],
    ];
    let runs: &[&[&str]] = if cargo_arguments.is_empty() { &everything } else { &[&chosen] };
    let mut figures = Tally::default();
    for arguments in runs {
        let run = stream(&mut settings.command(arguments), OUTPUT_OPEN_AFTER_END_MAX, output)?;
        add(&mut figures, &settle(&run, output));
    }
    Ok(figures)
}

fn simulation_arguments(long: bool) -> [&'static str; 7] {
    ["run", "--release", "--package", "sim", "--", "--seeds", SEEDS[usize::from(long)]]
}

/// One test: it holds or it does not. It prints its own story.
fn simulation(command: &mut Command, output: &mut dyn Write) -> Result<Tally> {
    let status = command.stdin(Stdio::null()).status().context("cannot start the simulation")?;
    if status.success() {
        return Ok(Tally { passed: 1, ..Tally::default() });
    }
    say(output, &format!("the simulation failed: {status}"));
    Ok(Tally { failed: 1, ..Tally::default() })
}

/// A test for each target. A driver that cannot be built or run is a failure of all of them.
fn fuzz(settings: &Settings<'_>, output: &mut dyn Write) -> Tally {
    let names = fuzzing::targets(settings.root).unwrap_or_default();
    let count = u64::try_from(names.len()).unwrap_or(u64::MAX).max(1);
    if settings.absent.iter().any(|need| need.package == COMPILER) {
        say(output, &format!("skipped for want of {COMPILER}: fuzzing of {}", names.join(", ")));
        return Tally { ignored: count, ..Tally::default() };
    }
    let seconds = FUZZ_SECONDS[usize::from(settings.long)];
    let reports = Driver::build(settings.root).and_then(|driver| driver.run(&names, seconds, fuzzing::show));
    match reports {
        Ok(reports) => {
            let held = reports.iter().filter(|report| report.held).count();
            let passed = u64::try_from(held).unwrap_or(u64::MAX);
            Tally { passed, failed: count.saturating_sub(passed), ignored: 0 }
        }
        Err(error) => {
            say(output, &format!("fuzzing failed: {error:#}"));
            Tally { failed: count, ..Tally::default() }
        }
    }
}

fn add(figures: &mut Tally, more: &Tally) {
    figures.passed = figures.passed.saturating_add(more.passed);
    figures.failed = figures.failed.saturating_add(more.failed);
    figures.ignored = figures.ignored.saturating_add(more.ignored);
}

/// Installs what is missing when it was asked for and is permitted; tells what stays absent.
fn prepare_packages(install: bool, output: &mut dyn Write) -> Vec<&'static Need> {
    let (servers, others) = needs::absent().into_iter().partition::<Vec<_>, _>(is_server);
    if install && install::is_root() {
        if !others.is_empty()
            && let Err(error) = install::install(&others)
        {
            say(output, &format!("packages were not installed: {error:#}"));
        }
        if !servers.is_empty()
            && let Err(error) = install::unpack_servers()
        {
            say(output, &format!("packages were not unpacked: {error:#}"));
        }
    }
    let absent = needs::absent();
    if !absent.is_empty() {
        tell_absent(&absent, output);
    }
    absent
}

fn tell_absent(absent: &[&'static Need], output: &mut dyn Write) {
    say(output, "some tests are skipped, because packages are absent:");
    for need in absent {
        say(output, &format!("  {}: {}", need.package, need.used_by));
    }
    let (servers, others) = absent.iter().copied().partition::<Vec<_>, _>(is_server);
    if !others.is_empty() {
        say(output, &format!("as root, this installs them: {}", install::command_line(&others)));
    }
    if !servers.is_empty() {
        say(output, "servers are unpacked, not installed, by `cargo xtask test --install` as root");
    }
}

fn is_server(need: &&Need) -> bool {
    matches!(need.provides, Provides::Server(_))
}

fn packages(needs: &[&Need]) -> Vec<&'static str> {
    needs.iter().map(|need| need.package).collect()
}

fn is_ci(value: Option<&str>) -> bool {
    matches!(value, Some("true" | "1"))
}

/// What `cargo test` did.
struct Run {
    tally: Tally,
    succeeded: bool,
    left_process_behind: bool,
}

fn stream(command: &mut Command, open_after_end_max: Duration, output: &mut dyn Write) -> Result<Run> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let printed = child.stdout.take().expect("standard output was asked for as a pipe");
    let (lines, received) = sync_channel(LINES_IN_FLIGHT_MAX);
    // Not joined: a process left behind by a test can keep it reading for as long as that process lives.
    thread::spawn(move || forward_lines(printed, &lines));
    let (tally, left_process_behind) = count(&mut child, &received, open_after_end_max, output)?;
    let status = child.wait().context("cannot learn how cargo test ended")?;
    Ok(Run { tally, succeeded: status.success(), left_process_behind })
}

fn forward_lines(printed: impl Read, lines: &SyncSender<Vec<u8>>) {
    let mut printed = BufReader::new(printed);
    loop {
        let mut line = Vec::new();
        match printed.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(read) if read > 0 && lines.send(line).is_ok() => {}
            // The end of the output, or of the receiver.
            Ok(_) | Err(_) => return,
        }
    }
}

/// The figures, and whether something still held the output when `cargo test` had ended.
fn count(
    child: &mut Child,
    lines: &Receiver<Vec<u8>>,
    open_after_end_max: Duration,
    output: &mut dyn Write,
) -> Result<(Tally, bool)> {
    let mut reader = tally::Reader::default();
    let mut ended = false;
    loop {
        match lines.recv_timeout(open_after_end_max) {
            Ok(line) => {
                show(output, &line);
                reader.handle_line(String::from_utf8_lossy(&line).trim_end());
            }
            Err(RecvTimeoutError::Disconnected) => return Ok((reader.finish(), false)),
            // Ended at two time-outs in a row: a whole one has passed since the end.
            Err(RecvTimeoutError::Timeout) if ended => return Ok((reader.finish(), true)),
            Err(RecvTimeoutError::Timeout) => {
                ended = child.try_wait().context("cannot learn whether cargo test has ended")?.is_some();
            }
        }
    }
}

/// The figures of one `cargo test`, with what went wrong beside its tests.
fn settle(run: &Run, output: &mut dyn Write) -> Tally {
    let mut figures = run.tally.clone();
    if run.left_process_behind {
        say(
            output,
            "a test left a process behind that still holds its output; the test that started it has to end it",
        );
        figures.failed += 1;
    }
    if !run.succeeded && figures.failed == 0 {
        say(output, "cargo test failed before or beside the tests; its messages above say why");
        figures.failed += 1;
    }
    figures
}

/// Prints which tests were skipped; returns the figures of the whole run with that taken in.
fn conclude(done: &Tally, skips: &str, in_ci: bool, output: &mut dyn Write) -> Tally {
    let skips: BTreeSet<&str> = skips.lines().collect();
    let turned_away = u64::try_from(skips.len()).unwrap_or(u64::MAX);
    let mut figures = Tally {
        passed: done.passed.saturating_sub(turned_away),
        failed: done.failed,
        ignored: done.ignored.saturating_add(turned_away),
    };
    say(output, "");
    for skip in &skips {
        say(output, &format!("skipped for want of {skip}"));
    }
    if in_ci && figures.ignored > 0 {
        say(output, &format!("with CI=true a skipped test is a failure: {} counted so", figures.ignored));
        figures.failed = figures.failed.saturating_add(figures.ignored);
        figures.ignored = 0;
    }
    if figures.passed == 0 && figures.failed == 0 {
        say(output, "no test ran");
    }
    figures
}

fn is_success(figures: &Tally) -> bool {
    figures.failed == 0 && figures.passed > 0
}

fn closing_line(figures: &Tally) -> String {
    let Tally { passed, failed, ignored } = figures;
    let skipped = if *ignored == 0 { String::new() } else { format!(", {ignored} skipped") };
    format!("{passed} passed, {failed} failed{skipped}")
}

fn say(output: &mut dyn Write, line: &str) {
    show(output, format!("{line}\n").as_bytes());
}

/// A reader that has gone away does not stop the tests; the exit status still tells how they ended.
fn show(output: &mut dyn Write, bytes: &[u8]) {
    let _ = output.write_all(bytes).and_then(|()| output.flush());
}

#[cfg(test)]
mod tests;
