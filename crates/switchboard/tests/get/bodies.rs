//! Bodies: framed in each way, cut, stalled, coded, too large.

use std::io::Write as _;

use crate::house::House;
use crate::scripted::{Scripted, Step, answer};
use crate::{get, kept, names};

fn framed(fields: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes(), body].concat()
}

#[test]
fn a_body_is_read_in_each_framing() {
    let house = House::new();
    for (fields, body) in [
        ("Content-Length: 10\r\n", "0123456789"),
        ("Transfer-Encoding: chunked\r\n", "4\r\n0123\r\n6;ext=1\r\n456789\r\n0\r\nTrailer: 1\r\n\r\n"),
        ("", "0123456789"),
    ] {
        let server = Scripted::new(vec![vec![Step::Send(framed(fields, body.as_bytes()))]]);
        let ran = get(&house, &[&server.url("/")]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "0123456789"), "{fields}{}", ran.stderr);
    }
}

#[test]
fn a_body_that_breaks_off_or_is_malformed_is_no_success() {
    let house = House::new();
    std::fs::write(house.path().join("x"), "old").unwrap();
    for (fields, body) in [
        ("Content-Length: 10\r\n", "01234"),
        ("Transfer-Encoding: chunked\r\n", "4\r\n0123\r\n"),
        ("Transfer-Encoding: chunked\r\n", "4\r\n0123\r\n6\r\n45"),
        ("Transfer-Encoding: chunked\r\n", "4\r\n0123\r\nzz\r\n456\r\n0\r\n\r\n"),
        ("Content-Length: 10\r\nContent-Length: 11\r\n", "0123456789"),
        ("Content-Length: -1\r\n", "0123456789"),
    ] {
        let server = Scripted::new(vec![vec![Step::Send(framed(fields, body.as_bytes()))]]);
        let ran = get(&house, &["-o", "x", &server.url("/")]);
        assert_eq!(ran.code, 76, "{fields}{body}: {}", ran.stderr);
        assert_eq!(names(&house), ["x"], "a part that cannot be gone on with is of no use");
        assert_eq!(kept(&house, "x").unwrap(), "old");
    }
}

#[test]
fn a_body_whose_end_can_be_read_in_two_ways_is_refused() {
    let house = House::new();
    let chunked = "4\r\n0123\r\n0\r\n\r\n";
    for (fields, body) in [
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", chunked),
        ("Transfer-Encoding: chunked\r\nContent-Length: 14\r\n", chunked),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunked),
        ("Transfer-Encoding: gzip, chunked\r\n", chunked),
        ("Transfer-Encoding: xchunked\r\n", chunked),
        ("Transfer-Encoding: identity\r\n", "0123"),
    ] {
        let server = Scripted::new(vec![vec![Step::Send(framed(fields, body.as_bytes()))]]);
        let ran = get(&house, &["-o", "x", &server.url("/")]);
        assert_eq!(ran.code, 76, "{fields}: {}", ran.stderr);
        assert!(ran.stderr.contains("Transfer-Encoding"), "{}", ran.stderr);
        assert_eq!(names(&house), Vec::<String>::new(), "{fields}");
    }
    let server =
        Scripted::new(vec![vec![Step::Send(framed("Transfer-Encoding: Chunked\r\n", chunked.as_bytes()))]]);
    assert_eq!(get(&house, &[&server.url("/")]).stdout, "0123");
}

#[test]
fn a_server_that_sends_a_trickle_is_left() {
    let house = House::new();
    let head = Step::Send(framed("ETag: \"v1\"\r\nContent-Length: 100\r\n", b""));
    let server = Scripted::new(vec![vec![head, Step::Trickle { bytes: 100 }]]);
    // The trickle lasts longer than this, and no pause in it does.
    let flags = ["--stall-timeout", "2", "-o", "x", "--min-rate"];
    let ran = get(&house, &[&flags[..], &["10000", &server.url("/")]].concat());
    assert_eq!(ran.code, 124, "{}", ran.stderr);
    assert!(ran.stderr.contains("where 10000 a second are wanted"), "{}", ran.stderr);
    assert!(ran.stderr.contains("kept beside it"), "{}", ran.stderr);
    let ran = get(&house, &[&flags[..], &["1", &server.url("/")]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(kept(&house, "x").unwrap(), ".".repeat(100));
}

#[test]
fn a_server_that_falls_silent_is_left() {
    let house = House::new();
    for begun in [Vec::new(), framed("Content-Length: 10\r\n", b"01234")] {
        let server = Scripted::new(vec![vec![Step::Send(begun), Step::Hold]]);
        for flags in [["--stall-timeout", "0.2"], ["--max-time", "0.2"]] {
            let ran = get(&house, &[&flags[..], &["-o", "x", &server.url("/")]].concat());
            assert_eq!(ran.code, 124, "{}", ran.stderr);
            assert!(ran.stderr.contains(flags[0]), "{}", ran.stderr);
            assert_eq!(names(&house), Vec::<String>::new());
        }
    }
}

#[test]
fn a_coded_body_is_asked_for_and_decoded() {
    let house = House::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(b"hello\n").unwrap();
    let zstd =
        ruzstd::encoding::compress_to_vec(&b"hello\n"[..], ruzstd::encoding::CompressionLevel::Fastest);
    let brotli = b"\x8f\x02\x80\x68\x65\x6c\x6c\x6f\x0a\x03".to_vec();
    for (coding, body) in [("gzip", gzip.finish().unwrap()), ("zstd", zstd), ("br", brotli)] {
        let whole = format!("Content-Encoding: {coding}\r\nContent-Length: {}\r\n", body.len());
        let server = Scripted::new(vec![vec![Step::Send(framed(&whole, &body))]]);
        let ran = get(&house, &["--compressed", &server.url("/")]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "hello\n"), "{coding}: {}", ran.stderr);
        assert_eq!(server.asked()[0].field("accept-encoding"), Some("zstd, br, gzip"));

        let cut = format!("Content-Encoding: {coding}\r\n");
        let server = Scripted::new(vec![vec![Step::Send(framed(&cut, &body[..body.len() - 3]))]]);
        let ran = get(&house, &["--compressed", "-o", "x", &server.url("/")]);
        assert_eq!(ran.code, 76, "{coding} cut: {}", ran.stderr);
        assert_eq!(names(&house), Vec::<String>::new());
    }
}

#[test]
fn a_file_that_unfolds_beyond_its_bound_is_left() {
    let house = House::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![b'0'; 20 << 20]).unwrap();
    let bomb = framed("Content-Encoding: gzip\r\n", &gzip.finish().unwrap());
    assert!(bomb.len() < 30_000, "{} bytes", bomb.len());
    let server = Scripted::new(vec![vec![Step::Send(bomb)]]);
    let ran = get(&house, &["--compressed", "--max-size", "1000000", "-o", "x", &server.url("/")]);
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    assert!(ran.stderr.contains("larger than 1000000 bytes"), "{}", ran.stderr);
    assert_eq!(names(&house), Vec::<String>::new());
}

#[test]
fn a_file_that_is_announced_as_too_large_is_not_read() {
    let house = House::new();
    let head = "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 1001\r\n\r\nx".as_bytes().to_vec();
    let server = Scripted::new(vec![vec![Step::Send(head), Step::Hold]]);
    let ran = get(&house, &["--max-size", "1000", "-o", "x", &server.url("/")]);
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    assert_eq!(names(&house), Vec::<String>::new());
}

#[test]
fn whoever_reads_may_stop_reading() {
    let house = House::new();
    let body = "0123456789\n".repeat(1 << 17);
    let server = Scripted::answering(&[&answer("200 OK", "", &body)]);
    let program = env!("CARGO_BIN_EXE_switchboard");
    let line = format!("set -o pipefail; {program} get {} | head -c 11", server.url("/"));
    let ran = crate::house::Ran::of(std::process::Command::new("bash").args(["-c", &line]).output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "0123456789\n"), "{}", ran.stderr);
    drop(house);
}
