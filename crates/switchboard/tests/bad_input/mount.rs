//! A piece of the file tree with a file system of its own: small, full, or read-only. Mounted in a mount namespace that
//! nobody else sees and that ends with the value. Needs root, or a kernel that lets users make namespaces; without either
//! the test fails and says so.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::house::{House, Ran};
use crate::logged::Logged;

/// Where the tools of a system are.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A mount over a folder, seen by the programs that are started through it.
pub(crate) struct Mount {
    holder: Child,
    at: PathBuf,
}

impl Mount {
    /// A memory file system of this size over the folder `at`.
    pub(crate) fn small(at: &Path, kibibytes: u32) -> Self {
        Self::of(at, &format!("mount -t tmpfs -o mode=700,size={kibibytes}k none \"$1\""))
    }

    /// The folder `at` as it is, read-only.
    pub(crate) fn read_only(at: &Path) -> Self {
        Self::of(at, "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\"")
    }

    fn of(at: &Path, mount: &str) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let script = format!("{mount} && echo mounted && exec cat");
        let mut command = Command::new("unshare");
        command.env_clear().env("PATH", PATH).args(if is_root() { &["-m"][..] } else { &["-U", "-r", "-m"] });
        command.args(["sh", "-c", &script, "sh"]).arg(at);
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        let mount = Self { holder, at: at.to_owned() };
        assert_eq!(said, "mounted\n", "cannot mount: run the tests as root or allow user namespaces");
        mount
    }

    /// The program, inside.
    pub(crate) fn program(&self, house: &House, arguments: &[&str]) -> Command {
        let outside = house.program(arguments);
        let mut command = Command::new("nsenter");
        command.env_clear().env("PATH", PATH).args(["-m", "-t", &self.holder.id().to_string()]);
        if !is_root() {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.arg("--").arg(outside.get_program()).args(outside.get_args()).stdin(Stdio::null());
        command.envs(outside.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    pub(crate) fn run(&self, house: &House, arguments: &[&str]) -> Ran {
        Ran::of(self.program(house, arguments).output().unwrap())
    }

    /// A server inside.
    pub(crate) fn serve(&self, house: &House, arguments: &[&str]) -> Logged {
        Logged::start(house, self.program(house, &[]), arguments)
    }

    /// The way of the test's own process to a file inside.
    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.at.strip_prefix("/").unwrap()).join(name)
    }

    /// Fills the file system with a ballast that leaves this much room.
    pub(crate) fn fill(&self, spare_kibibytes: u64) {
        let mut ballast = File::create(self.inside("ballast")).unwrap();
        loop {
            match ballast.write_all(&[0; 1024]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
        let bytes = ballast.metadata().unwrap().len();
        ballast.set_len(bytes.saturating_sub(spare_kibibytes * 1024)).unwrap();
    }

    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.inside("ballast")).unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ended_already = self.holder.kill();
        let _reaped = self.holder.wait();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
