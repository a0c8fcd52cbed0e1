//! What a mail server says, and what a person or a program writes into a message: replies, the dialogue, addresses, header fields, messages
//! that come written, their signatures.
//!
//! Held: a stream of replies means the same however it is cut; whatever a server says, a message is called accepted only after its end
//! was sent, in doubt only then too, and a client says only its own commands; an address that parses is shown as a text that parses to the
//! same; no subject, name or text makes a header field or a line that was not there before; a message that comes written leaves without
//! blind copies and bare line ends, or not at all, and is as long as was announced, signed or not.

use std::net::{IpAddr, Ipv4Addr};

use switchboard_mail::address::{Address, Mailbox, list};
use switchboard_mail::auth::{Login, Secret};
use switchboard_mail::dkim::Signer;
use switchboard_mail::mime::{Content, Draft, More, Stamp, Written, read_written_bytes};
use switchboard_mail::reply::{Reply, ReplyError, ReplyReader};
use switchboard_mail::smtp::dsn::Notices;
use switchboard_mail::smtp::{Cause, Envelope, Fate, Options, Output, Security, Smtp, Submission};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\n.\r\nQUIT\r\n";

/// First byte: what the rest is.
pub(crate) fn run(bytes: &[u8]) {
    let Some((&what, rest)) = bytes.split_first() else { return };
    match what % 4 {
        0 => replies(rest),
        1 => dialogue(what, rest),
        2 => {
            if let Ok(text) = std::str::from_utf8(rest) {
                address(text);
                list(text);
            }
        }
        _ if what & 4 != 0 => written(what, rest),
        _ => {
            if let Ok(text) = std::str::from_utf8(rest) {
                message(text);
            }
        }
    }
}

fn replies(bytes: &[u8]) {
    let whole = read(bytes.chunks(bytes.len().max(1)));
    assert_eq!(read(bytes.chunks(1)), whole);
    assert_eq!(read(bytes.chunks(7)), whole);
    for reply in &whole.0 {
        assert!((200..560).contains(&reply.code) && !reply.lines.is_empty());
        assert!(!reply.said().to_string().contains(['\r', '\n', '\0', '\u{1b}']));
    }
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Reply>, Option<ReplyError>) {
    let (mut reader, mut replies) = (ReplyReader::default(), Vec::new());
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next_reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(error) => return (replies, Some(error)),
            }
        }
    }
    (replies, None)
}

/// The lines of the input, one for each time that the client waits; then the connection ends.
fn dialogue(what: u8, bytes: &[u8]) {
    let messages = if what & 16 == 0 { 1 } else { 3 };
    let mut smtp = Smtp::new(options(what));
    let (mut given, mut unread) = (1, MESSAGE);
    smtp.handle_message(0, submission());
    smtp.handle_connected(0, IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let (mut sent, mut reports) = (Vec::new(), Vec::new());
    loop {
        reports.extend(std::iter::from_fn(|| smtp.poll_report()));
        match smtp.poll_output() {
            Output::Send(bytes) => sent.extend(bytes),
            Output::Secure => smtp.handle_secured(0, Some(vec![9; 32])),
            Output::Next { .. } if given < messages => {
                given += 1;
                unread = MESSAGE;
                smtp.handle_message(0, submission());
            }
            Output::Next { .. } => smtp.handle_no_more(0),
            Output::Body { .. } if unread.is_empty() => smtp.handle_body_end(0),
            Output::Body { .. } => {
                let (piece, rest) = unread.split_at(unread.len().min(9));
                unread = rest;
                smtp.handle_body(0, piece);
            }
            Output::Wait { .. } => {
                smtp.handle_written(0, 0);
                match lines.next() {
                    Some(line) => smtp.handle_input(0, line),
                    None => smtp.handle_trouble(Cause::Lost),
                }
            }
            Output::Close => break,
        }
    }
    reports.extend(std::iter::from_fn(|| smtp.poll_report()));
    assert_eq!(reports.len(), given, "every message has a report");
    let ended = only_own_commands(&sent);
    for (at, report) in reports.iter().enumerate() {
        for recipient in &report.recipients {
            let needs_end = matches!(recipient.fate, Fate::Accepted(_) | Fate::InDoubt { .. });
            let ended = ended.get(at).is_some_and(|&ended| ended);
            assert!(ended || !needs_end, "{recipient:?} and message {at} never ended");
        }
    }
}

fn options(what: u8) -> Options {
    let mut options =
        Options::new(if what & 4 == 0 { Security::StartTls } else { Security::Implicit }, [7; 18]);
    let secret = Secret::new("pencil".to_owned());
    let login = Login::with_password("user", secret).expect("a name and a password");
    options.login = (what & 8 != 0).then_some(login);
    options.chunk_bytes_max = if what & 32 == 0 { 1000 } else { 7 };
    options.unanswered_max = if what & 64 == 0 { 64 } else { 1 };
    options
}

fn submission() -> Submission {
    let recipients = ["ada@example.org", "bob@example.org"].map(|text| text.parse().expect("an address"));
    let envelope = Envelope::new("me@example.org".parse().expect("an address"), recipients.to_vec());
    Submission {
        envelope: envelope.expect("two recipients"),
        message_bytes: MESSAGE.len() as u64,
        content: Content::SevenBit,
        notices: Notices::default(),
    }
}

/// For each MAIL, whether the message after it ended.
fn only_own_commands(sent: &[u8]) -> Vec<bool> {
    const COMMANDS: [&str; 11] =
        ["EHLO ", "HELO ", "STARTTLS", "AUTH ", "MAIL FROM:<", "RCPT TO:<", "DATA", "QUIT", "RSET", "*", "."];
    let mut rest = std::str::from_utf8(sent).expect("a client speaks ASCII");
    let (mut ended, mut in_login) = (Vec::new(), false);
    while let Some((line, after)) = rest.split_once("\r\n") {
        rest = after;
        assert!(!line.contains(['\r', '\n']), "{line:?}");
        if let Some(words) = line.strip_prefix("BDAT ") {
            let (length, last) = words.split_once(' ').map_or((words, false), |(length, _)| (length, true));
            rest = rest
                .get(length.parse::<usize>().expect("a length")..)
                .expect("as many bytes as were announced");
            if let Some(ended) = ended.last_mut() {
                *ended = last;
            }
            continue;
        }
        let known = COMMANDS.iter().any(|command| line.starts_with(command));
        let is_answer = line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        assert!(known || (in_login && is_answer), "{line:?}");
        in_login |= line.starts_with("AUTH ");
        if line.starts_with("MAIL ") {
            ended.push(false);
        }
        if line == "DATA" && rest.starts_with("Subject: x\r\n") {
            let Some((_, after)) = rest.split_once("\r\n.\r\n") else { return ended };
            rest = after;
            if let Some(ended) = ended.last_mut() {
                *ended = true;
            }
        }
    }
    ended
}

fn address(text: &str) {
    if let Ok(address) = text.parse::<Address>() {
        let shown = address.to_string();
        assert!(!shown.contains(char::is_control) && shown.is_ascii() == address.is_ascii(), "{shown:?}");
        assert_eq!(shown.parse::<Address>().ok(), Some(address));
    }
    if let Ok(mailbox) = text.parse::<Mailbox>() {
        assert!(!mailbox.name().is_some_and(|name| name.contains(char::is_control)));
    }
}

fn list(text: &str) {
    for address in list::addresses(text).unwrap_or_default() {
        assert_eq!(address.to_string().parse::<Address>().ok(), Some(address));
    }
}

/// The input is the message.
fn written(what: u8, bytes: &[u8]) {
    const KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    let Ok(Written { mut message, recipients, .. }) = read_written_bytes(bytes.to_vec()) else { return };
    for address in recipients {
        assert_eq!(address.to_string().parse::<Address>().ok(), Some(address));
    }
    if what & 8 != 0 {
        let signer = Signer::new("example.org", "test", KEY).expect("the key of RFC 8463");
        message.sign(&signer, 1).expect("there is no file in it");
    }
    let mut sent = Vec::new();
    while message.read(&mut sent).expect("what was signed is what is sent") == More::Follows {}
    assert_eq!(sent.len() as u64, message.bytes());
    let text = String::from_utf8_lossy(&sent);
    assert!(text.ends_with("\r\n") && !text.replace("\r\n", "").contains(['\r', '\n', '\0']));
    let header = text.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
    let is_blind = |line: &str| matches!(line.split(':').next(), Some("bcc" | "resent-bcc"));
    assert!(!header.lines().any(is_blind), "{header}");
    assert_eq!(message.content() == Content::SevenBit, text.is_ascii());
}

fn message(text: &str) {
    let (subject, rest) = text.split_once('\u{1}').unwrap_or((text, ""));
    let (name, body) = rest.split_once('\u{1}').unwrap_or((rest, text));
    let address: Address = "me@example.org".parse().expect("an address");
    let Ok(from) = Mailbox::new(name, address) else { return };
    let draft = Draft {
        from,
        to: vec!["ada@example.org".parse().expect("an address")],
        cc: Vec::new(),
        subject: subject.to_owned(),
        text: Some(body.to_owned()),
        html: None,
        inline: Vec::new(),
        attachments: Vec::new(),
    };
    let date = "2026-03-01T10:00:00+01:00[+01:00]".parse().expect("a date");
    let Ok(mut message) = draft.compose(&Stamp { date, random: [3; 16] }) else { return };
    let mut written = Vec::new();
    while message.read(&mut written).expect("there is no file in it") == More::Follows {}
    assert_eq!(written.len() as u64, message.bytes());
    let written = String::from_utf8(written).expect("a message is ASCII");
    let lines: Vec<_> = written.strip_suffix("\r\n").expect("it ends with a line").split("\r\n").collect();
    for line in &lines {
        assert!(
            line.len() <= 998 && line.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')),
            "{line:?}"
        );
    }
    let header = lines.iter().take_while(|line| !line.is_empty());
    let names: Vec<_> =
        header.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(':').next()).collect();
    let expected = [
        "Date",
        "From",
        "To",
        "Subject",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];
    assert_eq!(names, expected);
}
