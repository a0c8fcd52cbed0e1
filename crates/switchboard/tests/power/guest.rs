//! The first program on the machine: mounts the disks, starts server and clients, and goes off when told so beforehand.
//! Absent: what is counted or judged.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::errand::{Errand, VARIABLE};
use crate::machine::PATH;

/// The console that carries the notes.
pub(crate) const CONSOLE: &str = "/dev/tty1";
/// What a line begins with there that is no client's: a fault, or that the machine goes off.
pub(crate) const MACHINE_MARK: &str = "# ";

/// What a boot is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Goal {
    /// Calls without end.
    Load,
    /// Everything that is open comes to its end, then the machine goes off.
    Settle,
    /// The file systems repair themselves, then the machine goes off.
    Mount,
}

/// Who does not flush what it writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Careless {
    Nobody,
    /// By its own switch.
    Server,
    /// By what is preloaded into them.
    Clients,
}

/// What runs on the machine.
pub(crate) struct Guest {
    pub(crate) folder: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) test: &'static str,
    pub(crate) careless: Careless,
    /// Makes a flush do nothing.
    pub(crate) no_flush: PathBuf,
    pub(crate) errands: Vec<Errand>,
}

impl Guest {
    /// Where a disk is mounted: that of the server, or of a client.
    pub(crate) fn mount_point(folder: &Path, name: &str) -> PathBuf {
        folder.join("disks").join(name)
    }

    pub(crate) fn disk_names(clients: u64) -> Vec<String> {
        std::iter::once("server".to_owned()).chain((0..clients).map(|n| format!("client-{n}"))).collect()
    }

    /// In memory, and so new at each boot.
    pub(crate) fn run_folder(folder: &Path) -> PathBuf {
        folder.join("run")
    }

    /// Writes the program of a boot.
    pub(crate) fn init(&self, goal: Goal) -> PathBuf {
        let mut script = self.mounts();
        match goal {
            Goal::Load => self.load(&mut script),
            Goal::Settle => self.settle(&mut script),
            Goal::Mount => {}
        }
        script.push_str(&self.going_off());
        let path = self.folder.join("init");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    fn mounts(&self) -> String {
        let run = Self::run_folder(&self.folder);
        let mut script = format!(
            "#!/bin/sh\nexport PATH={PATH}\nexec </dev/null >/dev/tty0 2>&1\n\
             fail() {{ dmesg | tail -n 20; echo \"{MACHINE_MARK}fault $*\" >{CONSOLE}; exec sleep infinity; }}\n\
             mount -t proc proc /proc && mount -t tmpfs none {run} && mkfifo {run}/no-end || fail no place to run\n",
            run = run.display()
        );
        let names = Self::disk_names(u64::try_from(self.errands.len()).unwrap());
        for (letter, name) in ('a'..).zip(names) {
            let at = Self::mount_point(&self.folder, &name);
            let at = at.display();
            writeln!(script, "mount -t ext4 /dev/ubd{letter} {at} || fail no disk of the {name}").unwrap();
        }
        script
    }

    fn load(&self, script: &mut String) {
        self.server(script);
        for errand in &self.errands {
            // Opened for reading and writing, a pipe does not end.
            let no_end = format!("<>{}/no-end", Self::run_folder(&self.folder).display());
            self.client(script, errand, &no_end);
        }
        script.push_str("wait $server; fail the server ended by itself with $?\n");
    }

    fn settle(&self, script: &mut String) {
        self.server(script);
        let mut clients = String::new();
        for errand in &self.errands {
            self.client(script, errand, "</dev/null");
            writeln!(script, "client_{}=$!", errand.client).unwrap();
            let waits = "|| fail a client ended with $?";
            writeln!(clients, "wait $client_{} {waits}", errand.client).unwrap();
        }
        script.push_str(&clients);
        script.push_str("kill $server; wait $server || fail the server ended with $?\n");
    }

    fn server(&self, script: &mut String) {
        let data = Self::mount_point(&self.folder, "server").join("data");
        let run = Self::run_folder(&self.folder);
        let switch = match self.careless {
            Careless::Nobody | Careless::Clients => "",
            Careless::Server => "--unsafe-durability",
        };
        writeln!(
            script,
            "chown -R 0:0 {data}\nSWITCHBOARD_DATA={data} TMPDIR={run} {program} serve {switch} --unix {run}/socket \
             --set listen.tls= --set log.level=warn & server=$!",
            data = data.display(),
            run = run.display(),
            program = self.program.display()
        )
        .unwrap();
    }

    fn client(&self, script: &mut String, errand: &Errand, stdin: &str) {
        let program = std::env::current_exe().unwrap();
        let preloaded = match self.careless {
            Careless::Nobody | Careless::Server => String::new(),
            Careless::Clients => format!("LD_PRELOAD={}", self.no_flush.display()),
        };
        writeln!(
            script,
            "{preloaded} {VARIABLE}='{}' TMPDIR={} RUST_BACKTRACE=1 {} --exact {} --nocapture {stdin} &",
            errand.to_text(),
            Self::run_folder(&self.folder).display(),
            program.display(),
            self.test
        )
        .unwrap();
    }

    fn going_off(&self) -> String {
        let mut script = String::new();
        for name in Self::disk_names(u64::try_from(self.errands.len()).unwrap()) {
            let at = Self::mount_point(&self.folder, &name);
            writeln!(script, "umount {} || fail the disk of the {name} is in use", at.display()).unwrap();
        }
        format!(
            "{script}echo '{MACHINE_MARK}off' >{CONSOLE}\necho o >/proc/sysrq-trigger\nexec sleep infinity\n"
        )
    }
}
