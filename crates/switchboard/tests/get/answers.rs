//! What an answer means: its status, redirects, other attempts, and the exit code that a script sees.

use std::time::Duration;

use crate::house::House;
use crate::scripted::{Scripted, Step, answer};
use crate::{get, kept, names};

#[test]
fn host_port_and_file_print_status_fields_and_body() {
    let house = House::new();
    let server = Scripted::answering(&[&answer("200 Fine", "X-One: 1\r\n", "<p>hello</p>\n")]);
    for host in ["127.0.0.1", "http://127.0.0.1"] {
        let ran = get(&house, &[host, &server.port.to_string(), "HelloWorld.html"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert_eq!(ran.stdout, "HTTP/1.1 200 Fine\nx-one: 1\ncontent-length: 13\n\n<p>hello</p>\n");
    }
    assert_eq!(server.asked()[0].first_line(), "GET /HelloWorld.html HTTP/1.1");
    assert_eq!(server.asked()[0].field("host"), Some(format!("127.0.0.1:{}", server.port).as_str()));
}

#[test]
fn host_port_and_file_show_an_error_with_its_page() {
    let house = House::new();
    let server = Scripted::answering(&[&answer("404 Not Found", "", "no such page\n")]);
    let ran = get(&house, &["127.0.0.1", &server.port.to_string(), "x"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.ends_with("\n\nno such page\n"), "{}", ran.stdout);
    assert!(ran.stderr.contains("404 Not Found"), "{}", ran.stderr);
}

#[test]
fn each_class_of_failure_has_its_exit_code() {
    let house = House::new();
    for (reply, code) in [
        (answer("404 Not Found", "", "page"), 1),
        (answer("500 Internal Server Error", "", "page"), 79),
        (answer("206 Partial Content", "Content-Range: bytes 0-3/9\r\n", "page"), 76),
        (answer("302 Found", "", ""), 76),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), 76),
        (format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1_000_000)), 76),
        (answer("200 OK", &"X: 1\r\n".repeat(300), "page"), 76),
        (String::new(), 69),
    ] {
        let server = Scripted::answering(&[&reply]);
        let ran = get(&house, &["-o", "x", &server.url("/x")]);
        assert_eq!(ran.code, code, "{reply:.60}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
        assert_eq!(names(&house), Vec::<String>::new(), "{reply:.60}");
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ran = get(&house, &[&format!("http://127.0.0.1:{port}/")]);
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot connect to 127.0.0.1"), "{}", ran.stderr);
    let ran = get(&house, &["http://no-such-host.invalid/"]);
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    assert!(ran.stderr.contains("no-such-host.invalid cannot be found"), "{}", ran.stderr);
}

#[test]
fn redirects_are_followed_and_the_persons_fields_stay_with_the_host() {
    let house = House::new();
    let other = Scripted::answering(&[&answer("200 OK", "", "there")]);
    let location = format!("Location: {}\r\n", other.url("/other"));
    let here = Scripted::answering(&[
        &answer("301 Moved Permanently", "Location: next?q=1#part\r\n", ""),
        &answer("307 Temporary Redirect", &location, ""),
    ]);
    let ran = get(&house, &["-H", "Authorization: Bearer hunter2", "-H", "X-Mine: 1", &here.url("/a/b")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "there"), "{}", ran.stderr);
    let [first, second] = here.asked().try_into().unwrap();
    assert_eq!(second.first_line(), "GET /a/next?q=1 HTTP/1.1");
    for asked in [first, second] {
        assert_eq!(asked.field("authorization"), Some("Bearer hunter2"));
    }
    let there = &other.asked()[0];
    assert_eq!((there.field("authorization"), there.field("x-mine")), (None, None), "{}", there.head);
}

#[test]
fn a_loop_of_redirects_ends() {
    let house = House::new();
    let server = Scripted::answering(&[&answer("302 Found", "Location: /again\r\n", "")]);
    let ran = get(&house, &["--max-redirects", "3", &server.url("/")]);
    assert_eq!(ran.code, 76);
    assert!(ran.stderr.contains("gave up after 3 redirects"), "{}", ran.stderr);
    assert_eq!(server.asked().len(), 4);
    let ran = get(&house, &["--max-redirects", "0", "-i", &server.url("/")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("location: /again\n"), "{}", ran.stdout);
}

#[test]
fn what_may_pass_is_tried_again_as_the_server_asks() {
    let house = House::new();
    let server = Scripted::new(vec![
        vec![Step::Send(answer("503 Service Unavailable", "Retry-After: 1\r\n", "").into_bytes())],
        vec![Step::Send(answer("429 Too Many Requests", "Retry-After: 0\r\n", "").into_bytes())],
        vec![Step::Reset],
        vec![Step::Send(answer("200 OK", "", "at last").into_bytes())],
    ]);
    let ran = get(&house, &["--retry", "3", "--retry-delay", "0", "-o", "x", &server.url("/")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(kept(&house, "x").unwrap(), "at last");
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    assert!(ran.stderr.contains("503 Service Unavailable; again in 1 s, attempt 2 of 4"), "{}", ran.stderr);
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(1), "it waited as long as it was asked to");
}

#[test]
fn what_will_not_pass_is_not_tried_again() {
    let house = House::new();
    for (reply, tries) in [
        (answer("404 Not Found", "", ""), 1),
        (answer("501 Not Implemented", "", ""), 1),
        (answer("503 Service Unavailable", "Retry-After: 86400\r\n", ""), 1),
        (answer("502 Bad Gateway", "", ""), 3),
    ] {
        let server = Scripted::answering(&[&reply]);
        let ran = get(&house, &["--retry", "2", "--retry-delay", "0", &server.url("/")]);
        assert!(ran.code == 1 || ran.code == 79, "{}", ran.stderr);
        assert_eq!(server.asked().len(), tries, "{reply}");
    }
}

#[test]
fn head_asks_for_the_head() {
    let house = House::new();
    let server = Scripted::answering(&["HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"]);
    let ran = get(&house, &["-I", &server.url("/x")]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "HTTP/1.1 200 OK\ncontent-length: 1000\n\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(server.asked()[0].first_line(), "HEAD /x HTTP/1.1");
    let coded =
        Scripted::answering(&["HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n"]);
    let ran = get(&house, &["-I", "--compressed", &coded.url("/x")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn an_answer_can_be_one_json_object() {
    let house = House::new();
    let server = Scripted::answering(&[
        &answer("200 OK", "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n", "abc"),
        &answer("404 Not Found", "", "page"),
    ]);
    let told = get(&house, &["--json", "-o", "x", &server.url("/x")]).json();
    assert_eq!(told["status"], 200);
    assert_eq!(told["bytes"], 3);
    assert_eq!(told["file"], "x");
    assert_eq!(told["headers"]["set-cookie"], serde_json::json!(["a=1", "b=2"]));
    assert_eq!(told["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert!(told["seconds"].as_f64().unwrap() > 0.0);
    let ran = get(&house, &["--json", &server.url("/x")]);
    assert_eq!((ran.code, ran.json()["error"]["kind"].clone()), (1, "refused".into()));
}

#[test]
fn a_proxy_of_the_environment_is_asked_for_the_whole_url() {
    let house = House::new();
    let proxy = Scripted::answering(&[&answer("200 OK", "", "by proxy"), &answer("403 Forbidden", "", "")]);
    let by_proxy = |url: &str| {
        let mut command = crate::program(&house, &[url]);
        command.env("http_proxy", format!("http://user:pass@127.0.0.1:{}", proxy.port));
        command.env("https_proxy", format!("http://127.0.0.1:{}", proxy.port));
        crate::house::Ran::of(command.output().unwrap())
    };
    let ran = by_proxy("http://example.invalid/x");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "by proxy"), "{}", ran.stderr);
    let ran = by_proxy("https://example.invalid/x");
    assert_eq!(ran.code, 69);
    assert!(ran.stderr.contains("403 Forbidden"), "{}", ran.stderr);
    let [plain, tunnel] = proxy.asked().try_into().unwrap();
    assert_eq!(plain.first_line(), "GET http://example.invalid/x HTTP/1.1");
    assert_eq!(plain.field("proxy-authorization"), Some("Basic dXNlcjpwYXNz"));
    assert_eq!(tunnel.first_line(), "CONNECT example.invalid:443 HTTP/1.1");
}
