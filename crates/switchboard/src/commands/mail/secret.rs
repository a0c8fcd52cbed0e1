//! Where the password or the token of a mail account comes from: a command, a file, or the person at the terminal. Never from the command
//! line, which every user of the machine can read.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use switchboard_mail::auth::Secret;

use crate::exit::Exit;
use crate::failure::Failure;

/// What is read of a command's output or of a file.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// The first line that `command` prints. It runs in a shell, and may ask the person itself.
pub(super) fn printed_by(command: &str) -> Result<Secret, Failure> {
    let failed = |why: String| {
        Failure::new(Exit::InputOutput, "the command that is to print the password or token did not")
            .because(why)
            .advise("run it by hand; it has to print the secret in one line and end with 0")
    };
    let child = Command::new("sh").arg("-c").arg(command).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| failed(error.to_string()))?;
    let output = child.stdout.take().map(first_line);
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    match output {
        Some(Ok(secret)) if status.success() => Ok(secret),
        Some(Err(why)) if status.success() => Err(failed(why.to_owned())),
        Some(_) | None => Err(failed(format!("it ended with {status}"))),
    }
}

/// The first line of a file that only its owner may read.
pub(super) fn in_file(path: &Path) -> Result<Secret, Failure> {
    first_line(open_private(path, "password file")?).map_err(|why| {
        Failure::new(Exit::Input, format!("the password file {} cannot be used", path.display()))
            .because(why)
            .advise("put the password into its first line")
    })
}

/// A file that only its owner may read; `what` names it.
pub(super) fn open_private(path: &Path, what: &str) -> Result<File, Failure> {
    use std::os::unix::fs::MetadataExt as _;
    let unusable = |exit, why: String, advice: &str| {
        Failure::new(exit, format!("the {what} {} cannot be used", path.display()))
            .because(why)
            .advise(advice.to_owned())
    };
    let read = |error: std::io::Error| unusable(Exit::InputOutput, error.to_string(), "check the path");
    let file = File::open(path).map_err(read)?;
    let facts = file.metadata().map_err(read)?;
    if facts.is_file() && facts.mode() & 0o077 != 0 {
        let why = "other users of this machine may read it".to_owned();
        return Err(unusable(
            Exit::NotPermitted,
            why,
            "chmod 600 it, and change what is in it if somebody did",
        ));
    }
    Ok(file)
}

/// What the person types, unseen.
pub(super) fn asked_for(user: &str, server: &str) -> Result<Secret, Failure> {
    let nobody = |error: std::io::Error| {
        Failure::new(Exit::Usage, format!("there is no terminal on which to ask for the password of {user}"))
            .because(error)
            .advise("give --password-command or --password-file")
    };
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(nobody)?;
    terminal.write_all(format!("Password of {user} at {server}: ").as_bytes()).map_err(nobody)?;
    let seen = tcgetattr(&terminal).map_err(|error| nobody(error.into()))?;
    let mut unseen = seen.clone();
    unseen.local_modes.remove(LocalModes::ECHO);
    set(&terminal, &unseen).map_err(nobody)?;
    let line = first_line(&terminal);
    set(&terminal, &seen).map_err(nobody)?;
    terminal.write_all(b"\n").map_err(nobody)?;
    line.map_err(|why| Failure::new(Exit::Usage, format!("no password was typed: {why}")))
}

fn set(terminal: &File, modes: &Termios) -> std::io::Result<()> {
    Ok(tcsetattr(terminal, OptionalActions::Flush, modes)?)
}

fn first_line(source: impl std::io::Read) -> Result<Secret, &'static str> {
    let mut line = String::new();
    let mut source = BufReader::new(source.take(SECRET_BYTES_MAX));
    source.read_line(&mut line).map_err(|_| "it is not UTF-8 text, or cannot be read")?;
    while line.ends_with(['\n', '\r']) {
        line.pop();
    }
    if line.is_empty() { Err("there is nothing in it") } else { Ok(Secret::new(line)) }
}
