//! Texts and files that hold the end of a message in every form that some server believes, and commands after it: whatever they are, one
//! message arrives, and it is the one that was sent. Postfix 3.7 takes `<LF>.<CR><LF>` for the end, which is shown first.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use switchboard_mail::mime::{Attachment, Draft, read_written};
use switchboard_mail::smtp::{Cause, Security};
use switchboard_tls::Trust;

use crate::servers::{Server, one_form};
use crate::submit::{plain, submit, submit_message};

/// What somebody wants the server to do who can choose a text.
const COMMANDS: &str = "MAIL FROM:<evil@example.org>\r\nRCPT TO:<ada@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n";

/// What one server or another takes for the end of a message, or drops so that an end appears.
const ENDS: [&str; 26] = [
    "\r\n.\r\n",
    "\n.\r\n",
    "\r\n.\n",
    "\n.\n",
    "\r.\r\n",
    "\r\n.\r",
    "\r.\r",
    "\r.\n",
    "\n.\r",
    "\r\r\n.\r\r\n",
    "\n\r\n.\r\n",
    "\n\n.\n\n",
    "\r\n\r.\r\n",
    "\r\n.\r\r\n",
    "\0\r\n.\r\n",
    "\r\n\0.\r\n",
    "\r\n.\0\r\n",
    "\n\0.\r\n",
    "\r\n..\r\n",
    "\r\n...\r\n",
    "\r\n .\r\n",
    "\u{85}.\u{85}",
    "\u{2028}.\u{2028}",
    "\u{b}.\u{b}",
    "\u{c}.\r\n",
    "=0D=0A.=0D=0A",
];

#[test]
fn postfix_itself_is_deceived_by_a_bare_line_feed() {
    if xtask::needs::skipped("postfix") {
        return;
    }
    let postfix = Server::postfix();
    let mut socket = TcpStream::connect(postfix.address).unwrap();
    let envelope = "EHLO [127.0.0.1]\r\nMAIL FROM:<me@example.org>\r\nRCPT TO:<ada@example.org>\r\nDATA\r\n";
    let message = format!("Subject: sent\r\n\r\nhello\n.\r\n{COMMANDS}QUIT\r\n");
    socket.write_all(format!("{envelope}{message}").as_bytes()).unwrap();
    socket.read_to_string(&mut String::new()).unwrap();
    assert_eq!(postfix.messages("inbox", 2).len(), 2, "a server that is not deceived shows nothing");
}

#[test]
fn postfix_gets_one_message_of_each_text() {
    if xtask::needs::skipped("postfix") {
        return;
    }
    let postfix = Server::postfix();
    one_message_of_each(&postfix, &[postfix.address, postfix.port(1)]);
}

#[test]
fn postfix_gets_one_message_of_each_that_came_written() {
    if xtask::needs::skipped("postfix") {
        return;
    }
    let postfix = Server::postfix();
    one_message_of_each_written(&postfix, &[postfix.address, postfix.port(1)]);
}

#[test]
fn exim_gets_one_message_of_each_text() {
    if xtask::needs::skipped("exim4-daemon-light") {
        return;
    }
    let exim = Server::exim();
    one_message_of_each(&exim, &[exim.address]);
}

#[test]
fn exim_gets_one_message_of_each_that_came_written() {
    if xtask::needs::skipped("exim4-daemon-light") {
        return;
    }
    let exim = Server::exim();
    one_message_of_each_written(&exim, &[exim.address]);
}

/// Sends every body to each address of the server, as text, as HTML and as a file.
fn one_message_of_each(server: &Server, addresses: &[SocketAddr]) {
    let folder = tempfile::tempdir().unwrap();
    let bodies = bodies();
    let mut sent = 0;
    for &address in addresses {
        for body in &bodies {
            let file = folder.path().join(format!("{sent}.bin"));
            std::fs::write(&file, body).unwrap();
            let draft = Draft {
                subject: format!("number {sent}"),
                text: Some(body.clone()),
                html: Some(body.clone()),
                attachments: vec![Attachment::at(&file).unwrap()],
                ..plain()
            };
            let report = submit(address, &Trust::SystemRoots, Security::Off, None, &draft);
            assert!(report.all_accepted(), "{body:?}: {report:?}");
            sent += 1;
        }
    }
    let mut seen = vec![0; sent];
    let parts = Server::parts(&server.messages("inbox", sent));
    for parts in parts.chunks(3) {
        let number: usize = parts[0].subject.strip_prefix("number ").unwrap().parse().unwrap();
        seen[number] += 1;
        let body = &bodies[number % bodies.len()];
        let types = [0, 1, 2].map(|at| parts[at].media_type.as_str());
        assert_eq!(types, ["text/plain", "text/html", "application/octet-stream"], "number {number}");
        assert_eq!(parts[0].text(), one_form(body), "text of number {number}");
        assert_eq!(parts[1].text(), one_form(body), "HTML of number {number}");
        assert_eq!(parts[2].bytes, body.as_bytes(), "file of number {number}");
    }
    assert!(seen.iter().all(|&times| times == 1), "each message comes once: {seen:?}");
}

/// Sends every body that is not refused to each address of the server, as a message that came written.
fn one_message_of_each_written(server: &Server, addresses: &[SocketAddr]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("message.eml");
    let mut sent = Vec::new();
    for &address in addresses {
        for body in bodies() {
            let number = sent.len();
            let header = "From: me@example.org\nTo: ada@example.org\nDate: Sun, 1 Mar 2026 10:00:00 +0100";
            std::fs::write(&path, format!("{header}\nSubject: number {number}\n\n{body}")).unwrap();
            let Ok(written) = read_written(&path) else {
                assert!(body.replace("\r\n", "").contains(['\r', '\0']), "refused for nothing: {body:?}");
                continue;
            };
            let report = submit_message(address, written.message);
            // One server does not offer 8BITMIME, and a message that came written is not encoded anew.
            let needs_more = |cause: &Cause| cause.name() == "unsupported";
            if !body.is_ascii() && report.trouble.as_ref().is_some_and(|(_, cause)| needs_more(cause)) {
                continue;
            }
            assert!(report.all_accepted(), "{body:?}: {report:?}");
            sent.push(body);
        }
    }
    assert!(sent.len() > addresses.len() * 20, "only {} were sent", sent.len());
    let mut seen = vec![0; sent.len()];
    for part in Server::parts(&server.messages("inbox", sent.len())) {
        let number: usize = part.subject.strip_prefix("number ").unwrap().parse().unwrap();
        seen[number] += 1;
        assert_eq!(part.text(), one_form(&sent[number]), "number {number}");
    }
    assert!(seen.iter().all(|&times| times == 1), "each message comes once: {seen:?}");
}

/// The ends with the commands after them, and dots at every place where a server may begin to read anew.
fn bodies() -> Vec<String> {
    let hostile = ENDS.iter().map(|end| format!("hello{end}{COMMANDS}"));
    let doubled = ENDS.iter().map(|end| format!("{end}{COMMANDS}{end}{COMMANDS}"));
    let dots = (0..4).map(|shift| format!("{}\n{}", "x".repeat(shift), ".\n".repeat(20_000)));
    hostile.chain(doubled).chain(dots).collect()
}
