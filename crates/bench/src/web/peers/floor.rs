//! No web server: a program in C that gives every request one of three answers made beforehand, with the fewest system calls that
//! a loop of epoll can do with. What a server costs beside it is its own doing; what it costs itself is the kernel's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Case, Start};
use crate::child::{self, Stop};

const SOURCE: &str = include_str!("floor.c");

/// About as long as the head of Switchboard's answers.
const FIELDS: &str = "Date: Sun, 22 Nov 2026 00:00:00 GMT\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Last-Modified: Sun, 22 Nov 2026 00:00:00 GMT\r\nETag: \"0123456789abcdef0123456789abcdef\"\r\n\
    X-Content-Type-Options: nosniff\r\nReferrer-Policy: strict-origin-when-cross-origin\r\nVary: Accept-Encoding\r\n";

/// What it can be asked.
pub(super) const fn can(case: Case) -> bool {
    match case {
        Case::Small | Case::NotModified | Case::NotFound => true,
        Case::Pipelined
        | Case::Medium
        | Case::Large
        | Case::Connect
        | Case::Steady
        | Case::Memory
        | Case::TlsSmall
        | Case::TlsConnect
        | Case::Http2 => false,
    }
}

/// Compiles it into this folder.
pub(super) fn compile(stop: &Stop, folder: &Path) -> Result<PathBuf> {
    let (source, program) = (folder.join("floor.c"), folder.join("floor"));
    std::fs::write(&source, SOURCE)?;
    let mut compiler = child::guarded("cc");
    compiler.args(["-O2", "-Wall", "-Werror", "-pthread", "-o"]).arg(&program).arg(&source);
    child::run(stop, "cc", &mut compiler)?;
    Ok(program)
}

pub(super) fn version(stop: &Stop) -> Result<String> {
    let told = child::run(stop, "cc", child::guarded("cc").arg("-dumpfullversion"))?;
    Ok(format!("plain C by gcc {}", told.trim()))
}

pub(super) fn command(program: &Path, start: &Start<'_>) -> Result<Command> {
    let found = std::fs::read(start.served.root().join("small.txt"))?;
    let mut command = child::guarded(program);
    command.args([start.address.port().to_string(), start.workers.to_string()]);
    for (name, status, body) in [
        ("found", "200 OK", found.as_slice()),
        ("not-modified", "304 Not Modified", b""),
        ("not-found", "404 Not Found", b"404 Not Found\n"),
    ] {
        let mut answer = format!("HTTP/1.1 {status}\r\n{FIELDS}").into_bytes();
        if status != "304 Not Modified" {
            answer.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        answer.extend_from_slice(b"\r\n");
        answer.extend_from_slice(body);
        let path = start.folder.join(name);
        std::fs::write(&path, answer)?;
        command.arg(path);
    }
    Ok(command)
}
