//! Switchboard itself: `switchboard web` with its access log and its metrics.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::{Case, LeftOut, Peer, Start};
use crate::child::{self, Stop};
use crate::server;

const LOG: &str = "access.log";

/// The built program, and what it can do.
#[derive(Debug)]
pub(super) struct Program {
    binary: PathBuf,
    /// What it says of `web`; nothing when it has no such command.
    help: Option<String>,
}

impl Program {
    pub(super) fn find(stop: &Stop) -> Result<Self> {
        let binary = server::build()?;
        let help = child::run(stop, "switchboard", child::guarded(&binary).args(["web", "--help"])).ok();
        Ok(Self { binary, help })
    }

    /// Those of the wanted runs that it cannot do.
    pub(super) fn lacks(&self, wanted: &[(Case, Peer)]) -> Vec<LeftOut> {
        let lacking = |case: Option<Case>, why: &str| LeftOut {
            peer: Peer::Switchboard,
            case,
            why: format!("this {} has no {why}", self.binary.display()),
        };
        let Some(help) = &self.help else { return vec![lacking(None, "command `web`")] };
        let ours = wanted.iter().filter(|(_, peer)| *peer == Peer::Switchboard);
        let unable = ours.filter(|(case, _)| case.is_tls() && !help.contains("--listen-tls"));
        unable.map(|(case, _)| lacking(Some(*case), "`web --listen-tls`")).collect()
    }

    pub(super) fn version(&self, stop: &Stop) -> Result<String> {
        let told = child::run(stop, "switchboard", child::guarded(&self.binary).arg("--version"))?;
        Ok(told.trim().replace("switchboard", "Switchboard"))
    }

    pub(super) fn command(&self, start: &Start<'_>) -> Command {
        let mut command = child::guarded(&self.binary);
        command.arg("web").arg(start.served.root());
        let address = start.address.to_string();
        if start.is_tls {
            // Named too, so that the default address in the clear is left alone.
            command.args(["--listen", "127.0.0.1:0", "--listen-tls", &address]);
            command.arg("--cert").arg(start.served.certificate());
            command.arg("--key").arg(start.served.key());
        } else {
            command.args(["--listen", &address]);
        }
        command.args(["--workers", &start.workers.to_string(), "--metrics", "127.0.0.1:0"]);
        command.arg("--access-log").arg(start.folder.join(LOG));
        command
    }
}

/// Every request that the load counted has its line in the access log of the server that has ended.
pub(super) fn verify_log(folder: &Path, requests: u64) -> Result<()> {
    let (mut file, mut lines, mut part) = (File::open(folder.join(LOG))?, 0, vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut part)?;
        if count == 0 {
            break;
        }
        lines += u64::try_from(part[..count].iter().filter(|byte| **byte == b'\n').count())?;
    }
    ensure!(lines >= requests, "clients counted {requests} requests, but the access log has {lines} lines");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_cannot_do_is_left_out_with_the_reason() {
        let program =
            |help: Option<&str>| Program { binary: "switchboard".into(), help: help.map(str::to_owned) };
        let wanted = [
            (Case::Small, Peer::Switchboard),
            (Case::TlsSmall, Peer::Switchboard),
            (Case::TlsSmall, Peer::Nginx),
        ];
        let lacks = |help| -> Vec<(Option<Case>, String)> {
            program(help).lacks(&wanted).into_iter().map(|lack| (lack.case, lack.why)).collect()
        };
        assert_eq!(lacks(None), [(None, "this switchboard has no command `web`".to_owned())]);
        let without_tls = "this switchboard has no `web --listen-tls`".to_owned();
        assert_eq!(lacks(Some("--listen <ADDRESS>")), [(Some(Case::TlsSmall), without_tls)]);
        assert_eq!(lacks(Some("--listen-tls <ADDRESS>")), []);
    }

    #[test]
    fn a_request_without_a_line_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(LOG), "one\ntwo\n").unwrap();
        verify_log(folder.path(), 2).unwrap();
        assert!(verify_log(folder.path(), 3).unwrap_err().to_string().contains("has 2 lines"));
    }
}
