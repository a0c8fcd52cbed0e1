//! What is done short of sending: a dry run, a dialogue that stops, questions to the server; and a dialogue that is explained.

use std::net::TcpListener;

use serde_json::json;
use switchboard_tls::{Identity, ServedIdentity, server_config};
use tokio_rustls::rustls::ServerConnection;

use super::{Server, sending};
use crate::house::{House, Ran};

/// A server that says how long a message may be.
const BOUNDED: (&str, &str) = ("EHLO", "250-test\r\n250-SIZE 9000000\r\n250 AUTH PLAIN\r\n");

#[test]
fn a_dry_run_prints_the_message_and_the_plan_and_connects_nowhere() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    nobody.set_nonblocking(true).unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    let house = House::new();
    let message =
        ["--from", "me@example.org", "--to", "ada@example.org", "--bcc", "eve@example.org", "--text", "-"];
    let arguments = [
        "mail",
        "send",
        "--server",
        &address,
        "--user",
        "ada",
        "--password-command",
        "touch asked",
        "--dry-run",
    ];
    let ran = house.run_with_input(&[arguments.as_slice(), &message].concat(), b"hi\n.\n");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.ends_with("\r\n\r\nhi\r\n.\r\n"), "{:?}", ran.stdout);
    assert!(ran.stdout.contains("To: ada@example.org\r\n") && !ran.stdout.contains("eve@"), "{}", ran.stdout);
    for line in [
        "would connect to 127.0.0.1 port",
        "would log in as ada",
        "would send it to ada@example.org",
        "eve@example.org",
    ] {
        assert!(ran.stderr.contains(line), "{line}: {}", ran.stderr);
    }
    let ran = house.run_with_input(&[arguments.as_slice(), &message, &["--json"]].concat(), b"hi\n.\n");
    let json = ran.json();
    let json = &json["messages"][0];
    assert_eq!(json["recipients"], json!(["ada@example.org", "eve@example.org"]));
    assert_eq!(json["bytes"], json["message"].as_str().unwrap().len());
    assert_eq!(nobody.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody connected");
    assert!(!house.path().join("asked").exists() && !std::path::Path::new("asked").exists());
}

#[test]
fn the_date_of_a_message_is_that_of_the_zone() {
    let house = House::new();
    // The rule of a zone needs no database; its sign is that of POSIX.
    for (zone, expected) in
        [("Asia/Kolkata", "+0530"), ("<+0545>-5:45", "+0545"), ("", "+0000"), ("UTC", "+0000")]
    {
        let nowhere = ["mail", "send", "--server", "127.0.0.1:9", "--from", "me@example.org", "--dry-run"];
        let message = ["--to", "ada@example.org", "--text", "/dev/null"];
        let ran = house.program(&[nowhere.as_slice(), &message].concat()).env("TZ", zone).output().unwrap();
        let ran = Ran::of(ran);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let date = ran.stdout.lines().find(|line| line.starts_with("Date: ")).unwrap();
        assert!(date.ends_with(expected), "TZ={zone}: {date}");
    }
}

#[test]
fn a_dialogue_stops_where_it_is_told_to_and_says_goodbye() {
    let login = ["--user", "ada", "--password-command", "echo pencil", "--allow-clear-password"];
    let rows = [
        ("connect", ""),
        ("greeting", "QUIT"),
        ("ehlo", "EHLO QUIT"),
        ("auth", "EHLO AUTH QUIT"),
        ("mail", "EHLO AUTH MAIL QUIT"),
        ("rcpt", "EHLO AUTH MAIL RCPT RCPT QUIT"),
    ];
    for (phase, expected) in rows {
        let server = Server::answering(&[]);
        let more = ["--to", "bob@example.org", "--stop-after", phase];
        let ran =
            House::new().run_with_input(&[sending(&server, &more).as_slice(), &login].concat(), b"hi\n");
        assert_eq!(ran.code, 0, "{phase}: {}{}", ran.stdout, ran.stderr);
        let heard = server.heard();
        let words: Vec<_> = heard.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(words.join(" "), expected, "{phase}");
    }
    // A no before the phase is a no.
    let server =
        Server::answering(&[("RCPT TO:<bob@", "550 5.1.1 no such user\r\n"), ("AUTH", "535 5.7.8 no\r\n")]);
    let more = ["--to", "bob@example.org", "--stop-after", "rcpt"];
    let ran = House::new().run_with_input(&sending(&server, &more), b"hi\n");
    assert_eq!(ran.code, 67, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stderr, "switchboard: bob@example.org: refused at rcpt: 550 5.1.1 no such user\n");
    server.heard();
    let server = Server::answering(&[("AUTH", "535 5.7.8 no\r\n")]);
    let more = ["--stop-after", "auth"];
    let ran = House::new().run_with_input(&[sending(&server, &more).as_slice(), &login].concat(), b"");
    assert_eq!(ran.code, 77, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("ended at auth: the server said no: 535 5.7.8 no"), "{}", ran.stderr);
    server.heard();
}

#[test]
fn a_phase_that_cannot_come_is_refused_before_anybody_is_asked() {
    let base = ["mail", "send", "--server", "127.0.0.1:9", "--tls", "off", "--stop-after"];
    for (phase, words) in
        [("tls", "there is no TLS"), ("auth", "there is no login"), ("rcpt", "how long the message is")]
    {
        let ran = House::new().run(&[base.as_slice(), &[phase]].concat());
        assert_eq!(ran.code, 2, "{phase}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{phase}: {}", ran.stderr);
    }
}

#[test]
fn a_server_is_asked_what_it_can_do() {
    let arguments = |server: &Server| {
        ["mail", "send", "--server", server.address.as_str(), "--tls", "off", "--server-info"]
            .map(str::to_owned)
    };
    let server = Server::answering(&[BOUNDED]);
    let arguments_of = arguments(&server);
    let ran = House::new().run(&arguments_of.each_ref().map(String::as_str));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for line in
        ["greeting  test", "in clear  SIZE 9000000", "message   at most 9000000 bytes", "login     PLAIN"]
    {
        assert!(ran.stdout.lines().any(|shown| shown == line), "{line}: {}", ran.stdout);
    }
    let heard = server.heard();
    assert!(heard.ends_with("QUIT\n") && heard.lines().count() == 2, "{heard}");

    let server = Server::answering(&[BOUNDED]);
    let arguments_of = arguments(&server);
    let ran = House::new().run(&[&arguments_of.each_ref().map(String::as_str)[..], &["--json"]].concat());
    let json = ran.json();
    assert_eq!(json["in_clear"], json!({ "name": "test", "offers": ["SIZE 9000000", "AUTH PLAIN"] }));
    assert_eq!((&json["message_bytes_max"], &json["auth"]), (&json!(9_000_000), &json!(["PLAIN"])));
    assert_eq!((&json["tls"], &json["trouble"]), (&json!(null), &json!(null)));
    server.heard();
}

#[test]
fn a_server_without_tls_is_told_of_and_the_exit_code_says_so() {
    let server = Server::answering(&[]);
    let ran = House::new().run(&["mail", "send", "--server", &server.address, "--server-info"]);
    assert_eq!(ran.code, 77, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("does not offer STARTTLS"), "{}", ran.stderr);
    assert!(ran.stdout.contains("in clear  AUTH PLAIN"), "{}", ran.stdout);
    server.heard();
}

#[test]
fn the_key_of_a_server_that_is_not_believed_is_told_and_said_to_be_that() {
    let house = House::new();
    let keys = house.path().join("others");
    Identity::load_or_create(&keys, &[], 1_800_000_000).unwrap();
    let authority = keys.join("server.crt").display().to_string();
    let identity = Identity::laboratory().unwrap();
    for form in [None, Some("--json")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let config = server_config(&ServedIdentity::new(&identity), &[]).unwrap();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            ServerConnection::new(config).unwrap().complete_io(&mut socket).is_err()
        });
        let asked = ["mail", "send", "--server", &address, "--tls", "implicit", "--cacert", &authority];
        let ran = house.run(&[asked.as_slice(), &["--server-info"], form.as_slice()].concat());
        assert_eq!(ran.code, 77, "{}{}", ran.stdout, ran.stderr);
        assert!(server.join().unwrap(), "the handshake went to its end");
        let fingerprint = identity.fingerprint().to_string();
        if form.is_some() {
            let json = ran.json();
            assert_eq!(
                (&json["tls"], &json["refused_certificate"]["fingerprint"]),
                (&json!(null), &json!(fingerprint))
            );
        } else {
            let line = format!("key       {fingerprint}");
            assert!(
                ran.stdout.contains("not believed") && ran.stdout.lines().any(|shown| shown == line),
                "{}",
                ran.stdout
            );
        }
    }
}

#[test]
fn a_dialogue_is_explained_line_by_line() {
    let server = Server::answering(&[BOUNDED]);
    let ran = House::new().run_with_input(&sending(&server, &["--explain"]), b"hi\n");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for lines in [
        "S: 250-SIZE 9000000\n      the longest message that it takes, in bytes; 0 or nothing for no fixed bound (RFC 1870)\n",
        "S: 354 go\n      go on, the message may come (RFC 5321 section 4.1.1.4)\n",
        "S: 250 2.0.0 queued as 7\n      it has taken the message and is responsible for it now (RFC 5321 section 6.1)\n",
    ] {
        assert!(ran.stdout.contains(lines), "{lines}: {}", ran.stdout);
    }
    server.heard();
    let server = Server::answering(&[BOUNDED]);
    let ran = House::new().run_with_input(&sending(&server, &["--explain", "--json"]), b"hi\n");
    let transcript = ran.json()["transcript"].clone();
    assert_eq!(transcript[0]["line"], "S: 220 test");
    assert_eq!(transcript[0]["meaning"], "the server is there, and names itself (RFC 5321 section 4.2)");
    server.heard();
}
