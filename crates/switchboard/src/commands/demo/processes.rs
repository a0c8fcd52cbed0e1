//! The processes of the demonstration: this very program, as server and as client, each in a folder of its own. They end
//! with this process, whatever ends it. Absent: when they are killed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use switchboard_tls::Fingerprint;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::client::Told;
use crate::exit::Exit;
use crate::failure::Failure;

/// How often the ready file is looked for, in milliseconds.
const READY_LOOK_MS: u64 = 5;
/// Longest start of a server, in seconds.
const READY_SECONDS_MAX: u64 = 20;
/// Bytes of a log that a failure quotes.
const LOG_BYTES_QUOTED_MAX: usize = 2000;

/// The folder of the demonstration, removed at the end unless it is kept.
pub(super) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(super) fn make() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("switchboard-demo-").tempdir().map_err(|error| {
            Failure::new(Exit::CannotCreate, "cannot make a folder for the demonstration")
                .because(error)
                .advise("make room in the folder for temporary files, or name another one with TMPDIR")
        })?;
        Ok(Self { folder })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }

    pub(super) fn server_data(&self) -> PathBuf {
        self.path().join("server")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.server_data().join("socket")
    }

    pub(super) fn client_data(&self) -> PathBuf {
        self.path().join("client")
    }

    pub(super) fn notes(&self) -> PathBuf {
        self.path().join("client-notes.txt")
    }

    fn ready_file(&self) -> PathBuf {
        self.path().join("server-ready.json")
    }

    fn log(&self, who: &str) -> PathBuf {
        self.path().join(format!("{who}.log"))
    }
}

/// The server process.
pub(super) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it and waits until it takes connections.
    pub(super) async fn start(place: &Place) -> Result<Self, Failure> {
        // The file of the server before is not this one's.
        let _absent_at_first = std::fs::remove_file(place.ready_file());
        let mut command = own_program("serve", &place.server_data(), &place.log("server"))?;
        command.args([
            "--end-with-parent",
            "--set",
            "listen.tls=",
            "--set",
            "log.format=text",
            "--ready-file",
        ]);
        command.arg(place.ready_file()).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| cannot_start("server", error))?;
        let mut server = Self { child, log: place.log("server") };
        let ready = async {
            while !place.ready_file().exists() {
                tokio::time::sleep(Duration::from_millis(READY_LOOK_MS)).await;
            }
        };
        let patience = Duration::from_secs(READY_SECONDS_MAX);
        tokio::select! {
            ready = tokio::time::timeout(patience, ready) => match ready {
                Ok(()) => Ok(server),
                Err(_) => Err(server.failed("did not become ready")),
            },
            _ = server.child.wait() => Err(server.failed("ended before it was ready")),
        }
    }

    /// SIGKILL, and its end awaited.
    pub(super) async fn kill(mut self) -> Result<(), Failure> {
        self.child.kill().await.map_err(|error| cannot_end("server", error))
    }

    /// SIGTERM, and its orderly end awaited.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        end_in_order(&self.child).map_err(|error| cannot_end("server", error))?;
        let status = self.child.wait().await.map_err(|error| cannot_end("server", error))?;
        if status.success() { Ok(()) } else { Err(self.failed("did not end in order")) }
    }

    /// Ends when the process does, which nobody asked for.
    pub(super) async fn ended(&mut self) -> Failure {
        let _status = self.child.wait().await;
        self.failed("ended by itself")
    }

    fn failed(&self, what: &str) -> Failure {
        quoting(&format!("the server of the demonstration {what}"), &self.log)
    }
}

/// What the client process is to do.
pub(super) struct Errand<'a> {
    pub(super) place: &'a Place,
    pub(super) proxy: std::net::SocketAddr,
    pub(super) pin: Fingerprint,
    pub(super) account: String,
    pub(super) amount: String,
    pub(super) calls: u32,
}

/// The client process.
pub(super) struct Client {
    child: Child,
    told: Lines<BufReader<ChildStdout>>,
    /// Closed, it tells the client to draw no more.
    stdin: Option<ChildStdin>,
    log: PathBuf,
}

impl Client {
    pub(super) fn start(errand: &Errand<'_>) -> Result<Self, Failure> {
        let place = errand.place;
        let log = place.log("client");
        let mut command = own_program("demo-client", &place.client_data(), &log)?;
        command.arg("--server").arg(format!("tls://{}", errand.proxy));
        let key = place.server_data().join("keys").join("operator.key");
        for (setting, value) in [
            ("client.pin", errand.pin.to_string()),
            ("client.link", "lossy".to_owned()),
            ("client.operator_key", key.display().to_string()),
            // Nobody waits at this till: what is lost is sent again until it is answered.
            ("client.wait_ms", "3600000".to_owned()),
        ] {
            command.arg("--set").arg(format!("{setting}={value}"));
        }
        command.arg("--notes").arg(place.notes());
        command.args([&errand.account, &errand.amount, &errand.calls.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| cannot_start("client", error))?;
        let stdout = child.stdout.take().expect("standard output was asked to be a pipe");
        let stdin = child.stdin.take();
        Ok(Self { child, told: BufReader::new(stdout).lines(), stdin, log })
    }

    /// What it tells next; none when it has ended in order, having done its errand.
    pub(super) async fn next(&mut self) -> Result<Option<Told>, Failure> {
        let line =
            self.told.next_line().await.map_err(|error| self.failed("cannot be heard").because(error))?;
        match line {
            Some(line) => Told::parse(&line).map(Some).ok_or_else(|| self.failed("said something strange")),
            None => {
                let status = self.child.wait().await.map_err(|error| cannot_end("client", error))?;
                if status.success() { Ok(None) } else { Err(self.failed("ended with a failure")) }
            }
        }
    }

    /// Lets it settle what is open and draw no more.
    pub(super) fn draw_no_more(&mut self) {
        self.stdin = None;
    }

    /// SIGKILL; returns what it had still told.
    pub(super) async fn kill(mut self) -> Result<Vec<Told>, Failure> {
        self.child.kill().await.map_err(|error| cannot_end("client", error))?;
        let mut last_words = Vec::new();
        while let Ok(Some(line)) = self.told.next_line().await {
            // The kill may have cut the last line.
            last_words.extend(Told::parse(&line));
        }
        Ok(last_words)
    }

    fn failed(&self, what: &str) -> Failure {
        quoting(&format!("the client of the demonstration {what}"), &self.log)
    }
}

/// This program with a data folder of the demonstration and none of the person's settings.
fn own_program(subcommand: &str, data: &Path, log: &Path) -> Result<Command, Failure> {
    let program = std::env::current_exe().map_err(|error| cannot_start(subcommand, error))?;
    let log = std::fs::File::options().create(true).append(true).open(log);
    let log = log.map_err(|error| cannot_start(subcommand, error))?;
    let mut command = Command::new(program);
    command.arg(subcommand).arg("--data").arg(data).stderr(log).kill_on_drop(true);
    let ours = |name: &OsString| name.to_string_lossy().starts_with("SWITCHBOARD_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    Ok(command)
}

fn end_in_order(child: &Child) -> std::io::Result<()> {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    match id {
        Some(id) => Ok(rustix::process::kill_process(id, Signal::TERM)?),
        // It has ended already.
        None => Ok(()),
    }
}

fn quoting(what: &str, log: &Path) -> Failure {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let from = text.ceil_char_boundary(text.len().saturating_sub(LOG_BYTES_QUOTED_MAX));
    Failure::new(Exit::Internal, what.to_owned())
        .because(format!("the end of its log:\n{}", text[from..].trim_end()))
        .advise("run it again with --keep and look at the logs in its folder")
}

fn cannot_start(who: &str, error: std::io::Error) -> Failure {
    Failure::new(Exit::Internal, format!("cannot start the {who} of the demonstration")).because(error)
}

fn cannot_end(who: &str, error: std::io::Error) -> Failure {
    Failure::new(Exit::Internal, format!("cannot end the {who} of the demonstration")).because(error)
}
