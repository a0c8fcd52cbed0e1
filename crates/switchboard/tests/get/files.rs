//! Where the file stands: whole or as it was.

use std::process::Stdio;

use crate::house::{House, Ran, wait_until};
use crate::scripted::{Scripted, Step, answer};
use crate::{get, kept, names, program};

#[test]
fn a_remote_name_cannot_leave_the_folder() {
    let house = House::new();
    let server = Scripted::answering(&[&answer("200 OK", "", "x")]);
    for (path, name) in [("/a/b.txt?q", "b.txt"), ("/..%2F..%2Fup", "_.._up"), ("/%2Ebashrc", "bashrc")] {
        let ran = get(&house, &["-O", &server.url(path)]);
        assert_eq!(ran.stdout, format!("wrote {name}: 1 byte\n"), "{}", ran.stderr);
        assert_eq!(names(&house), [name]);
        std::fs::remove_file(house.path().join(name)).unwrap();
    }
    let ran = get(&house, &["-O", &server.url("/")]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

#[test]
fn a_file_stands_as_it_was_until_the_new_one_is_whole() {
    let house = House::new();
    std::fs::write(house.path().join("x"), "old").unwrap();
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nne".as_bytes().to_vec();
    let server = Scripted::new(vec![vec![Step::Send(begun), Step::Hold]]);
    let mut command = program(&house, &["-o", "x", &server.url("/x")]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("a part of the file is there", || kept(&house, "x.sb-part").as_deref() == Some("ne"));
    assert_eq!(kept(&house, "x").unwrap(), "old");
    let second = get(&house, &["-o", "x", &server.url("/x")]);
    assert_eq!(second.code, 69, "{}", second.stderr);
    assert!(second.stderr.contains("another program writes"), "{}", second.stderr);
    assert_eq!(kept(&house, "x.sb-part").unwrap(), "ne", "it is the first run's");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(kept(&house, "x").unwrap(), "old");
    let server = Scripted::answering(&[&answer("200 OK", "", "new!")]);
    assert_eq!(get(&house, &["-o", "x", &server.url("/x")]).code, 0);
    assert_eq!(kept(&house, "x").unwrap(), "new!");
    assert_eq!(names(&house), ["x"]);
}

#[test]
fn an_answer_without_a_file_writes_none() {
    let house = House::new();
    std::fs::write(house.path().join("x"), "old").unwrap();
    for status in ["304 Not Modified", "204 No Content"] {
        let server = Scripted::answering(&[&format!("HTTP/1.1 {status}\r\n\r\n")]);
        let ran = get(&house, &["-o", "x", "-H", "If-None-Match: \"v1\"", &server.url("/x")]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(kept(&house, "x").unwrap(), "old", "{status}");
        assert!(ran.stderr.contains("no file was written"), "{}", ran.stderr);
        assert_eq!(names(&house), ["x"]);
    }
}

#[test]
fn a_status_that_nothing_asked_for_is_an_error_and_writes_nothing() {
    let house = House::new();
    std::fs::write(house.path().join("x"), "old").unwrap();
    for (reply, code) in [
        ("HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(), 76),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhi".to_owned(), 76),
        (answer("300 Multiple Choices", "", "page"), 76),
        (answer("305 Use Proxy", "Location: /y\r\n", "page"), 76),
        (answer("600 Beyond", "", "page"), 79),
        (answer("999 Request Denied", "", "page"), 79),
    ] {
        let server = Scripted::answering(&[&reply]);
        let status = &reply["HTTP/1.1 ".len()..][..3];
        for arguments in [&["-o", "x"][..], &[], &["-i"]] {
            let ran = get(&house, &[arguments, &[&server.url("/x")]].concat());
            assert_eq!(ran.code, code, "{status} {arguments:?}: {}", ran.stderr);
            assert!(ran.stderr.contains(status), "{}", ran.stderr);
        }
        assert_eq!(kept(&house, "x").unwrap(), "old", "{status}");
        assert_eq!(names(&house), ["x"]);
    }
}

#[test]
fn a_link_that_leads_nowhere_is_told_before_anything_is_asked() {
    let house = House::new();
    for (link, to) in [("ring", "gnir"), ("gnir", "ring"), ("loose", "absent")] {
        std::os::unix::fs::symlink(to, house.path().join(link)).unwrap();
    }
    let server = Scripted::answering(&[&answer("200 OK", "", "x")]);
    for (place, why) in [("ring", "in a circle"), ("loose", "something that is not there")] {
        let ran = get(&house, &["-o", place, &server.url("/x")]);
        assert_eq!(ran.code, 73, "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert!(house.path().join(place).is_symlink());
    }
    assert!(server.asked().is_empty());
    std::fs::write(house.path().join("absent"), "old").unwrap();
    assert_eq!(get(&house, &["-o", "loose", &server.url("/x")]).code, 0);
    assert_eq!(kept(&house, "absent").unwrap(), "x", "what a link points to is replaced");
}

#[test]
fn a_place_where_no_file_can_stand_is_told_before_anything_is_asked() {
    let house = House::new();
    std::fs::create_dir(house.path().join("folder")).unwrap();
    let server = Scripted::answering(&[&answer("200 OK", "", "x")]);
    for place in ["folder", "absent/x"] {
        let ran = get(&house, &["-o", place, &server.url("/x")]);
        assert_eq!(ran.code, 73, "{}", ran.stderr);
    }
    assert!(server.asked().is_empty());
    assert_eq!(get(&house, &["-o", "/dev/null", &server.url("/x")]).code, 0);
    let ran = Ran::of(program(&house, &[&server.url("/x")]).stdout(full()).output().unwrap());
    assert_eq!(ran.code, 74, "{}", ran.stderr);
}

/// A device that has no room.
fn full() -> std::fs::File {
    std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap()
}
