//! The configuration: a file, environment variables and flags.
//!
//! Held: what loads is shown as a file that loads to the same values; every number is within its range; what is refused is
//! refused with a place and in bounded words.

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::LazyLock;

use switchboard::config::{Config, ConfigError, FlagSetting, Sources, Value};
use switchboard_call::limits::SLOTS_MAX_CEILING;
use tempfile::TempDir;

/// What a message may add to the key and value that it quotes, in bytes.
const MESSAGE_BYTES_MAX: usize = 1000;

/// The file under test; one for each process and thread.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a temporary folder can be made"));

/// Parts between zero bytes: the file, then environment variables and flags as `NAME=VALUE`.
pub(crate) fn run(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0);
    let file = parts.next().unwrap_or_default();
    let mut sources = Sources { data: "/data".into(), ..Sources::default() };
    for part in parts {
        let Some(at) = part.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = (&part[..at], &part[at + 1..]);
        if name.starts_with(b"SWITCHBOARD_") {
            sources.environment.push((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())));
        } else if let (Ok(key), Ok(text)) = (std::str::from_utf8(name), std::str::from_utf8(value)) {
            sources.flags.push(FlagSetting { key: key.into(), text: text.into(), flag: "--set".into() });
        }
    }
    match load(file, &mut sources) {
        Ok(config) => check(&config),
        Err(error) => {
            let text = crate::secrecy::whole_text(&error);
            assert!(!text.is_empty() && text.len() <= 2 * bytes.len() + MESSAGE_BYTES_MAX, "{text}");
        }
    }
}

fn load(text: &[u8], sources: &mut Sources) -> Result<Config, ConfigError> {
    let thread: String =
        format!("{:?}", std::thread::current().id()).chars().filter(char::is_ascii_digit).collect();
    let path: PathBuf = FOLDER.path().join(format!("switchboard-{thread}.toml"));
    std::fs::write(&path, text).expect("the temporary file can be written");
    sources.file = Some(path);
    Config::load(sources)
}

fn check(config: &Config) {
    assert!((1..=SLOTS_MAX_CEILING).contains(&config.limits.slots));
    assert!(config.limits.server.in_flight_max >= 1 && config.client.wait_ms >= 1);
    let mut sources = Sources { data: "/data".into(), ..Sources::default() };
    let again = load(shown(config).as_bytes(), &mut sources);
    let again = again.unwrap_or_else(|error| panic!("{error}\n{}", shown(config)));
    let values = |config: &Config| -> Vec<(&'static str, Value)> {
        config.values.iter().map(|(key, value, _)| (key, value.clone())).collect()
    };
    assert_eq!(values(&again), values(config));
}

/// Every value as it would stand in a file.
fn shown(config: &Config) -> String {
    let (mut text, mut section) = (String::new(), "");
    for (key, value, _) in config.values.iter() {
        let (of, name) = key.split_once('.').expect("a key has a section");
        if of != section {
            section = of;
            writeln!(text, "[{of}]").expect("writing into a String cannot fail");
        }
        writeln!(text, "{name} = {value}").expect("writing into a String cannot fail");
    }
    text
}
