//! Packages for the tests: installed by `apt-get` with services kept from starting, by pip in a folder of its own, or unpacked only.
//!
//! Absent: nothing is ever removed or upgraded, and no package is installed that was not named.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::needs::{self, Need, PYTHON, PYTHON_TOOLS};

/// The program that Debian's packages ask before they start a service (invoke-rc.d(8)).
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Answer 101 means "forbidden". The comment lets a later run recognise a file that a killed run left behind.
const POLICY_TEXT: &str = "#!/bin/sh\n# Written by cargo xtask test while it installs packages.\nexit 101\n";

/// Other users of the package database are waited for this long.
const LOCK_WAIT: &str = "DPkg::Lock::Timeout=120";

/// Whether this process may install packages.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The line a person runs to install `needs`.
#[must_use]
pub fn command_line(needs: &[&Need]) -> String {
    let (debian, python) = by_source(needs);
    let apt = (!debian.is_empty())
        .then(|| format!("apt-get install -y --no-install-recommends {}", debian.join(" ")));
    let pip = (!python.is_empty()).then(|| {
        format!("{PYTHON} -m venv {PYTHON_TOOLS} && {PYTHON_TOOLS}/bin/pip install {}", python.join(" "))
    });
    apt.into_iter().chain(pip).collect::<Vec<_>>().join(" && ")
}

/// Installs `needs`, reading the package lists anew first.
///
/// # Errors
/// When services cannot be held back, or when apt-get or pip is absent or fails; their own output says why.
pub fn install(needs: &[&Need]) -> Result<()> {
    let (debian, python) = by_source(needs);
    if !debian.is_empty() {
        let _held = ServicesHeld::hold(Path::new(POLICY))?;
        // Its failure need not matter: the lists at hand may do, and apt-get has said what was wrong.
        let _ = apt_get(&["update"]);
        let mut arguments = vec!["install", "-y", "--no-install-recommends"];
        arguments.extend(debian);
        apt_get(&arguments)?;
    }
    if !python.is_empty() {
        run(Command::new(PYTHON).args(["-m", "venv", PYTHON_TOOLS]))?;
        run(Command::new(needs::python_tool("pip")).args(["install", "--quiet"]).args(python))?;
    }
    Ok(())
}

/// The packages of Debian, and what pip is to install.
fn by_source(needs: &[&Need]) -> (Vec<&'static str>, Vec<String>) {
    let debian = needs.iter().filter(|need| need.requirement().is_none()).map(|need| need.package);
    (debian.collect(), needs.iter().filter_map(|need| need.requirement()).collect())
}

/// Unpacks `packages`, and what they need and this machine lacks, into `folder`, whole or not at all. Nothing is installed; no user is
/// made and no script of a package runs.
///
/// # Errors
/// When a package cannot be fetched or unpacked.
pub fn unpack(packages: &[&str], folder: &Path) -> Result<()> {
    let around = folder.parent().context("a folder for packages is in another one")?;
    let work = tempfile::tempdir_in(around).with_context(|| format!("cannot write {}", around.display()))?;
    let (fetched, whole) = (work.path().join("fetched"), work.path().join("whole"));
    for folder in [&fetched, &whole] {
        fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let _ = apt_get(&["update"]);
    let mut names = BTreeSet::new();
    for package in packages {
        // Each for itself, since some exclude each other.
        names.extend(wanted_by(package)?);
    }
    let mut download = apt_get_command(&["-o", "APT::Sandbox::User=root", "download"]);
    run(download.args(&names).current_dir(&fetched))?;
    for entry in fs::read_dir(&fetched).context("cannot read what was fetched")? {
        let archive = entry.context("cannot read what was fetched")?.path();
        run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&whole))?;
    }
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    fs::rename(&whole, folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Unpacks the servers of [`needs::NEEDS`] into [`needs::unpacked`], all of them, since a folder is unpacked whole.
///
/// # Errors
/// When a package cannot be fetched or unpacked.
pub fn unpack_servers() -> Result<()> {
    let packages: Vec<_> = needs::servers().map(|need| need.package).collect();
    unpack(&packages, &needs::unpacked())
}

/// The package, and those that would be installed with it.
fn wanted_by(package: &str) -> Result<BTreeSet<String>> {
    let mut simulation = apt_get_command(&["--simulate", "install", "--no-install-recommends", package]);
    let output = simulation.output().context("cannot start apt-get")?;
    ensure!(output.status.success(), "apt-get does not know how to install {package}");
    let text = String::from_utf8(output.stdout).context("apt-get prints text")?;
    let others = text.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
    Ok(others.chain([package]).map(str::to_owned).collect())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    run(&mut apt_get_command(arguments))
}

fn apt_get_command(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-q", "-o", LOCK_WAIT]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| {
        let program = command.get_program().display();
        format!(
            "cannot start {program}; the packages are Debian's, on another system install their like by hand"
        )
    })?;
    ensure!(status.success(), "{} failed: {status}", format!("{command:?}").replace('"', ""));
    Ok(())
}

/// While it lives, packages do not start services. A policy that was there before is left as it is.
struct ServicesHeld {
    own: Option<PathBuf>,
}

impl ServicesHeld {
    fn hold(policy: &Path) -> Result<Self> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o755).open(policy);
        let own = match made {
            Ok(mut file) => {
                let held = Self { own: Some(policy.to_path_buf()) };
                file.write_all(POLICY_TEXT.as_bytes())
                    .with_context(|| format!("cannot write {}", policy.display()))?;
                return Ok(held);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                left_behind(policy).then(|| policy.to_path_buf())
            }
            Err(error) => return Err(error).with_context(|| format!("cannot make {}", policy.display())),
        };
        Ok(Self { own })
    }
}

fn left_behind(policy: &Path) -> bool {
    fs::read(policy).is_ok_and(|text| text == POLICY_TEXT.as_bytes())
}

impl Drop for ServicesHeld {
    fn drop(&mut self) {
        if let Some(policy) = &self.own {
            // Nothing more can be done here, and the next run recognises the file as its own.
            let _ = fs::remove_file(policy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_line_installs_what_both_sources_have() {
        let needs: Vec<&Need> =
            needs::NEEDS.iter().filter(|need| ["curl", "sslyze"].contains(&need.package)).collect();
        let line = command_line(&needs);
        assert!(
            line.starts_with("apt-get install -y --no-install-recommends curl && /usr/bin/python3 -m venv ")
        );
        assert!(line.contains("/bin/pip install sslyze==") && !line.contains("curl sslyze"), "{line}");
        assert!(!command_line(&needs[..1]).contains("pip"));
    }

    #[test]
    fn services_are_held_only_while_installing() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy-rc.d");
        let held = ServicesHeld::hold(&policy).unwrap();
        assert_eq!(fs::metadata(&policy).unwrap().permissions().mode() & 0o111, 0o111);
        assert_eq!(Command::new(&policy).status().unwrap().code(), Some(101));
        drop(held);
        assert!(!policy.exists());
    }

    #[test]
    fn the_policy_of_the_machine_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy-rc.d");
        fs::write(&policy, "#!/bin/sh\nexit 0\n").unwrap();
        drop(ServicesHeld::hold(&policy).unwrap());
        assert_eq!(fs::read_to_string(&policy).unwrap(), "#!/bin/sh\nexit 0\n");
    }

    #[test]
    fn the_policy_of_a_killed_run_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy-rc.d");
        std::mem::forget(ServicesHeld::hold(&policy).unwrap());
        drop(ServicesHeld::hold(&policy).unwrap());
        assert!(!policy.exists());
    }
}
