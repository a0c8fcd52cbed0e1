//! Messages that come written: what is changed, what is refused, and what is read of them.

use proptest::prelude::*;

use super::*;

fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("message.eml");
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

fn read(content: &[u8]) -> Result<Written, String> {
    let (_folder, path) = file(content);
    read_written(&path).map_err(|error| error.to_string())
}

fn sent(content: &[u8]) -> String {
    let (_folder, path) = file(content);
    let mut message = read_written(&path).unwrap().message;
    let (announced, mut out) = (message.bytes(), Vec::new());
    while message.read(&mut out).unwrap() == More::Follows {}
    assert_eq!(out.len() as u64, announced);
    String::from_utf8(out).unwrap()
}

const HEADER: &str = "From: Ada <ada@example.org>\nDate: Sun, 1 Mar 2026 10:00:00 +0100\n";

#[test]
fn only_line_ends_and_blind_copies_are_changed() {
    let content = format!(
        "{HEADER}To: a@b.example,\n\tBob <c@d.example>\nBcc: eve@e.example,\n  mallory@m.example\nSubject: x\n\n\
         .\nhello  \r\nend"
    );
    let written = read(content.as_bytes()).unwrap();
    let everybody: Vec<_> = written.recipients.iter().map(ToString::to_string).collect();
    assert_eq!(everybody, ["a@b.example", "c@d.example", "eve@e.example", "mallory@m.example"]);
    assert_eq!(written.sender.to_string(), "ada@example.org");
    assert_eq!(written.message.content(), Content::SevenBit);
    let expected = format!("{HEADER}To: a@b.example,\n\tBob <c@d.example>\nSubject: x\n\n.\nhello  \nend\n");
    assert_eq!(sent(content.as_bytes()), expected.replace('\n', "\r\n"));
}

#[test]
fn what_a_message_needs_of_a_server_is_seen() {
    let content = |more: &str| read(format!("{HEADER}{more}").as_bytes()).unwrap().message.content();
    assert_eq!(content("\nx\n"), Content::SevenBit);
    assert_eq!(content("\nschön\n"), Content::EightBit);
    assert_eq!(content("Subject: schön\n\nx\n"), Content::Internationalized);
    // What is taken out needs nothing.
    assert_eq!(content("Bcc: ä@example.org\n\nx\n"), Content::SevenBit);
}

#[test]
fn a_header_alone_and_an_empty_body_are_messages() {
    let header = HEADER.replace('\n', "\r\n");
    assert_eq!(sent(HEADER.as_bytes()), format!("{header}\r\n"));
    assert_eq!(sent(HEADER.trim_end().as_bytes()), format!("{header}\r\n"));
    assert_eq!(sent(format!("{HEADER}\n").as_bytes()), format!("{header}\r\n"));
    assert_eq!(sent(format!("{HEADER}\n\n\n").as_bytes()), format!("{header}\r\n\r\n\r\n"));
}

#[test]
fn what_cannot_be_sent_as_it_is_is_refused_with_its_place() {
    let long = format!("{HEADER}\n{}\n", "x".repeat(999));
    let rows: [(&str, &str); 12] = [
        ("", "no field Date"),
        ("Date: x\n\n", "no field From"),
        (&HEADER.replace("Date", "Dato"), "no field Date"),
        (&format!("{HEADER}From: x@y.example\n\n"), "more than one field from"),
        (&format!("{HEADER}\na\rb\n"), "line 4 has a bare CR"),
        (&format!("{HEADER}\na\n\0\n"), "line 5 has a NUL"),
        (&format!("{HEADER}\na\r"), "line 4 ends with a bare CR"),
        (&long, "line 4 has more than 998 bytes"),
        (&format!("{HEADER}no field\n\n"), "line 3 is no header field"),
        (&format!("{HEADER}Sub ject: x\n\n"), "line 3 is no header field"),
        (" x\n\n", "begins with a space"),
        (&format!("{HEADER}To: a b@c.example\n\n"), "is not a mail address"),
    ];
    for (content, why) in rows {
        let error = read(content.as_bytes()).unwrap_err();
        assert!(error.contains(why), "{content:?}: {error}");
    }
    let latin = [HEADER.as_bytes(), b"Subject: sch\xf6n\n\n"].concat();
    assert!(read(&latin).unwrap_err().contains("neither ASCII nor UTF-8"));
    let huge = format!("{HEADER}{}\n", "X: y\n".repeat(60_000));
    assert!(read(huge.as_bytes()).unwrap_err().contains("256 KiB"));
}

#[test]
fn a_file_that_changes_ends_the_message_before_its_end() {
    let content = format!("{HEADER}\n{}", "a line\n".repeat(20_000));
    for change in [0, content.len() / 2, content.len() + 7] {
        let (_folder, path) = file(content.as_bytes());
        let mut message = read_written(&path).unwrap().message;
        let mut changed = content.clone().into_bytes();
        changed.resize(change, b'x');
        std::fs::write(&path, changed).unwrap();
        let mut out = Vec::new();
        let ended =
            std::iter::repeat_with(|| message.read(&mut out)).find(|read| !matches!(read, Ok(More::Follows)));
        assert!(matches!(ended, Some(Err(MailError::FileChanged { .. }))), "{change}: {ended:?}");
    }
}

proptest! {
    #[test]
    fn whatever_is_in_a_file_no_bare_line_end_and_no_blind_copy_leaves(
        more in "([Bb][Cc][Cc]: e@e.example\n|X: y\n|\n|\r\n|\r| z\n|é|\0){0,8}",
    ) {
        let (_folder, path) = file(format!("{HEADER}{more}").as_bytes());
        if let Ok(Written { mut message, .. }) = read_written(&path) {
            let mut out = Vec::new();
            while message.read(&mut out).unwrap() == More::Follows {}
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(text.len() as u64, message.bytes());
            prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']));
            let header = text.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
            prop_assert!(!header.lines().any(|line| line.starts_with("bcc")), "{}", header);
        }
    }
}
