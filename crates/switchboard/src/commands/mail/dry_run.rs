//! `switchboard mail send --dry-run`: the message as it would leave, and what would be done with it. Nobody is connected to, no command
//! runs and no password is asked for. Absent: what the server would say.

use std::io::Write as _;

use serde_json::{Value, json};
use switchboard_mail::mime::{Message, More};

use super::parcels::Parcel;
use super::way::Way;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Form, Screen};

/// A longer message is not put into the JSON document, which is made in memory.
const JSON_MESSAGE_BYTES_MAX: u64 = 16 << 20;

/// Prints both.
pub(super) fn run(screen: &Screen, way: &Way, parcels: Vec<Parcel>) -> Result<Exit, Failure> {
    let mut plan = way.in_words();
    for parcel in &parcels {
        let envelope = &parcel.mail.submission.envelope;
        plan.push(format!("say that it is from {} and has {} bytes", envelope.sender(), parcel.name.bytes));
        plan.extend(envelope.recipients().iter().map(|recipient| format!("send it to {recipient}")));
    }
    match screen.form() {
        Form::Text => {
            for line in plan {
                screen.notice(&format!("would {line}"));
            }
            for mut parcel in parcels {
                write_out(&mut parcel.mail.message)?;
            }
        }
        Form::Json => {
            let messages = parcels.into_iter().map(view).collect::<Result<Vec<_>, _>>()?;
            screen.line(&json!({ "plan": plan, "messages": messages }).to_string())?;
        }
    }
    Ok(Exit::Done)
}

fn view(mut parcel: Parcel) -> Result<Value, Failure> {
    let bytes = parcel.name.bytes;
    let text =
        if bytes <= JSON_MESSAGE_BYTES_MAX { whole(&mut parcel.mail.message)?.into() } else { Value::Null };
    let envelope = &parcel.mail.submission.envelope;
    let recipients = envelope.recipients().iter().map(ToString::to_string);
    Ok(json!({
        "sender": envelope.sender().to_string(),
        "recipients": recipients.collect::<Vec<_>>(),
        "message_id": parcel.name.id,
        "bytes": bytes,
        "message": text,
    }))
}

fn write_out(message: &mut Message) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let more = message.read(&mut piece)?;
        let written = output.write_all(&piece).and_then(|()| output.flush());
        written.map_err(|error| {
            Failure::new(Exit::InputOutput, "cannot write to standard output").because(error)
        })?;
        if more == More::Ended {
            return Ok(());
        }
    }
}

fn whole(message: &mut Message) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    while message.read(&mut bytes)? == More::Follows {}
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
