//! Whom the command line believes, and who is believed: changed identities, keys that open nothing, servers that are gone.

use rustix::process::Signal;

use crate::house::{House, wait_until};
use crate::till::{check_books, furnish};

#[test]
fn a_server_whose_identity_has_changed_is_not_spoken_to_until_a_person_says_so() {
    let house = House::new();
    let server = house.serve(&[]);
    furnish(&house, 10);
    let address = server.address("tls://");
    let key = server.key().to_owned();
    house.ok(&["--server", &address, "text", "upper", "a"]);
    assert_eq!(server.stop().0, 0);
    for name in ["server.key", "server.crt"] {
        std::fs::remove_file(house.data().join("keys").join(name)).unwrap();
    }
    let server = house.serve(&["--tls", address.strip_prefix("tls://").unwrap()]);
    assert_ne!(server.key(), key);
    let ran = house.run(&["--server", &address, "bank", "withdraw", "1", "1.00", "EUR"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (77, ""), "{}", ran.stderr);
    for words in ["THE IDENTITY OF THE SERVER HAS CHANGED", &key, server.key(), "known_servers"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert!(house.ok(&["call", "status"]).contains("no call is open"));
    std::fs::remove_file(house.data().join("known_servers")).unwrap();
    house.ok(&["--server", &address, "text", "upper", "a"]);
    check_books(&house, 10);
}

#[test]
fn a_key_that_opens_nothing_is_refused() {
    let house = House::new();
    let server = house.serve(&[]);
    furnish(&house, 10);
    let wrong = house.path().join("wrong.key");
    let run = || {
        let key = format!("client.operator_key={}", wrong.display());
        house.run(&[
            "--server",
            &server.address("tls://"),
            "--set",
            &key,
            "bank",
            "withdraw",
            "1",
            "1.00",
            "EUR",
        ])
    };
    let absent = run();
    assert_eq!(absent.code, 78, "{}", absent.stderr);
    assert!(
        absent.stderr.contains("wrong.key") && absent.stderr.contains("keys/operator.key"),
        "{}",
        absent.stderr
    );
    std::fs::write(&wrong, [0x5a; 31]).unwrap();
    let cut = run();
    assert_eq!(cut.code, 78, "{}", cut.stderr);
    assert!(cut.stderr.contains("it has not 32 bytes"), "{}", cut.stderr);
    std::fs::write(&wrong, [0x5a; 32]).unwrap();
    let refused = run();
    assert_eq!((refused.code, refused.stdout.as_str()), (77, ""), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("use the operator key of this server's data folder"),
        "{}",
        refused.stderr
    );
    assert!(house.ok(&["call", "status"]).contains("no call is open"));
    check_books(&house, 10);
}

#[test]
fn a_file_of_authorities_that_is_none_is_a_wrong_configuration() {
    let house = House::new();
    let server = house.serve(&[]);
    let file = house.path().join("authorities.pem");
    let trust = format!("client.trust={}", file.display());
    let run = || house.run(&["--server", &server.address("tls://"), "--set", &trust, "text", "upper", "a"]);
    let absent = run();
    assert_eq!(absent.code, 78, "{}", absent.stderr);
    assert!(absent.stderr.contains("authorities.pem"), "{}", absent.stderr);
    std::fs::write(&file, "no certificate\n").unwrap();
    let empty = run();
    assert_eq!(empty.code, 78, "{}", empty.stderr);
    assert!(empty.stderr.contains("authorities.pem"), "{}", empty.stderr);
}

#[test]
fn a_certificate_that_no_authority_of_ours_signed_is_not_accepted() {
    let house = House::new();
    let server = house.serve(&[]);
    let other = House::new();
    drop(other.serve(&[]));
    let trust = format!("client.trust={}", other.data().join("keys/server.crt").display());
    let ran = house.run(&["--server", &server.address("tls://"), "--set", &trust, "text", "upper", "a"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (77, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("is not accepted"), "{}", ran.stderr);
}

#[test]
fn the_socket_of_a_killed_server_is_no_server_and_stands_in_nobodys_way() {
    let house = House::new();
    let mut server = house.serve(&[]);
    furnish(&house, 10);
    server.signal(Signal::KILL);
    wait_until("the server is gone", || server.child.try_wait().unwrap().is_some());
    assert!(house.data().join("socket").exists());
    let ran = house.run(&["bank", "withdraw", "1", "1.00"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (69, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("no server runs for"), "{}", ran.stderr);
    let _server = house.serve(&[]);
    check_books(&house, 10);
}

#[test]
fn the_socket_of_a_living_server_is_not_taken_from_it() {
    let house = House::new();
    let _server = house.serve(&[]);
    furnish(&house, 10);
    let other = House::new();
    let socket = house.data().join("socket");
    let ran = other.run(&["serve", "--tls", "127.0.0.1:0", "--unix", socket.to_str().unwrap()]);
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    assert!(ran.stderr.contains(socket.to_str().unwrap()), "{}", ran.stderr);
    assert!(ran.stderr.contains("already running"), "{}", ran.stderr);
    check_books(&house, 10);
}
