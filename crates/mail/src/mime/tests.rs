//! Messages read back by somebody else's parser.

use mail_parser::{Message as Parsed, MessageParser, MimeHeaders as _, PartType};
use proptest::prelude::*;

use super::*;
use crate::address::Mailbox;

mod any_input;
mod long_texts;

fn stamp() -> Stamp {
    Stamp { date: "2026-03-01T10:00:00+01:00[+01:00]".parse().unwrap(), random: [0xab; 16] }
}

fn draft(subject: &str) -> Draft {
    Draft {
        from: "Ada Lovelace <ada@example.org>".parse().unwrap(),
        to: vec!["bob@example.org".parse().unwrap()],
        cc: Vec::new(),
        subject: subject.to_owned(),
        text: Some("hello\n".to_owned()),
        html: None,
        inline: Vec::new(),
        attachments: Vec::new(),
    }
}

fn written(draft: &Draft) -> Vec<u8> {
    let mut message = draft.compose(&stamp()).unwrap();
    let (announced, mut out) = (message.bytes(), Vec::new());
    while message.read(&mut out).unwrap() == More::Follows {}
    assert_eq!(out.len() as u64, announced);
    assert_wire_clean(&out);
    out
}

/// What is promised of every message, whatever is in it.
fn assert_wire_clean(message: &[u8]) {
    let text = std::str::from_utf8(message).unwrap();
    assert!(text.ends_with("\r\n"));
    for line in text.strip_suffix("\r\n").unwrap().split("\r\n") {
        assert!(line.len() <= 998, "a line of {} bytes", line.len());
        assert!(line.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')), "{line:?}");
    }
}

fn parse(bytes: &[u8]) -> Parsed<'_> {
    MessageParser::default().parse(bytes).unwrap()
}

fn file(folder: &tempfile::TempDir, name: &str, content: &[u8]) -> Attachment {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    Attachment::at(&path).unwrap()
}

#[test]
fn a_plain_message_is_plain() {
    let expected = "Date: Sun, 1 Mar 2026 10:00:00 +0100\r\n\
        From: Ada Lovelace <ada@example.org>\r\n\
        To: bob@example.org\r\n\
        Subject: hi\r\n\
        Message-ID: <abababababababababababababababab@example.org>\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=us-ascii\r\n\
        Content-Transfer-Encoding: 7bit\r\n\
        \r\n\
        hello\r\n";
    assert_eq!(String::from_utf8(written(&draft("hi"))).unwrap(), expected);
}

#[test]
fn every_level_is_there_only_where_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let image: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let mut whole = draft("all");
    whole.html = Some("<img src=\"cid:logo.png\">".to_owned());
    whole.inline = vec![file(&folder, "logo.png", &image)];
    whole.attachments = vec![file(&folder, "notes.txt", b"a\rb\nc\0d"), file(&folder, "empty.bin", b"")];
    let bytes = written(&whole);
    let parsed = parse(&bytes);
    let types: Vec<_> = parsed.parts.iter().map(|part| part.content_type().unwrap()).collect();
    let types: Vec<_> =
        types.iter().map(|kind| format!("{}/{}", kind.c_type, kind.c_subtype.as_ref().unwrap())).collect();
    let expected = [
        "multipart/mixed",
        "multipart/related",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "image/png",
        "text/plain",
        "application/octet-stream",
    ];
    assert_eq!(types, expected);
    assert_eq!(parsed.body_text(0).unwrap(), "hello\r\n");
    let html = parsed.body_html(0).unwrap();
    let id = parsed.parts[5].content_id().unwrap();
    assert_eq!(html, format!("<img src=\"cid:{id}\">\r\n"));
    assert_eq!(parsed.parts[5].contents(), image);
    assert_eq!(parsed.parts[6].contents(), b"a\rb\nc\0d");
    assert_eq!(parsed.parts[7].contents(), b"");
}

#[test]
fn a_file_that_changes_while_it_is_sent_ends_the_message() {
    let folder = tempfile::tempdir().unwrap();
    for now in [b"short".as_slice(), b"longer than it was"] {
        let mut one = draft("x");
        one.attachments = vec![file(&folder, "a.bin", b"ten bytes.")];
        let mut message = one.compose(&stamp()).unwrap();
        std::fs::write(folder.path().join("a.bin"), now).unwrap();
        let mut out = Vec::new();
        let ended = loop {
            match message.read(&mut out) {
                Ok(More::Follows) => {}
                other => break other,
            }
        };
        assert!(matches!(ended, Err(MailError::FileChanged { announced: 10, .. })), "{ended:?}");
    }
}

#[test]
fn what_cannot_be_a_message_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Attachment::at(folder.path()), Err(MailError::NotAFile { .. })));
    assert!(matches!(Attachment::at(&folder.path().join("absent")), Err(MailError::File { .. })));
    for subject in ["a\r\nBcc: eve@example.org", "a\nb", "a\0b", &"x".repeat(SUBJECT_BYTES_MAX + 1)] {
        assert!(draft(subject).compose(&stamp()).is_err(), "{subject:?}");
    }
    let mut no_html = draft("x");
    no_html.inline = vec![file(&folder, "logo.png", b"x")];
    assert!(no_html.compose(&stamp()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_is_read_back(
        subject in "[^\\p{Cc}]{0,90}",
        name in "[^\\p{Cc}<>\"]{0,60}",
        text in "([ -~é爱\t]{0,90}(\n|\r\n|\r)?){0,8}",
        content in prop::collection::vec(any::<u8>(), 0..300),
        file_name in "[^\\p{Cc}/]{1,60}",
    ) {
        let folder = tempfile::tempdir().unwrap();
        // Of a text the parser would give characters, not bytes.
        let file_name = file_name + ".bin";
        // A file system's own rules about names are not what is tested.
        let usable = file_name.len() <= 200;
        let mut one = draft(&subject);
        one.from = Mailbox::new(&name, "ada@example.org".parse().unwrap()).unwrap();
        one.text = Some(text.clone());
        if usable {
            one.attachments = vec![file(&folder, &file_name, &content)];
        }
        let bytes = written(&one);
        let parsed = parse(&bytes);
        let names: Vec<_> = parsed.headers().iter().map(|header| header.name().to_owned()).collect();
        let expected = ["Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type"];
        prop_assert_eq!(&names[..7], &expected);
        prop_assert!(names.len() <= 8);
        prop_assert_eq!(parsed.subject().unwrap_or("").trim(), subject.trim());
        let read = parsed.from().unwrap().first().unwrap();
        prop_assert_eq!(read.name().unwrap_or(""), name.trim());
        let canonical = canonical(&text);
        let part = parsed.parts.iter().find(|part| matches!(part.body, PartType::Text(_))).unwrap();
        prop_assert_eq!(std::str::from_utf8(part.contents()).unwrap(), canonical);
        if usable {
            let attached = parsed.attachment(0).unwrap();
            prop_assert_eq!(attached.contents(), content);
            prop_assert_eq!(attached.attachment_name().unwrap().trim(), file_name.trim());
        }
    }
}

/// The text with CRLF line ends, the last included.
fn canonical(text: &str) -> String {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    let lines: Vec<_> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    lines.join("\r\n") + "\r\n"
}
