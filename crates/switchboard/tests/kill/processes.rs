//! The processes of a test, each ended by its own id when its guard is dropped, also when the test panics. Absent: when they
//! are killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use switchboard::lab::chance::Chance;

use crate::errand::{Errand, VARIABLE};
use crate::network::Network;

/// Longest wait for a state; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ports that the kernel does not give to connections by itself (`ip_local_port_range`): a server that is killed finds its
/// own free again.
const PORTS: std::ops::RangeInclusive<u64> = 12_000..=32_000;

/// Which way the clients come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    Unix,
    Tls,
}

/// The folder of a test: kept when the test fails.
pub(crate) struct Place {
    folder: Option<tempfile::TempDir>,
    pub(crate) door: Door,
    /// Where all processes are, when not in that of the tests.
    pub(crate) network: Option<Network>,
    /// Settings of the server beside the usual ones.
    pub(crate) settings: Vec<&'static str>,
    pub(crate) program: PathBuf,
    pub(crate) seed: u64,
    port: u16,
}

impl Place {
    pub(crate) fn new(door: Door, program: PathBuf) -> Self {
        let given = std::env::var("SWITCHBOARD_KILL_SEED").ok().map(|text| text.parse().unwrap());
        let seed = given.unwrap_or_else(|| getrandom::u64().unwrap());
        let folder = Some(tempfile::Builder::new().prefix("switchboard-kill-").tempdir().unwrap());
        Self { folder, door, network: None, settings: Vec::new(), program, seed, port: free_port() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("socket")
    }

    pub(crate) fn notes(&self, client: u64) -> PathBuf {
        self.path().join(format!("client-{client}.notes"))
    }

    /// The server's address for the clients.
    pub(crate) fn address(&self) -> String {
        match self.door {
            Door::Unix => format!("unix:{}", self.socket().display()),
            Door::Tls => format!("tls://127.0.0.1:{}", self.port),
        }
    }

    pub(crate) fn ready_file(&self) -> PathBuf {
        self.path().join("ready.json")
    }

    fn log(&self, name: &str) -> File {
        File::options().create(true).append(true).open(self.path().join(format!("{name}.log"))).unwrap()
    }

    pub(crate) fn read_log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(format!("{name}.log"))).unwrap()
    }

    fn command(&self, program: &Path) -> Command {
        if let Some(network) = &self.network {
            return network.command(program.as_os_str());
        }
        let mut command = Command::new(program);
        command.env_clear();
        command
    }

    /// A command of the program under test, with nothing of the tester's own settings.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.program);
        command.env("SWITCHBOARD_DATA", self.data()).env("TMPDIR", self.path());
        command.args(arguments).stdin(Stdio::null());
        command
    }
}

impl Drop for Place {
    #[expect(clippy::print_stderr, reason = "shown with the failure")]
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!(
                "SWITCHBOARD_KILL_SEED={}; what was found is in {}",
                self.seed,
                folder.keep().display()
            );
        }
    }
}

/// The built example of this name: cargo builds examples together with tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    assert!(path.pop() && path.pop(), "a test program lies in deps");
    path.push("examples");
    path.push(name);
    let how = "run `cargo test -p switchboard`, or `cargo build -p switchboard --examples` first";
    assert!(path.exists(), "{} is not built: {how}", path.display());
    path
}

/// A process that ends with its guard.
pub(crate) struct Process {
    child: Child,
    name: String,
    /// Closed, it tells a client to end.
    stdin: Option<ChildStdin>,
}

impl Process {
    fn start(name: String, command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        Self { child, name, stdin }
    }

    /// Starts a server, which is not ready yet.
    pub(crate) fn server(place: &Place) -> Self {
        // The file of the server before is not this one's.
        let _absent_at_first = std::fs::remove_file(place.ready_file());
        let mut command = place.program(&["serve", "--end-with-parent", "--set", "log.level=warn"]);
        command.arg("--unix").arg(place.socket()).arg("--ready-file").arg(place.ready_file());
        match place.door {
            Door::Unix => command.args(["--set", "listen.tls="]),
            Door::Tls => command.arg("--tls").arg(format!("127.0.0.1:{}", place.port)),
        };
        command.args(place.settings.iter().flat_map(|setting| ["--set", setting]));
        command.stdout(Stdio::null()).stderr(place.log("server"));
        Self::start("the server".to_owned(), &mut command)
    }

    /// Waits until this server takes connections; returns what it says of itself.
    pub(crate) fn ready(&mut self, place: &Place) -> Value {
        wait_until("the server is ready", || {
            self.still_runs();
            place.ready_file().exists()
        });
        serde_json::from_slice(&std::fs::read(place.ready_file()).unwrap()).unwrap()
    }

    /// Starts a client: this test program, told to be one.
    pub(crate) fn client(place: &Place, errand: &Errand, test: &str) -> Self {
        let name = format!("client {}", errand.client);
        let log = place.log(&format!("client-{}", errand.client));
        let mut command = place.command(&std::env::current_exe().unwrap());
        command.env(VARIABLE, errand.to_text()).env("RUST_BACKTRACE", "1");
        command.args(["--exact", test, "--nocapture"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        Self::start(name, &mut command)
    }

    /// Fails the test when the process has ended by itself.
    pub(crate) fn still_runs(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended by itself: {status}", self.name);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGKILL, and its end awaited.
    pub(crate) fn kill(mut self) {
        self.still_runs();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Has it end in order: a server by SIGTERM, a client by the end of its input.
    pub(crate) fn end(mut self) {
        match self.stdin.take() {
            Some(stdin) => drop(stdin),
            None => self.signal(Signal::TERM),
        }
        let mut status = None;
        wait_until(&format!("{} has ended in order", self.name), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(status.unwrap().success(), "{} ended with {}", self.name, status.unwrap());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn free_port() -> u16 {
    let mut chance = Chance::new(getrandom::u64().unwrap(), 0);
    loop {
        let port = u16::try_from(chance.between(PORTS)).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
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
        std::thread::sleep(Duration::from_millis(2));
    }
}
