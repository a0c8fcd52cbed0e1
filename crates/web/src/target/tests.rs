//! Paths that are decoded, and that none leaves the root.

use proptest::prelude::*;

use super::*;

fn path(resource: &[u8]) -> Path<'_> {
    match Target::parse(resource) {
        Ok(Target::Path(path)) => path,
        other => panic!("no path: {other:?}"),
    }
}

#[test]
fn a_path_is_decoded_once() {
    for (resource, relative, slash, query) in [
        (&b"/"[..], &b""[..], true, None),
        (b"/a", b"a", false, None),
        (b"/a/", b"a", true, None),
        (b"/a/b%20c?d=%2e/../", b"a/b c", false, Some(&b"d=%2e/../"[..])),
        (b"/%25?", b"%", false, Some(b"")),
        (b"/%e2%82%ac", "\u{20ac}".as_bytes(), false, None),
        (b"?a", b"", true, Some(b"a")),
    ] {
        let path = path(resource);
        assert_eq!(path.relative(), relative);
        assert_eq!(path.has_trailing_slash(), slash);
        assert_eq!(path.query(), query);
    }
    assert_eq!(Target::parse(b"*"), Ok(Target::Server));
}

#[test]
fn nothing_is_copied_without_an_escape() {
    assert!(matches!(path(b"/a/b.txt").decoded, Cow::Borrowed(_)));
}

#[test]
fn a_folder_is_found_with_its_slash() {
    for (resource, location) in [
        (&b"/a"[..], "/a/"),
        (b"/a?b=c", "/a/?b=c"),
        (b"/a%20b/[c]?{d}=%zz", "/a%20b/%5Bc%5D/?%7Bd%7D=%zz"),
        (b"/%E2%82%AC", "/%E2%82%AC/"),
        (b"/%3Fa%23", "/%3Fa%23/"),
    ] {
        assert_eq!(path(resource).with_trailing_slash(), location);
    }
}

/// Segments out of everything that could trick a decoder.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "/",
            ".",
            "..",
            "%2e",
            "%2F",
            "%5c",
            "\\",
            "%00",
            "%25",
            "%c0%ae",
            "%ef%bc%8f",
            "a",
            "?",
            "%",
            "~",
            ":",
            ";",
            "//",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| [&b"/"[..], &pieces.concat()].concat())
}

proptest! {
    #[test]
    fn no_segment_leaves_the_root(resource in soup()) {
        if let Ok(Target::Path(path)) = Target::parse(&resource) {
            let relative = path.relative();
            prop_assert!(!relative.starts_with(b"/") && !relative.ends_with(b"/"));
            prop_assert!(std::str::from_utf8(relative).is_ok());
            prop_assert!(relative.is_empty() || relative.split(|&byte| byte == b'/').all(|segment| !segment.is_empty()));
            for segment in path.segments() {
                prop_assert!(segment != b"." && segment != b"..");
                prop_assert!(segment.iter().all(|&byte| !byte.is_ascii_control() && byte != b'\\' && byte != b'/'));
            }
        }
    }

    #[test]
    fn any_name_can_be_asked_for(names in prop::collection::vec("[^/\\\\\\pC]{1,12}", 1..5), slash in any::<bool>()) {
        prop_assume!(names.iter().all(|name| name != "." && name != ".."));
        let joined = names.join("/");
        let mut resource = String::new();
        for name in &names {
            resource.push('/');
            escape(name.as_bytes(), |_| false, &mut resource);
        }
        if slash {
            resource.push('/');
        }
        let path = path(resource.as_bytes());
        prop_assert_eq!(path.relative(), joined.as_bytes());
        prop_assert_eq!(path.has_trailing_slash(), slash);
    }

    #[test]
    fn a_redirect_leads_to_the_same_path(resource in soup()) {
        if let Ok(Target::Path(asked)) = Target::parse(&resource) {
            let location = asked.with_trailing_slash();
            prop_assert!(!location.starts_with("//"));
            let led_to = path(location.as_bytes());
            prop_assert_eq!(led_to.relative(), asked.relative());
            prop_assert!(led_to.has_trailing_slash());
        }
    }

    #[test]
    fn no_authority_panics(bytes in "\\PC{0,40}|[0-9a-f:.\\[\\]]{0,40}") {
        if check_authority(bytes.as_bytes()).is_ok() {
            prop_assert!(bytes.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte)));
        }
    }
}
