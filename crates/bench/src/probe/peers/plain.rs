//! The plainest reflector, in C: what it costs to send a datagram back and do nothing else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::child::{self, Stop};

const SOURCE: &str = include_str!("plain.c");

/// Compiles it into this folder.
pub(super) fn compile(stop: &Stop, folder: &Path) -> Result<PathBuf> {
    let (source, program) = (folder.join("plain.c"), folder.join("plain"));
    std::fs::write(&source, SOURCE)?;
    let mut compiler = child::guarded("cc");
    compiler.args(["-O2", "-Wall", "-Werror", "-o"]).arg(&program).arg(&source);
    child::run(stop, "cc", &mut compiler)?;
    Ok(program)
}

pub(super) fn version(stop: &Stop) -> Result<String> {
    let told = child::run(stop, "cc", child::guarded("cc").arg("-dumpfullversion"))?;
    Ok(format!("plain C by gcc {}", told.trim()))
}

pub(super) fn reflect(mut command: Command, address: SocketAddr, how: &str) -> Command {
    command.args([&address.port().to_string(), how]);
    command
}
