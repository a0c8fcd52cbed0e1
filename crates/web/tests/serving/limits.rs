//! Bounds: who is turned away, who waits too long, and that others do not notice.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::Duration;

use crate::client::{Client, Response, Served, until};

#[test]
fn a_head_that_drips_is_answered_408() {
    let served = Served::limited(|limits| limits.head_time_max = Duration::from_millis(300));
    served.write("a.txt", "a");
    let mut slow = served.connect();
    slow.send("GET /a.txt HTTP/1.1\r\nHost: ");
    let answer = slow.answer(false).unwrap();
    assert_eq!((answer.status, answer.field("Connection")), (408, Some("close")));
    assert!(slow.is_closed());
    assert_eq!(served.running.metrics().snapshot().timeout_head, 1);
}

#[test]
fn a_head_byte_by_byte_is_cut_before_it_costs_anything() {
    let served = Served::new();
    let mut slow = served.connect();
    let head = b"GET / HTTP/1.1\r\nHost: h\r\nX-Filler: ".iter().chain(std::iter::repeat(&b'x'));
    for (byte, sent) in head.take(129).zip(1_u64..) {
        slow.send([*byte]);
        until(&served, "the byte is read", |counted| counted.received_bytes >= sent);
    }
    let answer = slow.answer(false).unwrap();
    assert_eq!((answer.status, answer.field("Connection")), (408, Some("close")));
    let mut other = served.connect();
    (0..200).for_each(|_| {
        assert_eq!(other.fetch("/none").status, 404, "pieces of whole heads count for nothing")
    });
}

#[test]
fn silence_ends_a_connection_before_and_after_a_request() {
    let served = Served::limited(|limits| limits.idle_time_max = Duration::from_millis(300));
    let mut silent = served.connect();
    let mut once = served.connect();
    assert_eq!(once.fetch("/").status, 404);
    assert!(silent.is_closed());
    assert!(once.is_closed());
    until(&served, "both are counted", |counted| counted.timeout_idle == 2 && counted.connections() == 0);
}

#[test]
fn a_body_that_does_not_come_ends_the_connection() {
    let served = Served::limited(|limits| limits.body_time_max = Duration::from_millis(300));
    let mut client = served.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12");
    assert_eq!(client.answer(false).unwrap().status, 408);
    assert!(client.is_closed());
    assert_eq!(served.running.metrics().snapshot().timeout_body, 1);
}

#[test]
fn an_answer_that_nobody_takes_is_cut() {
    let served = Served::limited(|limits| limits.write_stall_max = Duration::from_millis(300));
    served.write("large.bin", vec![1; 50_000_000]);
    let mut client = served.connect();
    client.send("GET /large.bin HTTP/1.1\r\nHost: h\r\n\r\n");
    until(&served, "the stall is noticed", |counted| counted.timeout_write == 1);
    assert!(client.answer(false).is_none());
}

#[test]
fn connections_are_bounded_for_an_address_and_in_total() {
    let served = Served::limited(|limits| limits.connections_per_address_max = Some(3));
    let mut kept: Vec<Client> = (0..3).map(|_| served.connect()).collect();
    kept.iter_mut().for_each(|client| assert_eq!(client.fetch("/").status, 404));
    let mut refused = served.connect();
    assert_eq!(refused.answer(false).unwrap().status, 503);
    until(&served, "the refusal is counted", |counted| counted.refused_address == 1);
    kept.pop();
    until(&served, "the place is free", |counted| counted.connections() == 2);
    assert_eq!(served.fetch("/").status, 404);

    let served = Served::limited(|limits| limits.connections_max = 1);
    let mut only = served.connect();
    assert_eq!(only.fetch("/").status, 404);
    assert_eq!(served.connect().answer(false).unwrap().status, 503);
    until(&served, "the refusal is counted", |counted| counted.refused_total == 1);
}

#[test]
fn requests_of_an_address_are_bounded_when_asked_for() {
    let served = Served::limited(|limits| {
        limits.requests_per_address_per_second_max = 1;
        limits.requests_per_address_burst = 10;
    });
    served.write("a.txt", "a");
    let mut client = served.connect();
    let answers: Vec<Response> = (0..11).map(|_| client.fetch("/a.txt")).collect();
    assert_eq!(
        (answers[10].field("Retry-After"), answers[10].field("Connection")),
        (Some("1"), Some("close"))
    );
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses[..10], [200; 10]);
    assert_eq!(statuses[10], 429);
    assert_eq!(served.running.metrics().snapshot().refused_rate, 1);
}

#[test]
fn two_thousand_idle_connections_do_not_disturb() {
    let served = Served::limited(|limits| limits.connections_per_address_max = Some(10_000));
    served.write("a.txt", "a");
    // Both ends are in this process.
    let (now, max) = {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        (limit.current.unwrap_or(u64::MAX), 5_000)
    };
    assert!(now >= max, "the server raises the limit on descriptors to the hard one; it is {now}");
    let idle: Vec<TcpStream> = (0..2_000).map(|_| TcpStream::connect(served.address()).unwrap()).collect();
    until(&served, "all are taken", |counted| counted.accepted == 2_000);
    let mut client = served.connect();
    for _ in 0..100 {
        assert_eq!(client.fetch("/a.txt").body, b"a");
    }
    drop(idle);
    until(&served, "all are gone", |counted| counted.connections() == 1);
}

/// Bytes that the kernel holds for a peer of the server.
fn held_by_the_kernel(served: &Served, client: &Client) -> usize {
    let [server, peer] = [served.address(), client.stream.get_ref().local_addr().unwrap()]
        .map(|at| format!(":{:04X}", at.port()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mut sockets = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let own = sockets.find(|columns| columns[1].ends_with(&server) && columns[2].ends_with(&peer)).unwrap();
    usize::from_str_radix(own[4].split(':').next().unwrap(), 16).unwrap()
}

#[test]
fn slow_downloads_hold_little_of_the_kernels_memory() {
    let served = Served::new();
    served.write("large.bin", vec![7; 50_000_000]);
    served.write("a.txt", "a");
    let slow: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = served.connect();
            client.send("GET /large.bin HTTP/1.1\r\nHost: h\r\n\r\n");
            client.stream.get_mut().read_exact(&mut [0; 100]).unwrap();
            client
        })
        .collect();
    let mut other = served.connect();
    // In each turn of the loop a connection that the kernel has room for sends 256 KiB.
    for _ in 0..200 {
        assert_eq!(other.fetch("/a.txt").body, b"a");
    }
    let held: Vec<usize> = slow.iter().map(|client| held_by_the_kernel(&served, client)).collect();
    assert!(held.iter().all(|bytes| *bytes <= 512 * 1024), "{held:?}");
}
