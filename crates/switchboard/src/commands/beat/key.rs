//! Files of heartbeat keys: a line is NAME NUMBER KEY, the last two in hexadecimal digits. A host has a file with its own
//! line, the monitor one with the lines of all. Absent: keys on command lines or in output.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::json;
use switchboard_probe::beat::Key;
use switchboard_probe::beat::key::KEY_BYTES;
use switchboard_probe::beat::limits::{HOSTS_MAX, NAME_BYTES_MAX};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;

/// Longest line: a name, a number, a key, and what is between them.
const LINE_BYTES_MAX: usize = NAME_BYTES_MAX + 16 + 2 * KEY_BYTES + 8;
/// A file with a line for each of as many hosts as there may be is no longer, comments included.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A host and its key.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Owner {
    pub(in crate::commands) name: String,
    pub(in crate::commands) id: u64,
    pub(in crate::commands) key: Key,
}

/// Makes a key for a host, and says how both ends use it.
pub(super) fn make(screen: &Screen, name: &str, file: &Path, keys: Option<&Path>) -> Result<Exit, Failure> {
    if !is_name(name) {
        let what =
            format!("a host's name has 1 to {NAME_BYTES_MAX} letters, digits, dots, hyphens, underscores");
        return Err(
            Failure::new(Exit::Usage, what).advise("name it after the host, such as web1.example.org")
        );
    }
    if let Some(keys) = keys.filter(|keys| keys.exists())
        && read_all(keys)?.iter().any(|owner| owner.name == name)
    {
        let what = format!("{} has a host {name} already", keys.display());
        return Err(Failure::new(Exit::CannotCreate, what).advise("choose another name, or remove its line"));
    }
    let (mut bytes, mut id) = ([0; KEY_BYTES], [0; 8]);
    [&mut bytes[..], &mut id]
        .into_iter()
        .try_for_each(getrandom::fill)
        .map_err(|error| Failure::new(Exit::Internal, "the kernel gives no random numbers").because(error))?;
    let (id, secret) = (hex(&id), hex(&bytes));
    let line = format!("{name} {id} {secret}\n");
    let heading = "# NAME NUMBER KEY of a host, for it and its monitor; keep it secret\n";
    let mut fresh = OpenOptions::new();
    put(file, fresh.write(true).create_new(true), &format!("{heading}{line}"))?;
    if let Some(keys) = keys {
        put(keys, OpenOptions::new().append(true).create(true), &line)?;
    }
    told(screen, name, &id, file, keys)
}

/// The only host of a host's own file.
pub(super) fn read_one(file: &Path) -> Result<Owner, Failure> {
    let [owner] = <[Owner; 1]>::try_from(read_all(file)?).map_err(|owners| {
        let what = format!("{} has {} hosts; a host's own file has one", file.display(), owners.len());
        Failure::new(Exit::Input, what).advise("keep the line of this host alone in it")
    })?;
    Ok(owner)
}

/// All hosts of a file.
pub(in crate::commands) fn read_all(file: &Path) -> Result<Vec<Owner>, Failure> {
    let text = contents(file)?;
    let mut owners = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        owners.push(parse(line).ok_or_else(|| damaged(file, at + 1))?);
    }
    if owners.is_empty() || owners.len() > HOSTS_MAX { Err(damaged(file, 1)) } else { Ok(owners) }
}

fn parse(line: &str) -> Option<Owner> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let mut words = line.split_ascii_whitespace();
    let (name, id, key) = (words.next()?, words.next()?, words.next()?);
    let digits = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if words.next().is_some() || !is_name(name) || !digits {
        return None;
    }
    Some(Owner { name: name.to_owned(), id: u64::from_str_radix(id, 16).ok()?, key: Key::from_hex(key)? })
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn put(file: &Path, how: &mut OpenOptions, text: &str) -> Result<(), Failure> {
    how.mode(0o600)
        .open(file)
        .and_then(|mut open| {
            open.write_all(text.as_bytes())?;
            open.sync_all()
        })
        .map_err(|error| {
            Failure::new(Exit::CannotCreate, format!("cannot write the key file {}", file.display()))
                .because(error)
                .advise("name a file that does not exist, in a folder that this user may write to")
        })
}

fn told(screen: &Screen, name: &str, id: &str, file: &Path, keys: Option<&Path>) -> Result<Exit, Failure> {
    let shown = file.display();
    let all = keys.map_or_else(|| "hosts.keys".to_owned(), |keys| keys.display().to_string());
    screen.answer(
        || json!({ "host": name, "id": id, "key_file": shown.to_string(), "keys": keys.map(|_| all.clone()) }),
        || {
            let there = match keys {
                Some(_) => format!("the monitor has its line in {all}:"),
                None => format!("add its line to the file of the monitor (cat {shown} >> {all}), and there:"),
            };
            format!(
                "host {name} has a key in {shown}; bring the file to that host, and there:\n  \
                 switchboard beat HOST:PORT --key-file {shown}\n{there}\n  \
                 switchboard watch --listen ADDR:PORT --keys {all}"
            )
        },
    )?;
    Ok(Exit::Done)
}

fn contents(file: &Path) -> Result<String, Failure> {
    let shown = file.display();
    let unreadable = |error: std::io::Error| {
        Failure::new(Exit::InputOutput, format!("cannot read the key file {shown}"))
            .because(error)
            .advise("make one with switchboard beat --make-key NAME --key-file FILE")
    };
    let open = File::open(file).map_err(unreadable)?;
    let mode = open.metadata().map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        let what = format!("the key file {shown} can be read or written by other users");
        return Err(Failure::new(Exit::Configuration, what).advise(format!("chmod 600 {shown}")));
    }
    let mut text = String::new();
    open.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn damaged(file: &Path, line: usize) -> Failure {
    Failure::new(Exit::Input, format!("line {line} of the key file {} is no host and key", file.display()))
        .advise("write NAME, 16 hexadecimal digits for its number and 64 for its key, with spaces between")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_hosts_or_refused() {
        let (id, key) = ("00000000000000ff", "0a".repeat(32));
        let owner = parse(&format!("web1.example.org {id} {key}")).unwrap();
        assert_eq!((owner.name.as_str(), owner.id), ("web1.example.org", 255));
        let long = "n".repeat(33);
        for (name, id, key) in [
            ("", id, &key[..]),
            ("a b", id, &key),
            (&long, id, &key),
            ("a\x1b", id, &key),
            ("a", "ff", &key),
            ("a", "+0000000000000ff", &key),
            ("a", id, &key[2..]),
            ("a", id, ""),
        ] {
            assert!(parse(&format!("{name} {id} {key}")).is_none(), "{name} {id} {key}");
        }
    }
}
