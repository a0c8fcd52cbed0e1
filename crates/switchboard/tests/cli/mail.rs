//! `switchboard mail send` as a person runs it, against a server that says what each test wants.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use serde_json::json;

use crate::house::House;

mod accounts;
mod rehearsals;

/// Said by a server to which nobody says no.
const USUAL: &[(&str, &str)] = &[
    ("EHLO", "250-test\r\n250 AUTH PLAIN\r\n"),
    ("AUTH", "235 2.7.0 welcome\r\n"),
    ("MAIL", "250 2.1.0 ok\r\n"),
    ("RCPT", "250 2.1.5 ok\r\n"),
    ("DATA", "354 go\r\n"),
    (".", "250 2.0.0 queued as 7\r\n"),
    ("QUIT", "221 bye\r\n"),
];

/// A server of one connection that gives the first answer whose line begins so; an empty answer closes the connection.
struct Server {
    address: String,
    thread: JoinHandle<String>,
}

impl Server {
    fn answering(answers: &[(&'static str, &'static str)]) -> Self {
        let answers: Vec<_> = answers.iter().chain(USUAL).copied().collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let thread = std::thread::spawn(move || converse(&listener, &answers));
        Self { address, thread }
    }

    /// Everything that the client said.
    fn heard(self) -> String {
        self.thread.join().unwrap()
    }
}

fn converse(listener: &TcpListener, answers: &[(&str, &str)]) -> String {
    let (mut socket, _) = listener.accept().unwrap();
    let lines = BufReader::new(socket.try_clone().unwrap()).lines();
    socket.write_all(b"220 test\r\n").unwrap();
    let (mut heard, mut in_message) = (String::new(), false);
    for line in lines.map_while(Result::ok) {
        heard.push_str(&line);
        heard.push('\n');
        if in_message && line != "." {
            continue;
        }
        let (_, answer) = answers.iter().find(|(begin, _)| line.starts_with(begin)).unwrap();
        in_message = answer.starts_with("354");
        if answer.is_empty() || socket.write_all(answer.as_bytes()).is_err() {
            break;
        }
    }
    heard
}

fn sending<'a>(server: &'a Server, more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["mail", "send", "--server", &server.address, "--tls", "off", "--from", "me@example.org"];
    let message = ["--to", "ada@example.org", "--subject", "hello", "--text", "-"];
    [usual.as_slice(), message.as_slice(), more].concat()
}

#[test]
fn a_mail_is_sent_and_each_recipient_told() {
    let server = Server::answering(&[]);
    let more = ["--cc", "Bob <bob@example.org>", "--bcc", "eve@example.org", "--transcript"];
    let ran = House::new().run_with_input(&sending(&server, &more), b"hi\n.\nend\n");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for line in [
        "S: 220 test",
        "C: MAIL FROM:<me@example.org>",
        "S: 250 2.0.0 queued as 7",
        "accepted  ada@example.org  250 2.0.0 queued as 7",
        "accepted  eve@example.org  250 2.0.0 queued as 7",
    ] {
        assert!(ran.stdout.lines().any(|shown| shown == line), "{line}: {}", ran.stdout);
    }
    let heard = server.heard();
    assert!(heard.contains("RCPT TO:<eve@example.org>\n"), "{heard}");
    let message = heard.split_once("DATA\n").unwrap().1;
    assert!(message.contains("Cc: Bob <bob@example.org>\n") && !message.contains("eve@"), "{message}");
    assert!(message.contains("\nhi\n..\nend\n.\n"), "{message}");
}

#[test]
fn a_refused_recipient_is_named_and_the_exit_code_says_so() {
    let server = Server::answering(&[("RCPT TO:<bob@", "550 5.1.1 no such user\r\n")]);
    let more = ["--to", "bob@example.org", "--json"];
    let ran = House::new().run_with_input(&sending(&server, &more), b"hi\n");
    assert_eq!(ran.code, 67, "{}", ran.stderr);
    assert_eq!(ran.stderr, "switchboard: bob@example.org: refused at rcpt: 550 5.1.1 no such user\n");
    let expected = json!([
        { "address": "ada@example.org", "result": "accepted", "phase": "final", "code": 250, "enhanced": "2.0.0",
          "text": "queued as 7" },
        { "address": "bob@example.org", "result": "refused", "phase": "rcpt", "code": 550, "enhanced": "5.1.1",
          "text": "no such user" },
    ]);
    assert_eq!(ran.json()["recipients"], expected);
    assert!(server.heard().contains("DATA\n"));
}

/// What the server answers to what, the exit code, and a part of what is said.
type Row<'a> = (&'a [(&'a str, &'a str)], i32, &'a str);

#[test]
fn what_became_of_it_is_in_the_exit_code() {
    let rows: [Row<'_>; 7] = [
        (&[("MAIL", "550 5.7.1 not you\r\n")], 1, "refused at mail: 550 5.7.1 not you"),
        (&[("RCPT", "450 4.2.1 later\r\n")], 69, "safe to send it again"),
        (&[("MAIL", "")], 69, "not sent, it ended at mail"),
        (&[(".", "")], 75, "IN DOUBT"),
        (&[("MAIL", "nonsense\r\n")], 76, "does not keep to SMTP"),
        (&[(".", "nonsense\r\n")], 75, "IN DOUBT"),
        (&[(".", "554 5.7.1 spam\r\n")], 1, "refused at final: 554 5.7.1 spam"),
    ];
    for (answers, code, words) in rows {
        let server = Server::answering(answers);
        let ran = House::new().run_with_input(&sending(&server, &[]), b"hi\n");
        assert_eq!(ran.code, code, "{answers:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(words), "{answers:?}: {}", ran.stderr);
        server.heard();
    }
}

#[test]
fn a_password_comes_from_a_command_and_is_never_shown_nor_sent_in_the_clear() {
    let more = ["--user", "ada", "--password-command", "echo pencil", "--transcript"];
    let server = Server::answering(&[]);
    let ran = House::new().run_with_input(&sending(&server, &more), b"hi\n");
    assert_eq!(ran.code, 77, "{}{}", ran.stdout, ran.stderr);
    assert!(!server.heard().contains("AUTH"));

    let server = Server::answering(&[]);
    let allowed = [more.as_slice(), &["--allow-clear-password"]].concat();
    let ran = House::new().run_with_input(&sending(&server, &allowed), b"hi\n");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    // ada and pencil as PLAIN has them.
    assert!(server.heard().contains("AUTH PLAIN AGFkYQBwZW5jaWw=\n"));
    assert!(ran.stdout.contains("C: AUTH PLAIN [hidden]\n"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("AGFkYQ"), "{}", ran.stdout);
}

#[test]
fn what_cannot_be_sent_is_said_before_anybody_is_asked() {
    let house = House::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let base = ["mail", "send", "--server", &nobody, "--tls", "off", "--text", "-"];
    let rows: [(&[&str], i32, &str); 5] = [
        (&["--from", "a@b.example\r\nX: y", "--to", "b@b.example"], 2, "is not a mail address"),
        (&["--from", "a@b.example"], 65, "no recipient"),
        (&["--from", "a@b.example", "--to", "b@b.example", "--attach", "/absent"], 74, "cannot open /absent"),
        (&["--from", "a@b.example", "--to", "b@b.example", "--subject", "a\nBcc: c@d"], 65, "line break"),
        (&["--from", "a@b.example", "--to", "b@b.example"], 69, "cannot connect"),
    ];
    for (flags, code, words) in rows {
        let ran = house.run_with_input(&[base.as_slice(), flags].concat(), b"hi\n");
        assert_eq!(ran.code, code, "{flags:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(words), "{flags:?}: {}", ran.stderr);
    }
}

#[test]
fn messages_are_sent_as_they_are_on_one_connection() {
    let house = House::new();
    let file = |name: &str, content: &str| {
        let path = house.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let header = "From: Ada <ada@example.org>\nDate: Sun, 1 Mar 2026 10:00:00 +0100\n";
    let first = file("1.eml", &format!("{header}To: bob@example.org\nBcc: eve@example.org\n\n.\nhi"));
    let second = file("2.eml", &format!("{header}Cc: Dan <dan@example.org>\nMessage-ID: <2@x>\n\nhi\n"));
    let server = Server::answering(&[("RCPT TO:<dan@", "550 5.1.1 no such user\r\n")]);
    let address = server.address.clone();
    let base = ["mail", "send", "--server", &address, "--tls", "off", "--json"];
    let ran = house.run(&[base.as_slice(), &["--message", &first, "--message", &second]].concat());
    assert_eq!(ran.code, 67, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(
        ran.stderr,
        format!("switchboard: {second}: dan@example.org: refused at rcpt: 550 5.1.1 no such user\n")
    );
    let messages = &ran.json()["messages"];
    assert_eq!(messages[0]["recipients"][1]["result"], "accepted");
    assert_eq!((&messages[1]["message_id"], &messages[1]["file"]), (&json!("<2@x>"), &json!(second)));
    let heard = server.heard();
    assert_eq!(heard.matches("EHLO").count(), 1, "{heard}");
    for part in [
        "MAIL FROM:<ada@example.org>\nRCPT TO:<bob@example.org>\nRCPT TO:<eve@example.org>\nDATA\n",
        "\n\n..\nhi\n.\n",
    ] {
        assert!(heard.contains(part), "{part}: {heard}");
    }
    assert!(!heard.contains("Bcc"), "{heard}");

    let broken = file("3.eml", &format!("{header}To: bob@example.org\n\na\rb\n"));
    let ran = house.run(&[base.as_slice(), &["--message", &first, "--message", &broken]].concat());
    assert_eq!(ran.code, 65, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("line 5 has a bare CR"), "{}", ran.stdout);
}

#[test]
fn what_only_some_servers_can_do_is_asked_for_and_never_dropped_in_silence() {
    let able = "250-test\r\n250-DSN\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n";
    let server = Server::answering(&[("EHLO", able)]);
    let wishes = [
        "--notify",
        "success,delay",
        "--return",
        "header",
        "--envelope-id",
        "a b",
        "--cc",
        "ädä@example.org",
    ];
    let ran = House::new().run_with_input(&sending(&server, &wishes), b"hi\n");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let heard = server.heard();
    for part in [
        "MAIL FROM:<me@example.org> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+20b\n",
        "RCPT TO:<ada@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;ada@example.org\n",
        "RCPT TO:<ädä@example.org> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;ädä@example.org\n",
        "Cc: ädä@example.org\n",
    ] {
        assert!(heard.contains(part), "{part}: {heard}");
    }
    let rows: [(&[&str], &str); 2] = [
        (&["--notify", "never"], "does not offer DSN"),
        (&["--bcc", "ädä@example.org"], "does not offer SMTPUTF8"),
    ];
    for (wishes, words) in rows {
        let server = Server::answering(&[]);
        let ran = House::new().run_with_input(&sending(&server, wishes), b"hi\n");
        assert_eq!(ran.code, 1, "{wishes:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        assert!(!server.heard().contains("MAIL"));
    }
}

#[test]
fn a_message_is_signed_with_a_key_that_nobody_else_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    // The key of RFC 8463 appendix A.2, in PKCS#8.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    let house = House::new();
    let path = house.path().join("dkim.pem");
    std::fs::write(&path, KEY).unwrap();
    let wishes = ["--dkim-key", path.to_str().unwrap(), "--dkim-selector", "test"];
    for (mode, code) in [(0o644, 77), (0o600, 0)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let server = Server::answering(&[]);
        let ran = house.run_with_input(&sending(&server, &wishes), b"hi\n");
        assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
        if code == 0 {
            let heard = server.heard();
            let signed =
                "\nDKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\n\td=example.org;\n\ts=test;";
            assert!(heard.contains(signed), "{heard}");
        }
    }
}

#[test]
fn what_was_not_begun_goes_over_another_connection_unless_that_is_in_vain() {
    let house = House::new();
    let files = ["a", "b", "c"].map(|name| {
        let path = house.path().join(format!("{name}.eml"));
        let date = "Sun, 1 Mar 2026 10:00:00 +0100";
        let text = format!("From: {name}@example.org\nDate: {date}\nTo: bob@example.org\n\nhi\n");
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let [a, b, c] = &files;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let send = [
        "mail",
        "send",
        "--server",
        &address,
        "--tls",
        "off",
        "--message",
        a,
        "--message",
        b,
        "--message",
        c,
    ];
    let two_connections = std::thread::spawn(move || {
        let closing = [&[("MAIL FROM:<b@", "421 4.3.2 shutting down\r\n")], USUAL].concat();
        [converse(&listener, &closing), converse(&listener, USUAL)]
    });
    let ran = house.run(&send);
    assert_eq!(ran.code, 69, "{}{}", ran.stdout, ran.stderr);
    let expected = [
        format!("{a}: accepted  bob@example.org  250 2.0.0 queued as 7"),
        format!("{b}: refused   bob@example.org"),
        format!("{c}: accepted  bob@example.org  250 2.0.0 queued as 7"),
    ];
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected);
    let heard = two_connections.join().unwrap();
    assert!(!heard[0].contains("<c@") && !heard[1].contains("<a@"), "{heard:?}");

    // Nobody listens any more.
    let ran = house.run(&send);
    assert_eq!(ran.code, 69, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stderr.matches("cannot connect").count(), 3, "{}", ran.stderr);
}
