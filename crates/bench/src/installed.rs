//! Programs of crates.io that are built for a measurement, below the target folder, once. Absent: which ones.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// A crate with a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crate {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) program: &'static str,
}

impl Crate {
    /// Builds it, unless that was done before; returns the program.
    ///
    /// # Errors
    /// When it does not build.
    pub(crate) fn install(self) -> Result<PathBuf> {
        let Self { name, version, program } = self;
        let folder = std::env::current_exe()?;
        let target =
            folder.ancestors().nth(2).context("this program lies in a folder of the target folder")?;
        let root = target.join("bench-peers").join(format!("{name}-{version}"));
        let program = root.join("bin").join(program);
        if !program.is_file() {
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["install", "--quiet", "--locked", name, "--version", version, "--root"]);
            cargo.arg(&root).arg("--target-dir").arg(root.join("build"));
            let built = cargo.status().context("cannot run cargo")?;
            ensure!(built.success(), "{name} {version} does not build");
            // Larger than all else below the target folder, and of no more use.
            fs::remove_dir_all(root.join("build"))?;
        }
        Ok(program)
    }

    /// For a reader.
    pub(crate) fn title(self) -> String {
        format!("{} {}", self.name, self.version)
    }
}
