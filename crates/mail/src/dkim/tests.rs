//! Signatures verified by dkimpy; keys made by nobody but this machine.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;

use super::*;
use crate::limits::FILE_CHUNK_BYTES;
use crate::mime::{Attachment, Draft, More, Stamp, read_written, read_written_bytes};

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// RSA and Ed25519, made once.
fn keys() -> &'static [String; 2] {
    static KEYS: OnceLock<[String; 2]> = OnceLock::new();
    KEYS.get_or_init(make_keys)
}

fn make_keys() -> [String; 2] {
    let ed25519 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
    [pem("PRIVATE KEY", rsa.as_ref()), pem("PRIVATE KEY", ed25519.as_ref())]
}

fn draft(attachments: Vec<Attachment>) -> Draft {
    Draft {
        from: "Ædá <me@example.org>".parse().unwrap(),
        to: (0..9).map(|n| format!("somebody{n}@example.org").parse().unwrap()).collect(),
        cc: Vec::new(),
        subject: "two  spaces, and a long subject that is folded somewhere, since nobody writes short ones"
            .to_owned(),
        text: Some("hello \t there  \n\n  x\n.\n\n\n".to_owned()),
        html: None,
        inline: Vec::new(),
        attachments,
    }
}

fn stamp() -> Stamp {
    Stamp { date: "2026-03-01T10:00:00+01:00[+01:00]".parse().unwrap(), random: [3; 16] }
}

fn written(message: &mut Message) -> Result<Vec<u8>, MailError> {
    let mut out = Vec::new();
    while message.read(&mut out)? == More::Follows {}
    assert_eq!(out.len() as u64, message.bytes());
    Ok(out)
}

/// What dkimpy says of each message, when the DNS has this record and no other.
fn verified(messages: &[Vec<u8>], record: &str) -> Vec<bool> {
    const PROGRAM: &str = r"
import dkim, sys
name, record = (argument.encode() for argument in sys.argv[1:3])
dns = lambda asked, timeout=5: record if asked.rstrip(b'.') == name else None
while length := sys.stdin.buffer.read(8):
    message = sys.stdin.buffer.read(int.from_bytes(length, 'big'))
    try:
        print(dkim.DKIM(message).verify(dnsfunc=dns))
    except dkim.ValidationError:
        print(False)
";
    let mut python = Command::new(xtask::needs::PYTHON)
        .args(["-B", "-c", PROGRAM, "key1._domainkey.example.org", record])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    for message in messages {
        input.write_all(&(message.len() as u64).to_be_bytes()).unwrap();
        input.write_all(message).unwrap();
    }
    drop(input);
    let output = python.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let said: Vec<_> = said.lines().map(|line| line == "True").collect();
    assert_eq!(said.len(), messages.len());
    said
}

#[test]
fn somebody_elses_program_verifies_what_is_signed_and_nothing_else() {
    if xtask::needs::skipped("python3-dkim") || xtask::needs::skipped("python3-nacl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ünïcode.bin");
    std::fs::write(&path, [7, 0, 13, 10].repeat(50_000)).unwrap();
    let raw = folder.path().join("message.eml");
    std::fs::write(
        &raw,
        "From: a@example.org\nDate: x\nSUBJECT:  a\n b\nReceived: x\nReceived: y\n\n a  b \n\n",
    )
    .unwrap();
    for key in keys() {
        let signer = Signer::new("example.org", "key1", key.as_bytes()).unwrap();
        let composed = draft(vec![Attachment::at(&path).unwrap()]).compose(&stamp()).unwrap();
        for mut message in [composed, read_written(&raw).unwrap().message] {
            message.sign(&signer, 1_790_000_000).unwrap();
            let sent = written(&mut message).unwrap();
            let text = String::from_utf8(sent.clone()).unwrap();
            assert!(text.lines().all(|line| line.len() <= 100), "{text}");
            // As servers fold and pad it.
            let refolded = text.replacen("\r\nDate:", "\r\nDATE:  ", 1).replacen("From: ", "From:\r\n\t", 1);
            let forgeries = [
                format!("From: eve@example.org\r\n{text}"),
                format!("Subject: buy\r\n{text}"),
                format!("Cc: eve@example.org\r\n{text}"),
                text.replacen("Date: ", "Date: 1", 1),
                format!("{text}more\r\n"),
            ];
            let mut messages = vec![sent, refolded.into_bytes()];
            messages.extend(forgeries.map(String::into_bytes));
            let expected = [true, true, false, false, false, false, false];
            assert_eq!(verified(&messages, &signer.record()), expected, "{}", &text[..text.len().min(2000)]);
        }
    }
}

#[test]
fn a_long_text_is_signed_to_its_end() {
    if xtask::needs::skipped("python3-dkim") || xtask::needs::skipped("python3-nacl") {
        return;
    }
    let signer = Signer::new("example.org", "key1", keys()[1].as_bytes()).unwrap();
    let text =
        "a line of a text that is long enough\r\n".repeat(3 * FILE_CHUNK_BYTES / 38 + 1) + "the end\r\n";
    let composed = Draft { text: Some(text.clone()), ..draft(Vec::new()) }.compose(&stamp()).unwrap();
    let piped = format!("From: a@example.org\r\nDate: x\r\n\r\n{text}");
    for mut message in [composed, read_written_bytes(piped.into_bytes()).unwrap().message] {
        message.sign(&signer, 1_790_000_000).unwrap();
        let sent = written(&mut message).unwrap();
        let forged = String::from_utf8(sent.clone()).unwrap().replace("the end", "The end").into_bytes();
        assert_eq!(verified(&[sent, forged], &signer.record()), [true, false]);
    }
}

#[test]
fn a_file_that_changes_after_the_signature_ends_the_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    std::fs::write(&path, [7; 100_000]).unwrap();
    let signer = Signer::new("example.org", "key1", keys()[1].as_bytes()).unwrap();
    let mut message = draft(vec![Attachment::at(&path).unwrap()]).compose(&stamp()).unwrap();
    message.sign(&signer, 1).unwrap();
    std::fs::write(&path, [8; 100_000]).unwrap();
    assert!(matches!(written(&mut message), Err(MailError::ChangedSinceSigned)));
}

#[test]
fn what_cannot_sign_is_refused_without_a_word_of_the_key() {
    let ed25519 = keys()[1].clone();
    let rows = [
        ("example.org", "key1", "no key"),
        ("example.org", "key1", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        ("", "key1", ed25519.as_str()),
        ("exa mple.org", "key1", ed25519.as_str()),
        ("example.org", "key\r\n1", ed25519.as_str()),
        ("example.org;", "key1", ed25519.as_str()),
    ];
    for (domain, selector, key) in rows {
        let error = Signer::new(domain, selector, key.as_bytes()).err().expect(domain).to_string();
        assert!(!error.contains("AAAA") && error.starts_with("messages cannot be signed"), "{error}");
    }
}
