//! What a head says, and that a cut never changes it. The refusals are in `tests/hostile`.

use proptest::prelude::*;

use super::*;
use crate::target::Target;

fn whole(bytes: &[u8]) -> Head<'_> {
    match parse(bytes) {
        Ok(Parsed::Whole(head)) => head,
        other => panic!("no head: {other:?}"),
    }
}

#[test]
fn a_head_is_read_and_what_follows_is_left() {
    let bytes =
        b"GET /a?b HTTP/1.1\r\nHost: a.example:80\r\nUser-Agent:  x y \r\nRange: bytes=0-\r\n\r\nGET ";
    let head = whole(bytes);
    assert_eq!(&bytes[head.len()..], b"GET ");
    assert_eq!(head.method, Method::Get);
    assert_eq!(head.method_name, b"GET");
    assert_eq!(head.target, b"/a?b");
    assert_eq!(head.resource, b"/a?b");
    assert_eq!(head.scheme, None);
    assert_eq!(head.authority, Some(&b"a.example:80"[..]));
    assert_eq!(head.version, Version::Http11);
    assert_eq!(head.known.user_agent, Some(&b"x y"[..]));
    assert_eq!(head.known.range, Some(&b"bytes=0-"[..]));
    assert!(!head.known.is_unconditional());
    assert!(head.persistent && !head.expects_continue);
    let names: Vec<&[u8]> = head.fields().map(|(name, _)| name).collect();
    assert_eq!(names, [&b"Host"[..], b"User-Agent", b"Range"]);
}

#[test]
fn the_absolute_form_names_the_site() {
    let head = whole(b"GET http://one:81/a?b HTTP/1.1\r\nHost: two\r\n\r\n");
    assert_eq!(head.target, b"http://one:81/a?b");
    assert_eq!(head.resource, b"/a?b");
    assert_eq!(head.scheme, Some(Scheme::Http));
    assert_eq!(head.authority, Some(&b"one:81"[..]));
    assert_eq!(head.known.host, Some(&b"two"[..]));
}

#[test]
fn lists_on_several_lines_are_joined() {
    let head = whole(
        b"GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"1\"\r\nAccept-Encoding: gzip\r\nIF-NONE-MATCH: \"2\", \"3\"\r\n\r\n",
    );
    let target = Target::parse(head.resource).unwrap();
    let asked = head.asked(&target, Scheme::Http);
    assert_eq!(asked.conditions.if_none_match.as_deref(), Some(&b"\"1\", \"2\", \"3\""[..]));
    assert_eq!(asked.accept_encoding.as_deref(), Some(&b"gzip"[..]));
    assert!(head.known.has_split_lists());
}

#[test]
fn a_refusal_says_what_was_wrong() {
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"[..], "white space before the colon (RFC 9112 section 5.1)"),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", "line ended by a bare LF (RFC 9112 section 2.2)"),
        (b"GET /#a HTTP/1.1\r\n", "fragment in the request target (RFC 9112 section 3.2)"),
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 without Host (RFC 9112 section 3.2)"),
        (b"GET / HTTP/2.0\r\n", "neither HTTP/1.1 nor HTTP/1.0 (RFC 9110 section 15.6.6)"),
    ] {
        assert_eq!(parse(bytes).unwrap_err().reason, reason);
    }
}

#[test]
fn an_error_is_seen_with_the_byte_that_makes_it() {
    for (right, wrong) in [
        (&b"GET / HTTP/1.1\r\nHos"[..], b' '),
        (b"GET /a", b'#'),
        (b"GET / HTTP/", b'x'),
        (b"GET / HTTP/2.", b'0'),
        (b"GET / HTTP/1.1\r\nHost: a\r", b'\r'),
        (b"GET / HTTP/1.1\r\nX: a", 0),
    ] {
        assert!(matches!(parse(right), Ok(Parsed::Incomplete)), "{right:?}");
        assert!(parse(&[right, &[wrong]].concat()).is_err(), "{right:?} and {wrong}");
    }
}

fn token() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}"
}

/// Pieces of requests in any order, so that the grammar is reached, with some bytes that belong nowhere.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "GET ",
            "OPTIONS ",
            "HEAD ",
            "/",
            "*",
            "http://a",
            "a.txt",
            "%2e",
            " HTTP/1.1\r\n",
            " HTTP/1.0\r\n",
            "Host: a\r\n",
            "Host:",
            "\r\n",
            "\n",
            "\r",
            " ",
            "\t",
            ":",
            "Content-Length: 3\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Expect: 100-continue\r\n",
            "Connection: close\r\n",
            "X: \u{e9}\r\n",
            ",",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        method in "[A-Z]{1,12}",
        path in "/[a-z0-9/._-]{0,60}",
        host in "[a-z][a-z0-9-]{0,20}",
        fields in prop::collection::vec((token(), "[!-~\u{80}-\u{ff}]([ -~\t]{0,60}[!-~])?"), 0..20),
    ) {
        prop_assume!(method != "CONNECT");
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in &fields {
            text += &format!("x-{name}: {value}\r\n");
        }
        text += "\r\n";
        let head = whole(text.as_bytes());
        prop_assert_eq!(head.len(), text.len());
        prop_assert_eq!(head.method_name, method.as_bytes());
        prop_assert_eq!(head.resource, path.as_bytes());
        prop_assert_eq!(head.authority, Some(host.as_bytes()));
        let read: Vec<(String, String)> = head
            .fields()
            .skip(1)
            .map(|(name, value)| (String::from_utf8(name.into()).unwrap(), String::from_utf8(value.into()).unwrap()))
            .collect();
        let written: Vec<(String, String)> = fields.into_iter().map(|(name, value)| (format!("x-{name}"), value)).collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn a_prefix_is_refused_only_as_the_whole_is(bytes in soup(), cut in any::<prop::sample::Index>()) {
        let prefix = &bytes[..cut.index(bytes.len() + 1)];
        match (parse(prefix), parse(&bytes)) {
            (Err(early), late) => prop_assert_eq!(Some(early), late.err()),
            (Ok(Parsed::Whole(early)), Ok(Parsed::Whole(late))) => prop_assert_eq!(early.len(), late.len()),
            (Ok(Parsed::Whole(_)), other) => prop_assert!(false, "{:?}", other),
            (Ok(Parsed::Incomplete), Ok(Parsed::Whole(late))) => prop_assert!(late.len() > prefix.len()),
            (Ok(Parsed::Incomplete), _) => {}
        }
    }

    #[test]
    fn every_field_of_a_head_is_a_field(bytes in soup()) {
        if let Ok(Parsed::Whole(head)) = parse(&bytes) {
            prop_assert!(head.fields().count() <= FIELDS_MAX);
            for (name, value) in head.fields() {
                prop_assert!(!name.is_empty() && name.iter().all(|&byte| is_token(byte)));
                prop_assert!(value.iter().all(|&byte| is_text(byte)));
            }
        }
    }
}
