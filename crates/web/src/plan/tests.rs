//! What the RFCs leave to one function: which answer, with which fields.

use std::num::NonZeroU64;

use proptest::prelude::*;

use super::*;

const MODIFIED: UnixSeconds = UnixSeconds(784_111_777);
const MOMENT: Moment = Moment { now: UnixSeconds(784_200_000), boundary: 0xabc };

fn variant(coding: Coding, len: u64) -> Variant {
    Variant { coding, len, etag: EntityTag::of_file(1, len, 2, coding) }
}

fn page_of_ten() -> Facts {
    Facts {
        media: "text/html; charset=utf-8".into(),
        modified: Some(MODIFIED),
        variants: vec![variant(Coding::Identity, 10), variant(Coding::Gzip, 7), variant(Coding::Br, 5)],
        negotiated: true,
    }
}

fn asked<'a>(method: Method, target: &'a Target<'a>) -> Asked<'a> {
    Asked {
        method,
        target,
        scheme: None,
        connection: Scheme::Http,
        conditions: Conditions::default(),
        range: None,
        accept_encoding: None,
    }
}

fn target(resource: &str) -> Target<'_> {
    Target::parse(resource.as_bytes()).unwrap()
}

fn value<'a>(plan: &'a Plan, name: &str) -> Option<&'a str> {
    let mut values = plan.fields.iter().filter(|field| field.name == name);
    let value = values.next()?;
    assert_eq!(values.next(), None, "{name} twice");
    Some(&value.value)
}

fn decide(asked: &Asked<'_>, facts: &Facts) -> Plan {
    plan(asked, &Found::File(facts), &Policy::default(), MOMENT)
}

#[test]
fn each_encoding_has_its_own_tag_and_length() {
    let target = target("/");
    for (accepted, coding, len, tag) in [
        (None, Coding::Identity, 10, "\"1-a-2\""),
        (Some("gzip"), Coding::Gzip, 7, "\"1-7-2-gzip\""),
        (Some("br, gzip"), Coding::Br, 5, "\"1-5-2-br\""),
    ] {
        let mut asked = asked(Method::Get, &target);
        asked.accept_encoding = accepted.map(|text| text.as_bytes().into());
        let plan = decide(&asked, &page_of_ten());
        assert_eq!(plan.status, Status::Ok);
        assert_eq!(plan.body, Body::Whole(coding));
        assert_eq!(plan.content_length, Some(len));
        assert_eq!(value(&plan, "ETag"), Some(tag));
        assert_eq!(value(&plan, "Content-Encoding"), coding.name());
        assert_eq!(value(&plan, "Vary"), Some("Accept-Encoding"));
    }
}

#[test]
fn a_tag_of_another_encoding_is_not_the_present_one() {
    let target = target("/");
    let mut asked = asked(Method::Get, &target);
    asked.accept_encoding = Some(b"br"[..].into());
    asked.conditions.if_none_match = Some(b"\"1-a-2\""[..].into());
    assert_eq!(decide(&asked, &page_of_ten()).status, Status::Ok);
    asked.conditions.if_none_match = Some(b"\"1-5-2-br\""[..].into());
    let plan = decide(&asked, &page_of_ten());
    assert_eq!(plan.status, Status::NotModified);
    let names: Vec<&str> = plan.fields.iter().map(|field| field.name).collect();
    assert_eq!(names, ["ETag", "Cache-Control", "Vary"]);
    assert_eq!((plan.content_length, plan.body), (None, Body::Nothing));
}

#[test]
fn a_modification_ahead_of_the_clock_is_not_told() {
    let target = target("/");
    let mut facts = page_of_ten();
    assert_eq!(
        value(&decide(&asked(Method::Get, &target), &facts), "Last-Modified"),
        Some("Sun, 06 Nov 1994 08:49:37 GMT")
    );
    facts.modified = Some(UnixSeconds(MOMENT.now.0 + 1));
    assert_eq!(value(&decide(&asked(Method::Get, &target), &facts), "Last-Modified"), None);
}

#[test]
fn one_range_and_several() {
    let target = target("/");
    let mut asked = asked(Method::Get, &target);
    asked.range = Some(b"bytes=2-4");
    let plan = decide(&asked, &page_of_ten());
    assert_eq!((plan.status, plan.content_length), (Status::PartialContent, Some(3)));
    assert_eq!(value(&plan, "Content-Range"), Some("bytes 2-4/10"));
    let range = ByteRange { offset: 2, len: NonZeroU64::new(3).unwrap() };
    assert_eq!(plan.body, Body::One(Coding::Identity, range));

    asked.range = Some(b"bytes=0-0,-1");
    let plan = decide(&asked, &page_of_ten());
    assert_eq!(plan.status, Status::PartialContent);
    assert_eq!(value(&plan, "Content-Range"), None);
    assert_eq!(
        value(&plan, "Content-Type"),
        Some("multipart/byteranges; boundary=00000000000000000000000000000abc")
    );
    let Body::Several(parts) = &plan.body else { panic!("{plan:?}") };
    let mut text = String::new();
    for part in &parts.parts {
        text += &part.head;
        text += &"0123456789"
            [usize::try_from(part.range.offset).unwrap()..=usize::try_from(part.range.last()).unwrap()];
    }
    text += &parts.end;
    assert_eq!(plan.content_length, u64::try_from(text.len()).ok());
    expect_test::expect![[r"

        --00000000000000000000000000000abc
        Content-Type: text/html; charset=utf-8
        Content-Range: bytes 0-0/10

        0
        --00000000000000000000000000000abc
        Content-Type: text/html; charset=utf-8
        Content-Range: bytes 9-9/10

        9
        --00000000000000000000000000000abc--
    "]]
    .assert_eq(&text.replace("\r\n", "\n"));
}

#[test]
fn several_ranges_of_an_encoding_are_answered_whole() {
    let target = target("/");
    let mut asked = asked(Method::Get, &target);
    asked.accept_encoding = Some(b"br"[..].into());
    asked.range = Some(b"bytes=0-0,2-2");
    assert_eq!(decide(&asked, &page_of_ten()).body, Body::Whole(Coding::Br));
    asked.range = Some(b"bytes=0-0");
    let plan = decide(&asked, &page_of_ten());
    assert_eq!(value(&plan, "Content-Range"), Some("bytes 0-0/5"));
    assert_eq!(value(&plan, "Content-Encoding"), Some("br"));
}

#[test]
fn an_unsatisfiable_range_tells_the_length() {
    let target = target("/");
    let mut asked = asked(Method::Get, &target);
    asked.range = Some(b"bytes=10-");
    let plan = decide(&asked, &page_of_ten());
    assert_eq!(plan.status, Status::RangeNotSatisfiable);
    assert_eq!(value(&plan, "Content-Range"), Some("bytes */10"));
    assert_eq!(value(&plan, "ETag"), None);
    assert!(matches!(plan.body, Body::Text(_)));
}

#[test]
fn a_folder_moves_to_its_slash() {
    let target = target("/a%20b?c");
    let plan = plan(&asked(Method::Get, &target), &Found::Directory, &Policy::default(), MOMENT);
    assert_eq!(plan.status, Status::PermanentRedirect);
    assert_eq!(value(&plan, "Location"), Some("/a%20b/?c"));
    assert_eq!(value(&plan, "Cache-Control"), Some("no-store"));
}

#[test]
fn what_is_hidden_is_answered_as_what_is_missing() {
    let target = target("/a");
    for method in [Method::Get, Method::Head, Method::Options, Method::Post, Method::Unknown] {
        let asked = asked(method, &target);
        let decide = |found| plan(&asked, &found, &Policy::default(), MOMENT);
        assert_eq!(decide(Found::Refused), decide(Found::Missing));
    }
}

#[test]
fn methods_that_are_not_offered() {
    let target = target("/");
    let facts = page_of_ten();
    for method in [Method::Post, Method::Put, Method::Delete, Method::Patch, Method::Trace] {
        let plan = decide(&asked(method, &target), &facts);
        assert_eq!(plan.status, Status::MethodNotAllowed);
        assert_eq!(value(&plan, "Allow"), Some("GET, HEAD, OPTIONS"));
    }
    assert_eq!(decide(&asked(Method::Unknown, &target), &facts).status, Status::NotImplemented);
    let plan = decide(&asked(Method::Options, &target), &facts);
    assert_eq!((plan.status, plan.content_length), (Status::NoContent, None));
    assert_eq!(value(&plan, "Allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn another_scheme_is_misdirected() {
    let target = target("/");
    let facts = page_of_ten();
    for (scheme, connection, status) in [
        (None, Scheme::Https, Status::Ok),
        (Some(Scheme::Https), Scheme::Https, Status::Ok),
        (Some(Scheme::Http), Scheme::Https, Status::MisdirectedRequest),
        (Some(Scheme::Https), Scheme::Http, Status::MisdirectedRequest),
    ] {
        let asked = Asked { scheme, connection, ..asked(Method::Get, &target) };
        assert_eq!(decide(&asked, &facts).status, status);
    }
}

#[test]
fn strict_transport_is_said_where_it_is_configured() {
    let target = target("/");
    let policy = Policy { hsts: Some("max-age=1".into()), ..Policy::default() };
    for found in [Found::Missing, Found::File(&page_of_ten())] {
        let plan = plan(&asked(Method::Get, &target), &found, &policy, MOMENT);
        assert_eq!(value(&plan, "Strict-Transport-Security"), Some("max-age=1"));
    }
}

#[test]
fn a_refusal_closes() {
    let refusal = Refusal { status: Status::UriTooLong, reason: "" };
    let plan = refused(&refusal, &Policy::default());
    assert!(plan.close);
    assert_eq!(plan.status, Status::UriTooLong);
    assert!(closing(Status::RequestTimeout, &Policy::default()).close);
}

fn field() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(vec![
        "*",
        "\"1-a-2\"",
        "\"1-5-2-br\"",
        "W/\"1-a-2\"",
        "\"x\"",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:36 GMT",
        "",
        "bytes=0-0",
        "bytes=0-0,5-5",
        "bytes=90-",
        "br",
        "gzip, identity;q=0",
        "*;q=0",
    ]))
}

proptest! {
    #[test]
    fn head_has_the_fields_of_get_and_no_content(
        fields in prop::array::uniform7(field()),
        found in 0..4,
        resource in prop::sample::select(vec!["/", "/a", "/a?b"]),
    ) {
        let target = target(resource);
        let facts = page_of_ten();
        let found = match found {
            0 => Found::Missing,
            1 => Found::Refused,
            2 => Found::Directory,
            _ => Found::File(&facts),
        };
        let [if_match, if_none_match, modified, unmodified, if_range, range, accept] =
            fields.map(|field| field.map(str::as_bytes));
        let asked = Asked {
            conditions: Conditions {
                if_match: if_match.map(Cow::Borrowed),
                if_none_match: if_none_match.map(Cow::Borrowed),
                if_modified_since: modified,
                if_unmodified_since: unmodified,
                if_range,
            },
            accept_encoding: accept.map(Cow::Borrowed),
            ..asked(Method::Head, &target)
        };
        let with_range = Asked { range, ..asked.clone() };
        let head = plan(&with_range, &found, &Policy::default(), MOMENT);
        prop_assert_eq!(&head.body, &Body::Nothing);
        // A range is for GET alone (RFC 9110 section 14.2), so the GET to compare with has none.
        let get = plan(&Asked { method: Method::Get, ..asked }, &found, &Policy::default(), MOMENT);
        prop_assert_eq!(Plan { body: Body::Nothing, ..get }, head);
    }

    #[test]
    fn the_length_is_that_of_the_content(fields in prop::array::uniform3(field()), range in "bytes=[0-9]{1,2}-[0-9]{0,2}(,-[0-9])?") {
        let target = target("/");
        let facts = page_of_ten();
        let [accept, if_none_match, if_range] = fields.map(|field| field.map(str::as_bytes));
        let mut asked = asked(Method::Get, &target);
        asked.accept_encoding = accept.map(Cow::Borrowed);
        asked.conditions.if_none_match = if_none_match.map(Cow::Borrowed);
        asked.conditions.if_range = if_range;
        asked.range = Some(range.as_bytes());
        let plan = decide(&asked, &facts);
        let len = match &plan.body {
            Body::Nothing => None,
            Body::Text(text) => u64::try_from(text.len()).ok(),
            Body::Whole(coding) => facts.variants.iter().find(|variant| variant.coding == *coding).map(|variant| variant.len),
            Body::One(_, range) => Some(range.len.get()),
            Body::Several(parts) => Some(parts.len()),
        };
        prop_assert_eq!(plan.content_length, len);
        prop_assert_eq!(value(&plan, "ETag").is_some(), matches!(plan.status, Status::Ok | Status::PartialContent | Status::NotModified));
    }
}
