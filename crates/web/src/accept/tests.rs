//! The choice of an encoding, field by field.

use proptest::prelude::*;

use super::*;

const BR_GZIP: [Coding; 3] = [Coding::Identity, Coding::Gzip, Coding::Br];

fn best(field: Option<&str>, available: &[Coding]) -> Option<Coding> {
    Accepted::parse(field.map(str::as_bytes)).best(available.iter().copied(), |coding| *coding)
}

#[test]
fn the_best_is_chosen() {
    for (field, expected) in [
        ("gzip, deflate, br, zstd", Some(Coding::Br)),
        ("gzip, deflate", Some(Coding::Gzip)),
        ("GZIP", Some(Coding::Gzip)),
        ("x-gzip", Some(Coding::Gzip)),
        ("deflate", Some(Coding::Identity)),
        ("", Some(Coding::Identity)),
        (",, ,", Some(Coding::Identity)),
        ("*", Some(Coding::Br)),
        ("br;q=0.5, gzip", Some(Coding::Gzip)),
        ("br;q=0.5, gzip;q=0.5", Some(Coding::Br)),
        ("br;q=0.001, gzip;q=0", Some(Coding::Br)),
        ("br;q=0, *", Some(Coding::Gzip)),
        ("gzip ; q=1.000,br;Q=0.999", Some(Coding::Gzip)),
        ("identity, gzip;q=0.5", Some(Coding::Identity)),
        ("identity;q=0.5, gzip;q=0.4", Some(Coding::Identity)),
        ("identity;q=0.5, *;q=0.5", Some(Coding::Br)),
        ("identity;q=0, gzip", Some(Coding::Gzip)),
        ("identity;q=0, deflate", None),
        ("*;q=0, deflate", None),
        ("*;q=0, identity", Some(Coding::Identity)),
        ("*;q=0", None),
        ("gzip;q=0, gzip", Some(Coding::Identity)),
    ] {
        assert_eq!(best(Some(field), &BR_GZIP), expected, "{field}");
    }
}

#[test]
fn without_the_field_the_file_goes_as_it_is() {
    assert_eq!(best(None, &BR_GZIP), Some(Coding::Identity));
}

#[test]
fn what_is_not_there_is_not_chosen() {
    assert_eq!(best(Some("br, zstd, gzip"), &[Coding::Identity]), Some(Coding::Identity));
    assert_eq!(best(Some("br, identity;q=0"), &[Coding::Identity]), None);
}

#[test]
fn nonsense_counts_as_no_field() {
    for field in [
        "gzip;q=2",
        "gzip;q=1.001",
        "gzip;q=0.1234",
        "gzip;q=",
        "gzip;q=-1",
        "gzip;q=.5",
        "gzip;level=9",
        "g zip",
        ";q=1",
    ] {
        assert_eq!(best(Some(field), &BR_GZIP), Some(Coding::Identity), "{field}");
    }
}

proptest! {
    #[test]
    fn nothing_excluded_is_sent(field in "((br|gzip|zstd|identity|\\*|x)(;q=(0|1|0\\.[0-9]{1,3}))?, ?){0,6}") {
        let accepted = Accepted::parse(Some(field.as_bytes()));
        if let Some(coding) = accepted.best(BR_GZIP.into_iter(), |coding| *coding) {
            prop_assert!(accepted.weight(coding).is_some_and(|weight| weight > 0));
            for other in BR_GZIP {
                prop_assert!(accepted.weight(other) <= accepted.weight(coding));
            }
        } else {
            prop_assert!(BR_GZIP.iter().all(|coding| accepted.weight(*coding).is_none()));
        }
    }
}
