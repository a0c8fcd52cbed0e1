//! A shutdown lets answers end and nothing else.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use switchboard_web::{Error, Listener};

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

fn on_unix(path: &Path) -> Served {
    Served::with(|settings| settings.listeners.push(Listener::Unix(path.to_owned())))
}

fn fetch_by_unix(path: &Path, target: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_server_that_ends_removes_its_own_socket_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("www.sock");
    let first = on_unix(&path);
    // As somebody does who cleans up, or a second server that comes while the first one ends.
    std::fs::remove_file(&path).unwrap();
    let second = on_unix(&path);
    second.write("a.txt", "second");
    first.running.shutdown();
    assert!(fetch_by_unix(&path, "/a.txt").ends_with("\r\n\r\nsecond"));
    second.running.shutdown();
    assert!(!path.exists());
}

#[test]
fn a_unix_socket_takes_the_place_of_an_abandoned_one_and_of_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    drop(std::os::unix::net::UnixListener::bind(at("abandoned")).unwrap());
    let served = on_unix(&at("abandoned"));
    assert!(fetch_by_unix(&at("abandoned"), "/").starts_with("HTTP/1.1 404 "));
    served.running.shutdown();

    std::fs::write(at("file"), "precious").unwrap();
    std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    for name in ["file", "link", "folder"] {
        let mut settings = switchboard_web::Settings::new(
            switchboard_web::Site::new(folder.path()),
            Listener::Unix(at(name)),
        );
        settings.workers = Some(1);
        let refused = switchboard_web::Server::new(settings).start().unwrap_err();
        assert!(matches!(&refused, Error::NotASocket { path } if *path == at(name)), "{name}: {refused}");
        assert!(refused.to_string().contains("is no socket"), "{refused}");
    }
    assert_eq!(std::fs::read(at("file")).unwrap(), b"precious");
    assert!(at("link").is_symlink() && at("folder").is_dir());
}
