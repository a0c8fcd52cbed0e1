//! One message submitted by the driver, as the command line does it.

use std::net::SocketAddr;

use switchboard_mail::auth::Login;
use switchboard_mail::deliver::{Mail, Server, deliver};
use switchboard_mail::mime::{Draft, Message, Stamp};
use switchboard_mail::smtp::{Envelope, Options, Report, Security, Submission};
use switchboard_tls::Trust;

/// Sends it to everybody whom the draft names.
pub(crate) fn submit(
    server: SocketAddr,
    trust: &Trust,
    security: Security,
    login: Option<Login>,
    draft: &Draft,
) -> Report {
    let date = "2026-03-01T10:00:00+01:00[+01:00]".parse().unwrap();
    let message = draft.compose(&Stamp { date, random: [3; 16] }).unwrap();
    let everybody = draft.to.iter().chain(&draft.cc).map(|mailbox| mailbox.address().clone());
    let envelope = Envelope::new(draft.from.address().clone(), everybody.collect()).unwrap();
    let server = Server { host: server.ip().to_string(), port: server.port(), trust: trust.clone() };
    let mut options = Options::new(security, [5; 18]);
    options.login = login;
    let mail = Mail { submission: Submission::new(envelope, &message), message };
    deliver(&server, options, mail, &mut |_| {}).unwrap()
}

/// Sends a message from me to ada.
pub(crate) fn submit_message(server: SocketAddr, message: Message) -> Report {
    let [from, to] = ["me@example.org", "ada@example.org"].map(|address| address.parse().unwrap());
    let envelope = Envelope::new(from, vec![to]).unwrap();
    let server = Server { host: server.ip().to_string(), port: server.port(), trust: Trust::SystemRoots };
    let mail = Mail { submission: Submission::new(envelope, &message), message };
    deliver(&server, Options::new(Security::Off, [5; 18]), mail, &mut |_| {}).unwrap()
}

/// A message to ada.
pub(crate) fn plain() -> Draft {
    Draft {
        from: "me@example.org".parse().unwrap(),
        to: vec!["ada@example.org".parse().unwrap()],
        cc: Vec::new(),
        subject: "x".to_owned(),
        text: Some("x\n".to_owned()),
        html: None,
        inline: Vec::new(),
        attachments: Vec::new(),
    }
}
