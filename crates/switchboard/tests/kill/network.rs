//! A network of its own for a test: one loopback device, in a network namespace that nobody else sees and that ends with the
//! value. Taken down, it swallows every packet and tells neither side. Needs root, or a kernel that lets users make
//! namespaces; without either the test fails and says so. Absent: what is sent on it.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// Where the tools of a system are.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The network, held by a process.
pub(crate) struct Network {
    holder: Child,
}

impl Network {
    pub(crate) fn new() -> Self {
        let mut command = Command::new("unshare");
        command.env_clear().env("PATH", PATH).args(if is_root() { &["-n"][..] } else { &["-U", "-r", "-n"] });
        command.args(["sh", "-c", "ip link set lo up && echo up && exec cat"]);
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        let network = Self { holder };
        assert_eq!(said, "up\n", "no network: run the tests as root or allow user namespaces");
        network
    }

    /// From now on packets vanish, on connections that stand and on those to come.
    pub(crate) fn goes_down(&self) {
        self.set("down");
    }

    pub(crate) fn comes_up(&self) {
        self.set("up");
    }

    /// A program in this network and nothing of the tester's own settings.
    pub(crate) fn command(&self, program: &OsStr) -> Command {
        let mut command = Command::new("nsenter");
        command.env_clear().env("PATH", PATH).args(["-n", "-t", &self.holder.id().to_string()]);
        if !is_root() {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }

    fn set(&self, state: &str) {
        let set = self.command(OsStr::new("ip")).args(["link", "set", "lo", state]).status().unwrap();
        assert!(set.success(), "the network does not go {state}");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ended_already = self.holder.kill();
        let _reaped = self.holder.wait();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
