//! Requests for files that are being written: how they wait, and that nothing about that is for free.

use std::cell::RefCell;
use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::client::Served;
use crate::http2::{ask, connect, get, whole};

/// What a request waits at least before it is answered that nothing right can be sent, or with a file that was written
/// again and again meanwhile. The stamps of files may be ten milliseconds older than they say.
const PATIENCE: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(10)];

/// Writes a file again and again, with a request for another one behind each write, until the request for it is answered.
#[expect(clippy::disallowed_methods, reason = "how long a request waits is what is tested")]
fn check_wait(served: &Served, name: &str, ask: impl FnOnce(), mut ask_for_another: impl FnMut()) {
    served.write(name, "a");
    let before = served.running.metrics().snapshot();
    let asked = Instant::now();
    ask();
    let status = loop {
        served.write(name, "a");
        ask_for_another();
        let now = served.running.metrics().snapshot();
        if now.status_2xx > before.status_2xx {
            break 200;
        }
        if now.status_5xx > before.status_5xx {
            break 503;
        }
    };
    let waited = asked.elapsed();
    let least = PATIENCE[usize::from(status == 200)];
    assert!(waited >= least, "{status} after {waited:?}");
}

#[test]
fn a_peer_that_goes_on_sending_waits_for_its_file_no_shorter() {
    let served = Served::new();
    for name in ["1", "2", "3", "4", "5"] {
        let [waiting, other] = &mut [served.connect(), served.connect()];
        waiting.stream.get_ref().set_nodelay(true).unwrap();
        let mut waking = waiting.stream.get_ref().try_clone().unwrap();
        let ask = || waiting.send(format!("GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n"));
        check_wait(&served, name, ask, || {
            // Wakes the connection; the answer on the other one says that it was awake. It may be closed already.
            let _sent = waking.write(b"G");
            assert_eq!(other.fetch("/none").status, 404);
        });
    }
}

#[test]
fn a_stream_waits_for_its_file_no_shorter_while_others_are_answered() {
    let served = Served::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = RefCell::new(runtime.block_on(connect(served.address())));
    for name in ["1", "2", "3", "4", "5"] {
        let ask_for = |path: &str| ask(&mut client.borrow_mut(), get(path));
        let mut waiting = None;
        let asked = || waiting = Some(ask_for(&format!("/{name}")));
        check_wait(&served, name, asked, || {
            let other = runtime.block_on(whole(ask_for("/none"))).unwrap();
            assert_eq!(other.status, 404);
        });
    }
}

#[test]
fn a_request_that_waited_pays_for_itself_alone() {
    let served = Served::limited(|limits| {
        limits.requests_per_address_per_second_max = 1;
        limits.requests_per_address_burst = 3;
    });
    let mut clients = [served.connect(), served.connect()];
    served.write("a.txt", "a");
    clients.iter_mut().for_each(|client| client.send("GET /a.txt HTTP/1.1\r\nHost: h\r\n\r\n"));
    // The second is answered from what the first has found.
    clients.iter_mut().for_each(|client| assert_eq!(client.answer(false).unwrap().status, 200));
    let [_, second] = &mut clients;
    let statuses = [second.fetch("/a.txt").status, second.fetch("/a.txt").status];
    assert_eq!(statuses, [200, 429], "three in all");
}
