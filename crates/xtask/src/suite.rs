//! The test command: packages, then every test of the workspace, then one closing line.
//!
//! It runs `cargo test`, which everybody who builds the project has, and which runs documentation tests too. Output is
//! shown as it comes. Figures are those of the test programs themselves ([`tally`]).
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

use crate::install;
use crate::needs::{self, LONG_VARIABLE, Need, SKIP_LOG_VARIABLE, SKIP_VARIABLE};
use crate::tally::{self, Tally};

/// Longer lines are handed on in pieces.
const LINE_BYTES_MAX: u64 = 64 * 1024;
const LINES_IN_FLIGHT_MAX: usize = 1024;
/// Output that stays open this long after `cargo test` has ended is held by a process that a test left behind.
const OUTPUT_OPEN_AFTER_END_MAX: Duration = Duration::from_secs(10);

/// What was asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Install missing packages even without CI=true.
    pub install: bool,
    /// Pass [`LONG_VARIABLE`] on.
    pub long: bool,
    /// In place of `--workspace`.
    pub cargo_arguments: Vec<String>,
}

/// Runs the tests of the workspace at `root` and prints the closing line.
///
/// # Errors
/// When `cargo` cannot be started or its output cannot be read. Failing tests are an exit code, not an error.
pub fn run(root: &Path, request: &Request) -> Result<ExitCode> {
    let output = &mut std::io::stdout().lock();
    let in_ci = is_ci(std::env::var("CI").ok().as_deref());
    let absent = prepare_packages(request.install || in_ci, output);
    let folder = tempfile::tempdir().context("cannot make a temporary folder for the log of skips")?;
    let skip_log = folder.path().join("skips");

    let mut tests = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    tests.current_dir(root).args(["test", "--no-fail-fast"]);
    match request.cargo_arguments.as_slice() {
        [] => tests.arg("--workspace"),
        arguments => tests.args(arguments),
    };
    tests.env(SKIP_LOG_VARIABLE, &skip_log);
    if absent.is_empty() {
        tests.env_remove(SKIP_VARIABLE);
    } else {
        tests.env(SKIP_VARIABLE, packages(&absent).join(","));
    }
    if request.long {
        tests.env(LONG_VARIABLE, "1");
    } else {
        tests.env_remove(LONG_VARIABLE);
    }

    let run = stream(&mut tests, OUTPUT_OPEN_AFTER_END_MAX, output)?;
    let skips = fs::read_to_string(&skip_log).unwrap_or_default();
    let figures = conclude(&run, &skips, in_ci, output);
    say(output, &closing_line(&figures));
    Ok(if is_success(&figures) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Installs what is missing when it was asked for and is permitted; tells what stays absent.
fn prepare_packages(install: bool, output: &mut dyn Write) -> Vec<&'static Need> {
    let missing = needs::absent();
    if missing.is_empty() {
        return missing;
    }
    if install
        && install::is_root()
        && let Err(error) = install::install(&packages(&missing))
    {
        say(output, &format!("packages were not installed: {error:#}"));
    }
    let absent = needs::absent();
    if !absent.is_empty() {
        say(output, "some tests are skipped, because packages are absent:");
        for need in &absent {
            say(output, &format!("  {}: {}", need.package, need.used_by));
        }
        say(output, &format!("as root, this installs them: {}", install::command_line(&packages(&absent))));
    }
    absent
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

/// Prints what is to be known beyond the tests' own output; returns the figures with that taken in.
fn conclude(run: &Run, skips: &str, in_ci: bool, output: &mut dyn Write) -> Tally {
    let skips: BTreeSet<&str> = skips.lines().collect();
    let turned_away = u64::try_from(skips.len()).unwrap_or(u64::MAX);
    let mut figures = Tally {
        passed: run.tally.passed.saturating_sub(turned_away),
        failed: run.tally.failed,
        ignored: run.tally.ignored.saturating_add(turned_away),
    };
    say(output, "");
    for skip in &skips {
        say(output, &format!("skipped for want of {skip}"));
    }
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
