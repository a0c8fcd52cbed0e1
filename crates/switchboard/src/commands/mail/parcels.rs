//! The messages of one `switchboard mail send`: the one that the flags describe, or those that come written; and their way over as many
//! connections as it takes.

use std::collections::VecDeque;
use std::path::PathBuf;

use switchboard_mail::address::Address;
use switchboard_mail::deliver::{Event, Mail, Server, deliver_all};
use switchboard_mail::mime::{Message, read_written};
use switchboard_mail::smtp::{Cause, Envelope, Fate, Options, Phase, Report, Submission};

use super::delivery::Delivery;
use super::dialogue::Dialogue;
use crate::failure::Failure;

/// A message to be sent, and what names it in the result.
pub(super) struct Parcel {
    pub(super) name: Name,
    pub(super) mail: Mail,
}

/// What names a message in the result.
pub(super) struct Name {
    /// The file that it came from, when it came written.
    pub(super) file: Option<PathBuf>,
    pub(super) id: String,
    pub(super) bytes: u64,
}

/// Who stands on the envelope whatever a message says.
pub(super) struct Given {
    pub(super) sender: Option<Address>,
    pub(super) recipients: Vec<Address>,
}

/// Signs and addresses a message. `time` is in seconds since 1970.
pub(super) fn parcel(
    mut message: Message,
    file: Option<PathBuf>,
    envelope: Envelope,
    delivery: &Delivery,
    time: u64,
) -> Result<Parcel, Failure> {
    if let Some(signer) = delivery.signer(envelope.sender().domain())? {
        message.sign(&signer, time)?;
    }
    let name = Name { file, id: message.id().to_owned(), bytes: message.bytes() };
    let mut submission = Submission::new(envelope, &message);
    submission.notices = delivery.notices()?;
    Ok(Parcel { name, mail: Mail { submission, message } })
}

/// The messages in these files, all of them checked before the first is sent.
pub(super) fn written(
    files: &[PathBuf],
    given: &Given,
    delivery: &Delivery,
    time: u64,
) -> Result<Vec<Parcel>, Failure> {
    let mut parcels = Vec::new();
    for file in files {
        let found = read_written(file)?;
        let sender = given.sender.clone().unwrap_or(found.sender);
        let recipients =
            if given.recipients.is_empty() { found.recipients } else { given.recipients.clone() };
        let envelope = Envelope::new(sender, recipients)?;
        parcels.push(parcel(found.message, Some(file.clone()), envelope, delivery, time)?);
    }
    Ok(parcels)
}

/// Sends them. A server that ends a connection after it took something is asked again for the rest; one that took nothing is not.
pub(super) fn send(
    server: &Server,
    options: &mut dyn FnMut() -> Result<Options, Failure>,
    parcels: Vec<Parcel>,
    dialogue: &mut Dialogue<'_>,
) -> Result<Vec<(Name, Report)>, Failure> {
    let (names, mut mails): (Vec<_>, VecDeque<_>) =
        parcels.into_iter().map(|parcel| (parcel.name, parcel.mail)).unzip();
    let mut reports = Vec::new();
    while !mails.is_empty() {
        let before = reports.len();
        dialogue.begin();
        let mut on = |event: Event<'_>| {
            dialogue.see(&event);
            if let Event::Report(report) = event {
                reports.push(report);
            }
        };
        let ending = deliver_all(server, options()?, &mut || mails.pop_front(), &mut on)?;
        if !reports.iter().skip(before).any(took_something) {
            let (phase, cause) = ending.trouble.unwrap_or((Phase::Mail, Cause::Unfinished));
            let left = mails.drain(..).map(|mail| Report::not_sent(&mail.submission.envelope, phase, &cause));
            reports.extend(left);
        }
    }
    Ok(names.into_iter().zip(reports).collect())
}

fn took_something(report: &Report) -> bool {
    report.recipients.iter().any(|one| matches!(one.fate, Fate::Accepted(_)))
}
