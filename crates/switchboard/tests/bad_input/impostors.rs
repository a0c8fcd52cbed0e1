//! Servers that are none, as the command line meets them: named, nothing of ours sent to them twice, nothing left open.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};

use crate::house::{House, Ran};

/// A listener that says this to everybody, and then reads what they say until they leave.
fn impostor(says: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    // Ends with the test's process: it holds nothing but its port.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // A client that has seen enough hangs up.
            let _said = stream.write_all(says).and_then(|()| stream.shutdown(Shutdown::Write));
            let _left = stream.read_to_end(&mut Vec::new());
        }
    });
    address
}

fn withdraw(house: &House, address: &str) -> Ran {
    house.run(&["--server", address, "bank", "withdraw", "1", "1.00", "EUR"])
}

fn check(says: &'static [u8], code: i32, words: &str) {
    let house = House::new();
    let address = impostor(says);
    let ran = withdraw(&house, &address);
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was sent") && ran.stderr.contains(&address), "{}", ran.stderr);
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    assert!(house.ok(&["call", "status"]).contains("no call is open"));
}

#[test]
fn who_says_nothing_and_leaves() {
    check(b"", 69, "ended the connection before it greeted");
}

#[test]
fn a_web_server_is_named() {
    check(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", 76, "HTTP");
}

#[test]
fn an_ssh_server_is_named() {
    check(b"SSH-2.0-OpenSSH_9.2p1\r\n", 76, "SSH");
}

#[test]
fn a_tls_server_is_named() {
    check(&[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46, 0, 0, 0, 0, 0], 76, "TLS");
}

#[test]
fn a_frame_longer_than_any_is_not_waited_for() {
    check(&[0xff, 0xff, 0xff, 0xff, 2, 0, b'S', b'B', 0, 0, 0, 0], 76, "over the limit");
}

#[test]
fn a_damaged_greeting_is_not_believed() {
    check(&[0, 0, 0, 1, 2, 0, b'S', b'B', 0, 0, 0, 0, 0xa0], 76, "damaged");
}

#[test]
fn who_never_answers_is_given_up() {
    let house = House::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let ran = withdraw(&house, &address);
    assert_eq!((ran.code, ran.stdout.as_str()), (69, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("did not answer within"), "{}", ran.stderr);
    assert!(house.ok(&["call", "status"]).contains("no call is open"));
}

#[test]
fn nobody_there() {
    let house = House::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = withdraw(&house, &format!("tcp://{free}"));
    assert_eq!((ran.code, ran.stdout.as_str()), (69, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("cannot reach tcp://{free}")), "{}", ran.stderr);
    assert!(ran.stderr.contains("switchboard serve"), "{}", ran.stderr);
}

#[test]
fn the_wrong_scheme_for_a_port_of_ours_is_told() {
    let house = House::new();
    let server = house.serve(&["--tcp", "127.0.0.1:0"]);
    let (tls, tcp) = (server.address("tls://"), server.address("tcp://"));
    let plain_on_tls = withdraw(&house, &tls.replace("tls://", "tcp://"));
    assert_eq!(plain_on_tls.code, 76, "{}", plain_on_tls.stderr);
    assert!(plain_on_tls.stderr.contains("connect with tls:// instead of tcp://"), "{}", plain_on_tls.stderr);
    let tls_on_plain = withdraw(&house, &tcp.replace("tcp://", "tls://"));
    assert_eq!(tls_on_plain.code, 76, "{}", tls_on_plain.stderr);
    assert!(tls_on_plain.stderr.contains("does not speak TLS"), "{}", tls_on_plain.stderr);
}

#[test]
fn a_server_that_has_no_room_says_so_and_its_operator_gets_in() {
    let house = House::new();
    let server = house.serve(&["--tcp", "127.0.0.1:0", "--set", "limits.connections=1"]);
    let address = server.address("tcp://");
    let mut guest = std::net::TcpStream::connect(address.strip_prefix("tcp://").unwrap()).unwrap();
    crate::strangers::greet(&mut guest);
    let ran = house.run(&["--server", &address, "--set", "client.wait_ms=500", "text", "upper", "a"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (69, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("as many connections as it takes"), "{}", ran.stderr);
    house.ok(&["bank", "audit"]);
}
