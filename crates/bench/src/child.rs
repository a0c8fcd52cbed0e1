//! Processes of ours: started in a group of their own, ended by process id, and never left behind.
//!
//! A dropped `Owned` ends its process. When this program is killed outright, the kernel ends what it started, since
//! everything runs under `setpriv --pdeathsig` (util-linux).

use std::ffi::OsStr;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Longest wait for a server to be ready or to end, in seconds.
const SERVER_SECONDS_MAX: u64 = 60;
/// Longest run of a tool, in seconds: a guard against one that hangs.
const TOOL_SECONDS_MAX: u64 = 600;
/// Time between two looks at a process, in milliseconds.
const LOOK_MS: u64 = 5;

/// Whether somebody asked this program to end.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Notices the interrupt and the termination signal from now on. The second one ends this program at once.
    ///
    /// # Errors
    /// When the handlers cannot be set.
    pub fn on_signals() -> Result<Self> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop.0))?;
            signal_hook::flag::register(signal, Arc::clone(&stop.0))?;
        }
        Ok(stop)
    }

    /// Goes on, unless somebody asked to end.
    ///
    /// # Errors
    /// When somebody did.
    pub fn check(&self) -> Result<()> {
        ensure!(!self.0.load(Ordering::Relaxed), "interrupted");
        Ok(())
    }

    /// Looks again and again until `is_so`, for `seconds_max` at most.
    ///
    /// # Errors
    /// When it takes longer, when the question itself fails, or when somebody asked to end.
    #[expect(
        clippy::disallowed_methods,
        reason = "a driver waits for processes of others, which cannot call back"
    )]
    pub(crate) fn wait_until(
        &self,
        seconds_max: u64,
        what: &str,
        mut is_so: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(seconds_max);
        while !is_so()? {
            self.check()?;
            ensure!(Instant::now() < deadline, "{what} takes longer than {seconds_max} s");
            std::thread::sleep(Duration::from_millis(LOOK_MS));
        }
        Ok(())
    }
}

/// A command that ends with this program.
pub(crate) fn guarded(program: impl AsRef<OsStr>) -> Command {
    guarded_by("KILL", program)
}

/// A command that gets `signal` when this program dies.
pub(crate) fn guarded_by(signal: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    // A group of its own: an interrupt from the terminal is for this program, which then ends the others in order.
    command.args(["--pdeathsig", signal, "--"]).arg(program).process_group(0).stdin(Stdio::null());
    command
}

/// A process of ours.
#[derive(Debug)]
pub(crate) struct Owned {
    child: Child,
    name: String,
    ends_on: Signal,
}

impl Owned {
    /// Starts it; `ends_on` asks it to end.
    pub(crate) fn start(name: &str, command: &mut Command, ends_on: Signal) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, name: name.to_owned(), ends_on })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until `is_ready`; what it wrote to `log` says why when it ended instead.
    pub(crate) fn wait_ready(
        &mut self,
        stop: &Stop,
        log: &Path,
        mut is_ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let name = self.name.clone();
        stop.wait_until(SERVER_SECONDS_MAX, &format!("the start of {name}"), || {
            if let Some(status) = self.child.try_wait()? {
                let told = std::fs::read_to_string(log).unwrap_or_default();
                bail!("{name} ended with {status}: {told}");
            }
            Ok(is_ready())
        })
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn end(mut self, stop: &Stop) -> Result<()> {
        kill_process(Pid::from_child(&self.child), self.ends_on)?;
        let name = self.name.clone();
        stop.wait_until(SERVER_SECONDS_MAX, &format!("the end of {name}"), || Ok(self.ended()?.is_some()))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // In order first: PostgreSQL gives its shared memory back only when it is asked to end.
        let _asked = kill_process(Pid::from_child(&self.child), self.ends_on);
        let patient = Stop::default();
        let ended =
            patient.wait_until(SERVER_SECONDS_MAX, "the end", || Ok(self.child.try_wait()?.is_some()));
        if ended.is_err() {
            let _killed = self.child.kill();
            let _waited = self.child.wait();
        }
    }
}

/// A load tool or another program that runs to its end and prints something.
#[derive(Debug)]
pub(crate) struct Tool {
    owned: Owned,
    output: tempfile::NamedTempFile,
}

impl Tool {
    /// Starts it. What it prints, warnings included, goes into a file, so that it never waits for a reader.
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self> {
        let output = tempfile::NamedTempFile::new()?;
        let written = output.reopen()?;
        command.stdout(written.try_clone()?).stderr(written);
        Ok(Self { owned: Owned::start(name, command, Signal::KILL)?, output })
    }

    /// Fails when it has ended.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.owned.ended()? {
            bail!("{} ended early with {status}: {}", self.owned.name, self.printed());
        }
        Ok(())
    }

    /// Waits for its end; returns what it printed.
    pub(crate) fn finish(mut self, stop: &Stop) -> Result<String> {
        let mut status = None;
        let name = self.owned.name.clone();
        stop.wait_until(TOOL_SECONDS_MAX, &name, || {
            status = self.owned.ended()?;
            Ok(status.is_some())
        })?;
        let printed = self.printed();
        ensure!(status.is_some_and(|status| status.success()), "{name} failed: {printed}");
        Ok(printed)
    }

    fn printed(&self) -> String {
        let bytes = std::fs::read(self.output.path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Runs a program to its end; returns what it printed.
pub(crate) fn run(stop: &Stop, name: &str, command: &mut Command) -> Result<String> {
    Tool::start(name, command)?.finish(stop)
}

/// A file for what a server says.
pub(crate) fn log_file(path: &Path) -> Result<(Stdio, Stdio)> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok((file.try_clone()?.into(), file.into()))
}

/// A loopback port that is free now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_alive(pid: u32) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        !status.is_empty() && !status.contains("State:\tZ")
    }

    #[test]
    fn a_dropped_process_has_ended() {
        let sleeper = Owned::start("sleep", guarded("sleep").arg("1000"), Signal::TERM).unwrap();
        let pid = sleeper.pid();
        assert!(is_alive(pid));
        drop(sleeper);
        assert!(!is_alive(pid));
    }

    #[test]
    fn a_tool_that_fails_says_what_it_printed() {
        let mut failing = guarded("sh");
        failing.args(["-c", "echo no such table >&2; exit 3"]);
        let told = run(&Stop::default(), "tool", &mut failing).unwrap_err().to_string();
        assert!(told.contains("no such table"), "{told}");
    }

    #[test]
    fn a_wish_to_end_ends_the_tool() {
        let stop = Stop::default();
        let tool = Tool::start("sleep", guarded("sleep").arg("1000")).unwrap();
        let pid = tool.owned.pid();
        stop.0.store(true, Ordering::Relaxed);
        assert_eq!(tool.finish(&stop).unwrap_err().to_string(), "interrupted");
        assert!(!is_alive(pid));
    }
}
