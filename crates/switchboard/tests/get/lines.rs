//! The command line: what is refused before anything is sent, and what is told with `-v`.

use crate::get;
use crate::house::House;
use crate::scripted::{Scripted, answer};

#[test]
fn a_wrong_line_sends_nothing() {
    let house = House::new();
    let server = Scripted::answering(&[&answer("200 OK", "", "x")]);
    let url = server.url("/x");
    for arguments in [
        &["-H", "X: 1\r\nEvil: 2", &url][..],
        &["-H", "X: 1\nEvil: 2", &url],
        &["-H", "no colon", &url],
        &["-H", "Content-Length: 5", &url],
        &["-H", "Host: elsewhere", &url],
        &["-C", "--compressed", &url],
        &["-O", "-o", "x", &url],
        &["-I", "-o", "x", &url],
        &["--stall-timeout", "-1", &url],
        &["--stall-timeout", "nan", &url],
        &["--connect-timeout", "0", &url],
        &["--max-redirects", "1000", &url],
        &["--pin", "sha256:00", &url],
        &["--pin", &format!("sha256:{}", "0".repeat(64)), "--cacert", "ca.pem", &url],
        &["127.0.0.1", &server.port.to_string()],
        &["127.0.0.1", "http", "x"],
        &["127.0.0.1", &server.port.to_string(), "x\r\nEvil: 1"],
        &["127.0.0.1:80/x"],
        &["ftp://127.0.0.1/x"],
        &["http://user:hunter2@127.0.0.1/x"],
        &[],
    ] {
        let ran = get(&house, arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(!ran.stderr.is_empty());
    }
    assert!(server.asked().is_empty());
}

#[test]
fn the_dialogue_is_told_without_its_secrets() {
    let house = House::new();
    let server =
        Scripted::answering(&[&answer("200 OK", "Set-Cookie: id=hunter4\r\nX-Name: caf\u{e9}\r\n", "body")]);
    let fields = "Authorization: Bearer hunter2\nCookie: id=hunter3\nX-Open: yes\nUser-Agent: mine\n";
    std::fs::write(house.path().join("fields"), fields).unwrap();
    let ran = get(&house, &["-v", "-H", "@fields", &server.url("/x?y")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "body"), "{}", ran.stderr);
    for line in [
        "> GET /x?y HTTP/1.1",
        "> x-open: yes",
        "> authorization: (hidden)",
        "< HTTP/1.1 200 OK",
        "< content-length: 4",
    ] {
        assert!(ran.stderr.lines().any(|told| told == line), "{line}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("hunter"), "{}", ran.stderr);
    assert!(!ran.stderr.contains('\x1b'), "{}", ran.stderr);
    let asked = &server.asked()[0];
    assert_eq!(asked.field("cookie"), Some("id=hunter3"));
    assert_eq!((asked.field("user-agent"), asked.head.matches("user-agent").count()), (Some("mine"), 1));
}
