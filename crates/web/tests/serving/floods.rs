//! Frames by hand: what peers do to exhaust a server of HTTP/2, and what becomes of them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::client::{Served, until};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const NO_ERROR: u32 = 0;
const ENHANCE_YOUR_CALM: u32 = 11;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Literals without a table and without Huffman's code (RFC 7541 section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        let len = u8::try_from(text.len()).unwrap();
        assert!(len < 127);
        bytes.push(len);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

fn get(path: &str) -> Vec<u8> {
    [
        field(":method", "GET"),
        field(":scheme", "http"),
        field(":authority", "localhost"),
        field(":path", path),
    ]
    .concat()
}

fn opened(served: &Served, settings: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(served.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    socket.write_all(&frame(SETTINGS, 0, 0, settings)).unwrap();
    socket
}

/// Reads until the server closes, and says with which code it said goodbye.
fn goodbye(mut socket: TcpStream) -> Option<u32> {
    let mut code = None;
    loop {
        let mut head = [0; 9];
        if socket.read_exact(&mut head).is_err() {
            return code;
        }
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        if socket.read_exact(&mut payload).is_err() {
            return code;
        }
        if head[3] == GOAWAY {
            code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
}

/// Sends `more` again and again until the server has closed; a connection beside it stays as it was.
fn flood(served: &Served, mut socket: TcpStream, mut more: impl FnMut(u32) -> Vec<u8>) -> Option<u32> {
    let mut beside = served.connect();
    assert_eq!(beside.fetch("/a.txt").body, b"a");
    let reading = socket.try_clone().unwrap();
    let reading = std::thread::spawn(move || goodbye(reading));
    let mut sent = 0;
    while socket.write_all(&more(sent)).is_ok() {
        sent += 1;
        assert!(sent < 1_000_000, "nobody stops it");
    }
    assert_eq!(beside.fetch("/a.txt").body, b"a");
    reading.join().unwrap()
}

fn served() -> Served {
    let served = Served::new();
    served.write("a.txt", "a");
    served.write("large.bin", vec![7; 1_000_000]);
    served
}

#[test]
fn rapid_reset() {
    let served = served();
    let block = get("/large.bin");
    let code = flood(&served, opened(&served, &[]), |count| {
        let stream = 2 * count + 1;
        let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        [frame(HEADERS, END_HEADERS | END_STREAM, stream, &block), reset].concat()
    });
    assert!(code.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{code:?}");
    assert!(served.running.metrics().snapshot().requests() < 5_000);
}

#[test]
fn pings_settings_and_priorities() {
    let served = served();
    for (kind, payload) in
        [(PING, &[0; 8][..]), (SETTINGS, &[]), (2, &[0, 0, 0, 0, 1]), (8, &[0, 0, 0, 1]), (99, &[])]
    {
        let stream = if kind == 2 { 1 } else { 0 };
        let many = frame(kind, 0, stream, payload).repeat(20);
        let code = flood(&served, opened(&served, &[]), |_| many.clone());
        assert!(code.is_none_or(|code| code == ENHANCE_YOUR_CALM), "kind {kind}: {code:?}");
    }
}

#[test]
fn a_flood_is_told_what_it_is() {
    let served = served();
    let mut socket = opened(&served, &[]);
    // Few enough that the server reads all of it, so that its word is not lost to a reset.
    socket.write_all(&frame(PING, 0, 0, &[0; 8]).repeat(520)).unwrap();
    assert_eq!(goodbye(socket), Some(ENHANCE_YOUR_CALM));
}

#[test]
fn endless_fields() {
    let served = served();
    let mut begun = opened(&served, &[]);
    begun.write_all(&frame(HEADERS, 0, 1, &get("/a.txt"))).unwrap();
    let more = frame(CONTINUATION, 0, 1, &field("x", &"y".repeat(100)).repeat(100));
    let code = flood(&served, begun, |_| more.clone());
    assert!(code.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{code:?}");
    let empty = frame(CONTINUATION, 0, 1, &[]);
    let mut begun = opened(&served, &[]);
    begun.write_all(&frame(HEADERS, 0, 1, &get("/a.txt"))).unwrap();
    let code = flood(&served, begun, |_| empty.clone());
    assert!(code.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{code:?}");
}

#[test]
fn an_hpack_bomb_is_never_unpacked() {
    let served = served();
    // A value of 3000 bytes enters the table once and is named ten thousand times, a byte each.
    let mut block = get("/a.txt");
    block.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0xb9, 0x16]);
    block.extend_from_slice(&[b'y'; 3000]);
    let large = [&block[..], &[0x80 | 62; 8]].concat();
    let bomb = [&block[..], &[0x80 | 62; 10_000]].concat();
    let mut socket = opened(&served, &[]);
    socket.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &large)).unwrap();
    socket.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &get("/a.txt"))).unwrap();
    until(&served, "what is too large is answered with 431, and the next as ever", |counted| {
        counted.status_2xx == 1
    });
    socket.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 5, &bomb)).unwrap();
    assert_eq!(goodbye(socket), Some(ENHANCE_YOUR_CALM));
}

#[test]
fn closed_windows_are_not_waited_for() {
    let served = Served::limited(|limits| limits.write_stall_max = Duration::from_millis(200));
    served.write("a.txt", "a");
    served.write("large.bin", vec![7; 1_000_000]);
    for path in ["/a.txt", "/large.bin"] {
        // SETTINGS_INITIAL_WINDOW_SIZE 0.
        let mut socket = opened(&served, &[0, 4, 0, 0, 0, 0]);
        for stream in 0..100 {
            socket.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 2 * stream + 1, &get(path))).unwrap();
        }
        assert_eq!(goodbye(socket), Some(ENHANCE_YOUR_CALM), "{path}");
    }
    until(&served, "both are counted", |counted| counted.timeout_write == 2);
}

#[test]
fn who_says_nothing_is_sent_away() {
    let served = Served::limited(|limits| {
        limits.idle_time_max = Duration::from_millis(200);
        limits.head_time_max = Duration::from_millis(200);
    });
    served.write("a.txt", "a");
    assert_eq!(goodbye(opened(&served, &[])), Some(NO_ERROR), "idle");
    let mut begun = opened(&served, &[]);
    begun.write_all(&frame(HEADERS, 0, 1, &get("/a.txt"))).unwrap();
    assert_eq!(goodbye(begun), Some(ENHANCE_YOUR_CALM), "amid its fields");
    let mut silent = TcpStream::connect(served.address()).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    silent.write_all(b"PRI * HTTP/2.0\r\n\r\nSM").unwrap();
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).unwrap();
}

#[test]
fn too_many_streams_are_refused_and_the_others_answered() {
    let served = served();
    let mut socket = opened(&served, &[0, 4, 0, 0, 0, 0]);
    for stream in 0..200 {
        socket.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 2 * stream + 1, &get("/a.txt"))).unwrap();
    }
    until(&served, "those within the bound", |counted| counted.status_2xx == 128);
    socket.write_all(&frame(PING, 0, 0, b"are done")).unwrap();
    let mut refused = 0;
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).unwrap();
        let mut payload =
            vec![0; usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap()];
        socket.read_exact(&mut payload).unwrap();
        refused += usize::from(head[3] == RST_STREAM && payload == 7_u32.to_be_bytes());
        if head[3] == PING && payload == b"are done" {
            break;
        }
    }
    assert_eq!(refused, 72);
    assert_eq!(served.running.metrics().snapshot().status_2xx, 128);
}
