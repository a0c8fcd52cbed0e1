//! Files with sessions and their keys, for both ends of authenticated probes. Absent: keys on command lines or in output.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::json;
use switchboard_probe::stamp::auth::KEY_BYTES;
use switchboard_probe::stamp::{Key, Keys};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;

/// A file with a key for each of all sessions is no longer.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Makes a session with a key, and says how both ends use it.
pub(in crate::commands) fn make(screen: &Screen, file: &Path) -> Result<Exit, Failure> {
    let mut bytes = [0; KEY_BYTES];
    random(&mut bytes)?;
    let session = random_session()?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let shown = file.display();
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut open| {
            open.write_all(
                format!("# SESSION KEY, for both ends; keep it secret\n{session} {hex}\n").as_bytes(),
            )?;
            open.sync_all()
        })
        .map_err(|error| {
            Failure::new(Exit::CannotCreate, format!("cannot make the key file {shown}"))
                .because(error)
                .advise("name a file that does not exist, in a folder that this user may write to")
        })?;
    screen.answer(
        || json!({ "file": shown.to_string(), "session": session }),
        || {
            format!(
                "session {session} has a key in {shown}; bring the file to both ends:\n  \
                 switchboard reflect --keys {shown} --listen ADDR:PORT\n  switchboard ping --key {shown} HOST:PORT"
            )
        },
    )?;
    Ok(Exit::Done)
}

/// All sessions and keys of a file.
pub(in crate::commands) fn read_all(file: &Path) -> Result<Keys, Failure> {
    let mut keys = Keys::default();
    for (session, key) in read(file)? {
        keys.insert(session, key);
    }
    Ok(keys)
}

/// The first session of a file.
pub(super) fn read_first(file: &Path) -> Result<(u16, Key), Failure> {
    // A file without a line was refused.
    read(file)?.into_iter().next().ok_or_else(|| damaged(file, 1))
}

/// A session id that nobody else is likely to use; never zero, which says none.
pub(super) fn random_session() -> Result<u16, Failure> {
    let mut bytes = [0; 2];
    random(&mut bytes)?;
    Ok(u16::from_be_bytes(bytes).max(1))
}

fn read(file: &Path) -> Result<Vec<(u16, Key)>, Failure> {
    let text = contents(file)?;
    let mut sessions = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parsed = line
            .split_once(' ')
            .and_then(|(session, key)| Some((session.parse().ok()?, Key::from_hex(key.trim())?)));
        sessions.push(parsed.ok_or_else(|| damaged(file, at + 1))?);
    }
    if sessions.is_empty() { Err(damaged(file, 1)) } else { Ok(sessions) }
}

fn contents(file: &Path) -> Result<String, Failure> {
    let shown = file.display();
    let unreadable = |error: std::io::Error| {
        Failure::new(Exit::InputOutput, format!("cannot read the key file {shown}"))
            .because(error)
            .advise("make one with switchboard reflect --make-key FILE")
    };
    let mut open = std::fs::File::open(file).map_err(unreadable)?;
    let mode = open.metadata().map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        let what = format!("the key file {shown} can be read or written by other users");
        return Err(Failure::new(Exit::Configuration, what).advise(format!("chmod 600 {shown}")));
    }
    let mut text = String::new();
    std::io::Read::by_ref(&mut open).take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn damaged(file: &Path, line: usize) -> Failure {
    Failure::new(Exit::Input, format!("line {line} of the key file {} is no session and key", file.display()))
        .advise("write SESSION (1 to 65535), a space, and 32 to 128 hexadecimal digits")
}

fn random(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes)
        .map_err(|error| Failure::new(Exit::Internal, "the kernel gives no random numbers").because(error))
}
