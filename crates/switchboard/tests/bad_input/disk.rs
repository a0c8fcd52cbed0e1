//! Disks that are full or read-only, on either side: nothing is half done, nothing is lost, and room is all that is needed.

use expect_test::{Expect, expect};

use crate::house::{House, Ran, wait_until};
use crate::mount::Mount;
use crate::till::{Till, check_books, euros, furnish, next_door};

fn check(house: &House, ran: &Ran, code: i32, expected: &Expect) {
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{}", ran.stderr);
    expected.assert_eq(&ran.stderr.replace(&house.path().display().to_string(), "HOUSE"));
}

#[test]
fn a_read_only_data_folder_is_named_and_stays_as_it_is() {
    let house = House::new();
    house.ok(&["--embedded", "bank", "open", "Ada", "EUR"]);
    let mount = Mount::read_only(&house.data());
    let serve = mount.run(&house, &["serve", "--tls", "127.0.0.1:0"]);
    check(
        &house,
        &serve,
        74,
        &expect![[r#"
        switchboard: locking HOUSE/data/lock failed; check that the folder exists, belongs to this user and has room
          because: Read-only file system (os error 30)
    "#]],
    );
    let embedded = mount.run(&house, &["--embedded", "bank", "deposit", "1", "5.00"]);
    check(
        &house,
        &embedded,
        74,
        &expect![[r#"
        switchboard: locking HOUSE/data/lock failed; check that the folder exists, belongs to this user and has room
          because: Read-only file system (os error 30)
    "#]],
    );
    drop(mount);
    assert!(house.ok(&["--embedded", "bank", "balance", "1"]).contains("balance 0.00 EUR"));
}

#[test]
fn without_a_writable_journal_nothing_is_sent_and_questions_are_still_answered() {
    let house = House::new();
    let server = house.serve(&[]);
    furnish(&house, 10);
    let away = house.path().join("away");
    std::fs::create_dir_all(away.join("client")).unwrap();
    let mount = Mount::read_only(&away);
    let at_the_server = |command: &[&str]| {
        let place = ["--data", away.to_str().unwrap(), "--server", &server.address("unix:")];
        mount.run(&house, &[&place, command].concat())
    };
    check(
        &house,
        &at_the_server(&["bank", "withdraw", "1", "1.00"]),
        74,
        &expect![[r#"
        switchboard: cannot create the journal HOUSE/away/client/cli-0.journal; check that the folder exists, that this user may write there and that the disk works
          because: Read-only file system (os error 30)
    "#]],
    );
    assert_eq!(
        at_the_server(&["bank", "balance", "1"]).stdout,
        "account 1: balance 10.00 EUR, available 10.00 EUR\n"
    );
    check_books(&house, 10);
}

#[test]
fn without_room_in_the_journal_nothing_is_sent_and_with_room_everything_goes_on() {
    let house = House::new();
    let server = house.serve(&[]);
    furnish(&house, 10);
    let away = house.path().join("away");
    let mount = Mount::small(&away, 4096);
    let withdraw = || {
        let place = ["--data", away.to_str().unwrap(), "--server", &server.address("unix:")];
        mount.run(&house, &[&place[..], &["bank", "withdraw", "1", "1.00"]].concat())
    };
    assert_eq!(withdraw().code, 0);
    for spare_kibibytes in [0, 4, 16] {
        mount.fill(spare_kibibytes);
        let ran = withdraw();
        assert_eq!((ran.code, ran.stdout.as_str()), (74, ""), "{}", ran.stderr);
        for words in ["no room for this call", "away/client/cli-0.journal", "was not sent", "free some space"]
        {
            assert!(ran.stderr.contains(words), "{}", ran.stderr);
        }
        check_books(&house, 9);
        mount.make_room();
    }
    assert_eq!(withdraw().code, 0);
    check_books(&house, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_under_a_batch_loses_nothing_and_room_is_all_it_takes() {
    const CALLS: u32 = 400;
    let house = House::new();
    let mount = Mount::small(&house.data(), 16_384);
    let socket = house.path().join("socket");
    let server = mount.serve(&house, &["--unix", socket.to_str().unwrap()]);
    let outside = next_door(&socket);
    furnish(&outside, 1000);
    let till = Till::open(&outside).await;
    std::fs::remove_file(mount.inside("reserve")).unwrap();
    mount.fill(0);
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        calls.push(till.begin().await);
    }
    wait_until("the disk is full", || server.log().contains("the disk of the data folder is full"));
    let balance = outside.ok(&["bank", "balance", "1"]);
    assert!(!balance.contains("balance 600.00"), "some calls found no room: {balance}");
    mount.make_room();
    let mut balances = Vec::new();
    for call in calls {
        balances.push(till.taken(call).await.expect("answered once there is room"));
    }
    balances.sort_by_key(|balance| balance.amount.minor());
    let each_once: Vec<_> = (600..1000).map(euros).collect();
    assert_eq!(balances, each_once);
    till.close().await;
    check_books(&outside, 600);
    assert_eq!(server.stop(), 0);
}

/// The log is folded after a thousand commits or many rows, and here takes all room long before.
#[test]
fn a_disk_that_the_log_alone_fills_up_goes_on_serving() {
    let house = House::new();
    let mount = Mount::small(&house.data(), 16_384);
    let socket = house.path().join("socket");
    let server = mount.serve(&house, &["--unix", socket.to_str().unwrap()]);
    let outside = next_door(&socket);
    furnish(&outside, 1000);
    mount.fill(64);
    for _ in 0..20 {
        outside.ok(&["bank", "withdraw", "1", "1.00"]);
    }
    assert!(server.log().contains("the last room is used; make room soon"), "{}", server.log());
    check_books(&outside, 980);
    mount.make_room();
    assert_eq!(server.stop(), 0);
    let server = mount.serve(&house, &["--unix", socket.to_str().unwrap()]);
    assert!(mount.inside("reserve").exists(), "kept again once there is room");
    check_books(&outside, 980);
    assert_eq!(server.stop(), 0);
}

/// The log and the map of it need room before the first call.
#[test]
fn a_server_starts_on_a_full_disk() {
    let house = House::new();
    let mount = Mount::small(&house.data(), 16_384);
    let socket = house.path().join("socket");
    let serve = || mount.serve(&house, &["--unix", socket.to_str().unwrap()]);
    let server = serve();
    let outside = next_door(&socket);
    furnish(&outside, 10);
    assert_eq!(server.stop(), 0);
    mount.fill(0);
    let server = serve();
    outside.ok(&["bank", "withdraw", "1", "1.00"]);
    check_books(&outside, 9);
    assert_eq!(server.stop(), 0);
}

/// Without the reserve a deposit finds no room; the log's own room, folded, is enough for its cancel.
#[test]
fn a_call_for_which_there_is_no_room_is_cancelled_and_can_be_made_anew_with_room() {
    let house = House::new();
    let mount = Mount::small(&house.data(), 16_384);
    let socket = house.path().join("socket");
    let serve = || mount.serve(&house, &["--unix", socket.to_str().unwrap()]);
    let first = serve();
    let away = House::new();
    let server = format!("unix:{}", socket.display());
    let run = |command: &[&str]| {
        away.run(&[&["--server", server.as_str(), "--set", "client.wait_ms=300"], command].concat())
    };
    assert_eq!(run(&["bank", "open", "Ada", "EUR"]).code, 0);
    // The log of a server that just started is short.
    assert_eq!(first.stop(), 0);
    let second = serve();
    std::fs::remove_file(mount.inside("reserve")).unwrap();
    mount.fill(0);
    let ran = run(&["bank", "deposit", "1", "5.00", "EUR"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (69, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("was cancelled and never takes effect"), "{}", ran.stderr);
    assert!(second.log().contains("the disk of the data folder is full"));
    mount.make_room();
    assert!(run(&["bank", "balance", "1"]).stdout.contains("balance 0.00 EUR"));
    assert_eq!(run(&["bank", "deposit", "1", "5.00", "EUR"]).code, 0);
    assert!(run(&["bank", "balance", "1"]).stdout.contains("balance 5.00 EUR"));
    assert_eq!(run(&["bank", "audit"]).code, 0);
}

#[test]
fn a_backup_for_which_there_is_no_room_leaves_no_half_file() {
    let house = House::new();
    house.ok(&["--embedded", "bank", "open", "Ada", "EUR"]);
    let stick = house.path().join("stick");
    let mount = Mount::small(&stick, 1024);
    mount.fill(4);
    let ran = mount.run(&house, &["backup", stick.join("monday.db").to_str().unwrap()]);
    check(
        &house,
        &ran,
        74,
        &expect![[r#"
            switchboard: writing HOUSE/stick/monday.db failed; check that the folder exists, belongs to this user and has room
              because: no storage space
        "#]],
    );
    let names: Vec<_> =
        mount.inside("").read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["ballast"]);
}

#[test]
fn a_restore_for_which_there_is_no_room_leaves_the_database_as_it_was() {
    let house = House::new();
    let mount = Mount::small(&house.data(), 8192);
    let ok = |command: &[&str]| {
        let ran = mount.run(&house, &[&["--embedded"], command].concat());
        assert_eq!(ran.code, 0, "{command:?}: {}", ran.stderr);
        ran.stdout
    };
    let file = house.path().join("monday.db");
    ok(&["bank", "open", "Ada", "EUR"]);
    assert_eq!(mount.run(&house, &["backup", file.to_str().unwrap()]).code, 0);
    ok(&["bank", "deposit", "1", "5.00"]);
    mount.fill(4);
    let ran = mount.run(&house, &["restore", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (74, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("has room"), "{}", ran.stderr);
    mount.make_room();
    assert!(ok(&["bank", "balance", "1"]).contains("balance 5.00 EUR"));
    ok(&["bank", "audit"]);
}
