//! Disks as image files with ext4 on them, made and read without mounting them here. Absent: who writes to them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::machine::PATH;

/// A file with holes: what is not written takes no room.
const DISK_BYTES: u64 = 256 << 20;
const JOURNAL_MEBIBYTES: &str = "size=8";

/// Makes a disk that holds what is in `content`.
pub(crate) fn make(image: PathBuf, content: &Path) -> PathBuf {
    std::fs::File::create(&image).unwrap().set_len(DISK_BYTES).unwrap();
    let mut command = tool("mkfs.ext4");
    run(command.args(["-q", "-F", "-J", JOURNAL_MEBIBYTES, "-d"]).arg(content).arg(&image));
    image
}

/// Copies a folder out of the root of a disk, into `parent`.
pub(crate) fn copy_out(image: &Path, name: &str, parent: &Path) {
    run(tool("debugfs").arg("-R").arg(format!("rdump /{name} {}", parent.display())).arg(image));
    assert!(parent.join(name).is_dir(), "{} has no {name}", image.display());
}

fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", PATH).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) {
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
}
