//! Whoever sends, to whomever, and however they log in: what leaves are the commands of one message, each in one line within its bound.

use std::net::{IpAddr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use switchboard_mail::address::Address;
use switchboard_mail::auth::{InClear, Login, Mechanism, Secret};
use switchboard_mail::limits::{AUTH_LINE_BYTES_MAX, COMMAND_LINE_BYTES_MAX};
use switchboard_mail::mime::Content;
use switchboard_mail::smtp::dsn::{Event, Notices, Notify, Returned};
use switchboard_mail::smtp::{Cause, Envelope, Options, Output, Security, Smtp, Submission};

use crate::virtual_time::MESSAGE;

/// What MAIL may have beyond a command line: SIZE (RFC 1870 section 3), BODY (RFC 6152 section 3), SMTPUTF8 (RFC 6531 section 3.4), RET
/// and ENVID (RFC 3461 section 4).
const MAIL_LINE_BYTES_MAX: usize = COMMAND_LINE_BYTES_MAX + 26 + 17 + 10 + 500;
/// And RCPT: NOTIFY and ORCPT (RFC 3461 section 4).
const RCPT_LINE_BYTES_MAX: usize = COMMAND_LINE_BYTES_MAX + 500;
const MECHANISMS: [Mechanism; 9] = [
    Mechanism::ScramSha256Plus,
    Mechanism::ScramSha256,
    Mechanism::ScramSha1Plus,
    Mechanism::ScramSha1,
    Mechanism::CramMd5,
    Mechanism::Plain,
    Mechanism::Login,
    Mechanism::OAuthBearer,
    Mechanism::Xoauth2,
];

/// What could end a line or a path, and begin a command.
const PIECES: [&str; 10] =
    ["\r", "\n", "\r\n", "\0", ">", "<", "\r\nRSET\r\n", "> SIZE=1\r\nRCPT TO:<eve@example.org>", "=", "+"];

/// A path with its brackets (RFC 5321 section 4.5.3.1.3).
const PATH_BYTES_MAX: usize = 256;

/// Any characters, those that end lines often, sometimes very many.
fn anything() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => any::<char>().prop_map(String::from),
        3 => "[ -~]{1,9}",
        1 => prop::sample::select(&PIECES).prop_map(str::to_owned),
    ];
    let text = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
    (text, prop_oneof![9 => Just(1), 1 => 9_usize..3000]).prop_map(|(text, times)| text.repeat(times))
}

/// The same, most of it without control characters, which are refused before anything else is looked at.
fn lenient() -> impl Strategy<Value = String> {
    let printable = anything().prop_map(|text| text.chars().filter(|c| !c.is_control()).collect());
    prop_oneof![1 => anything(), 3 => printable]
}

fn address() -> impl Strategy<Value = Option<Address>> {
    let written = prop_oneof![
        anything(),
        anything().prop_map(|local| format!("\"{local}\"@example.org")),
        anything().prop_map(|domain| format!("ada@{domain}")),
        "\"[ -!#-\\[\\]-~é]{1,62}\"@[a-z]{1,50}\\.example",
        "[a-zé]{1,32}@(用{30,50}\\.){1,4}example",
        "[!-~é用]{1,64}@([a-z]{50,63}\\.){1,3}[a-z]{2,60}",
    ];
    written.prop_map(|text| text.parse().ok())
}

fn login() -> impl Strategy<Value = Option<(Mechanism, Login)>> {
    (prop::sample::select(&MECHANISMS), lenient(), lenient()).prop_map(|(mechanism, user, secret)| {
        let secret = Secret::new(secret);
        let takes_token = matches!(mechanism, Mechanism::OAuthBearer | Mechanism::Xoauth2);
        let login = match takes_token {
            true => Login::with_token(&user, secret),
            false => Login::with_password(&user, secret),
        };
        Some((mechanism, login.ok()?.by(mechanism).in_clear(InClear::Allowed)))
    })
}

fn notices() -> impl Strategy<Value = Notices> {
    let id = prop_oneof![anything(), "[ -~]{1,100}"].prop_map(|id| id.parse().ok());
    (id, any::<bool>()).prop_map(|(id, is_all)| Notices {
        notify: is_all.then(|| Notify::On([Event::Success, Event::Failure, Event::Delay].into())),
        returned: is_all.then_some(Returned::Header),
        id,
    })
}

fn security() -> impl Strategy<Value = Security> {
    prop::sample::select(&[Security::Off, Security::StartTls, Security::Implicit])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_is_accepted_makes_only_the_commands_of_one_message(
        sender in address(),
        recipients in prop::collection::vec(address(), 1..4),
        notices in notices(),
        login in login(),
        local in any::<[u8; 16]>(),
        security in security(),
        is_chunking in any::<bool>(),
    ) {
        let recipients: Vec<_> = recipients.into_iter().flatten().collect();
        let somebody = || "ada@example.org".parse::<Address>().unwrap();
        let recipients = if recipients.is_empty() { vec![somebody()] } else { recipients };
        let envelope = Envelope::new(sender.unwrap_or_else(somebody), recipients).unwrap();
        let local = if local[0] & 1 == 0 {
            IpAddr::V6(Ipv6Addr::from(local))
        } else {
            IpAddr::from([local[0], local[1], local[2], local[3]])
        };
        let mut options = Options::new(security, [7; 18]);
        options.login = login.as_ref().map(|(_, login)| login.clone());
        let mechanism = login.map(|(mechanism, _)| mechanism);
        let mut server = Yes { is_chunking, mechanism, knows_name: false };
        let submission = Submission {
            envelope: envelope.clone(),
            message_bytes: MESSAGE.len() as u64,
            content: Content::EightBit,
            notices,
        };
        let said = server.hear(options, local, submission);
        assert_own_commands(&said, &envelope, security, &server);
    }
}

/// A server that says yes.
struct Yes {
    is_chunking: bool,
    mechanism: Option<Mechanism>,
    /// Whether LOGIN was told a name.
    knows_name: bool,
}

impl Yes {
    /// All that a client says.
    fn hear(&mut self, options: Options, local: IpAddr, submission: Submission) -> Vec<u8> {
        let is_implicit = options.security == Security::Implicit;
        let mut smtp = Smtp::new(options);
        let (mut heard, mut unread, mut left) = (Vec::new(), 0, Some(MESSAGE));
        let mut in_text = false;
        smtp.handle_message(0, submission);
        smtp.handle_connected(0, local);
        if !is_implicit {
            smtp.handle_input(0, b"220 test\r\n");
        }
        loop {
            match smtp.poll_output() {
                Output::Send(bytes) => heard.extend(bytes),
                Output::Secure => {
                    smtp.handle_secured(0, Some(vec![9; 32]));
                    smtp.handle_input(0, if is_implicit { b"220 test\r\n" } else { b"" });
                }
                Output::Next { .. } => smtp.handle_no_more(0),
                Output::Body { .. } => match left.take() {
                    Some(message) => smtp.handle_body(0, message),
                    None => smtp.handle_body_end(0),
                },
                Output::Wait { .. } if unread == heard.len() => smtp.handle_trouble(Cause::Lost),
                Output::Wait { .. } => {
                    smtp.handle_written(0, 0);
                    let answers = self.answers(&heard[unread..], &mut in_text);
                    unread = heard.len();
                    smtp.handle_input(0, answers.as_bytes());
                }
                Output::Close => return heard,
            }
        }
    }

    fn answers(&mut self, said: &[u8], in_text: &mut bool) -> String {
        let said = std::str::from_utf8(said).unwrap();
        let mut answers = String::new();
        let mut rest = said;
        while let Some((line, after)) = rest.split_once("\r\n") {
            rest = after;
            if *in_text {
                *in_text = line != ".";
                answers.push_str(if *in_text { "" } else { "250 queued\r\n" });
                continue;
            }
            if let Some(words) = line.strip_prefix("BDAT ") {
                let length: usize = words.split(' ').next().unwrap().parse().unwrap();
                rest = &rest[length..];
            }
            *in_text = line == "DATA";
            answers.push_str(&self.answer(line));
        }
        answers
    }

    fn answer(&mut self, line: &str) -> String {
        let name = self.mechanism.map_or("FOO", Mechanism::name);
        let offers =
            "250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-STARTTLS\r\n";
        let chunking = if self.is_chunking { "250-CHUNKING\r\n" } else { "" };
        match line.split(' ').next().unwrap() {
            "EHLO" => format!("{offers}{chunking}250 AUTH {name}\r\n"),
            "STARTTLS" => "220 go\r\n".to_owned(),
            "DATA" => "354 go\r\n".to_owned(),
            "MAIL" | "RCPT" | "BDAT" | "RSET" => "250 ok\r\n".to_owned(),
            "QUIT" => "221 bye\r\n".to_owned(),
            "AUTH" if line.len() > "AUTH ".len() + name.len() && !name.starts_with("SCRAM") => {
                "235 welcome\r\n".to_owned()
            }
            "AUTH" => self.challenge(line),
            "*" => "501 cancelled\r\n".to_owned(),
            // What comes after a name is a password.
            _ if name == "LOGIN" && !std::mem::replace(&mut self.knows_name, true) => {
                "334 UGFzc3dvcmQ6\r\n".to_owned()
            }
            _ => "235 welcome\r\n".to_owned(),
        }
    }

    /// Where SCRAM began, the first words of a server of SCRAM.
    fn challenge(&self, line: &str) -> String {
        let first = line.rsplit(' ').next().and_then(|word| STANDARD.decode(word).ok()).unwrap_or_default();
        let first = String::from_utf8_lossy(&first).into_owned();
        let challenge = match first.rsplit_once(",r=") {
            Some((_, nonce)) => format!("r={nonce}server,s=QSXCR+Q6sek8bf92,i=4096"),
            None => String::new(),
        };
        format!("334 {}\r\n", STANDARD.encode(challenge))
    }
}

/// In this order: EHLO, STARTTLS, EHLO, AUTH and its answers, MAIL, RCPT of each, the message, QUIT; a login that cannot be goes to QUIT.
fn assert_own_commands(said: &[u8], envelope: &Envelope, security: Security, server: &Yes) {
    let said = std::str::from_utf8(said).unwrap();
    let mut lines = Lines { rest: said };
    lines.hello();
    if security == Security::StartTls {
        assert_eq!(lines.next(COMMAND_LINE_BYTES_MAX), "STARTTLS");
        lines.hello();
    }
    if let Some(mechanism) = server.mechanism {
        let mut line = lines.next(COMMAND_LINE_BYTES_MAX);
        if line != "QUIT" {
            let initial = line.strip_prefix("AUTH ").and_then(|words| words.strip_prefix(mechanism.name()));
            let initial = initial.unwrap_or_else(|| panic!("{line:?}"));
            assert!(initial.is_empty() || initial.strip_prefix(' ').is_some_and(is_base64), "{line:?}");
            while !matches!(lines.word(), "MAIL" | "QUIT" | "") {
                line = lines.next(AUTH_LINE_BYTES_MAX);
                assert!(line == "*" || is_base64(line), "{line:?}");
            }
        }
        if lines.rest.is_empty() || line == "QUIT" || lines.word() == "QUIT" {
            assert!(matches!(lines.rest, "" | "QUIT\r\n"), "{said:?}");
            return;
        }
    }
    let everybody = envelope.recipients().iter().chain([envelope.sender()]);
    assert!(everybody.map(Address::to_string).all(|path| path.len() + 2 <= PATH_BYTES_MAX), "{envelope:?}");
    let sender = format!("MAIL FROM:<{}>", envelope.sender());
    assert_parameters(
        lines.next(MAIL_LINE_BYTES_MAX),
        &sender,
        &["SIZE=", "BODY=", "SMTPUTF8", "RET=", "ENVID="],
    );
    for recipient in envelope.recipients() {
        let rcpt = format!("RCPT TO:<{recipient}>");
        assert_parameters(lines.next(RCPT_LINE_BYTES_MAX), &rcpt, &["NOTIFY=", "ORCPT="]);
    }
    let message = std::str::from_utf8(MESSAGE).unwrap();
    let message = match server.is_chunking {
        true => format!("BDAT {} LAST\r\n{message}", message.len()),
        false => format!("DATA\r\n{}.\r\n", message.replace("\r\n.", "\r\n..")),
    };
    assert_eq!(lines.rest, message + "QUIT\r\n");
}

fn is_base64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

/// Each is known and comes once.
fn assert_parameters(line: &str, command: &str, known: &[&str]) {
    let parameters = line.strip_prefix(command).unwrap_or_else(|| panic!("{line:?} is not {command:?}"));
    let mut names: Vec<_> = parameters.split(' ').skip(1).collect();
    assert!(parameters.is_empty() || parameters.starts_with(' '), "{line:?}");
    for name in known {
        if let Some(at) = names.iter().position(|parameter| parameter.starts_with(name)) {
            names.remove(at);
        }
    }
    assert!(names.is_empty(), "{names:?} in {line:?}");
}

struct Lines<'a> {
    rest: &'a str,
}

impl<'a> Lines<'a> {
    fn next(&mut self, bytes_max: usize) -> &'a str {
        let (line, rest) = self.rest.split_once("\r\n").unwrap_or_else(|| panic!("{:?}", self.rest));
        self.rest = rest;
        assert!(line.len() + 2 <= bytes_max, "{} bytes in {line:?}", line.len() + 2);
        assert!(!line.contains(char::is_control), "{line:?}");
        line
    }

    /// The word that comes.
    fn word(&self) -> &'a str {
        self.rest.split([' ', '\r']).next().unwrap_or_default()
    }

    fn hello(&mut self) {
        let line = self.next(COMMAND_LINE_BYTES_MAX);
        let name = line.strip_prefix("EHLO [").and_then(|name| name.strip_suffix(']'));
        let name = name.map(|name| name.strip_prefix("IPv6:").unwrap_or(name));
        assert!(name.is_some_and(|name| name.parse::<IpAddr>().is_ok()), "{line:?}");
    }
}
