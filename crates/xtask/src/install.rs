//! Installing Debian packages for the tests: `apt-get` with services kept from starting.
//!
//! Absent: nothing is ever removed or upgraded, and no package is installed that was not named.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

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

/// The line a person runs to install `packages`.
#[must_use]
pub fn command_line(packages: &[&str]) -> String {
    format!("apt-get install -y --no-install-recommends {}", packages.join(" "))
}

/// Installs `packages`, reading the package lists anew first.
///
/// # Errors
/// When services cannot be held back, or when apt-get is absent or fails; its own output says why.
pub fn install(packages: &[&str]) -> Result<()> {
    let _held = ServicesHeld::hold(Path::new(POLICY))?;
    // Its failure need not matter: the lists at hand may do, and apt-get has said what was wrong.
    let _ = apt_get(&["update"]);
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments)
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(["-q", "-o", LOCK_WAIT])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context(
            "cannot start apt-get; the packages are Debian's, on another system install their like by hand",
        )?;
    ensure!(status.success(), "apt-get {} failed: {status}", arguments.join(" "));
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
