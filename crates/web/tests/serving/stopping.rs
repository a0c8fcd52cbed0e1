//! A shutdown lets answers end and nothing else.

use std::time::Duration;

use crate::client::{Client, Served, until};

#[test]
fn a_download_ends_whole_while_the_server_stops() {
    let served = Served::new();
    let bytes = vec![9; 50_000_000];
    served.write("large.bin", &bytes);
    let address = served.address();
    let mut idle = served.connect();
    assert_eq!(idle.fetch("/none").status, 404);
    let mut client = served.connect();
    client.send("GET /large.bin HTTP/1.1\r\nHost: h\r\n\r\n");
    until(&served, "the download begins", |counted| counted.sent_bytes > 100_000);
    let (root, running) = (served.root, served.running);
    let stopping = std::thread::spawn(move || running.shutdown());
    assert!(idle.is_closed(), "idle connections end at once");
    assert!(client.answer(false).unwrap().body == bytes);
    assert!(client.is_closed());
    stopping.join().unwrap();
    assert!(std::net::TcpStream::connect(address).is_err());
    drop(root);
}

#[test]
fn a_download_that_nobody_takes_does_not_hold_the_server() {
    let served = Served::limited(|limits| limits.shutdown_time_max = Duration::from_millis(300));
    served.write("large.bin", vec![9; 50_000_000]);
    let mut client = served.connect();
    client.send("GET /large.bin HTTP/1.1\r\nHost: h\r\n\r\n");
    until(&served, "the download begins", |counted| counted.sent_bytes > 100_000);
    served.running.shutdown();
    assert!(client.answer(false).is_none());
}

#[test]
fn who_connected_before_the_stop_is_answered() {
    let served = Served::with(|settings| settings.workers = Some(2));
    served.write("a.txt", "a");
    let mut clients: Vec<Client> = (0..20).map(|_| served.connect()).collect();
    clients.iter_mut().for_each(|client| client.send("GET /a.txt HTTP/1.1\r\nHost: h\r\n\r\n"));
    let (root, running) = (served.root, served.running);
    running.shutdown();
    for client in &mut clients {
        assert_eq!(client.answer(false).unwrap().body, b"a");
        assert!(client.is_closed());
    }
    drop(root);
}
