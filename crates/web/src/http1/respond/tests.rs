//! Heads as they go out, byte for byte.

use expect_test::{Expect, expect};

use super::*;
use crate::accept::Coding;
use crate::conditional::EntityTag;
use crate::date::{self, UnixSeconds};
use crate::http1::{self, Parsed, Scheme};
use crate::plan::{self, Facts, Found, Moment, Policy, Variant};
use crate::target::Target;

const MODIFIED: UnixSeconds = UnixSeconds(784_111_777);
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// The head of the answer to `request`, asked of a page with a gzip form.
fn check(request: &str, expected: &Expect) {
    let Ok(Parsed::Whole(head)) = http1::parse(request.as_bytes()) else { panic!("no head: {request}") };
    let variant = |coding, len| Variant { coding, len, etag: EntityTag::of_file(0x2a, len, 0x1234, coding) };
    let facts = Facts {
        media: "text/html; charset=utf-8".into(),
        modified: Some(MODIFIED),
        variants: vec![variant(Coding::Identity, 1024), variant(Coding::Gzip, 300)],
        negotiated: true,
    };
    let target = Target::parse(head.resource).unwrap();
    let found = match head.resource {
        b"/folder" => Found::Directory,
        b"/missing" => Found::Missing,
        _ => Found::File(&facts),
    };
    let moment = Moment { now: NOW, boundary: 1 };
    let plan = plan::plan(&head.asked(&target, Scheme::Http), &found, &Policy::default(), moment);
    let mut out = Vec::new();
    write_head(&plan, Connection::after(&head, &plan), &date::format(NOW), &mut out);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    expected.assert_eq(&text.replace('\r', ""));
}

#[test]
fn of_a_file() {
    check(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &expect![[r#"
        HTTP/1.1 200 OK
        Date: Tue, 14 Nov 2023 22:13:20 GMT
        Content-Type: text/html; charset=utf-8
        Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT
        ETag: "2a-400-1234"
        Accept-Ranges: bytes
        Cache-Control: no-cache
        Vary: Accept-Encoding
        X-Content-Type-Options: nosniff
        Referrer-Policy: strict-origin-when-cross-origin
        X-Frame-Options: SAMEORIGIN
        Content-Length: 1024

    "#]],
    );
}

#[test]
fn of_an_encoded_file_that_ends_the_connection() {
    check(
        "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
        &expect![[r#"
        HTTP/1.1 200 OK
        Date: Tue, 14 Nov 2023 22:13:20 GMT
        Connection: close
        Content-Type: text/html; charset=utf-8
        Content-Encoding: gzip
        Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT
        ETag: "2a-12c-1234-gzip"
        Accept-Ranges: bytes
        Cache-Control: no-cache
        Vary: Accept-Encoding
        X-Content-Type-Options: nosniff
        Referrer-Policy: strict-origin-when-cross-origin
        X-Frame-Options: SAMEORIGIN
        Content-Length: 300

    "#]],
    );
}

#[test]
fn of_a_range_to_an_old_client() {
    check(
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\nRange: bytes=0-9\r\n\r\n",
        &expect![[r#"
        HTTP/1.1 206 Partial Content
        Date: Tue, 14 Nov 2023 22:13:20 GMT
        Connection: keep-alive
        Content-Type: text/html; charset=utf-8
        Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT
        ETag: "2a-400-1234"
        Accept-Ranges: bytes
        Cache-Control: no-cache
        Vary: Accept-Encoding
        X-Content-Type-Options: nosniff
        Referrer-Policy: strict-origin-when-cross-origin
        X-Frame-Options: SAMEORIGIN
        Content-Range: bytes 0-9/1024
        Content-Length: 10

    "#]],
    );
}

#[test]
fn of_a_copy_that_is_current() {
    check(
        "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"2a-400-1234\"\r\n\r\n",
        &expect![[r#"
        HTTP/1.1 304 Not Modified
        Date: Tue, 14 Nov 2023 22:13:20 GMT
        ETag: "2a-400-1234"
        Cache-Control: no-cache
        Vary: Accept-Encoding

    "#]],
    );
}

#[test]
fn of_a_folder() {
    check(
        "HEAD /folder HTTP/1.1\r\nHost: a\r\n\r\n",
        &expect![[r#"
        HTTP/1.1 308 Permanent Redirect
        Date: Tue, 14 Nov 2023 22:13:20 GMT
        Location: /folder/
        Content-Type: text/html; charset=utf-8
        Cache-Control: no-store
        X-Content-Type-Options: nosniff
        Referrer-Policy: strict-origin-when-cross-origin
        X-Frame-Options: SAMEORIGIN
        Content-Length: 148

    "#]],
    );
}

#[test]
fn of_nothing() {
    check(
        "GET /missing HTTP/1.1\r\nHost: a\r\n\r\n",
        &expect![[r#"
        HTTP/1.1 404 Not Found
        Date: Tue, 14 Nov 2023 22:13:20 GMT
        Content-Type: text/html; charset=utf-8
        Cache-Control: no-store
        X-Content-Type-Options: nosniff
        Referrer-Policy: strict-origin-when-cross-origin
        X-Frame-Options: SAMEORIGIN
        Content-Length: 169

    "#]],
    );
}

#[test]
fn of_a_method_that_is_not_offered() {
    check(
        "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
        &expect![[r#"
        HTTP/1.1 405 Method Not Allowed
        Date: Tue, 14 Nov 2023 22:13:20 GMT
        Allow: GET, HEAD, OPTIONS
        Content-Type: text/html; charset=utf-8
        Cache-Control: no-store
        X-Content-Type-Options: nosniff
        Referrer-Policy: strict-origin-when-cross-origin
        X-Frame-Options: SAMEORIGIN
        Content-Length: 175

    "#]],
    );
}

#[test]
fn of_what_is_offered() {
    check(
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        &expect![[r#"
        HTTP/1.1 204 No Content
        Date: Tue, 14 Nov 2023 22:13:20 GMT
        Allow: GET, HEAD, OPTIONS
        Cache-Control: no-store

    "#]],
    );
}

#[test]
fn another_date_takes_the_place_of_the_first() {
    let plan = plan::closing(crate::status::Status::RequestTimeout, &Policy::default());
    let (mut first, mut second) = (b"before".to_vec(), b"before".to_vec());
    let at = write_head(&plan, Connection::Closes, &date::format(NOW), &mut first);
    write_head(&plan, Connection::Closes, &date::format(MODIFIED), &mut second);
    assert_ne!(first, second);
    set_date(&mut first, at, &date::format(MODIFIED));
    assert_eq!(first, second);
}
