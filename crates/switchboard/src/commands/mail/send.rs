//! `switchboard mail send`: the flags as a draft and an envelope, and the report as lines, JSON and an exit code.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use switchboard_mail::MailError;
use switchboard_mail::address::Mailbox;
use switchboard_mail::auth::{InClear, Login, Mechanism};
use switchboard_mail::deliver::Server;
use switchboard_mail::limits::TEXT_BYTES_MAX;
use switchboard_mail::mime::{Attachment, Draft, Stamp};
use switchboard_mail::smtp::{Cause, Envelope, Fate, Line, Options, Phase, Report, Security};
use switchboard_tls::{Fingerprint, Trust};

use super::delivery::Delivery;
use super::parcels::{self, Given, Name, Parcel};
use super::secret;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Form, Screen, harmless};

/// What is sent, to whom, and through which server.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The mail server [default port: 587 with --tls starttls, 465 with implicit, 25 with off]
    #[arg(id = "server", long = "server", value_name = "HOST[:PORT]")]
    server: String,
    /// How the connection is protected
    #[arg(long, value_enum, default_value_t = Protection::Starttls, help_heading = "Server")]
    tls: Protection,
    /// Believes the authorities of this PEM file instead of the system's
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    cacert: Option<PathBuf>,
    /// Believes the server that holds this key, and no other
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "cacert", help_heading = "Server")]
    pin: Option<Fingerprint>,
    /// Logs in; the password is asked for unless a flag says where it is
    #[arg(long, value_name = "NAME", help_heading = "Login")]
    user: Option<String>,
    /// Takes the password from the first line that this shell command prints
    #[arg(long, value_name = "COMMAND", requires = "user", group = "secret", help_heading = "Login")]
    password_command: Option<String>,
    /// Takes the password from the first line of this file, which only its owner may read
    #[arg(long, value_name = "FILE", requires = "user", group = "secret", help_heading = "Login")]
    password_file: Option<PathBuf>,
    /// Logs in with an OAuth 2.0 access token that this shell command prints
    #[arg(long, value_name = "COMMAND", requires = "user", group = "secret", help_heading = "Login")]
    token_command: Option<String>,
    /// Uses this mechanism and no other, such as PLAIN or SCRAM-SHA-256 [default: the best that the server offers]
    #[arg(long, value_name = "MECHANISM", requires = "user", value_parser = mechanism, help_heading = "Login")]
    auth: Option<Mechanism>,
    /// Sends the password even where anybody on the way can read it
    #[arg(long, requires = "user", help_heading = "Login")]
    allow_clear_password: bool,
    /// Who it is from: name@example.org or "Full Name <name@example.org>"
    #[arg(long, value_name = "ADDRESS", required_unless_present = "message", help_heading = "Message")]
    from: Option<Mailbox>,
    /// Whom it is to; may be given several times
    #[arg(long, value_name = "ADDRESS", help_heading = "Message")]
    to: Vec<Mailbox>,
    /// Who gets a copy
    #[arg(long, value_name = "ADDRESS", help_heading = "Message")]
    cc: Vec<Mailbox>,
    /// Who gets a copy that nobody else sees
    #[arg(long, value_name = "ADDRESS", help_heading = "Message")]
    bcc: Vec<Mailbox>,
    /// What it is about
    #[arg(long, value_name = "TEXT", default_value = "", help_heading = "Message")]
    subject: String,
    /// The text, from a file or (-) from standard input
    #[arg(long, value_name = "FILE", required_unless_present_any = ["html", "attach", "message"], help_heading = "Message")]
    text: Option<PathBuf>,
    /// The same as HTML, from a file or (-) from standard input
    #[arg(long, value_name = "FILE", help_heading = "Message")]
    html: Option<PathBuf>,
    /// A file that the HTML shows where it says cid:NAME
    #[arg(long, value_name = "FILE", requires = "html", help_heading = "Message")]
    inline: Vec<PathBuf>,
    /// A file to be kept
    #[arg(long, value_name = "FILE", help_heading = "Message")]
    attach: Vec<PathBuf>,
    /// Sends the message in this file (or - on standard input) as it is, without its Bcc; may be given several times. Sender and recipients
    /// are those that it names, unless flags name others
    #[arg(long, value_name = "FILE", conflicts_with_all = ["subject", "text", "html", "inline", "attach"], help_heading = "Message")]
    message: Vec<PathBuf>,
    #[command(flatten)]
    delivery: Delivery,
    /// Shows the dialogue with the server, secrets hidden
    #[arg(long)]
    transcript: bool,
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protection {
    /// Not at all
    Off,
    /// TLS after STARTTLS; a server without it gets nothing
    Starttls,
    /// TLS from the first byte
    Implicit,
}

/// Sends it.
///
/// # Errors
/// When there is nothing that could be sent.
pub(super) fn run(screen: &Screen, arguments: &Arguments) -> Result<Exit, Failure> {
    let server = arguments.server()?;
    let parcels = arguments.parcels()?;
    let login = arguments.login()?;
    let mut options = || {
        let mut nonce = [0; 18];
        getrandom::fill(&mut nonce).map_err(MailError::NoRandomness)?;
        let mut options = Options::new(arguments.tls.into(), nonce);
        options.login.clone_from(&login);
        arguments.delivery.shape(&mut options);
        Ok(options)
    };
    let mut lines = Vec::new();
    let mut show = |line: &Line| match screen.form() {
        Form::Text if arguments.transcript => {
            // A reader that has gone does not stop a message that is under way.
            let _shown = screen.line(&written(line));
        }
        Form::Json if arguments.transcript => lines.push(written(line)),
        Form::Text | Form::Json => {}
    };
    let results = parcels::send(&server, &mut options, parcels, &mut show)?;
    told(screen, &results, arguments.transcript.then_some(lines))
}

impl Arguments {
    fn server(&self) -> Result<Server, Failure> {
        let wrong = || {
            Failure::new(Exit::Usage, format!("{:?} is not a mail server", self.server)).advise(
                "write it as mail.example.org, mail.example.org:587, 192.0.2.1:25 or [2001:db8::1]:25",
            )
        };
        let (host, port) = match self.server.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && (!host.contains(':') || host.ends_with(']')) => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            Some(_) | None => (self.server.as_str(), self.tls.port()),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains('/') {
            return Err(wrong());
        }
        let trust = match (&self.cacert, self.pin) {
            (Some(path), _) => Trust::CaFile(path.clone()),
            (None, Some(fingerprint)) => Trust::Pin(fingerprint),
            (None, None) => Trust::SystemRoots,
        };
        Ok(Server { host: host.to_owned(), port, trust })
    }

    fn login(&self) -> Result<Option<Login>, Failure> {
        let Some(user) = &self.user else { return Ok(None) };
        let unfit = |error| Failure::from_error(Exit::Input, error);
        let login = if let Some(command) = &self.token_command {
            Login::with_token(user, secret::printed_by(command)?).map_err(unfit)?
        } else {
            let password = match (&self.password_command, &self.password_file) {
                (Some(command), _) => secret::printed_by(command)?,
                (None, Some(path)) => secret::in_file(path)?,
                (None, None) => secret::asked_for(user, &self.server)?,
            };
            Login::with_password(user, password).map_err(unfit)?
        };
        let in_clear = if self.allow_clear_password { InClear::Allowed } else { InClear::Refused };
        let login = login.in_clear(in_clear);
        Ok(Some(match self.auth {
            Some(mechanism) => login.by(mechanism),
            None => login,
        }))
    }

    /// What is to be sent.
    fn parcels(&self) -> Result<Vec<Parcel>, Failure> {
        let everybody = [&self.to, &self.cc, &self.bcc].into_iter().flatten();
        let recipients: Vec<_> = everybody.map(|mailbox| mailbox.address().clone()).collect();
        let date = now();
        let time = u64::try_from(date.timestamp().as_second()).unwrap_or_default();
        let sender = self.from.as_ref().map(|from| from.address().clone());
        let Some(from) = self.from.as_ref().filter(|_| self.message.is_empty()) else {
            let given = Given { sender, recipients };
            return parcels::written(&self.message, &given, &self.delivery, time);
        };
        let mut stamp = Stamp { date, random: [0; 16] };
        getrandom::fill(&mut stamp.random).map_err(MailError::NoRandomness)?;
        let message = self.draft(from)?.compose(&stamp)?;
        let envelope = Envelope::new(from.address().clone(), recipients)?;
        Ok(vec![parcels::parcel(message, None, envelope, &self.delivery, time)?])
    }

    fn draft(&self, from: &Mailbox) -> Result<Draft, Failure> {
        let files =
            |paths: &[PathBuf]| paths.iter().map(|path| Attachment::at(path)).collect::<Result<_, _>>();
        Ok(Draft {
            from: from.clone(),
            to: self.to.clone(),
            cc: self.cc.clone(),
            subject: self.subject.clone(),
            text: self.text.as_deref().map(text_of).transpose()?,
            html: self.html.as_deref().map(text_of).transpose()?,
            inline: files(&self.inline)?,
            attachments: files(&self.attach)?,
        })
    }
}

impl Protection {
    /// The port that is registered for it (RFC 5321, RFC 6409, RFC 8314).
    fn port(self) -> u16 {
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

fn mechanism(name: &str) -> Result<Mechanism, String> {
    Mechanism::named(name).ok_or_else(|| {
        let names: Vec<_> = Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect();
        format!("known mechanisms: {}", names.join(", "))
    })
}

/// A text of at most [`TEXT_BYTES_MAX`] bytes and one more, so that too long a one is noticed and not read on.
fn text_of(path: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        let exit =
            if error.kind() == std::io::ErrorKind::InvalidData { Exit::Input } else { Exit::InputOutput };
        Failure::new(exit, format!("cannot read the text of the message from {}", path.display()))
            .because(error)
            .advise("check the path; the text has to be UTF-8, anything else can be attached")
    };
    let bytes_max = TEXT_BYTES_MAX as u64 + 1;
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(bytes_max).read_to_string(&mut text).map_err(failed)?;
    } else {
        std::fs::File::open(path)
            .map_err(failed)?
            .take(bytes_max)
            .read_to_string(&mut text)
            .map_err(failed)?;
    }
    Ok(text)
}

#[expect(clippy::disallowed_methods, reason = "the command dates the message")]
fn now() -> jiff::Zoned {
    jiff::Zoned::now()
}

fn written(line: &Line) -> String {
    match line {
        Line::Client(text) => format!("C: {}", harmless(text)),
        Line::Server(text) => format!("S: {}", harmless(text)),
        Line::Note(text) => format!("   ({})", harmless(text)),
    }
}

/// Says what became of them, names on standard error who did not get it, and chooses the exit code.
fn told(
    screen: &Screen,
    results: &[(Name, Report)],
    transcript: Option<Vec<String>>,
) -> Result<Exit, Failure> {
    let everybody =
        || results.iter().flat_map(|(name, report)| report.recipients.iter().map(move |one| (name, one)));
    for (name, one) in everybody().filter(|(_, one)| !matches!(one.fate, Fate::Accepted(_))) {
        screen.notice(&format!("{}{}: {}", prefix(name), one.address, in_words(&one.fate)));
    }
    screen.answer(
        || view(results, transcript),
        || {
            let lines = everybody().map(|(name, one)| match &one.fate {
                Fate::Accepted(said) => format!("{}{:<9} {}  {said}", prefix(name), "accepted", one.address),
                other @ (Fate::Refused { .. } | Fate::NotSent { .. } | Fate::InDoubt { .. }) => {
                    format!("{}{:<9} {}", prefix(name), other.name().replace('_', " "), one.address)
                }
            });
            lines.collect::<Vec<_>>().join("\n")
        },
    )?;
    let exits = everybody().map(|(_, one)| exit_of(&one.fate));
    Ok(exits.max_by_key(|exit| gravity(*exit)).unwrap_or(Exit::Done))
}

/// Which of several files a line is about.
fn prefix(name: &Name) -> String {
    name.file.as_ref().map_or_else(String::new, |file| format!("{}: ", harmless(&file.to_string_lossy())))
}

fn in_words(fate: &Fate) -> String {
    match fate {
        Fate::Accepted(said) => format!("accepted: {said}"),
        Fate::Refused { phase, said } if said.is_transient() => {
            format!("not now, says the server at {phase}: {said}; it is safe to send it again")
        }
        Fate::Refused { phase, said } => format!("refused at {phase}: {said}"),
        Fate::NotSent { phase, cause } => format!("not sent, it ended at {phase}: {cause}"),
        Fate::InDoubt { cause } => format!(
            "IN DOUBT: the whole message left, then {cause}; it may have arrived. Ask the recipient or look for its \
             Message-ID in the server's log before sending it again"
        ),
    }
}

/// One message is the document; those that came written are a list in it.
fn view(results: &[(Name, Report)], transcript: Option<Vec<String>>) -> Value {
    let mut view = match results {
        [(name, report)] if name.file.is_none() => view_of(name, report),
        several => {
            let several = several.iter().map(|(name, report)| view_of(name, report));
            json!({ "messages": several.collect::<Vec<_>>() })
        }
    };
    if let Some(lines) = transcript {
        view["transcript"] = lines.into();
    }
    view
}

fn view_of(name: &Name, report: &Report) -> Value {
    let recipients = report.recipients.iter().map(|one| {
        let mut view = json!({
            "address": one.address.to_string(),
            "result": one.fate.name(),
            "phase": one.fate.phase().name(),
        });
        if let Some(said) = one.fate.said() {
            view["code"] = said.code.into();
            view["enhanced"] = said.enhanced.map(|enhanced| enhanced.to_string()).into();
            view["text"] = said.text.as_str().into();
        }
        if let Fate::NotSent { cause, .. } | Fate::InDoubt { cause } = &one.fate {
            view["cause"] = cause.name().into();
            view["message"] = cause.to_string().into();
        }
        view
    });
    let recipients: Vec<_> = recipients.collect();
    let mut view = json!({ "message_id": name.id, "bytes": name.bytes, "recipients": recipients });
    if let Some(file) = &name.file {
        view["file"] = file.to_string_lossy().into();
    }
    view
}

fn exit_of(fate: &Fate) -> Exit {
    match fate {
        Fate::Accepted(_) => Exit::Done,
        Fate::InDoubt { .. } => Exit::Unresolved,
        Fate::Refused { said, .. } if said.is_transient() => Exit::Unavailable,
        Fate::Refused { phase: Phase::Rcpt, .. } => Exit::NoRecipient,
        Fate::Refused { phase: Phase::Auth, .. } => Exit::NotPermitted,
        Fate::Refused { .. } => Exit::Refused,
        Fate::NotSent { cause, .. } => exit_of_cause(cause),
    }
}

fn exit_of_cause(cause: &Cause) -> Exit {
    match cause {
        Cause::Lost
        | Cause::Network(_)
        | Cause::Unreachable(_)
        | Cause::TimedOut { .. }
        | Cause::Unfinished => Exit::Unavailable,
        Cause::Malformed(_) | Cause::Unexpected(_) | Cause::TooEarly => Exit::Protocol,
        Cause::NoStartTls | Cause::Injected | Cause::Untrusted(_) | Cause::Auth(_) => Exit::NotPermitted,
        Cause::TooLarge { .. } | Cause::Unsupported { .. } | Cause::Said(_) => Exit::Refused,
        Cause::Message(_) => Exit::InputOutput,
        Cause::Stopped => Exit::Done,
    }
}

/// Of several, the exit code that must not be missed: a doubt before a final no, that before a no for now.
fn gravity(exit: Exit) -> u8 {
    match exit {
        Exit::Done => 0,
        Exit::Unavailable => 1,
        Exit::Unresolved => 3,
        Exit::Refused
        | Exit::Usage
        | Exit::Input
        | Exit::NoRecipient
        | Exit::Internal
        | Exit::CannotCreate
        | Exit::InputOutput
        | Exit::Protocol
        | Exit::NotPermitted
        | Exit::Configuration
        | Exit::ServerFailed
        | Exit::TimedOut
        | Exit::Interrupted => 2,
    }
}
