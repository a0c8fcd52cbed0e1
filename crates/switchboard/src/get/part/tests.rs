//! Parts and their notes, and what stands under the name meanwhile.

use super::*;

fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn url() -> Url {
    "http://h/x".parse().unwrap()
}

const MODIFIED: (&str, &str) = ("last-modified", "Fri, 06 Nov 2026 08:49:37 GMT");

#[test]
fn only_a_strong_validator_is_noted() {
    let same_second = ("date", "Fri, 06 Nov 2026 08:49:37 GMT");
    let later = ("date", "Fri, 06 Nov 2026 08:49:38 GMT");
    for (pairs, noted) in [
        (&[("etag", "\"a\"")][..], Some("\"a\"")),
        (&[("etag", "W/\"a\""), MODIFIED, later], None),
        (&[("etag", "a")], None),
        (&[MODIFIED, later], Some(MODIFIED.1)),
        (&[MODIFIED, same_second], None),
        (&[MODIFIED], None),
        (&[], None),
    ] {
        let note = Note::of(&url(), &fields(pairs), None);
        assert_eq!(note.map(|note| note.validator).as_deref(), noted, "{pairs:?}");
    }
}

#[test]
fn a_part_agrees_with_no_other_version() {
    let note = Note::of(&url(), &fields(&[("etag", "\"a\"")]), Some(10)).unwrap();
    assert!(note.agrees(&fields(&[("etag", "\"a\"")]), Some(10)));
    assert!(note.agrees(&HeaderMap::new(), None));
    assert!(!note.agrees(&fields(&[("etag", "\"b\"")]), Some(10)));
    assert!(!note.agrees(&fields(&[("etag", "\"a\"")]), Some(11)));
}

#[test]
fn a_file_is_replaced_in_one_step_and_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let mut part = Part::open(&path).unwrap();
    part.begin(Note::of(&url(), &fields(&[("etag", "\"a\"")]), Some(3)).as_ref()).unwrap();
    part.write(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert!(matches!(Part::open(&path), Err(GetError::InUse { .. })));
    part.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn a_part_is_gone_on_with_only_for_its_url_and_with_its_note() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x");
    let mut part = Part::open(&path).unwrap();
    part.begin(Note::of(&url(), &fields(&[("etag", "\"a\"")]), Some(9)).as_ref()).unwrap();
    assert!(part.begun(&url()).is_none(), "nothing is in it");
    part.write(b"abc").unwrap();
    assert_eq!(part.begun(&url()).unwrap().0, 3);
    assert!(part.begun(&"http://h/y".parse().unwrap()).is_none());
    drop(part);
    assert_eq!(left_behind(&path, &url()), Some(3));
    fs::write(home.path().join(format!("x{NOTE_ENDING}")), "{").unwrap();
    assert_eq!(left_behind(&path, &url()), None);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_part_that_is_a_link_is_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let victim = home.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, home.path().join(format!("x{PART_ENDING}"))).unwrap();
    assert!(matches!(Part::open(&home.path().join("x")), Err(GetError::File { .. })));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

#[test]
fn where_no_file_can_stand_is_told_before_anything_is_sent() {
    let home = tempfile::tempdir().unwrap();
    assert!(target(home.path()).is_err());
    assert!(target(&home.path().join("absent/x")).is_err());
    assert_eq!(target(Path::new("/dev/null")).unwrap(), Target::Device("/dev/null".into()));
    fs::write(home.path().join("real"), "").unwrap();
    std::os::unix::fs::symlink("real", home.path().join("link")).unwrap();
    let real = fs::canonicalize(home.path().join("real")).unwrap();
    assert_eq!(target(&home.path().join("link")).unwrap(), Target::File(real));
}
