//! The machine that figures were measured on, and what its disk does at best.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::statistics::Summary;

/// Syncs that are timed; their median counts.
const SYNCS: u64 = 200;
const PAGE_BYTES: usize = 4096;

/// What it is, by its own words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Cores that this program may use.
    pub cores: usize,
    /// Model of the processor.
    pub cpu: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Memory, in GiB, rounded.
    pub memory_gib: u64,
    /// The day of the measurement, UTC.
    pub date: String,
}

/// What no durable call can be faster than.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Probe {
    /// Writing 4 KiB over old ones and fdatasync, in microseconds, median.
    pub fdatasync_us: f64,
}

impl Machine {
    /// This one, today.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a report bears its date")]
    pub fn read() -> Self {
        let after = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
            found.map(|(_, value)| value.trim().to_owned())
        };
        let memory_kib = after("/proc/meminfo", "MemTotal")
            .and_then(|value| value.trim_end_matches(" kB").parse::<u64>().ok())
            .unwrap_or(0);
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: after("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned()),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            memory_gib: (memory_kib + 512 * 1024) / (1024 * 1024),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        }
    }
}

impl Machine {
    /// As the beginning of a sentence.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!(
            "Measured {} on {} cores of {}, {} GiB, Linux {}, load and server sharing the cores",
            self.date, self.cores, self.cpu, self.memory_gib, self.kernel
        )
    }
}

impl Probe {
    /// Measures, in the folder `place`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn take(place: &Path) -> Result<Self> {
        let median = Summary::of(syncs(place)?).context("nothing was timed")?.median;
        Ok(Self { fdatasync_us: median })
    }
}

#[expect(clippy::disallowed_methods, reason = "times are what is measured")]
fn syncs(place: &Path) -> Result<Vec<f64>> {
    let file = tempfile::tempfile_in(place)?;
    let page = [7; PAGE_BYTES];
    // Written once before, so that a sync stores bytes and not the growth of a file.
    for number in 0..SYNCS {
        write_page(&file, number, &page)?;
    }
    file.sync_all()?;
    (0..SYNCS)
        .map(|number| {
            let begun = Instant::now();
            write_page(&file, number, &page)?;
            file.sync_data()?;
            Ok(begun.elapsed().as_secs_f64() * 1e6)
        })
        .collect()
}

fn write_page(file: &File, number: u64, page: &[u8; PAGE_BYTES]) -> std::io::Result<()> {
    file.write_all_at(page, number * 4096)
}
