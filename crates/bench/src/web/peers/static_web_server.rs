//! static-web-server from crates.io, both its stable line and the coming one with its cache: built below the target folder.
//! It runs a thread for each core, which is the number of workers of the others on two cores.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Peer, Start};
use crate::child;
use crate::installed::Crate;

const STABLE: &str = "2.44.1";
const COMING: &str = "3.0.0-beta.2";
/// Its own defaults, written out: entries, seconds, KiB.
const CACHE: &str = "[advanced.memory-cache]\ncapacity = 100\nttl = 1800\ntti = 300\nmax-file-size = 8192\n";

fn of(peer: Peer) -> Crate {
    let version = if peer == Peer::Sws3 { COMING } else { STABLE };
    Crate { name: "static-web-server", version, program: "static-web-server" }
}

pub(super) fn version(peer: Peer) -> String {
    of(peer).title()
}

/// Builds it, unless that was done before; returns the program.
pub(super) fn install(peer: Peer) -> Result<PathBuf> {
    of(peer).install()
}

/// The stable line.
pub(super) fn plain(program: &Path, start: &Start<'_>) -> Command {
    let mut command = shared(program, start);
    if start.is_tls {
        command.args(["--http2", "true"]);
        command.arg("--http2-tls-cert").arg(start.served.certificate());
        command.arg("--http2-tls-key").arg(start.served.key());
    }
    command
}

/// The coming line with its cache.
pub(super) fn cached(program: &Path, start: &Start<'_>) -> Result<Command> {
    let file = start.folder.join("sws.toml");
    fs::write(&file, CACHE)?;
    let mut command = shared(program, start);
    command.arg("--config-file").arg(file);
    if start.is_tls {
        // With HTTP/2 it speaks nothing else, even where ALPN chose HTTP/1.1.
        command.args(["--tls", "true", "--http2", if start.is_http2 { "true" } else { "false" }]);
        command.arg("--tls-cert").arg(start.served.certificate());
        command.arg("--tls-key").arg(start.served.key());
    }
    Ok(command)
}

fn shared(program: &Path, start: &Start<'_>) -> Command {
    let mut command = child::guarded(program);
    command.args(["--host", &start.address.ip().to_string(), "--port", &start.address.port().to_string()]);
    command.args(["--log-level", "error", "--threads-multiplier", "1"]);
    command.args(["--compression", "false", "--cache-control-headers", "false", "--root"]);
    command.arg(start.served.root());
    command
}
