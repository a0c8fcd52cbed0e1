//! Section `[mail]`: accounts at mail servers, each in a table `[mail.account.NAME]`, and which of them is used when nobody names one.
//! Absent: passwords and tokens; a setting says where one is, so that the whole configuration may be shown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use switchboard_mail::address::Mailbox;
use switchboard_mail::auth::Mechanism;
use switchboard_mail::smtp::{ClientCertificate, Security};
use switchboard_tls::{Fingerprint, Trust};

use super::ConfigError;
use super::value::{Kind, Origin, Setting, Table, Value, Values};

/// The settings of this section.
pub(super) const SETTINGS: &[Setting] = &[Setting {
    key: "mail.default_account",
    kind: Kind::Text,
    default: "",
    meaning: "the account that `mail send` uses when nobody names one; accounts stand in tables [mail.account.NAME]",
}];

/// The settings of a table `[mail.account.NAME]`.
pub(super) const ACCOUNT_SETTINGS: &[Setting] = &[
    text("mail.account.server", "the mail server, as HOST or HOST:PORT"),
    text("mail.account.tls", "how the connection is protected: starttls, implicit or off"),
    text("mail.account.from", "who messages are from, where --from does not say"),
    text("mail.account.user", "the name to log in with"),
    text("mail.account.password_command", "a shell command that prints the password"),
    text("mail.account.password_file", "a file with the password, which only its owner may read"),
    text("mail.account.token_command", "a shell command that prints an OAuth 2.0 access token"),
    text("mail.account.auth", "the one mechanism to log in with, such as SCRAM-SHA-256"),
    Setting {
        key: "mail.account.allow_clear_password",
        kind: Kind::Flag,
        default: "false",
        meaning: "send the password even where anybody on the way can read it",
    },
    text("mail.account.cacert", "a PEM file of the authorities to believe instead of the system's"),
    text("mail.account.pin", "the fingerprint of the one key to believe"),
    text("mail.account.certificate", "a PEM file with the certificate to show to a server that asks for one"),
    text("mail.account.key", "a PEM file with its key, which nobody else may read"),
];

const fn text(key: &'static str, meaning: &'static str) -> Setting {
    Setting { key, kind: Kind::Text, default: "", meaning }
}

/// The accounts.
#[derive(Clone, Debug)]
pub struct Mail {
    /// By name.
    pub accounts: BTreeMap<String, Account>,
    /// The name of the one to use when nobody names one; it is among them.
    pub default_account: Option<String>,
}

/// How one's own mail server is reached.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// HOST or HOST:PORT.
    pub server: String,
    /// How the connection is protected.
    pub tls: Option<Protection>,
    /// Who messages are from.
    pub from: Option<Mailbox>,
    /// Who logs in.
    pub user: Option<String>,
    /// Where the password or the token is; without it somebody is asked.
    pub secret: Option<SecretSource>,
    /// The one mechanism to log in with.
    pub auth: Option<Mechanism>,
    /// Whether secrets may be sent in the clear.
    pub allow_clear_password: bool,
    /// Whom to believe.
    pub trust: Option<Trust>,
    /// What to show to a server that asks.
    pub certificate: Option<ClientCertificate>,
}

/// Where a password or a token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A shell command prints the password.
    PasswordCommand(String),
    /// The password is the first line of a file.
    PasswordFile(PathBuf),
    /// A shell command prints an OAuth 2.0 access token.
    TokenCommand(String),
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Protection {
    /// Not at all
    Off,
    /// TLS after STARTTLS; a server without it gets nothing
    #[default]
    Starttls,
    /// TLS from the first byte
    Implicit,
}

impl Protection {
    /// The port that is registered for it (RFC 5321, RFC 6409, RFC 8314).
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Off => 25,
            Self::Starttls => 587,
            Self::Implicit => 465,
        }
    }
}

impl From<Protection> for Security {
    fn from(protection: Protection) -> Self {
        match protection {
            Protection::Off => Self::Off,
            Protection::Starttls => Self::StartTls,
            Protection::Implicit => Self::Implicit,
        }
    }
}

/// Host and port of a mail server written as `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`; the host without brackets.
#[must_use]
pub fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && (!host.contains(':') || host.ends_with(']')) => {
            (host, Some(port.parse().ok()?))
        }
        Some(_) | None => (text, None),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = !host.is_empty() && !host.contains(['/', '@']) && !host.contains(char::is_whitespace);
    is_host.then_some((host, port))
}

impl Mail {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let accounts = values.accounts().iter();
        let accounts = accounts.map(|(name, table)| Ok((name.clone(), account(values, name, table)?)));
        let accounts: BTreeMap<_, _> = accounts.collect::<Result<_, ConfigError>>()?;
        let default_account = values.text("mail.default_account");
        if !default_account.is_empty() && !accounts.contains_key(default_account) {
            let wanted = match accounts.is_empty() {
                true => "the name of an account, and there is no table [mail.account.NAME]".to_owned(),
                false => format!("one of: {}", accounts.keys().cloned().collect::<Vec<_>>().join(", ")),
            };
            return Err(values.wrong("mail.default_account", wanted));
        }
        let default_account = (!default_account.is_empty()).then(|| default_account.to_owned());
        Ok(Self { accounts, default_account })
    }
}

/// A table as it is read: each setting with its place.
struct Reading<'a> {
    values: &'a Values,
    name: &'a str,
    table: &'a Table,
}

impl Reading<'_> {
    fn entry(&self, setting: &str) -> Option<(&Value, &Origin)> {
        let entries = self.table.entries.iter();
        let mut found = entries.filter(|(key, _, _)| key.rsplit('.').next() == Some(setting));
        found.next().map(|(_, value, origin)| (value, origin))
    }

    /// The text of a setting that is there; an empty one is none.
    fn text(&self, setting: &str) -> Option<&str> {
        let (value, _) = self.entry(setting)?;
        if let Value::Text(text) = value { Some(text.as_str()).filter(|text| !text.is_empty()) } else { None }
    }

    fn path(&self, setting: &str) -> Option<PathBuf> {
        self.text(setting).map(|path| self.values.absolute(path))
    }

    fn parsed<T>(
        &self,
        setting: &str,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(setting) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| self.wrong(setting, wanted))
    }

    fn wrong(&self, setting: &str, wanted: &str) -> ConfigError {
        let place = self.entry(setting).map_or(&self.table.origin, |(_, origin)| origin);
        ConfigError::value(&format!("mail.account.{}.{setting}", self.name), place, wanted.to_owned())
    }

    /// Errors when two of these are set.
    fn at_most_one(&self, settings: &[&str]) -> Result<(), ConfigError> {
        let set: Vec<_> = settings.iter().filter(|setting| self.text(setting).is_some()).collect();
        match set.as_slice() {
            [first, second, ..] => {
                Err(self
                    .wrong(second, &format!("left out, since {first} is set and says the same otherwise")))
            }
            [_] | [] => Ok(()),
        }
    }
}

fn account(values: &Values, name: &str, table: &Table) -> Result<Account, ConfigError> {
    let read = Reading { values, name, table };
    read.at_most_one(&["password_command", "password_file", "token_command"])?;
    read.at_most_one(&["cacert", "pin"])?;
    let is_server = |text: &str| host_and_port(text).map(|_| text.to_owned());
    let server =
        read.parsed("server", "a host, as in mail.example.org or mail.example.org:587", is_server)?;
    let server =
        server.ok_or_else(|| read.wrong("server", "set: the mail server, as in mail.example.org"))?;
    let tls =
        read.parsed("tls", "starttls, implicit or off", |text| Protection::from_str(text, false).ok())?;
    let from = "an address, as in \"Ada <ada@example.org>\"";
    let command = |setting| read.text(setting).map(str::to_owned);
    let secret = command("password_command")
        .map(SecretSource::PasswordCommand)
        .or_else(|| read.path("password_file").map(SecretSource::PasswordFile))
        .or_else(|| command("token_command").map(SecretSource::TokenCommand));
    let user = read.text("user").map(str::to_owned);
    if user.is_none() && secret.is_some() {
        return Err(read.wrong("user", "set: it says whose password that is"));
    }
    let pin = "a fingerprint: sha256: and 64 hexadecimal digits";
    let pin = read.parsed("pin", pin, |text| text.parse::<Fingerprint>().ok())?.map(Trust::Pin);
    let certificate = match (read.path("certificate"), read.path("key")) {
        (Some(chain), Some(key)) => Some(ClientCertificate { chain, key }),
        (Some(_), None) => return Err(read.wrong("key", "set: the key of the certificate")),
        (None, Some(_)) => return Err(read.wrong("certificate", "set: the certificate of the key")),
        (None, None) => None,
    };
    Ok(Account {
        server,
        tls,
        from: read.parsed("from", from, |text| text.parse().ok())?,
        user,
        secret,
        auth: read.parsed("auth", &known_mechanisms(), Mechanism::named)?,
        allow_clear_password: matches!(read.entry("allow_clear_password"), Some((Value::Flag(true), _))),
        trust: pin.or_else(|| read.path("cacert").map(Trust::CaFile)),
        certificate,
    })
}

/// What can be written for a mechanism.
#[must_use]
pub fn known_mechanisms() -> String {
    let names: Vec<_> = Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect();
    format!("one of: {}", names.join(", "))
}
