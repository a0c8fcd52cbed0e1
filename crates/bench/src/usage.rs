//! What a process occupies, as the kernel counts it in /proc: memory, file descriptors, threads; and files on disk.
//! Absent: CPU time (cpu.rs).

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::cpu;

/// How long a server may take to notice that its peers have gone.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

/// What a process occupies.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Resident set, in bytes.
    pub rss: u64,
    /// Largest resident set since it began, in bytes.
    pub rss_peak: u64,
    /// Proportional set: what is shared with other processes counts in part, in bytes.
    pub pss: u64,
    /// The part of it that no file backs, in bytes: heap, stacks.
    pub anonymous: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Those of them that are sockets.
    pub sockets: u64,
    /// Threads.
    pub threads: u64,
}

impl Usage {
    /// Of this process now.
    ///
    /// # Errors
    /// When it has ended, or is another user's.
    pub fn of(pid: u32) -> Result<Self> {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
            .with_context(|| format!("process {pid} has ended, or is another user's"))?;
        let count = |folder: &str| -> Result<u64> {
            Ok(u64::try_from(fs::read_dir(format!("/proc/{pid}/{folder}"))?.count())?)
        };
        Ok(Self {
            rss: kib(&rollup, "Rss:")? * 1024,
            rss_peak: peak(pid)?,
            pss: kib(&rollup, "Pss:")? * 1024,
            anonymous: kib(&rollup, "Pss_Anon:")? * 1024,
            descriptors: count("fd")?,
            sockets: sockets(pid)?,
            threads: count("task")?,
        })
    }
}

/// The largest resident set of a process since it began, in bytes.
///
/// # Errors
/// When it has ended.
pub fn peak(pid: u32) -> Result<u64> {
    Ok(kib(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmHWM:")? * 1024)
}

/// Proportional set of a process and all that descend from it, in bytes.
///
/// # Errors
/// When it has ended, or is another user's.
pub fn pss_of_tree(pid: u32) -> Result<u64> {
    cpu::tree(pid).into_iter().map(|pid| Ok(Usage::of(pid)?.pss)).sum()
}

/// What a process occupies once it has no more sockets than `before`: it has noticed that its peers have gone.
///
/// # Errors
/// When it keeps them.
#[expect(clippy::disallowed_methods, reason = "a driver waits for a process")]
pub fn once_alone(pid: u32, before: Usage) -> Result<Usage> {
    let deadline = Instant::now() + CLOSED_WITHIN;
    loop {
        let now = Usage::of(pid)?;
        if now.sockets <= before.sockets {
            return Ok(now);
        }
        let kept = now.sockets - before.sockets;
        anyhow::ensure!(
            Instant::now() < deadline,
            "the server keeps {kept} connections of peers that have gone"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What the ledger takes on disk.
#[derive(Clone, Copy, Debug)]
pub struct OnDisk {
    /// The database file, in bytes.
    pub database: u64,
    /// The write-ahead log, in bytes; zero when there is none.
    pub log: u64,
}

impl OnDisk {
    /// In this data folder now.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let bytes = |name| fs::metadata(folder.join(name)).map_or(0, |facts| facts.len());
        Self { database: bytes("switchboard.db"), log: bytes("switchboard.db-wal") }
    }

    /// Both.
    #[must_use]
    pub fn total(self) -> u64 {
        self.database + self.log
    }
}

/// Descriptors whose link in /proc/PID/fd begins with `socket:` (proc(5)).
fn sockets(pid: u32) -> Result<u64> {
    let links = fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
    let is_socket = |link: &fs::DirEntry| {
        fs::read_link(link.path()).is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
    };
    Ok(u64::try_from(links.filter(is_socket).count())?)
}

/// The number behind a word of smaps_rollup or status (proc(5)), in KiB.
fn kib(text: &str, word: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    Ok(number.with_context(|| format!("the kernel does not tell {word}"))?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_touched_is_counted() {
        let before = Usage::of(std::process::id()).unwrap();
        let room = vec![1_u8; 32 << 20];
        let after = Usage::of(std::process::id()).unwrap();
        assert!(after.anonymous >= before.anonymous + (24 << 20), "{before:?} {after:?} {}", room.len());
        assert!(after.threads >= 1 && after.descriptors >= 3);
    }
}
