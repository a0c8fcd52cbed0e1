//! The table against the server itself: a connection for each case, and a request behind it that tells whether the
//! connection was kept.
//!
//! Absent: time-outs. A request whose rest never comes is ended by the client, and then has no answer.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, SystemTime};

use switchboard_web::{Address, Listener, Server, Settings, Site};

use crate::site;
use crate::table::{self, Case};

const LAST: &[u8] = b"GET /a.txt HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n";

#[test]
fn the_server_answers_as_the_table_says() {
    let root = tempfile::tempdir().unwrap();
    build(root.path());
    let listener = Listener::Tcp("127.0.0.1:0".parse().unwrap());
    let mut settings = Settings::new(Site::new(root.path()), listener);
    settings.workers = Some(1);
    let running = Server::new(settings).start().unwrap();
    let address = match running.addresses() {
        [Address::Tcp(address)] => *address,
        other => panic!("one address: {other:?}"),
    };
    let faults: Vec<String> = table::cases()
        .iter()
        // It is HTTP/2 from there on.
        .filter(|case| !case.bytes.starts_with(b"PRI * HTTP/2.0\r\n"))
        .filter_map(|case| super::differs(case, answers(address, case), "over a socket"))
        .collect();
    super::expect_none(&faults);
}

fn build(root: &Path) {
    for folder in ["folder", "bare"] {
        fs::create_dir(root.join(folder)).expect("a new folder");
    }
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(site::MODIFIED.0);
    for (name, len) in site::FILES {
        if name.is_empty() || *name == "folder" {
            continue;
        }
        let path = root.join(name);
        fs::write(&path, "x".repeat(usize::try_from(*len).expect("small"))).expect("a new file");
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(modified))
            .expect("its owner");
    }
    fs::write(root.join(".hidden"), "hidden").expect("a new file");
}

/// Statuses, and whether the connection was closed behind them.
fn answers(address: SocketAddr, case: &Case) -> (Vec<u16>, bool) {
    let mut stream = TcpStream::connect(address).expect("a listening server");
    // Ends a failure only; no test waits for it.
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a duration above 0");
    let cut = case.statuses.last() == Some(&408);
    // A refusal may close while the rest is still being sent.
    let _ = stream.write_all(&case.bytes);
    if !cut {
        let _ = stream.write_all(LAST);
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut received = Vec::new();
    if let Err(error) = stream.read_to_end(&mut received) {
        panic!("{}: an answer was lost: {error}", case.name);
    }
    let mut statuses = statuses(&received, case.bytes.starts_with(b"HEAD "));
    if cut {
        statuses.push(408);
    }
    let kept = !cut && statuses.len() == case.statuses.len() + 1;
    if kept {
        assert_eq!(statuses.pop(), Some(200), "{}: the request behind it", case.name);
    }
    (statuses, !kept)
}

/// The statuses of a run of answers, the first of which has no content if it is that to HEAD.
fn statuses(received: &[u8], mut of_head: bool) -> Vec<u16> {
    let mut statuses = Vec::new();
    let mut rest = received;
    while !rest.is_empty() {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head") + 4;
        let head = std::str::from_utf8(&rest[..end]).expect("heads are ASCII");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.filter(|_| !of_head).map_or(0, |length| length.parse().expect("a number"));
        statuses.push(head[9..12].parse().expect("a status"));
        rest = &rest[end + length..];
        of_head = false;
    }
    statuses
}
