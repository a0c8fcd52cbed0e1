//! A data folder with or without a server, and commands run against it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for a state; a test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A data folder, removed at the end.
pub(crate) struct House {
    folder: tempfile::TempDir,
}

/// What a command came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl House {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The program with this data folder and nothing of the tester's own settings.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        command.env_clear().env("TMPDIR", self.path()).env("SWITCHBOARD_DATA", self.data());
        command.args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.program(arguments).output().unwrap())
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = self.program(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // The command may stop reading when it has seen enough.
        let writing = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        Ran::of(output)
    }

    /// Runs a command that has to end well, and returns its output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    pub(crate) fn serve(&self, arguments: &[&str]) -> Server {
        let ready = self.path().join("ready.json");
        let _absent_at_first = std::fs::remove_file(&ready);
        let mut command = self.program(&["serve", "--ready-file"]);
        command.arg(&ready).args(["--tls", "127.0.0.1:0"]).args(arguments).stderr(Stdio::piped());
        let mut server = Server { child: command.spawn().unwrap(), facts: Value::Null };
        wait_until("the server is ready", || {
            assert!(server.child.try_wait().unwrap().is_none(), "the server ended before it was ready");
            ready.exists()
        });
        server.facts = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        server
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {:?}", self.stdout))
    }
}

/// A running server; killed at the end of the test.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) facts: Value,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The first address with this scheme.
    pub(crate) fn address(&self, scheme: &str) -> String {
        let addresses = self.facts["addresses"].as_array().unwrap().iter();
        let mut texts = addresses.map(|address| address.as_str().unwrap());
        texts.find(|text| text.starts_with(scheme)).unwrap().to_owned()
    }

    pub(crate) fn key(&self) -> &str {
        self.facts["key"].as_str().unwrap()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGTERM; returns the exit code and the log.
    pub(crate) fn stop(mut self) -> (i32, String) {
        self.signal(rustix::process::Signal::TERM);
        let mut log = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut log).unwrap();
        (self.child.wait().unwrap().code().unwrap_or(-1), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Waits for a state.
#[expect(
    clippy::disallowed_methods,
    reason = "looks again and again for a state, and gives up after a while"
)]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "in vain waited until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
