//! A message with everything in it, submitted to Dovecot with a login under TLS, relayed by Postfix, and kept by Dovecot: what is in the
//! mailbox is what was sent, byte for byte, as Python's email package reads it.

use std::path::{Path, PathBuf};

use switchboard_mail::auth::{Login, Mechanism, Secret};
use switchboard_mail::mime::{Attachment, Draft};
use switchboard_mail::smtp::{Fate, Phase, Security};
use switchboard_tls::{Fingerprint, Trust};

use crate::servers::{Server, one_form, own_address};
use crate::sockets::identity_in;
use crate::submit::{plain, submit};

/// The length of the large attachment, in bytes; not a multiple of anything that base64 or a file system likes.
fn large_bytes() -> usize {
    let mebibytes = if xtask::needs::long() { 100 } else { 16 };
    mebibytes * 1024 * 1024 + 1
}

#[test]
fn a_large_message_goes_through_postfix_into_dovecot_byte_for_byte() {
    if ["postfix", "dovecot-lmtpd", "dovecot-submissiond"].into_iter().any(xtask::needs::skipped) {
        return;
    }
    let house = Relayed::start();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        std::fs::write(folder.path().join(name), content).unwrap();
        Attachment::at(&folder.path().join(name)).unwrap()
    };
    let images = [noise(70_001, 1), noise(50_000, 2)];
    let large = noise(large_bytes(), 3);
    let (text, html) =
        ("Grüße\n.\n..\nFrom here\n", "<p><img src=\"cid:one.png\"> <img src=\"cid:two.jpg\"></p>\n");
    let draft = Draft {
        to: vec!["Ada <ada@example.org>".parse().unwrap()],
        subject: "large".to_owned(),
        text: Some(text.to_owned()),
        html: Some(html.to_owned()),
        inline: vec![write("one.png", &images[0]), write("two.jpg", &images[1])],
        attachments: vec![write("large.bin", &large)],
        ..plain()
    };
    let report = submit(house.postfix.address, &Trust::SystemRoots, Security::Off, None, &draft);
    assert!(report.all_accepted(), "{report:?}: {}", house.postfix.log());
    let parts = Server::parts(&house.dovecot.messages("ada", 1));
    let types: Vec<_> = parts.iter().map(|part| part.media_type.as_str()).collect();
    assert_eq!(types, ["text/plain", "text/html", "image/png", "image/jpeg", "application/octet-stream"]);
    assert_eq!(parts[0].text(), one_form(text));
    let id = |at: usize| parts[at].id.trim_matches(['<', '>']);
    assert_eq!(parts[1].text(), one_form(html).replace("one.png", id(2)).replace("two.jpg", id(3)));
    let same =
        [&images[0], &images[1], &large].iter().zip(&parts[2..]).all(|(sent, part)| **sent == part.bytes);
    assert!(same, "a file arrived changed");
    assert_eq!(parts[4].name, "large.bin");
}

#[test]
fn dovecot_takes_every_login_that_it_offers() {
    if ["postfix", "dovecot-lmtpd", "dovecot-submissiond"].into_iter().any(xtask::needs::skipped) {
        return;
    }
    let house = Relayed::start();
    let trust = Trust::Pin(house.fingerprint);
    let login = |password: &str| Login::with_password("ada", Secret::new(password.to_owned())).unwrap();
    let ways = [
        Some(Mechanism::ScramSha256),
        Some(Mechanism::ScramSha1),
        Some(Mechanism::CramMd5),
        Some(Mechanism::Plain),
        Some(Mechanism::Login),
        None,
    ];
    for way in ways {
        let by = |login: Login| if let Some(mechanism) = way { login.by(mechanism) } else { login };
        for (security, port) in [(Security::StartTls, 1), (Security::Implicit, 2)] {
            let submission = house.dovecot.port(port);
            let report = submit(submission, &trust, security, Some(by(login("pencil"))), &plain());
            assert!(report.all_accepted(), "{way:?}: {report:?}: {}", house.dovecot.log());
        }
    }
    house.dovecot.messages("ada", ways.len() * 2);
    let report = submit(house.dovecot.port(1), &trust, Security::StartTls, Some(login("pencils")), &plain());
    let refused =
        |fate: &Fate| matches!(fate, Fate::Refused { phase: Phase::Auth, said } if said.code == 535);
    assert!(report.recipients.iter().all(|one| refused(&one.fate)), "{report:?}");
    let report = submit(
        house.dovecot.port(1),
        &Trust::SystemRoots,
        Security::StartTls,
        Some(login("pencil")),
        &plain(),
    );
    let distrusted = |cause: &str| matches!(&report.trouble, Some((Phase::Tls, why)) if why.name() == cause);
    assert!(distrusted("untrusted"), "{report:?}");
}

/// Dovecot for submission and mailboxes, Postfix between the two.
struct Relayed {
    postfix: Server,
    dovecot: Server,
    fingerprint: Fingerprint,
    _keys: tempfile::TempDir,
}

impl Relayed {
    fn start() -> Self {
        let keys = tempfile::tempdir().unwrap();
        let folder = keys.path().join("keys");
        let fingerprint = identity_in(&folder);
        let relay = own_address();
        let dovecot = Server::dovecot(
            &file_with(&folder, "BEGIN CERTIFICATE"),
            &file_with(&folder, "PRIVATE KEY"),
            relay,
        );
        let postfix = Server::postfix_before(dovecot.address, relay);
        Self { postfix, dovecot, fingerprint, _keys: keys }
    }
}

fn file_with(folder: &Path, marker: &str) -> PathBuf {
    let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(marker))).unwrap()
}

/// Bytes without a pattern (xorshift64).
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}
