//! A Switchboard server of our own: built, started on free loopback ports over a new data folder, ended by its process id.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::load::{Load, Pace, Target, Work};

/// Longest wait for a server to be ready or to end, in seconds.
const START_SECONDS_MAX: u64 = 60;
/// Most slots that a session may have, so that depth is the load's choice.
const SLOTS: u16 = 1024;

/// A running server.
#[derive(Debug)]
pub struct Server {
    process: Process,
    folder: PathBuf,
    /// `tcp://`; its clients are taken for the operator.
    pub tcp: Target,
    /// `tls://`, key pinned.
    pub tls: Target,
}

/// Names a server that is built already and is to be measured instead of one built from these sources.
pub const BINARY_VARIABLE: &str = "BENCH_SERVER";

/// Builds the binary with the profile that this program was built with, unless [`BINARY_VARIABLE`] names one; returns
/// its path.
///
/// # Errors
/// When it does not build.
pub fn build() -> Result<PathBuf> {
    if let Some(built) = std::env::var_os(BINARY_VARIABLE) {
        return Ok(built.into());
    }
    let folder = std::env::current_exe()?.parent().context("this program lies in a folder")?.to_owned();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "switchboard", "--bin", "switchboard"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.arg("--target-dir").arg(folder.parent().context("the target folder")?);
    let built = cargo.status().context("cannot run cargo")?;
    anyhow::ensure!(built.success(), "switchboard does not build");
    Ok(folder.join("switchboard"))
}

impl Server {
    /// Starts `command` (a program and what stands before `serve`) over a data folder that stays.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn open(command: &[std::ffi::OsString], folder: &Path) -> Result<Self> {
        let ready = folder.with_extension("ready");
        let (program, before) = command.split_first().context("a program")?;
        let _absent_already = std::fs::remove_file(&ready);
        let log = std::fs::File::create(folder.with_extension("log"))?;
        let child = Command::new(program)
            .args(before)
            .args(["serve", "--trust-loopback", "--tcp", "127.0.0.1:0", "--tls", "127.0.0.1:0"])
            .args(["--set", &format!("limits.slots={SLOTS}"), "--set", "limits.in_flight=1024"])
            .args(["--set", "log.level=warn"])
            .arg("--data")
            .arg(folder)
            .arg("--ready-file")
            .arg(&ready)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut process = Process(child);
        let facts = process.facts(&ready, folder)?;
        let at = |scheme: &str| -> Result<SocketAddr> {
            let urls = facts["addresses"].as_array().context("addresses")?;
            let found = urls.iter().filter_map(|url| url.as_str()?.strip_prefix(scheme)).next();
            Ok(found.with_context(|| format!("no {scheme} address"))?.parse()?)
        };
        let key = facts["key"].as_str().context("the server's key")?.parse()?;
        let credential = std::fs::read(folder.join("keys/operator.key")).context("the operator key")?;
        let credential = credential.try_into().ok().context("an operator key has 32 bytes")?;
        let tls = Target::Tls(at("tls://")?, key, credential);
        Ok(Self { tcp: Target::Tcp(at("tcp://")?), tls, process, folder: folder.to_owned() })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Its data folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens so many accounts and puts money on each.
    ///
    /// # Errors
    /// When a call is refused.
    pub fn fill(&self, accounts: u32) -> Result<()> {
        let load = |work, count: u32| Load {
            target: self.tcp.clone(),
            connections: 8,
            depth: 64,
            work,
            pace: Pace::Count(count.into()),
            seed: 1,
        };
        load(Work::Open, accounts).run()?;
        load(Work::Fill(accounts), accounts).run()?;
        Ok(())
    }

    /// Ends it as an operator would, and waits.
    ///
    /// # Errors
    /// When it does not end well.
    pub fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.process.0), Signal::TERM)?;
        let ended = self.process.0.wait()?;
        anyhow::ensure!(ended.success(), "the server ended with {ended}");
        Ok(())
    }
}

/// Killed when it is dropped.
#[derive(Debug)]
struct Process(Child);

impl Process {
    /// What the ready file says, once it is there.
    #[expect(clippy::disallowed_methods, reason = "a driver waits for a process")]
    fn facts(&mut self, ready: &Path, folder: &Path) -> Result<serde_json::Value> {
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        loop {
            if let Ok(text) = std::fs::read_to_string(ready) {
                return Ok(serde_json::from_str(&text)?);
            }
            if let Some(ended) = self.0.try_wait()? {
                let told = std::fs::read_to_string(folder.with_extension("log")).unwrap_or_default();
                bail!("the server ended with {ended}: {told}");
            }
            anyhow::ensure!(Instant::now() < deadline, "the server is not ready");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ended already, unless something went wrong before.
        let _ended = self.0.kill();
        let _waited = self.0.wait();
    }
}
