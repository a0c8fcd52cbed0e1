//! The TOML file: every key with the line it stands on. Absent: includes, profiles, values that are computed.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mail::ACCOUNT_SETTINGS;
use super::value::{Kind, Origin, Setting, Table, Value, Values};
use super::web::repeated;
use super::{ConfigError, settings};

/// Longest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads the file at `path` over what `values` holds so far.
pub(super) fn read(path: &Path, values: &mut Values) -> Result<(), ConfigError> {
    let text = text_of(path)?;
    let line_at = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let sections = DeTable::parse(&text).map_err(|error| ConfigError::NotToml {
        path: path.to_owned(),
        line: line_at(error.span().map_or(0, |span| span.start)),
        why: error.message().to_owned(),
    })?;
    for (section, keys) in sections.get_ref() {
        let origin = Origin::File { path: path.to_owned(), line: line_at(section.span().start) };
        let name: &str = section.get_ref();
        let Some(keys) = keys.get_ref().as_table() else {
            return Err(ConfigError::unknown_key(name, &origin));
        };
        if !settings().any(|setting| setting.key.split('.').next() == Some(name)) {
            return Err(ConfigError::unknown_key(&first_key(name, keys), &origin));
        }
        for (key, value) in keys {
            let origin = Origin::File { path: path.to_owned(), line: line_at(key.span().start) };
            let key = format!("{name}.{}", key.get_ref());
            if let Some((name, settings)) = repeated(&key) {
                let place = |at: usize| Origin::File { path: path.to_owned(), line: line_at(at) };
                for table in read_tables(name, settings, value, &origin, place)? {
                    values.add_table(table);
                }
                continue;
            }
            if key == "mail.account" {
                let place = |at: usize| Origin::File { path: path.to_owned(), line: line_at(at) };
                read_accounts(values, value, &origin, place)?;
                continue;
            }
            set(values, &key, value, origin)?;
        }
    }
    Ok(())
}

fn text_of(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(text.len()).is_ok_and(|bytes| bytes <= FILE_BYTES_MAX) {
        Ok(text)
    } else {
        Err(ConfigError::TooLong { path: path.to_owned(), bytes_max: FILE_BYTES_MAX })
    }
}

/// A section nobody knows is named by its first key, so that the nearest known key can be told.
fn first_key(section: &str, keys: &DeTable<'_>) -> String {
    match keys.iter().next() {
        Some((key, _)) => format!("{section}.{}", key.get_ref()),
        None => section.to_owned(),
    }
}

/// The tables `[[name]]`.
fn read_tables(
    name: &'static str,
    settings: &'static [Setting],
    found: &Spanned<DeValue<'_>>,
    origin: &Origin,
    place: impl Fn(usize) -> Origin,
) -> Result<Vec<Table>, ConfigError> {
    let wrong = || ConfigError::value(name, origin, format!("tables, each under [[{name}]]"));
    let mut tables = Vec::new();
    for one in found.get_ref().as_array().ok_or_else(wrong)? {
        let keys = one.get_ref().as_table().ok_or_else(wrong)?;
        tables.push(read_table(name, settings, keys, place(one.span().start), &place)?);
    }
    Ok(tables)
}

/// The tables `[mail.account.NAME]`.
fn read_accounts(
    values: &mut Values,
    found: &Spanned<DeValue<'_>>,
    origin: &Origin,
    place: impl Fn(usize) -> Origin,
) -> Result<(), ConfigError> {
    const NAME: &str = "mail.account";
    let wrong = || ConfigError::value(NAME, origin, "tables, each under [mail.account.NAME]".to_owned());
    for (name, account) in found.get_ref().as_table().ok_or_else(wrong)? {
        let keys = account.get_ref().as_table().ok_or_else(wrong)?;
        let table = read_table(NAME, ACCOUNT_SETTINGS, keys, place(name.span().start), &place)?;
        values.add_account(name.get_ref().to_string(), table);
    }
    Ok(())
}

/// One table with these settings.
fn read_table(
    name: &'static str,
    settings: &'static [Setting],
    keys: &DeTable<'_>,
    origin: Origin,
    place: impl Fn(usize) -> Origin,
) -> Result<Table, ConfigError> {
    let mut table = Table { name, origin, entries: Vec::new() };
    for (key, value) in keys {
        let origin = place(key.span().start);
        let key = format!("{name}.{}", key.get_ref());
        let setting = settings
            .iter()
            .find(|setting| setting.key == key)
            .ok_or_else(|| ConfigError::unknown_key(&key, &origin))?;
        let value = typed(setting.kind, value.get_ref())
            .ok_or_else(|| ConfigError::value(setting.key, &origin, setting.kind.to_string()))?;
        table.entries.push((setting.key, value, origin));
    }
    Ok(table)
}

fn set(
    values: &mut Values,
    key: &str,
    found: &Spanned<DeValue<'_>>,
    origin: Origin,
) -> Result<(), ConfigError> {
    let kind = values.kind(key).ok_or_else(|| ConfigError::unknown_key(key, &origin))?;
    let value =
        typed(kind, found.get_ref()).ok_or_else(|| ConfigError::value(key, &origin, kind.to_string()))?;
    values.set(key, value, origin)
}

fn typed(kind: Kind, found: &DeValue<'_>) -> Option<Value> {
    match kind {
        Kind::Flag => found.as_bool().map(Value::Flag),
        Kind::Number => {
            let integer = found.as_integer()?;
            u64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Value::Number)
        }
        Kind::Text => found.as_str().map(|text| Value::Text(text.to_owned())),
        Kind::List => {
            let items = found.as_array()?.iter();
            let texts = items.map(|item| item.get_ref().as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>().map(Value::List)
        }
    }
}
