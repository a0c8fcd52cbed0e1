//! Databases and keys that are damaged, foreign or too new: refused before anything is changed, with the way back.

use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::PathBuf;

use expect_test::{Expect, expect};

use crate::house::House;

const PAGE_BYTES: u64 = 4096;

/// A data folder with 30 euros in account 1, all of it in the database file, and a backup.
fn furnished() -> (House, String) {
    let house = House::new();
    let server = house.serve(&[]);
    house.ok(&["bank", "open", "Ada", "EUR"]);
    for _ in 0..3 {
        house.ok(&["bank", "deposit", "1", "10.00"]);
    }
    assert_eq!(server.stop().0, 0);
    let backup = house.path().join("monday.db").to_str().unwrap().to_owned();
    house.ok(&["backup", &backup]);
    (house, backup)
}

fn database(house: &House) -> PathBuf {
    house.data().join("switchboard.db")
}

fn write_at(path: PathBuf, offset: u64, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

/// The server does not start; both forms of the message, and every byte of the database stays.
fn check_refused(house: &House, code: i32, expected: &Expect) {
    let before = std::fs::read(database(house)).unwrap();
    let ran = house.run(&["serve", "--tls", "127.0.0.1:0"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{}", ran.stderr);
    expected.assert_eq(&ran.stderr.replace(&house.path().display().to_string(), "HOUSE"));
    assert_eq!(house.run(&["--embedded", "--json", "bank", "audit"]).json()["error"]["exit"], code);
    assert!(std::fs::read(database(house)).unwrap() == before, "nothing was changed");
}

fn check_restored(house: &House, backup: &str) {
    assert!(house.ok(&["restore", backup]).contains("the books hold"));
    assert!(house.ok(&["--embedded", "bank", "balance", "1"]).contains("balance 30.00 EUR"));
}

#[test]
fn a_database_without_its_head_is_refused_and_the_told_command_brings_it_back() {
    let (house, backup) = furnished();
    write_at(database(&house), 0, &[0x5a; 100]);
    check_refused(
        &house,
        65,
        &expect![[r#"
        switchboard: the database HOUSE/data/switchboard.db is damaged (file is not a database); nothing was changed. Restore the newest backup: switchboard restore FILE (automatic ones are in the backup folder beside it)
    "#]],
    );
    check_restored(&house, &backup);
}

#[test]
fn a_database_that_was_cut_short_is_refused() {
    let (house, backup) = furnished();
    let length = database(&house).metadata().unwrap().len();
    std::fs::OpenOptions::new().write(true).open(database(&house)).unwrap().set_len(length / 2).unwrap();
    check_refused(
        &house,
        65,
        &expect![[r#"
        switchboard: the database HOUSE/data/switchboard.db is damaged (database disk image is malformed); nothing was changed. Restore the newest backup: switchboard restore FILE (automatic ones are in the backup folder beside it)
    "#]],
    );
    check_restored(&house, &backup);
}

#[test]
fn a_rotten_page_is_refused_by_who_meets_it_and_never_shows_another_balance() {
    let (house, backup) = furnished();
    let sound = std::fs::read(database(&house)).unwrap();
    let mut refusals = 0;
    for page in 0..u64::try_from(sound.len()).unwrap() / PAGE_BYTES {
        std::fs::write(database(&house), &sound).unwrap();
        write_at(database(&house), page * PAGE_BYTES, &[0x5a; 4096]);
        for question in [&["bank", "audit"][..], &["bank", "balance", "1"]] {
            let ran = house.run(&[&["--embedded", "--set", "client.wait_ms=500"], question].concat());
            if ran.code == 0 {
                assert!(ran.stdout.contains("30.00 EUR"), "page {page}: {}", ran.stdout);
                continue;
            }
            refusals += 1;
            assert_eq!((ran.code, ran.stdout.as_str()), (65, ""), "page {page}: {}", ran.stderr);
            assert!(ran.stderr.contains("switchboard restore FILE"), "page {page}: {}", ran.stderr);
        }
    }
    assert!(refusals >= 4, "rot was met");
    check_restored(&house, &backup);
}

#[test]
fn the_database_of_another_program_or_a_newer_release_is_refused() {
    // Offsets of the SQLite file format, section 1.3.
    const USER_VERSION_AT: u64 = 60;
    const APPLICATION_ID_AT: u64 = 68;
    let (house, _) = furnished();
    write_at(database(&house), USER_VERSION_AT, &1_000_000_u32.to_be_bytes());
    check_refused(
        &house,
        78,
        &expect![[r#"
        switchboard: the database has schema 1000000, this program knows up to 1; start the newer program, or restore a backup made before the upgrade
    "#]],
    );
    write_at(database(&house), APPLICATION_ID_AT, b"GIMP");
    check_refused(
        &house,
        65,
        &expect![[r#"
        switchboard: HOUSE/data/switchboard.db is no Switchboard database; check the --data folder or the file's name
    "#]],
    );
}

#[test]
fn keys_that_others_can_read_or_that_are_cut_are_refused() {
    let (house, _) = furnished();
    let key = house.data().join("keys/operator.key");
    let mode = |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    check_refused(
        &house,
        78,
        &expect![[r#"
        switchboard: HOUSE/data/keys/operator.key can be read by other users (mode 644); if it was not copied, run: chmod 600 HOUSE/data/keys/operator.key
    "#]],
    );
    mode(0o600);
    std::fs::write(&key, [7; 31]).unwrap();
    check_refused(
        &house,
        65,
        &expect![[r#"
        switchboard: HOUSE/data/keys/operator.key holds 31 bytes instead of 32; restore it from your copy of the keys folder
    "#]],
    );
    std::fs::write(&key, [7; 32]).unwrap();
    write_at(house.data().join("keys/digest.key"), 32, b"!");
    check_refused(
        &house,
        65,
        &expect![[r#"
            switchboard: HOUSE/data/keys/digest.key holds 33 bytes instead of 32; restore it from your copy of the keys folder
        "#]],
    );
}
