//! Fuzz targets: every decoder of bytes from outside, and the two machines that are fed such bytes. A target is a plain
//! function of bytes that panics when a property does not hold; [`TARGETS`] is all of them.
//!
//! ```text
//!   corpus/NAME/* ──▶ tests/replay.rs (cargo test) ────────┐
//!   libFuzzer ──▶ examples/libfuzzer.rs (cargo xtask fuzz) ┴──▶ Target::run ──▶ the decoder, and what has to hold
//! ```
//!
//! Absent: libFuzzer itself, unless the feature of that name is on; random input, which is the driver's.

mod beat;
mod client;
mod commands;
mod configuration;
mod frames;
mod input;
mod journal;
mod mail;
mod probe;
mod replies;
mod secrecy;
mod server;
mod texts;
mod web;
mod wire;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One decoder or machine with the properties it has to keep.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// The folder of its inputs, from this crate's own.
    pub corpus: &'static str,
    /// Longest input worth trying, in bytes.
    pub input_bytes_max: usize,
    /// Feeds one input.
    ///
    /// # Panics
    /// When a property does not hold.
    pub run: fn(&[u8]),
}

/// All of them, by name.
pub const TARGETS: [Target; 14] = [
    Target { name: "beat", corpus: "corpus/beat", input_bytes_max: 512, run: beat::run },
    Target { name: "client", corpus: "corpus/client", input_bytes_max: 2048, run: client::run },
    Target { name: "commands", corpus: "corpus/commands", input_bytes_max: 1024, run: commands::run },
    Target {
        name: "configuration",
        corpus: "corpus/configuration",
        input_bytes_max: 1024,
        run: configuration::run,
    },
    Target { name: "date", corpus: "corpus/date", input_bytes_max: 128, run: web::date },
    Target { name: "frames", corpus: "corpus/frames", input_bytes_max: 2048, run: frames::run },
    Target { name: "journal", corpus: "corpus/journal", input_bytes_max: 2048, run: journal::run },
    Target { name: "mail", corpus: "corpus/mail", input_bytes_max: 1024, run: mail::run },
    Target { name: "probe", corpus: "corpus/probe", input_bytes_max: 512, run: probe::run },
    Target { name: "range", corpus: "corpus/range", input_bytes_max: 512, run: web::range },
    Target { name: "replies", corpus: "corpus/replies", input_bytes_max: 1024, run: replies::run },
    Target { name: "request", corpus: "corpus/request", input_bytes_max: 2048, run: web::request },
    Target { name: "server", corpus: "corpus/server", input_bytes_max: 2048, run: server::run },
    Target { name: "texts", corpus: "corpus/texts", input_bytes_max: 512, run: texts::run },
];

impl Target {
    /// The target with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Every input in the tree, in order of file names. `crate_folder` is the folder of this crate.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read.
    pub fn inputs(&self, crate_folder: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
        let entries = fs::read_dir(crate_folder.join(self.corpus))?;
        let mut paths =
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        paths.into_iter().map(|path| fs::read(&path).map(|bytes| (path, bytes))).collect()
    }
}
