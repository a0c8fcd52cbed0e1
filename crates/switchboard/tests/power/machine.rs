//! A machine as one process group: Debian's user-mode-linux, with this system's files read-only as its root, disks that are
//! files, and two consoles. Absent: network; what runs on it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process_group};

/// Where the tools of a system are.
pub(crate) const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// Where sources lie that are preloaded into a program.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/power");
const MEMORY: &str = "mem=256M";

/// What does not change from boot to boot.
pub(crate) struct Hardware {
    folder: PathBuf,
    /// What ptrace lacks between older user-mode kernels and newer processors.
    wide_registers: PathBuf,
    /// In the order of `/dev/ubda`, `/dev/ubdb`, ...
    pub(crate) disks: Vec<PathBuf>,
}

/// A running machine; killed at the end of the test.
pub(crate) struct Machine {
    child: Child,
    /// Reads the first console until the last process of the group is gone.
    console: Option<JoinHandle<String>>,
}

impl Hardware {
    pub(crate) fn new(folder: &Path, disks: Vec<PathBuf>) -> Self {
        Self { folder: folder.to_owned(), wide_registers: preload(folder, "wide_registers"), disks }
    }

    /// Starts the machine with `init` as its first program. What is written to `/dev/tty1` inside is in the host's `tty1`
    /// when the write returns.
    pub(crate) fn boot(&self, init: &Path, tty1: File) -> Machine {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new("setpriv");
        command
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", &self.folder)
            .env("LD_PRELOAD", &self.wide_registers);
        command.args(["--pdeathsig", "KILL", "linux.uml", MEMORY, "quiet", "panic=1"]);
        command.args(["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"]);
        command.args(["con=null", "con0=null,fd:1", "con1=null,fd:2"]);
        command.arg(format!("init={}", init.display()));
        command.arg(format!("uml_dir={}", self.folder.display()));
        for (letter, disk) in ('a'..).zip(&self.disks) {
            command.arg(format!("ubd{letter}={}", disk.display()));
        }
        // A group of its own, because it consists of several processes and all of them go at once.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(tty1);
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let console = std::thread::spawn(move || {
            let mut said = Vec::new();
            stdout.read_to_end(&mut said).unwrap();
            String::from_utf8_lossy(&said).into_owned()
        });
        Machine { child, console: Some(console) }
    }
}

impl Machine {
    pub(crate) fn still_runs(&mut self) {
        if self.is_off() {
            panic!("the machine went off by itself:\n{}", self.said());
        }
    }

    pub(crate) fn is_off(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The power cut. Returns what the machine had said.
    pub(crate) fn cut(mut self) -> String {
        self.still_runs();
        self.kill();
        self.said()
    }

    /// What the machine said until it went off.
    pub(crate) fn said(&mut self) -> String {
        self.kill();
        self.console.take().map(|console| console.join().unwrap()).unwrap_or_default()
    }

    /// SIGKILL to all of its processes, and the end of the first awaited; the others have ended when its console has.
    fn kill(&mut self) {
        // Gone already when the machine went off by itself.
        let _nobody_left = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _reaped = self.child.wait();
    }
}

/// Compiles a source to be preloaded.
pub(crate) fn preload(folder: &Path, name: &str) -> PathBuf {
    let library = folder.join(name).with_extension("so");
    let source = Path::new(SOURCES).join(name).with_extension("c");
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    assert!(compiler.arg("-ldl").status().unwrap().success(), "{} does not compile", source.display());
    library
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.console.is_some() {
            let _nobody_listens = self.said();
        }
    }
}
