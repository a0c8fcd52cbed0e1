//! Fields that resolve, that are ignored, that find nothing.

use proptest::prelude::*;

use super::*;

fn range(offset: u64, last: u64) -> ByteRange {
    ByteRange { offset, len: NonZeroU64::new(last - offset + 1).unwrap() }
}

#[test]
fn ranges_resolve() {
    let one = |first, last| Ranges::One(range(first, last));
    for (field, expected) in [
        ("bytes=0-0", one(0, 0)),
        ("bytes=9-9", one(9, 9)),
        ("bytes=0-", one(0, 9)),
        ("bytes=-3", one(7, 9)),
        ("bytes=-99", one(0, 9)),
        ("bytes=8-18446744073709551616", one(8, 9)),
        ("bytes=8-18446744073709551615", one(8, 9)),
        ("Bytes=0-4, 5-9", one(0, 9)),
        ("bytes=6-8,0-7", one(0, 8)),
        ("bytes=2-4,3-3", one(2, 4)),
        ("bytes=9-,10-", one(9, 9)),
        ("bytes=-1,0-0", Ranges::Several(vec![range(0, 0), range(9, 9)])),
        ("bytes=0-0,2-2", Ranges::Several(vec![range(0, 0), range(2, 2)])),
        ("bytes=10-", Ranges::Unsatisfiable),
        ("bytes=-0", Ranges::Unsatisfiable),
        ("bytes=10-11,-0", Ranges::Unsatisfiable),
        ("bytes=5-4", Ranges::Whole),
        ("bytes=0-0,5-4", Ranges::Whole),
        ("bytes=", Ranges::Whole),
        ("bytes=,", Ranges::Whole),
        ("bytes=-", Ranges::Whole),
        ("bytes= 0-1", Ranges::Whole),
        ("bytes=0-1-2", Ranges::Whole),
        ("bytes 0-1", Ranges::Whole),
        ("byte=0-1", Ranges::Whole),
        ("", Ranges::Whole),
    ] {
        assert_eq!(resolve(field.as_bytes(), 10), expected, "{field}");
    }
}

#[test]
fn an_empty_file_has_no_range() {
    assert_eq!(resolve(b"bytes=0-", 0), Ranges::Unsatisfiable);
    assert_eq!(resolve(b"bytes=-0", 0), Ranges::Unsatisfiable);
    assert_eq!(resolve(b"bytes=-1", 0), Ranges::Whole);
}

#[test]
fn many_ranges_are_answered_whole() {
    let field = |count: u64| {
        let specs: Vec<String> = (0..count).map(|at| format!("{}-{}", at * 2, at * 2)).collect();
        format!("bytes={}", specs.join(","))
    };
    assert!(matches!(resolve(field(16).as_bytes(), 1000), Ranges::Several(ranges) if ranges.len() == 16));
    assert_eq!(resolve(field(17).as_bytes(), 1000), Ranges::Whole);
    let adjacent = |count: u64| {
        let specs: Vec<String> = (0..count).map(|at| format!("{at}-{at}")).collect();
        format!("bytes={}", specs.join(","))
    };
    assert_eq!(resolve(adjacent(128).as_bytes(), 1000), Ranges::One(range(0, 127)));
    assert_eq!(resolve(adjacent(129).as_bytes(), 1000), Ranges::Whole);
}

proptest! {
    #[test]
    fn a_byte_is_sent_when_and_only_when_it_was_asked_for(
        spans in prop::collection::vec((0_u64..30, 0_u64..30), 1..12),
        suffix in prop::option::of(0_u64..30),
        len in 1_u64..25,
    ) {
        let mut specs: Vec<String> = spans.iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
        specs.extend(suffix.map(|suffix| format!("-{suffix}")));
        let asked = |byte: u64| {
            spans.iter().any(|(first, more)| (*first..=first + more).contains(&byte))
                || suffix.is_some_and(|suffix| byte + suffix >= len)
        };
        let ranges = match resolve(format!("bytes={}", specs.join(" ,")).as_bytes(), len) {
            Ranges::Whole => return Err(TestCaseError::fail("ignored")),
            Ranges::One(one) => vec![one],
            Ranges::Several(several) => several,
            Ranges::Unsatisfiable => vec![],
        };
        for byte in 0..len {
            let sent = ranges.iter().filter(|range| (range.offset..=range.last()).contains(&byte)).count();
            prop_assert_eq!(sent, usize::from(asked(byte)), "byte {}", byte);
        }
        prop_assert!(ranges.iter().all(|range| range.last() < len));
        prop_assert!(ranges.windows(2).all(|pair| pair[0].last() + 1 < pair[1].offset));
    }

    #[test]
    fn no_range_ends_behind_the_file(field in "(bytes=)?[0-9, x\t-]{0,60}", len in any::<u64>()) {
        match resolve(field.as_bytes(), len) {
            Ranges::Whole | Ranges::Unsatisfiable => {}
            Ranges::One(range) => prop_assert!(range.last() < len),
            Ranges::Several(ranges) => prop_assert!(ranges.iter().all(|range| range.last() < len)),
        }
    }
}
