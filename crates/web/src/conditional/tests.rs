//! Section 13.2.2 of RFC 9110 as a table, and lists of tags that try to deceive.

use proptest::prelude::*;

use super::*;

const MODIFIED: UnixSeconds = UnixSeconds(784_111_777);
const NOW: UnixSeconds = UnixSeconds(784_200_000);
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn tag() -> EntityTag {
    EntityTag::of_file(10, 11, 12, Coding::Identity)
}

/// `fields`: letters of the condition and its value, as `m"a-b-c"` for If-Match.
fn conditions<'a>(fields: &[(char, &'a str)]) -> Conditions<'a> {
    let mut conditions = Conditions::default();
    for (letter, value) in fields {
        let value = value.as_bytes();
        match letter {
            'm' => conditions.if_match = Some(value.into()),
            'n' => conditions.if_none_match = Some(value.into()),
            's' => conditions.if_modified_since = Some(value),
            'u' => conditions.if_unmodified_since = Some(value),
            other => panic!("no condition {other}"),
        }
    }
    conditions
}

#[test]
fn tags_tell_files_and_codings_apart() {
    assert_eq!(tag().as_str(), "\"a-b-c\"");
    assert_eq!(EntityTag::of_file(10, 11, 12, Coding::Br).as_str(), "\"a-b-c-br\"");
    assert_ne!(EntityTag::of_file(0, 0, -1, Coding::Gzip), EntityTag::of_file(0, 0, 1, Coding::Gzip));
}

#[test]
fn the_order_of_section_13_2_2() {
    use Outcome::{Failed, NotModified, Proceed};
    let this = "\"a-b-c\"";
    let weak = "W/\"a-b-c\"";
    let other = "\"other\"";
    for (fields, expected) in [
        (&[][..], Proceed),
        (&[('m', this)], Proceed),
        (&[('m', "*")], Proceed),
        (&[('m', other)], Failed),
        (&[('m', weak)], Failed),
        (&[('m', "")], Failed),
        (&[('m', "a-b-c")], Failed),
        (&[('m', this), ('u', BEFORE)], Proceed),
        (&[('m', other), ('u', AFTER)], Failed),
        (&[('m', other), ('n', this)], Failed),
        (&[('m', this), ('n', this)], NotModified),
        (&[('m', this), ('s', THEN)], NotModified),
        (&[('u', BEFORE)], Failed),
        (&[('u', THEN)], Proceed),
        (&[('u', AFTER)], Proceed),
        (&[('u', "never")], Proceed),
        (&[('u', BEFORE), ('n', this)], Failed),
        (&[('u', THEN), ('n', this)], NotModified),
        (&[('n', this)], NotModified),
        (&[('n', weak)], NotModified),
        (&[('n', "*")], NotModified),
        (&[('n', "\"x\" , W/\"y\",\"a-b-c\"")], NotModified),
        (&[('n', ",,\"a-b-c\",")], NotModified),
        (&[('n', "\"a,b\", \"a-b-c\"")], NotModified),
        (&[('n', other)], Proceed),
        (&[('n', "")], Proceed),
        (&[('n', "\"\"")], Proceed),
        (&[('n', "a-b-c")], Proceed),
        (&[('n', "'a-b-c'")], Proceed),
        (&[('n', "w/\"a-b-c\"")], Proceed),
        (&[('n', "\"x\" \"a-b-c\"")], Proceed),
        (&[('n', "\"a-b-c")], Proceed),
        (&[('n', "\"x\", *")], Proceed),
        (&[('n', other), ('s', AFTER)], Proceed),
        (&[('n', this), ('s', BEFORE)], NotModified),
        (&[('s', BEFORE)], Proceed),
        (&[('s', THEN)], NotModified),
        (&[('s', AFTER)], NotModified),
        (&[('s', "never")], Proceed),
    ] {
        assert_eq!(judge(&conditions(fields), &tag(), Some(MODIFIED), NOW), expected, "{fields:?}");
    }
}

#[test]
fn dates_are_ignored_for_a_file_without_one() {
    for fields in [&[('s', AFTER)], &[('u', BEFORE)]] {
        assert_eq!(judge(&conditions(fields), &tag(), None, NOW), Outcome::Proceed);
    }
}

#[test]
fn a_range_applies_to_the_very_same_bytes() {
    let at = |seconds: u64| UnixSeconds(MODIFIED.0 + seconds);
    for (validator, now, expected) in [
        (None, NOW, true),
        (Some("\"a-b-c\""), NOW, true),
        (Some("W/\"a-b-c\""), NOW, false),
        (Some("\"other\""), NOW, false),
        (Some("\"a-b-c\", \"x\""), NOW, false),
        (Some("*"), NOW, false),
        (Some(THEN), NOW, true),
        (Some(BEFORE), NOW, false),
        (Some(AFTER), NOW, false),
        (Some("nonsense"), NOW, false),
        (Some(THEN), at(2), true),
        (Some(THEN), at(1), false),
        (Some(THEN), at(0), false),
    ] {
        let applies = range_applies(validator.map(str::as_bytes), &tag(), Some(MODIFIED), now);
        assert_eq!(applies, expected, "{validator:?} at {now:?}");
    }
    assert!(!range_applies(Some(THEN.as_bytes()), &tag(), None, NOW));
}

proptest! {
    #[test]
    fn a_tag_is_found_wherever_it_stands(
        before in prop::collection::vec("(W/)?\"[!#-~]{0,9}\"", 0..5),
        after in prop::collection::vec("(W/)?\"[!#-~]{0,9}\"", 0..5),
        gap in " {0,2},[ \t]{0,2}",
    ) {
        let members: Vec<String> = before.into_iter().chain([tag().to_string()]).chain(after).collect();
        prop_assert!(lists(members.join(&gap).as_bytes(), &tag(), Comparison::Strong));
    }

    #[test]
    fn what_is_not_named_does_not_match(list in "[W/\"a-c, *\t]{0,40}") {
        let named = list.contains(tag().as_str()) || list.trim() == "*";
        prop_assert!(named || !lists(list.as_bytes(), &tag(), Comparison::Weak));
        prop_assert!(list == tag().as_str() || !range_applies(Some(list.as_bytes()), &tag(), Some(MODIFIED), NOW));
    }
}
