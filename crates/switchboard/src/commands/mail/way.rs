//! The way to a mail server: what the flags say, and what the account says where they are silent. A flag wins. Absent: what is sent.

use std::path::PathBuf;

use clap::Args;
use switchboard_mail::address::Mailbox;
use switchboard_mail::auth::{InClear, Login, Mechanism};
use switchboard_mail::deliver::Server;
use switchboard_mail::smtp::{ClientCertificate, Options};
use switchboard_tls::{Fingerprint, Trust};

use super::secret;
use crate::config::Mail;
use crate::config::mail::{Account, Protection, SecretSource, host_and_port, known_mechanisms};
use crate::exit::Exit;
use crate::failure::Failure;

/// The flags about server and login.
#[derive(Clone, Debug, Args)]
pub(super) struct Flags {
    /// The account of the configuration, [mail.account.NAME] [default: mail.default_account, unless --server is given]
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    account: Option<String>,
    /// The mail server [default port: 587 with --tls starttls, 465 with implicit, 25 with off]
    #[arg(id = "server", long = "server", value_name = "HOST[:PORT]", help_heading = "Server")]
    server: Option<String>,
    /// How the connection is protected [default: starttls]
    #[arg(long, value_enum, help_heading = "Server")]
    tls: Option<Protection>,
    /// Believes the authorities of this PEM file instead of the system's
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    cacert: Option<PathBuf>,
    /// Believes the server that holds this key, and no other
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "cacert", help_heading = "Server")]
    pin: Option<Fingerprint>,
    /// Shows the certificate of this PEM file to a server that asks for one
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "Server")]
    certificate: Option<PathBuf>,
    /// The key of the certificate, which nobody else may read
    #[arg(long, value_name = "FILE", requires = "certificate", help_heading = "Server")]
    key: Option<PathBuf>,
    /// Logs in; the password is asked for unless a flag says where it is
    #[arg(long, value_name = "NAME", help_heading = "Login")]
    user: Option<String>,
    /// Takes the password from the first line that this shell command prints
    #[arg(long, value_name = "COMMAND", group = "secret", help_heading = "Login")]
    password_command: Option<String>,
    /// Takes the password from the first line of this file, which only its owner may read
    #[arg(long, value_name = "FILE", group = "secret", help_heading = "Login")]
    password_file: Option<PathBuf>,
    /// Logs in with an OAuth 2.0 access token that this shell command prints
    #[arg(long, value_name = "COMMAND", group = "secret", help_heading = "Login")]
    token_command: Option<String>,
    /// Uses this mechanism and no other, such as PLAIN or SCRAM-SHA-256 [default: the best that the server offers]
    #[arg(long, value_name = "MECHANISM", value_parser = mechanism, help_heading = "Login")]
    auth: Option<Mechanism>,
    /// Sends the password even where anybody on the way can read it
    #[arg(long, help_heading = "Login")]
    allow_clear_password: bool,
}

/// A server, and who one is there.
pub(super) struct Way {
    pub(super) server: Server,
    pub(super) protection: Protection,
    pub(super) user: Option<User>,
    /// Who messages are from, where nobody says.
    pub(super) from: Option<Mailbox>,
    certificate: Option<ClientCertificate>,
}

/// Who logs in, and how.
pub(super) struct User {
    pub(super) name: String,
    secret: Option<SecretSource>,
    auth: Option<Mechanism>,
    in_clear: InClear,
}

impl Flags {
    /// Puts flags and account together. Nothing is asked, read or run.
    pub(super) fn resolve(&self, configured: &Mail) -> Result<Way, Failure> {
        let account = self.account(configured)?;
        let text = self.server.as_deref().unwrap_or(&account.server);
        let protection = self.tls.or(account.tls).unwrap_or_default();
        let (host, port) = host_and_port(text).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("{text:?} is not a mail server")).advise(
                "write it as mail.example.org, mail.example.org:587, 192.0.2.1:25 or [2001:db8::1]:25",
            )
        })?;
        let trust = match (&self.cacert, self.pin) {
            (Some(path), _) => Trust::CaFile(path.clone()),
            (None, Some(fingerprint)) => Trust::Pin(fingerprint),
            (None, None) => account.trust.clone().unwrap_or(Trust::SystemRoots),
        };
        let own = self.certificate.clone().zip(self.key.clone());
        let certificate = own.map(|(chain, key)| ClientCertificate { chain, key });
        Ok(Way {
            server: Server { host: host.to_owned(), port: port.unwrap_or(protection.port()), trust },
            protection,
            user: self.user(&account)?,
            certificate: certificate.or(account.certificate),
            from: account.from,
        })
    }

    /// The account that is named; without a name the default one, which is not meant where a server is named.
    fn account(&self, configured: &Mail) -> Result<Account, Failure> {
        let name = match (&self.account, &self.server) {
            (Some(name), _) => name,
            (None, Some(_)) => return Ok(Account::default()),
            (None, None) => configured.default_account.as_ref().ok_or_else(|| {
                Failure::new(Exit::Usage, "no mail server is named").advise(
                    "give --server HOST, or --account NAME, or set mail.default_account in the configuration",
                )
            })?,
        };
        configured.accounts.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = configured.accounts.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Failure::new(Exit::Usage, format!("there is no mail account {name:?} in the configuration"))
                .advise(format!("there is: {known}; another one is a table [mail.account.{name}]"))
        })
    }

    fn user(&self, account: &Account) -> Result<Option<User>, Failure> {
        let command = |command: &Option<String>| command.clone();
        let secret = command(&self.password_command)
            .map(SecretSource::PasswordCommand)
            .or_else(|| self.password_file.clone().map(SecretSource::PasswordFile))
            .or_else(|| command(&self.token_command).map(SecretSource::TokenCommand));
        let Some(name) = self.user.as_ref().or(account.user.as_ref()) else {
            if secret.is_some() || self.auth.is_some() || self.allow_clear_password {
                return Err(Failure::new(Exit::Usage, "flags say how to log in, and nothing says as whom")
                    .advise("add --user NAME"));
            }
            return Ok(None);
        };
        // The password of the account is its user's.
        let of_account = if account.user.as_ref() == Some(name) { account.secret.clone() } else { None };
        let is_allowed = self.allow_clear_password || account.allow_clear_password;
        Ok(Some(User {
            name: name.clone(),
            secret: secret.or(of_account),
            auth: self.auth.or(account.auth),
            in_clear: if is_allowed { InClear::Allowed } else { InClear::Refused },
        }))
    }
}

impl Way {
    /// What the dialogue is to do, without a login.
    pub(super) fn options(&self, nonce: [u8; 18]) -> Options {
        let mut options = Options::new(self.protection.into(), nonce);
        options.certificate.clone_from(&self.certificate);
        options
    }

    /// Fetches the password or the token.
    pub(super) fn login(&self) -> Result<Option<Login>, Failure> {
        let Some(user) = &self.user else { return Ok(None) };
        let unfit = |error| Failure::from_error(Exit::Input, error);
        let name = user.name.as_str();
        let login = match &user.secret {
            Some(SecretSource::TokenCommand(command)) => {
                Login::with_token(name, secret::printed_by(command)?)
            }
            Some(SecretSource::PasswordCommand(command)) => {
                Login::with_password(name, secret::printed_by(command)?)
            }
            Some(SecretSource::PasswordFile(path)) => Login::with_password(name, secret::in_file(path)?),
            None => Login::with_password(name, secret::asked_for(name, &self.server.host)?),
        };
        let login = login.map_err(unfit)?.in_clear(user.in_clear);
        Ok(Some(match user.auth {
            Some(mechanism) => login.by(mechanism),
            None => login,
        }))
    }

    /// The plan in words, a line each.
    pub(super) fn in_words(&self) -> Vec<String> {
        let Server { host, port, trust } = &self.server;
        let protection = match self.protection {
            Protection::Off => "without TLS",
            Protection::Starttls => "with TLS after STARTTLS",
            Protection::Implicit => "with TLS from the first byte",
        };
        let believed = match (self.protection, trust) {
            (Protection::Off, _) => String::new(),
            (_, Trust::SystemRoots) => ", vouched for by an authority of this system".to_owned(),
            (_, Trust::CaFile(path)) => format!(", vouched for by an authority of {}", path.display()),
            (_, Trust::Pin(fingerprint)) => format!(", holding the key {fingerprint}"),
            (_, Trust::FirstUse(_)) => ", believed at the first connection".to_owned(),
        };
        let mut lines = vec![format!("connect to {host} port {port} {protection}{believed}")];
        if let Some(own) = &self.certificate {
            lines.push(format!("show the certificate {} where it is asked for", own.chain.display()));
        }
        lines.push(match &self.user {
            Some(user) => user.in_words(),
            None => "log in as nobody".to_owned(),
        });
        lines
    }
}

impl User {
    fn in_words(&self) -> String {
        let how = match self.auth {
            Some(mechanism) => mechanism.name().to_owned(),
            None => "the best mechanism that the server offers".to_owned(),
        };
        let secret = match &self.secret {
            Some(SecretSource::PasswordCommand(_)) => "with the password that a command prints",
            Some(SecretSource::PasswordFile(_)) => "with the password of a file",
            Some(SecretSource::TokenCommand(_)) => "with the token that a command prints",
            None => "with the password that is asked for",
        };
        format!("log in as {} by {how}, {secret}", self.name)
    }
}

fn mechanism(name: &str) -> Result<Mechanism, String> {
    Mechanism::named(name).ok_or_else(known_mechanisms)
}
