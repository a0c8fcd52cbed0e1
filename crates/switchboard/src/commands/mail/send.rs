//! `switchboard mail send`: the flags as a draft and an envelope, and how far the dialogue is to go.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use serde_json::json;
use switchboard_mail::MailError;
use switchboard_mail::address::Mailbox;
use switchboard_mail::limits::TEXT_BYTES_MAX;
use switchboard_mail::mime::{Attachment, Draft, Stamp};
use switchboard_mail::smtp::{Cause, Envelope, Options, Phase};

use super::delivery::Delivery;
use super::dialogue::{Dialogue, Shown};
use super::outcome::{exit_of_trouble, told};
use super::parcels::{self, Given, Parcel};
use super::way::{Flags, Way};
use super::{dry_run, server_info};
use crate::commands::Invocation;
use crate::config::mail::Protection;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;

/// What is sent, to whom, and through which server.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    way: Flags,
    /// Who it is from: name@example.org or "Full Name <name@example.org>" [default: that of the account]
    #[arg(long, value_name = "ADDRESS", help_heading = "Message")]
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
    #[arg(long, value_name = "FILE", required_unless_present_any = ["html", "attach", "message", "server_info", "stop_after"], help_heading = "Message")]
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
    /// Shows the dialogue with what each line means, and which RFC says so
    #[arg(long)]
    explain: bool,
    /// Prints the message as it would leave, and on standard error what would be done; nobody is connected to or asked
    #[arg(long, conflicts_with_all = ["stop_after", "server_info", "transcript", "explain"])]
    dry_run: bool,
    /// Says goodbye after this phase; nothing is sent
    #[arg(long, value_enum, value_name = "PHASE")]
    stop_after: Option<StopAfter>,
    /// Tells what the server offers, and its certificate; nobody logs in and nothing is sent
    #[arg(long, conflicts_with = "stop_after")]
    server_info: bool,
}

/// Where a dialogue can end before anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StopAfter {
    /// The connection stands
    Connect,
    /// The server has greeted
    Greeting,
    /// It has said what it can do
    Ehlo,
    /// It is the right one, and all is encrypted
    Tls,
    /// It believes who this is
    Auth,
    /// It takes mail of the sender
    Mail,
    /// It takes mail for the recipients
    Rcpt,
}

impl From<StopAfter> for Phase {
    fn from(stop: StopAfter) -> Self {
        match stop {
            StopAfter::Connect => Self::Connect,
            StopAfter::Greeting => Self::Greeting,
            StopAfter::Ehlo => Self::Hello,
            StopAfter::Tls => Self::Tls,
            StopAfter::Auth => Self::Auth,
            StopAfter::Mail => Self::Mail,
            StopAfter::Rcpt => Self::Rcpt,
        }
    }
}

/// Sends it, or goes as far as was asked for.
///
/// # Errors
/// When there is nothing that could be sent.
pub(super) fn run(on: &Invocation, arguments: &Arguments) -> Result<Exit, Failure> {
    let way = arguments.way.resolve(&on.config.mail)?;
    let screen = &on.screen;
    if arguments.server_info {
        let dialogue = Dialogue::new(screen, arguments.shown(), 0);
        return server_info::run(screen, &way, dialogue, arguments.options(&way)?);
    }
    arguments.check_stop(&way)?;
    match arguments.stop_after {
        Some(
            stop @ (StopAfter::Connect
            | StopAfter::Greeting
            | StopAfter::Ehlo
            | StopAfter::Tls
            | StopAfter::Auth),
        ) => return arguments.try_way(screen, &way, stop),
        Some(StopAfter::Mail | StopAfter::Rcpt) | None => {}
    }
    let parcels = arguments.parcels(&way)?;
    if arguments.dry_run {
        return dry_run::run(screen, &way, parcels);
    }
    let login = way.login()?;
    let mut options = || {
        let mut options = arguments.options(&way)?;
        options.login.clone_from(&login);
        options.stop_after = arguments.stop_after.map(Phase::from);
        Ok(options)
    };
    let bytes = parcels.iter().map(|parcel| parcel.name.bytes).sum();
    let mut dialogue = Dialogue::new(screen, arguments.shown(), bytes);
    let results = parcels::send(&way.server, &mut options, parcels, &mut dialogue)?;
    told(screen, &results, dialogue.finish())
}

impl Arguments {
    fn shown(&self) -> Shown {
        match (self.explain, self.transcript) {
            (true, _) => Shown::Explained,
            (false, true) => Shown::Lines,
            (false, false) => Shown::Nothing,
        }
    }

    /// A phase that does not come cannot be the last.
    fn check_stop(&self, way: &Way) -> Result<(), Failure> {
        let never = |why: &str, advice: &str| {
            Err(Failure::new(Exit::Usage, why.to_owned()).advise(advice.to_owned()))
        };
        match self.stop_after {
            Some(StopAfter::Tls) if way.protection == Protection::Off => {
                never("there is no TLS after which to stop", "add --tls starttls or --tls implicit")
            }
            Some(StopAfter::Auth) if way.user.is_none() => {
                never("there is no login after which to stop", "add --user NAME")
            }
            Some(StopAfter::Mail | StopAfter::Rcpt)
                if self.text.is_none()
                    && self.html.is_none()
                    && self.attach.is_empty()
                    && self.message.is_empty() =>
            {
                never(
                    "the server is to be told how long the message is, and there is none",
                    "add --text FILE",
                )
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What one connection is to do, without a login.
    fn options(&self, way: &Way) -> Result<Options, Failure> {
        let mut nonce = [0; 18];
        getrandom::fill(&mut nonce).map_err(MailError::NoRandomness)?;
        let mut options = way.options(nonce);
        self.delivery.shape(&mut options);
        Ok(options)
    }

    /// The dialogue up to where a message would begin, or less.
    fn try_way(&self, screen: &Screen, way: &Way, stop: StopAfter) -> Result<Exit, Failure> {
        let mut options = self.options(way)?;
        options.stop_after = Some(stop.into());
        options.login = if stop == StopAfter::Auth { way.login()? } else { None };
        let mut dialogue = Dialogue::new(screen, self.shown(), 0);
        let ending = dialogue.without_message(way, options, &mut |_| {})?;
        let (phase, cause) = ending.trouble.unwrap_or((Phase::Quit, Cause::Unfinished));
        let exit = exit_of_trouble(phase, &cause);
        let is_reached = exit == Exit::Done;
        if !is_reached {
            screen.notice(&format!("it ended at {phase}: {cause}"));
        }
        let json = || {
            let mut view = json!({
                "phase": phase.name(), "reached": is_reached, "cause": cause.name(), "message": cause.to_string()
            });
            if let Some(lines) = dialogue.finish() {
                view["transcript"] = lines;
            }
            view
        };
        let text =
            || format!("{} {phase}; nothing was sent", if is_reached { "reached" } else { "ended at" });
        screen.answer(json, text)?;
        Ok(exit)
    }

    /// What is to be sent.
    fn parcels(&self, way: &Way) -> Result<Vec<Parcel>, Failure> {
        let everybody = [&self.to, &self.cc, &self.bcc].into_iter().flatten();
        let recipients: Vec<_> = everybody.map(|mailbox| mailbox.address().clone()).collect();
        let date = now();
        let time = u64::try_from(date.timestamp().as_second()).unwrap_or_default();
        if !self.message.is_empty() {
            let sender = self.from.as_ref().map(|from| from.address().clone());
            return parcels::written(&self.message, &Given { sender, recipients }, &self.delivery, time);
        }
        let from = self.from.as_ref().or(way.from.as_ref()).ok_or_else(|| {
            Failure::new(Exit::Usage, "nothing says who the message is from").advise("add --from ADDRESS")
        })?;
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
    let named = std::env::var_os("TZ");
    // Where TZ names a zone, the database of zones has to be asked.
    let zone = if named.is_some() { None } else { zone_in(Path::new("/etc/localtime")) };
    jiff::Timestamp::now().to_zoned(zone.unwrap_or_else(TimeZone::system))
}

/// The zone of this machine, from the one file that has it: the database of zones, which knows its name too, is read whole before it
/// says anything. `None` where the file is missing or is not one of a zone.
fn zone_in(file: &Path) -> Option<TimeZone> {
    TimeZone::tzif("", &std::fs::read(file).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1 of RFC 8536 with one kind of time: five and a half hours before UTC, called IST.
    fn kolkata() -> Vec<u8> {
        let mut file = b"TZif\0".to_vec();
        file.extend([0; 15]);
        // Kinds of UT and of standard time, leap seconds, transitions, kinds of time, letters.
        for count in [0_u32, 0, 0, 0, 1, 4] {
            file.extend(count.to_be_bytes());
        }
        file.extend(19_800_i32.to_be_bytes());
        file.extend([0, 0]);
        file.extend(b"IST\0");
        file
    }

    #[test]
    fn the_zone_is_that_of_the_file_if_it_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let zone = |content: &[u8]| {
            let path = folder.path().join("localtime");
            std::fs::write(&path, content).unwrap();
            zone_in(&path).map(|zone| zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds())
        };
        assert_eq!(zone(&kolkata()), Some(19_800));
        let half = kolkata();
        for rubbish in [b"".as_slice(), b"TZif", b"Europe/Berlin\n", &half[..half.len() - 5], &[0xff; 9000]] {
            assert_eq!(zone(rubbish), None, "{rubbish:?}");
        }
        assert!(zone_in(&folder.path().join("absent")).is_none());
        assert!(zone_in(folder.path()).is_none());
    }
}
