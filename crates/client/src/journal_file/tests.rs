//! The file on a real disk: locks between handles, cuts, rewriting, bounds, modes.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn open(path: &Path) -> (JournalFile, Vec<u8>) {
    JournalFile::open(path).unwrap()
}

#[test]
fn what_was_appended_is_read_again() {
    let folder = folder();
    let path = folder.path().join("j");
    let (mut file, bytes) = open(&path);
    assert!(bytes.is_empty());
    file.reserve(6).unwrap();
    file.append(b"abc").unwrap();
    file.append(b"def").unwrap();
    file.sync().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 6, "reserved room is not part of the file");
    drop(file);
    let (mut file, bytes) = open(&path);
    assert_eq!((bytes.as_slice(), file.length()), (&b"abcdef"[..], 6));
    file.cut(4).unwrap();
    file.append(b"x").unwrap();
    drop(file);
    assert_eq!(open(&path).1, b"abcdx");
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn one_holder_at_a_time_also_across_a_rewrite() {
    let folder = folder();
    let path = folder.path().join("j");
    let (mut file, _) = open(&path);
    let locked = || matches!(JournalFile::open(&path).unwrap_err(), JournalError::Locked { .. });
    assert!(locked());
    file.append(b"old").unwrap();
    file.replace(b"new").unwrap();
    assert!(locked());
    file.append(b"er").unwrap();
    assert_eq!(peek(&path).unwrap(), b"newer", "a reader needs no lock");
    drop(file);
    assert_eq!(open(&path).1, b"newer");
}

#[test]
fn an_unfinished_rewrite_leaves_the_old_file() {
    let folder = folder();
    let path = folder.path().join("j");
    std::fs::write(beside(&path), b"half").unwrap();
    let (mut file, bytes) = open(&path);
    assert!(bytes.is_empty());
    file.replace(b"whole").unwrap();
    assert!(!beside(&path).exists());
    assert_eq!(peek(&path).unwrap(), b"whole");
}

#[test]
fn a_rewrite_that_fails_leaves_the_journal_usable() {
    let folder = folder();
    let path = folder.path().join("j");
    let (mut file, _) = open(&path);
    file.append(b"old").unwrap();
    // A folder with something in it is what rewriting cannot remove.
    std::fs::create_dir_all(beside(&path).join("x")).unwrap();
    assert!(matches!(file.replace(b"new").unwrap_err(), JournalError::File { action: "rewrite", .. }));
    file.append(b"er").unwrap();
    file.sync().unwrap();
    assert_eq!(peek(&path).unwrap(), b"older");
}

#[test]
fn room_is_refused_before_anything_is_written() {
    let folder = folder();
    let path = folder.path().join("j");
    let mut file = open(&path).0.bounded(10);
    file.reserve(10).unwrap();
    file.append(b"12345678").unwrap();
    file.reserve(2).unwrap();
    let error = file.reserve(3).unwrap_err();
    assert!(error.to_string().contains("limit of 10 bytes"), "{error}");
    assert_eq!(file.length(), 8);
}

#[test]
fn a_disk_without_room_is_reported_before_anything_is_written() {
    let folder = folder();
    let path = folder.path().join("j");
    let mut file = open(&path).0.bounded(u64::MAX);
    let error = file.reserve(u64::MAX / 4).unwrap_err();
    assert!(matches!(error, JournalError::NoRoom { .. }), "{error}");
    assert!(error.to_string().contains("was not sent"), "{error}");
    file.append(b"goes on").unwrap();
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let folder = folder();
    let path = folder.path().join("j");
    drop(open(&path));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o622)).unwrap();
    let error = JournalFile::open(&path).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let error = JournalFile::open(Path::new("/nowhere/at/all")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all"), "{error}");
}
