//! That the instrument sees what it is there for, against a server that answers everything at once and stands still once.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use hdrhistogram::Histogram;
use switchboard_call::answer::Answer;
use switchboard_call::frame::{ClientFrame, Inbox, Reference, Reply, ServerFrame, Welcome};
use switchboard_call::id::StoreId;
use switchboard_call::limits::FRAME_BYTES_MAX;

use super::{Point, STOP, chart, floor, shows_a_stop};
use crate::load::{Accounts, Done, Load, Pace, Target, Work};

/// Calls a second; ten in a hundred are due while the server stands still.
const PER_SECOND: f64 = 1000.0;
/// The server stands still before it reads on, after so many calls.
const STILL_AFTER: u32 = 300;

#[test]
fn an_open_loop_shows_a_server_that_stood_still() {
    let done = under_load(Some(STILL_AFTER));
    assert_eq!(done.calls, 1000);
    assert_eq!(done.late_us.len(), 1000);
    shows_a_stop(&done.latency_us, PER_SECOND).unwrap();
}

#[test]
fn latencies_of_a_load_that_waits_for_answers_do_not_pass_for_an_open_loop() {
    let mut latency_us = Histogram::<u64>::new(3).unwrap();
    latency_us.record_n(100, 999).unwrap();
    latency_us.record(100_000).unwrap();
    shows_a_stop(&latency_us, PER_SECOND).unwrap_err();
}

#[test]
fn a_row_of_flushes_meets_a_slow_one_more_often_than_one_does() {
    let flushes: Vec<Duration> =
        (0..9).map(|n| Duration::from_micros(if n % 3 == 0 { 900 } else { 100 })).collect();
    let trips = [Duration::from_micros(10); 9];
    assert_eq!(floor::together(&flushes, 1, &trips), Duration::from_micros(110));
    assert_eq!(floor::together(&flushes, 3, &trips), Duration::from_micros(1110));
}

#[test]
fn the_chart_is_drawn_inside_its_field() {
    let mut latency_us = Histogram::<u64>::new(3).unwrap();
    for us in 20..200_000 {
        latency_us.record(us).unwrap();
    }
    let point = Point {
        name: "plain 50 %".to_owned(),
        asked_per_second: 1.0,
        answered_per_second: 1.0,
        late_us: latency_us.clone(),
        latency_us,
    };
    let drawn = chart::svg(&[point]);
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n") && drawn.contains("100 ms"));
    assert!(!drawn.contains("NaN") && !drawn.contains("inf") && !drawn.contains('−'));
}

/// One second of calls over two connections.
fn under_load(still_after: Option<u32>) -> Done {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let load = Load {
        target: Target::Tcp(listener.local_addr().unwrap()),
        connections: 2,
        depth: 4,
        work: Work::Withdraw(Accounts::Any(10)),
        pace: Pace::Open { per_second: PER_SECOND, lasts: Duration::from_secs(1) },
        seed: 1,
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::scope(|connections| {
                for _ in 0..2 {
                    let (socket, _) = listener.accept().unwrap();
                    connections.spawn(move || answer(socket, still_after.map(|calls| calls / 2)));
                }
            });
        });
        load.run().unwrap()
    })
}

/// Greets and answers until the peer has gone.
#[expect(clippy::disallowed_methods, reason = "standing still is what this server is for")]
fn answer(mut socket: TcpStream, still_after: Option<u32>) {
    let mut inbox = Inbox::new(FRAME_BYTES_MAX);
    let (mut received, mut calls) = ([0; 4096], 0);
    while let Ok(count @ 1..) = socket.read(&mut received) {
        inbox.push(&received[..count]);
        let mut out = Vec::new();
        while let Some(raw) = inbox.next_frame().unwrap() {
            let ClientFrame::Call(call) = ClientFrame::decode(raw).unwrap() else {
                ServerFrame::Welcome(welcome()).encode(&mut out);
                continue;
            };
            calls += 1;
            if Some(calls) == still_after {
                std::thread::sleep(STOP);
            }
            let (reference, answer) = (Reference::Call(call.id), Answer::Done(Vec::new()).to_bytes());
            let reply = Reply { reference, attempt: 1, replayed: false, answer };
            ServerFrame::Reply(reply).encode(&mut out);
        }
        socket.write_all(&out).unwrap();
    }
}

fn welcome() -> Welcome {
    Welcome {
        version: 1,
        store: StoreId([1; 16]),
        generation: 1,
        server_time_us: 1,
        mint_time_ms: 1,
        slots_max: 64,
        frame_bytes_max: 1 << 20,
        in_flight_max: 64,
        idle_ms_max: 1000,
        services: Vec::new(),
        greeting: String::new(),
        principal: "operator".to_owned(),
    }
}
