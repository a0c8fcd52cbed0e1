//! Files gone on with: only where both parts are of one version.

use std::process::Stdio;

use crate::house::{House, Ran, wait_until};
use crate::scripted::{Scripted, Step, answer};
use crate::{get, kept, names, program};

const TAG: &str = "ETag: \"v1\"\r\n";

/// Ten bytes were announced, five came.
fn cut() -> Vec<Step> {
    vec![Step::Send(format!("HTTP/1.1 200 OK\r\n{TAG}Content-Length: 10\r\n\r\n01234").into_bytes())]
}

fn then(reply: &str) -> Vec<Step> {
    vec![Step::Send(reply.as_bytes().to_vec())]
}

/// Fetches in two runs; the second answer is `reply`.
fn in_two_runs(reply: &str) -> (House, Scripted, Ran) {
    let house = House::new();
    let server = Scripted::new(vec![cut(), then(reply)]);
    let ran = get(&house, &["-O", &server.url("/x")]);
    assert_eq!(ran.code, 76, "{}", ran.stderr);
    assert!(ran.stderr.contains("5 bytes of 10"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("5 bytes are kept beside it; the same command with --continue"),
        "{}",
        ran.stderr
    );
    assert_eq!(names(&house), ["x.sb-part", "x.sb-part.json"]);
    let ran = get(&house, &["-C", "-O", &server.url("/x")]);
    (house, server, ran)
}

#[test]
fn the_rest_of_the_same_version_is_fetched() {
    let rest = format!("{TAG}Content-Range: bytes 5-9/10\r\n");
    let (house, server, ran) = in_two_runs(&answer("206 Partial Content", &rest, "56789"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(kept(&house, "x").unwrap(), "0123456789");
    assert_eq!(names(&house), ["x"]);
    let asked = &server.asked()[1];
    assert_eq!((asked.field("range"), asked.field("if-range")), (Some("bytes=5-"), Some("\"v1\"")));
}

#[test]
fn the_hash_is_of_the_whole_file() {
    let rest = format!("{TAG}Content-Range: bytes 5-9/10\r\n");
    let house = House::new();
    let server = Scripted::new(vec![cut(), then(&answer("206 Partial Content", &rest, "56789"))]);
    get(&house, &["-O", &server.url("/x")]);
    let told = get(&house, &["-C", "-O", "--json", &server.url("/x")]).json();
    assert_eq!(told["sha256"], "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882");
    assert_eq!(told["bytes"], 10);
}

#[test]
fn a_changed_file_and_a_server_without_ranges_begin_anew() {
    for reply in [answer("200 OK", "ETag: \"v2\"\r\n", "another"), answer("200 OK", "", "another")] {
        let (house, _server, ran) = in_two_runs(&reply);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(kept(&house, "x").unwrap(), "another");
        assert_eq!(names(&house), ["x"]);
    }
}

#[test]
fn an_answer_that_does_not_fit_the_part_is_never_mixed_with_it() {
    for (status, fields, body) in [
        ("206 Partial Content", "ETag: \"v2\"\r\nContent-Range: bytes 5-9/10\r\n", "56789"),
        ("206 Partial Content", "ETag: \"v1\"\r\nContent-Range: bytes 4-9/10\r\n", "456789"),
        ("206 Partial Content", "ETag: \"v1\"\r\nContent-Range: bytes 5-9/11\r\n", "56789"),
        ("206 Partial Content", "ETag: \"v1\"\r\nContent-Range: bytes 5-8/10\r\n", "5678"),
        ("206 Partial Content", "ETag: \"v1\"\r\nContent-Range: bytes 5-9/10\r\n", "5678"),
        ("206 Partial Content", "ETag: \"v1\"\r\nContent-Range: bytes 5-7/*\r\n", "567"),
        ("206 Partial Content", "ETag: \"v1\"\r\n", "56789"),
        ("206 Partial Content", "Content-Range: bytes 5-9/10\r\n", "56789"),
        ("206 Partial Content", "ETag: W/\"v1\"\r\nContent-Range: bytes 5-9/10\r\n", "56789"),
        (
            "206 Partial Content",
            "Last-Modified: Fri, 06 Nov 2026 08:49:37 GMT\r\nContent-Range: bytes 5-9/10\r\n",
            "56789",
        ),
        ("416 Range Not Satisfiable", "Content-Range: bytes */4\r\n", ""),
        ("416 Range Not Satisfiable", "ETag: \"v2\"\r\nContent-Range: bytes */5\r\n", ""),
    ] {
        let house = House::new();
        let replies = [cut(), then(&answer(status, fields, body)), then(&answer("200 OK", "", "anew"))];
        let server = Scripted::new(replies.to_vec());
        get(&house, &["-O", &server.url("/x")]);
        let ran = get(&house, &["-C", "-O", &server.url("/x")]);
        assert_eq!(ran.code, 0, "{fields}: {}", ran.stderr);
        assert_eq!(kept(&house, "x").unwrap(), "anew", "{status} {fields}");
        assert_eq!(server.asked()[2].field("range"), None);
    }
}

#[test]
fn a_date_holds_both_parts_together_where_both_answers_tell_it() {
    let modified = "Last-Modified: Fri, 06 Nov 2026 08:49:37 GMT\r\n";
    let range = "Content-Range: bytes 5-9/10\r\n";
    for (fields, body, expected) in [
        (format!("{modified}{range}"), "56789", "0123456789"),
        (range.to_owned(), "56789", "anew"),
        (format!("Last-Modified: Fri, 06 Nov 2026 08:49:38 GMT\r\n{range}"), "56789", "anew"),
    ] {
        let house = House::new();
        let begun = format!(
            "HTTP/1.1 200 OK\r\nDate: Fri, 06 Nov 2026 09:00:00 GMT\r\n{modified}Content-Length: 10\r\n\r\n01234"
        );
        let rest = answer("206 Partial Content", &fields, body);
        let server = Scripted::new(vec![then(&begun), then(&rest), then(&answer("200 OK", "", "anew"))]);
        get(&house, &["-O", &server.url("/x")]);
        let ran = get(&house, &["-C", "-O", &server.url("/x")]);
        assert_eq!(ran.code, 0, "{fields}: {}", ran.stderr);
        assert_eq!(kept(&house, "x").unwrap(), expected, "{fields}");
        assert_eq!(server.asked()[1].field("if-range"), Some("Fri, 06 Nov 2026 08:49:37 GMT"));
    }
}

#[test]
fn a_rest_that_is_not_as_long_as_it_says_is_not_put_in_place() {
    for chunk in ["3\r\n567\r\n", "6\r\n56789X\r\n"] {
        let rest = format!(
            "HTTP/1.1 206 Partial Content\r\n{TAG}Content-Range: bytes 5-9/10\r\nTransfer-Encoding: chunked\r\n\r\n\
             {chunk}0\r\n\r\n"
        );
        let (house, _server, ran) = in_two_runs(&rest);
        assert_eq!(ran.code, 76, "{}", ran.stderr);
        assert_eq!(kept(&house, "x"), None);
    }
}

#[test]
fn a_part_that_is_whole_already_is_put_in_its_place() {
    let house = House::new();
    let whole = format!("HTTP/1.1 200 OK\r\n{TAG}Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n");
    let none = answer("416 Range Not Satisfiable", "Content-Range: bytes */5\r\n", "");
    let server = Scripted::answering(&[&whole, &none]);
    assert_eq!(get(&house, &["-O", &server.url("/x")]).code, 76);
    let ran = get(&house, &["-C", "-O", &server.url("/x")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "wrote x: 5 bytes\n"), "{}", ran.stderr);
    assert_eq!(kept(&house, "x").unwrap(), "01234");
}

#[test]
fn a_broken_body_is_gone_on_with_by_the_next_attempt() {
    let house = House::new();
    let rest = format!("{TAG}Content-Range: bytes 5-9/10\r\n");
    let server = Scripted::new(vec![cut(), then(&answer("206 Partial Content", &rest, "56789"))]);
    let ran = get(&house, &["--retry", "1", "--retry-delay", "0", "-O", &server.url("/x")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(kept(&house, "x").unwrap(), "0123456789");
    assert_eq!(server.asked()[1].field("range"), Some("bytes=5-"));
}

#[test]
fn a_part_of_another_url_is_not_gone_on_with() {
    let house = House::new();
    let server = Scripted::new(vec![cut(), then(&answer("200 OK", "", "another"))]);
    get(&house, &["-o", "f", &server.url("/x")]);
    let ran = get(&house, &["-C", "-o", "f", &server.url("/y")]);
    assert_eq!((ran.code, kept(&house, "f").unwrap().as_str()), (0, "another"), "{}", ran.stderr);
    assert_eq!(server.asked()[1].field("range"), None);
}

#[test]
fn an_interrupt_leaves_the_part_and_says_how_to_go_on() {
    let house = House::new();
    std::fs::write(house.path().join("x"), "old").unwrap();
    let server = Scripted::new(vec![[cut(), vec![Step::Hold]].concat()]);
    let mut command = program(&house, &["-O", &server.url("/x")]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("a part of the file is there", || kept(&house, "x.sb-part").as_deref() == Some("01234"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("5 bytes are kept beside it; the same command with --continue"),
        "{}",
        ran.stderr
    );
    assert_eq!(kept(&house, "x").unwrap(), "old");
    assert_eq!(names(&house), ["x", "x.sb-part", "x.sb-part.json"]);
}
