//! Values of settings and where each came from. A value is of the type its setting declares, whichever source gave it.
//! Absent: what a value means; the sections know that.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::ConfigError;

/// One setting: its key, type, default and meaning.
#[derive(Debug)]
pub struct Setting {
    /// `section.key`.
    pub key: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The default in the notation of the environment; empty for "none".
    pub default: &'static str,
    /// One line for a person.
    pub meaning: &'static str,
}

/// What a setting takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// true or false.
    Flag,
    /// A whole number, not negative.
    Number,
    /// Text.
    Text,
    /// Texts; separated by commas in environment and flags.
    List,
}

/// A value of one of the kinds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// true or false.
    Flag(bool),
    /// A whole number.
    Number(u64),
    /// Text.
    Text(String),
    /// Texts.
    List(Vec<String>),
}

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File {
        /// Which.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Which.
        name: String,
    },
    /// A flag of the command line.
    Flag {
        /// As it is written.
        flag: String,
    },
}

/// The effective value of every setting.
#[derive(Clone, Debug)]
pub struct Values {
    base: PathBuf,
    tables: Vec<Table>,
    accounts: Vec<(String, Table)>,
    entries: BTreeMap<&'static str, Entry>,
}

/// A table of the file of which there may be several, such as `[[web.site]]` or `[mail.account.NAME]`.
#[derive(Clone, Debug)]
pub struct Table {
    /// What stands in the brackets.
    pub name: &'static str,
    /// Where it begins.
    pub origin: Origin,
    /// What is set in it, by the full key of the setting.
    pub entries: Vec<(&'static str, Value, Origin)>,
}

#[derive(Clone, Debug)]
struct Entry {
    kind: Kind,
    value: Value,
    origin: Origin,
}

impl Values {
    /// Every setting at its default; relative paths start at `base`.
    pub(super) fn defaults(settings: impl Iterator<Item = &'static Setting>, base: &Path) -> Self {
        let entries = settings.map(|setting| {
            let value = parse(setting.kind, setting.default).expect("the tables hold well-formed defaults");
            (setting.key, Entry { kind: setting.kind, value, origin: Origin::Default })
        });
        Self { base: base.to_owned(), tables: Vec::new(), accounts: Vec::new(), entries: entries.collect() }
    }

    /// Each key with its value and origin, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value, &Origin)> {
        self.entries.iter().map(|(key, entry)| (*key, &entry.value, &entry.origin))
    }

    /// The tables of this name, in the order of the file.
    pub fn tables(&self, name: &'static str) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(move |table| table.name == name)
    }

    pub(super) fn add_table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// The tables `[mail.account.NAME]` by their names.
    #[must_use]
    pub fn accounts(&self) -> &[(String, Table)] {
        &self.accounts
    }

    pub(super) fn add_account(&mut self, name: String, account: Table) {
        self.accounts.push((name, account));
    }

    /// A path, taken from the data folder when it is relative.
    pub(super) fn absolute(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    pub(super) fn kind(&self, key: &str) -> Option<Kind> {
        self.entries.get(key).map(|entry| entry.kind)
    }

    pub(super) fn set_text(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let kind = self.kind(key).ok_or_else(|| ConfigError::unknown_key(key, &origin))?;
        let value = parse(kind, text).map_err(|wanted| ConfigError::value(key, &origin, wanted))?;
        self.set(key, value, origin)
    }

    pub(super) fn set(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let Some(entry) = self.entries.get_mut(key) else {
            return Err(ConfigError::unknown_key(key, &origin));
        };
        entry.value = value;
        entry.origin = origin;
        Ok(())
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.value(key), Value::Flag(true))
    }

    pub(super) fn text(&self, key: &str) -> &str {
        if let Value::Text(text) = self.value(key) { text } else { "" }
    }

    pub(super) fn list(&self, key: &str) -> &[String] {
        if let Value::List(items) = self.value(key) { items } else { &[] }
    }

    /// The number, when it lies within `range`.
    pub(super) fn number<T: TryFrom<u64>>(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<T, ConfigError> {
        let number = if let Value::Number(number) = self.value(key) { *number } else { 0 };
        let wanted = || format!("a number from {} to {}", range.start(), range.end());
        let fitting = range.contains(&number).then_some(number).and_then(|number| T::try_from(number).ok());
        fitting.ok_or_else(|| self.wrong(key, wanted()))
    }

    /// A path, taken from the data folder when it is relative; none for an empty text.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        let text = self.text(key);
        (!text.is_empty()).then(|| self.base.join(text))
    }

    /// Each item of a list, parsed.
    pub(super) fn parsed_list<T: FromStr>(&self, key: &str, wanted: &str) -> Result<Vec<T>, ConfigError> {
        let parse_item = |item: &String| item.parse().map_err(|_| self.wrong(key, wanted.to_owned()));
        self.list(key).iter().map(parse_item).collect()
    }

    /// Whether somebody has set `key`.
    pub(super) fn is_set(&self, key: &str) -> bool {
        *self.origin(key) != Origin::Default
    }

    /// Where the value of `key` came from.
    pub(super) fn origin(&self, key: &str) -> &Origin {
        &self.entry(key).origin
    }

    /// The error that the value of `key` is not `wanted`.
    pub(super) fn wrong(&self, key: &str, wanted: String) -> ConfigError {
        ConfigError::value(key, &self.entry(key).origin, wanted)
    }

    fn value(&self, key: &str) -> &Value {
        &self.entry(key).value
    }

    fn entry(&self, key: &str) -> &Entry {
        self.entries.get(key).expect("sections ask only for keys of their own tables")
    }
}

fn parse(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Flag => text.parse().map(Value::Flag).map_err(|_| kind.to_string()),
        Kind::Number => text.parse().map(Value::Number).map_err(|_| kind.to_string()),
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::List(items.map(str::to_owned).collect()))
        }
    }
}

/// What a person should write.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "true or false",
            Self::Number => "a whole number that is not negative",
            Self::Text => "a text in quotes",
            Self::List => "a list of texts in quotes, as in [\"first\", \"second\"]",
        })
    }
}

/// As it would stand in the file.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => quoted(f, text),
            Self::List(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    quoted(f, item)?;
                }
                f.write_str("]")
            }
        }
    }
}

/// A basic string of TOML, on one line; what a terminal would not show is escaped.
fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(f, "\\{character}")?,
            '\'' => f.write_str("'")?,
            _ if character.escape_debug().len() > 1 => write!(f, "\\U{:08X}", u32::from(character))?,
            _ => write!(f, "{character}")?,
        }
    }
    f.write_str("\"")
}

impl Value {
    /// The view for programs.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Flag(flag) => (*flag).into(),
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => items.clone().into(),
        }
    }
}

/// As a message names it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Environment { name } => write!(f, "environment variable {name}"),
            Self::Flag { flag } => write!(f, "flag {flag}"),
        }
    }
}

impl Origin {
    /// The view for programs.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Default => serde_json::json!({ "kind": "default" }),
            Self::File { path, line } => {
                serde_json::json!({ "kind": "file", "path": path.display().to_string(), "line": line })
            }
            Self::Environment { name } => serde_json::json!({ "kind": "environment", "name": name }),
            Self::Flag { flag } => serde_json::json!({ "kind": "flag", "flag": flag }),
        }
    }
}
