//! What became of messages, as lines, JSON and an exit code. Absent: how it became so.

use serde_json::{Value, json};
use switchboard_mail::smtp::{Cause, Fate, Phase, Report};

use super::parcels::Name;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Screen, harmless};

/// Says what became of them, names on standard error who did not get it, and chooses the exit code.
pub(super) fn told(
    screen: &Screen,
    results: &[(Name, Report)],
    transcript: Option<Value>,
) -> Result<Exit, Failure> {
    let everybody =
        || results.iter().flat_map(|(name, report)| report.recipients.iter().map(move |one| (name, one)));
    for (name, one) in everybody().filter(|(_, one)| exit_of(&one.fate) != Exit::Done) {
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
        Fate::NotSent { phase, cause: Cause::Stopped } => {
            format!("not sent, since it was to stop after {phase}")
        }
        Fate::NotSent { phase, cause } => format!("not sent, it ended at {phase}: {cause}"),
        Fate::InDoubt { cause } => format!(
            "IN DOUBT: the whole message left, then {cause}; it may have arrived. Ask the recipient or look for its \
             Message-ID in the server's log before sending it again"
        ),
    }
}

/// One message is the document; those that came written are a list in it.
fn view(results: &[(Name, Report)], transcript: Option<Value>) -> Value {
    let mut view = match results {
        [(name, report)] if name.file.is_none() => view_of(name, report),
        several => {
            let several = several.iter().map(|(name, report)| view_of(name, report));
            json!({ "messages": several.collect::<Vec<_>>() })
        }
    };
    if let Some(lines) = transcript {
        view["transcript"] = lines;
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

/// The exit code of a dialogue without a message.
pub(super) fn exit_of_trouble(phase: Phase, cause: &Cause) -> Exit {
    match cause {
        Cause::Said(said) => exit_of(&Fate::Refused { phase, said: said.clone() }),
        other @ (Cause::Lost
        | Cause::Network(_)
        | Cause::Unreachable(_)
        | Cause::TimedOut { .. }
        | Cause::Unfinished
        | Cause::Stopped
        | Cause::Malformed(_)
        | Cause::Unexpected(_)
        | Cause::TooEarly
        | Cause::NoStartTls
        | Cause::Injected
        | Cause::Untrusted(_)
        | Cause::Auth(_)
        | Cause::TooLarge { .. }
        | Cause::Unsupported { .. }
        | Cause::Message(_)) => exit_of_cause(other),
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
