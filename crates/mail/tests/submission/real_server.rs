//! Messages through aiosmtpd, with TLS and every login it has, read back by Python's email package.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use switchboard_mail::address::Mailbox;
use switchboard_mail::auth::{InClear, Login, Mechanism, Secret};
use switchboard_mail::deliver::{Mail, Server, deliver};
use switchboard_mail::mime::{Attachment, Draft, Message, Stamp};
use switchboard_mail::smtp::{Envelope, Fate, Options, Phase, Report, Security, Submission};
use switchboard_tls::{Fingerprint, Trust};

use crate::sockets::identity_in;

/// Longest wait for a line; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_message_with_everything_arrives_byte_for_byte() {
    if xtask::needs::skipped("python3-aiosmtpd") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        std::fs::write(folder.path().join(name), content).unwrap();
        Attachment::at(&folder.path().join(name)).unwrap()
    };
    let image: Vec<u8> = (0..=255).cycle().take(200_001).collect();
    let stray = b"\r\n.\r\nQUIT\r\n\n.\n\r.\rbare\0";
    let html = "<p>schön <img src=\"cid:logo.png\"></p>\r\n.\r\n";
    let draft = Draft {
        from: Mailbox::new("Ædá, \"L\"", "me@example.org".parse().unwrap()).unwrap(),
        to: vec!["ada@example.org".parse().unwrap()],
        cc: vec!["Bob <bob@example.org>".parse().unwrap()],
        subject: "ein Bild für Dich: 画像".to_owned(),
        text: Some("hello\n.\n..two\nFrom here\n\nend".to_owned()),
        html: Some(html.to_owned()),
        inline: vec![write("logo.png", &image)],
        attachments: vec![write("naïve report, \"final\".pdf", stray), write("empty.txt", b"")],
    };
    for mode in [Security::Off, Security::StartTls, Security::Implicit] {
        let mut server = Aiosmtpd::start(mode);
        let report = server.submit(&draft, mode, None);
        assert!(report.all_accepted(), "{mode:?}: {report:?}");
        let told = server.next_message();
        assert_eq!(
            told["to"],
            serde_json::json!(["ada@example.org", "bob@example.org", "secret@example.org"])
        );
        assert_eq!(told["tls"], Value::Bool(mode == Security::StartTls), "{mode:?}");
        assert_read_back(&told, &draft, &[&image, stray, b""]);
    }
}

#[test]
fn every_login_that_the_server_has_works_and_a_wrong_password_does_not() {
    if xtask::needs::skipped("python3-aiosmtpd") {
        return;
    }
    let login = |password: &str, mechanism| {
        Login::with_password("user", Secret::new(password.to_owned())).unwrap().by(mechanism)
    };
    let mut server = Aiosmtpd::start(Security::StartTls);
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256] {
        let report = server.submit(&plain(), Security::StartTls, Some(login("pencil", mechanism)));
        assert!(report.all_accepted(), "{mechanism:?}: {report:?}");
        assert_ne!(server.next_message()["login"], Value::Bool(false), "{mechanism:?}");
        let report = server.submit(&plain(), Security::StartTls, Some(login("pencils", mechanism)));
        let refused =
            |fate: &Fate| matches!(fate, Fate::Refused { phase: Phase::Auth, said } if said.code == 535);
        assert!(report.recipients.iter().all(|one| refused(&one.fate)), "{mechanism:?}: {report:?}");
    }
    // The best that is offered, which is bound to nothing since the server cannot.
    let chosen = Login::with_password("user", Secret::new("pencil".to_owned())).unwrap();
    assert!(server.submit(&plain(), Security::StartTls, Some(chosen)).all_accepted());
}

#[test]
fn a_refused_recipient_is_told_from_the_others_and_clear_passwords_are_not_sent() {
    if xtask::needs::skipped("python3-aiosmtpd") {
        return;
    }
    let mut server = Aiosmtpd::start(Security::Off);
    let mut draft = plain();
    draft.cc = vec!["unknown@example.org".parse().unwrap()];
    let report = server.submit(&draft, Security::Off, None);
    let names: Vec<_> = report.recipients.iter().map(|one| (one.fate.name(), one.fate.phase())).collect();
    let expected = [("accepted", Phase::Final), ("refused", Phase::Rcpt), ("accepted", Phase::Final)];
    assert_eq!(names, expected);
    let said = report.recipients[1].fate.said().unwrap();
    assert_eq!(said.to_string(), "550 5.1.1 no such user here");

    let password =
        || Login::with_password("user", Secret::new("pencil".to_owned())).unwrap().by(Mechanism::Plain);
    let report = server.submit(&plain(), Security::Off, Some(password()));
    assert!(matches!(&report.trouble, Some((Phase::Auth, cause)) if cause.name() == "auth"), "{report:?}");
    let allowed = password().in_clear(InClear::Allowed);
    assert!(server.submit(&plain(), Security::Off, Some(allowed)).all_accepted());
}

#[test]
fn letters_beyond_ascii_reach_a_server_that_takes_them() {
    if xtask::needs::skipped("python3-aiosmtpd") {
        return;
    }
    let mut server = Aiosmtpd::start(Security::Off);
    let mut draft = plain();
    draft.to = vec!["Ädä <ädä@bücher.example>".parse().unwrap()];
    draft.cc = vec!["bob@bücher.example".parse().unwrap()];
    let report = server.submit(&draft, Security::Off, None);
    assert!(report.all_accepted(), "{report:?}");
    let told = server.next_message();
    let expected = ["ädä@bücher.example", "bob@xn--bcher-kva.example", "secret@example.org"];
    assert_eq!(told["to"], serde_json::json!(expected));
    assert_eq!(told["defects"], serde_json::json!([]));
    let fields = told["fields"].as_array().unwrap();
    assert!(fields.contains(&serde_json::json!(["To", "Ädä <ädä@bücher.example>"])), "{fields:?}");
}

fn plain() -> Draft {
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

fn assert_read_back(told: &Value, draft: &Draft, files: &[&[u8]]) {
    assert_eq!(told["defects"], serde_json::json!([]));
    let field = |name: &str| {
        let fields = told["fields"].as_array().unwrap().iter();
        let found: Vec<_> =
            fields.filter(|field| field[0] == name).map(|field| field[1].as_str().unwrap()).collect();
        found.join("|")
    };
    assert_eq!(field("Subject"), draft.subject);
    assert_eq!(field("Cc"), "Bob <bob@example.org>");
    assert_eq!(field("Bcc"), "");
    assert_eq!(field("From"), "\"Ædá, \\\"L\\\"\" <me@example.org>");
    let parts = told["parts"].as_array().unwrap();
    assert!(parts.iter().all(|part| part["defects"] == serde_json::json!([])), "{parts:?}");
    let types: Vec<_> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["text/plain", "text/html", "image/png", "application/pdf", "text/plain"]);
    let bytes = |at: usize| decoded(parts[at]["bytes"].as_str().unwrap());
    assert_eq!(bytes(0), b"hello\r\n.\r\n..two\r\nFrom here\r\n\r\nend\r\n");
    let id = parts[2]["id"].as_str().unwrap().trim_matches(['<', '>']);
    let html = draft.html.clone().unwrap().replace("logo.png", id);
    assert_eq!(String::from_utf8(bytes(1)).unwrap(), html);
    for (at, content) in files.iter().enumerate() {
        assert_eq!(bytes(2 + at), *content);
    }
    assert_eq!(parts[3]["name"], "naïve report, \"final\".pdf");
}

/// Base64 by Python, undone without the crate that made what is tested.
fn decoded(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = 0u32;
    let mut held = 0;
    let mut bytes = Vec::new();
    for letter in text.bytes().filter(|&letter| letter != b'=') {
        let value = LETTERS.iter().position(|&one| one == letter).unwrap();
        bits = (bits << 6 | u32::try_from(value).unwrap()) & 0xfff;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    bytes
}

/// A running server; ended when it is dropped.
pub(crate) struct Aiosmtpd {
    child: Child,
    lines: Receiver<String>,
    pub(crate) port: u16,
    pub(crate) fingerprint: Fingerprint,
    _keys: tempfile::TempDir,
}

impl Aiosmtpd {
    fn start(mode: Security) -> Self {
        Self::start_demanding(mode, None)
    }

    /// One that speaks only to a client which shows this certificate.
    pub(crate) fn start_demanding(mode: Security, certificate: Option<&Path>) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let folder = keys.path().join("keys");
        let fingerprint = identity_in(&folder);
        let file = |marker: &str| {
            let mut files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
            files.find(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(marker))).unwrap()
        };
        let word = match mode {
            Security::Off => "off",
            Security::StartTls => "starttls",
            Security::Implicit => "implicit",
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/submission/aiosmtpd_server.py");
        let mut child = Command::new(xtask::needs::PYTHON)
            .arg("-B")
            .arg(script)
            .arg(word)
            .args([file("BEGIN CERTIFICATE"), file("PRIVATE KEY")])
            .args(certificate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (told, lines) = channel();
        // Read as it comes: the server answers only after it could say what it kept.
        std::thread::spawn(move || output.lines().map_while(Result::ok).all(|line| told.send(line).is_ok()));
        let port = lines.recv_timeout(PATIENCE).expect("the server says its port").parse().unwrap();
        Self { child, lines, port, fingerprint, _keys: keys }
    }

    /// Sends it to everybody of the draft and to one whom nobody sees.
    fn submit(&mut self, draft: &Draft, security: Security, login: Option<Login>) -> Report {
        let message = composed(draft);
        let everybody = draft.to.iter().chain(&draft.cc).map(|mailbox| mailbox.address().clone());
        let recipients = everybody.chain(["secret@example.org".parse().unwrap()]).collect();
        let envelope = Envelope::new(draft.from.address().clone(), recipients).unwrap();
        let mail = Mail { submission: Submission::new(envelope, &message), message };
        let mut options = Options::new(security, [5; 18]);
        options.login = login;
        let trust = Trust::Pin(self.fingerprint);
        let server = Server { host: "127.0.0.1".to_owned(), port: self.port, trust };
        deliver(&server, options, mail, &mut |_| {}).unwrap()
    }

    pub(crate) fn next_message(&mut self) -> Value {
        serde_json::from_str(&self.lines.recv_timeout(PATIENCE).unwrap()).unwrap()
    }
}

impl Drop for Aiosmtpd {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn composed(draft: &Draft) -> Message {
    let date = "2026-03-01T10:00:00+01:00[+01:00]".parse().unwrap();
    draft.compose(&Stamp { date, random: [3; 16] }).unwrap()
}
