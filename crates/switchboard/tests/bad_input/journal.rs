//! Journals that are torn, rotten, copied, exposed or of another store: said in plain words, and no call is done twice or
//! forgotten.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::house::{House, Ran, Server};
use crate::till::{Till, check_books, furnish, next_door};

/// Three withdrawals that a client sent before it crashed; the ids of their calls.
fn crash_with_open_calls(house: &House, server: &Server) -> Vec<String> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ids = runtime.block_on(async {
        let till = Till::open(house).await;
        server.signal(Signal::STOP);
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(till.begin().await.id().await.unwrap().to_string());
        }
        ids
    });
    drop(runtime);
    server.signal(Signal::CONT);
    ids
}

fn journal(house: &House) -> PathBuf {
    house.data().join("client/cli-0.journal")
}

fn lists_all(ran: &Ran, ids: &[String]) -> bool {
    ran.code == 0 && ids.iter().all(|id| ran.stdout.contains(id.as_str()))
}

#[test]
fn a_torn_end_is_cut_and_told_and_every_call_before_it_is_settled() {
    let house = House::new();
    let server = house.serve(&[]);
    furnish(&house, 10);
    let ids = crash_with_open_calls(&house, &server);
    OpenOptions::new().append(true).open(journal(&house)).unwrap().write_all(&[0x5a; 37]).unwrap();
    let listed = house.run(&["call", "status"]);
    assert!(lists_all(&listed, &ids), "{}{}", listed.stdout, listed.stderr);
    let retried = house.run(&["call", "retry"]);
    assert!(lists_all(&retried, &ids), "{}{}", retried.stdout, retried.stderr);
    assert!(retried.stderr.contains("ended in 37 bytes torn by a crash"), "{}", retried.stderr);
    check_books(&house, 7);
}

#[test]
fn rot_in_the_middle_stops_every_command_and_says_what_to_do() {
    let house = House::new();
    let server = house.serve(&[]);
    furnish(&house, 10);
    crash_with_open_calls(&house, &server);
    let mut bytes = std::fs::read(journal(&house)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(journal(&house), &bytes).unwrap();
    for command in [&["bank", "withdraw", "1", "1.00"][..], &["call", "retry"], &["call", "cancel"]] {
        let ran = house.run(command);
        assert_eq!((ran.code, ran.stdout.as_str()), (65, ""), "{command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("the journal is damaged at byte"), "{command:?}: {}", ran.stderr);
    }
    let listed = house.run(&["call", "status"]);
    assert!(listed.stderr.contains("the journal is damaged at byte"), "{}", listed.stderr);
    assert!(!listed.stdout.contains("no call is open"), "{}", listed.stdout);
    assert!(std::fs::read(journal(&house)).unwrap() == bytes, "the evidence stays");
    house.ok(&["bank", "audit"]);
}

#[test]
fn a_journal_of_another_store_is_not_sent_there_and_settled_when_its_own_is_back() {
    let house = House::new();
    let server = house.serve(&[]);
    furnish(&house, 10);
    let ids = crash_with_open_calls(&house, &server);
    assert_eq!(server.stop().0, 0);
    let aside = house.path().join("aside.db");
    std::fs::rename(house.data().join("switchboard.db"), &aside).unwrap();
    let stranger = house.serve(&[]);
    let visitor = next_door(&house.data().join("socket"));
    furnish(&visitor, 10);
    let refused = house.run(&["--set", "client.wait_ms=1000", "call", "retry"]);
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    assert!(refused.stderr.contains("another store"), "{}{}", refused.stdout, refused.stderr);
    assert!(lists_all(&house.run(&["call", "status"]), &ids));
    check_books(&visitor, 10);
    assert_eq!(stranger.stop().0, 0);
    std::fs::rename(&aside, house.data().join("switchboard.db")).unwrap();
    let _server = house.serve(&[]);
    assert!(lists_all(&house.run(&["call", "retry"]), &ids));
    check_books(&house, 7);
}

#[test]
fn a_copied_journal_is_refused_and_its_original_settled() {
    let house = House::new();
    let server = house.serve(&[]);
    furnish(&house, 10);
    let ids = crash_with_open_calls(&house, &server);
    std::fs::copy(journal(&house), house.data().join("client/cli-1.journal")).unwrap();
    let listed = house.run(&["call", "status"]);
    assert!(lists_all(&listed, &ids), "{}", listed.stdout);
    assert!(
        listed.stderr.contains("cli-1.journal") && listed.stderr.contains("belongs to"),
        "{}",
        listed.stderr
    );
    let retried = house.run(&["call", "retry"]);
    assert_eq!(retried.code, 65, "{}{}", retried.stdout, retried.stderr);
    assert!(retried.stderr.contains("cli-1.journal"), "{}", retried.stderr);
    check_books(&house, 7);
    std::fs::remove_file(house.data().join("client/cli-1.journal")).unwrap();
    assert!(house.ok(&["call", "status"]).contains("no call is open"));
}

#[test]
fn a_journal_that_others_may_write_is_not_used() {
    let house = House::new();
    let server = house.serve(&[]);
    furnish(&house, 10);
    let ids = crash_with_open_calls(&house, &server);
    let mode =
        |mode| std::fs::set_permissions(journal(&house), std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o666);
    for command in [&["bank", "withdraw", "1", "1.00"][..], &["call", "retry"]] {
        let ran = house.run(command);
        assert_eq!((ran.code, ran.stdout.as_str()), (77, ""), "{command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("chmod 600"), "{}", ran.stderr);
    }
    mode(0o600);
    assert!(lists_all(&house.run(&["call", "retry"]), &ids));
    check_books(&house, 7);
}
