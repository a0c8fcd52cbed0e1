//! Files that change while they are sent: each answer is one whole version, or is cut.

use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::client::{Client, Served, replace};

/// A version: every 8 bytes hold its number.
fn version(number: u64, len: usize) -> Vec<u8> {
    number.to_le_bytes().iter().copied().cycle().take(len).collect()
}

fn is_one_version(body: &[u8]) -> bool {
    body.chunks(8).all(|chunk| chunk == &body[..chunk.len()])
}

/// Fetches while `write` runs: a few times as the request is sent, and as its answer is. Says how many answers were whole
/// and how many were cut.
fn race(len: usize, fetches: usize, write: impl Fn(&std::path::Path, u64) + Sync) -> (usize, usize) {
    let served = Served::new();
    let path = served.path("f.bin");
    std::fs::write(&path, version(0, len)).unwrap();
    let over = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    let (mut whole, mut cut) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let sent = || served.running.metrics().snapshot().sent_bytes;
            let is_over = || over.load(Ordering::Relaxed);
            for round in 1_usize.. {
                while asked.load(Ordering::Relaxed) < round && !is_over() {
                    std::thread::yield_now();
                }
                let before = sent();
                while round.is_multiple_of(2) && sent() == before && !is_over() {
                    std::thread::yield_now();
                }
                if is_over() {
                    return;
                }
                for number in 0..3 {
                    write(&path, u64::try_from(round * 3 + number).unwrap());
                }
            }
        });
        let _over = SetOnDrop(&over);
        let mut client = served.connect();
        for _ in 0..fetches {
            asked.fetch_add(1, Ordering::Relaxed);
            client.send("GET /f.bin HTTP/1.1\r\nHost: h\r\n\r\n");
            match client.answer(false) {
                Some(answer) => {
                    assert_eq!(answer.status, 200);
                    assert!(is_one_version(&answer.body), "a mixture of versions");
                    assert_eq!(answer.body.len(), len);
                    whole += 1;
                }
                None => {
                    cut += 1;
                    client = Client::connect(served.address());
                }
            }
        }
    });
    (whole, cut)
}

/// Ends the writer, also when the reader fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_file_that_is_renamed_over_is_one_version() {
    for len in [1024, 100_000, 2_000_000] {
        let (whole, _) = race(len, 16, |path, number| replace(path, &version(number, len)));
        assert!(whole > 0, "{len}");
    }
}

#[test]
fn a_file_that_is_overwritten_in_place_is_one_version_or_cut() {
    for len in [1024, 100_000, 2_000_000] {
        let (whole, cut) = race(len, 16, |path, number| {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(&version(number, len), 0).unwrap();
        });
        assert_eq!(whole + cut, 16, "{len}");
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_is_cut() {
    let served = Served::new();
    let len = 20_000_000;
    served.write("f.bin", vec![7; len]);
    let mut client = served.connect();
    client.send("GET /f.bin HTTP/1.1\r\nHost: h\r\n\r\n");
    // The server has begun, and cannot end before this client reads.
    crate::client::until(&served, "the answer begins", |counted| counted.sent_bytes > 0);
    std::fs::OpenOptions::new().write(true).open(served.path("f.bin")).unwrap().set_len(1000).unwrap();
    assert!(client.answer(false).is_none());
    crate::client::until(&served, "the cut is counted", |counted| counted.cut_changed == 1);
}

#[test]
fn a_file_that_is_removed_or_replaced_is_sent_to_its_end() {
    let served = Served::new();
    let bytes = version(5, 20_000_000);
    served.write("f.bin", &bytes);
    let begin = || {
        let before = served.running.metrics().snapshot().status_2xx;
        let mut client = served.connect();
        client.send("GET /f.bin HTTP/1.1\r\nHost: h\r\n\r\n");
        crate::client::until(&served, "the answer begins", |counted| counted.status_2xx > before);
        client
    };
    let mut first = begin();
    replace(&served.path("f.bin"), &version(6, 20_000_000));
    assert!(first.answer(false).unwrap().body == bytes);
    let mut second = begin();
    std::fs::remove_file(served.path("f.bin")).unwrap();
    assert!(second.answer(false).unwrap().body == version(6, 20_000_000));
    assert_eq!(served.fetch("/f.bin").status, 404);
}
