//! The load against small servers of the tests' own, right and wrong ones.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::*;

const BODY: &[u8] = b"the file";

/// What a server does with its connections.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Answers every request with this.
    Answers(&'static str),
    /// Answers one and closes.
    Closes,
    /// Closes at once.
    HangsUp,
}

const RIGHT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe file";

/// A server on a thread for each connection, which ends with the connection.
fn serve(manner: Manner) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let connection = connection.unwrap();
            std::thread::spawn(move || answer(connection, manner));
        }
    });
    Target { address, tls: None }
}

fn answer(mut connection: TcpStream, manner: Manner) {
    let (mut asked, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(count) = connection.read(&mut part) {
        if count == 0 {
            return;
        }
        asked.extend_from_slice(&part[..count]);
        while let Some(end) = asked.windows(4).position(|window| window == b"\r\n\r\n") {
            asked.drain(..end + 4);
            let text = match manner {
                Manner::Answers(text) => text,
                Manner::Closes => RIGHT,
                Manner::HangsUp => return,
            };
            // The load may have seen enough.
            if connection.write_all(text.as_bytes()).is_err() || matches!(manner, Manner::Closes) {
                return;
            }
        }
    }
}

fn load(target: Target) -> Load {
    Load {
        target,
        connections: 4,
        depth: 1,
        lasting: Lasting::Kept,
        request: request("/file", ""),
        expected: Expected { status: 200, body: BODY.to_vec() },
        pace: Pace::Closed(Duration::from_millis(50)),
    }
}

#[test]
fn right_answers_are_counted_at_every_depth() {
    for depth in [1, 16] {
        let done = Load { depth, ..load(serve(Manner::Answers(RIGHT))) }.run().unwrap();
        assert!(done.requests >= u64::from(4 * depth), "{done:?}");
        assert_eq!(done.latency_us.len(), done.requests);
    }
}

#[test]
fn a_request_on_each_connection_is_all_that_once_sends() {
    let mut ready =
        Load { connections: 40, pace: Pace::Once, ..load(serve(Manner::Answers(RIGHT))) }.connect().unwrap();
    assert_eq!(ready.run().unwrap().requests, 40);
}

#[test]
fn a_steady_load_sends_what_is_due_and_no_more() {
    let pace = Pace::Open { per_second: 1000, lasts: Duration::from_millis(50) };
    let done = Load { pace, ..load(serve(Manner::Answers(RIGHT))) }.run().unwrap();
    assert_eq!(done.requests, 50);
}

#[test]
fn a_server_may_close_only_where_it_was_asked_to() {
    let once = Load { lasting: Lasting::OneRequest, ..load(serve(Manner::Closes)) };
    assert!(once.run().unwrap().requests > 4);
    let told = load(serve(Manner::Closes)).run().unwrap_err();
    assert!(
        format!("{told:#}").contains("closed a connection") || format!("{told:#}").contains("broke"),
        "{told:#}"
    );
}

#[test]
fn whatever_is_not_the_file_ends_the_load() {
    let told = |manner| format!("{:#}", load(serve(manner)).run().unwrap_err());
    let wrong = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe fild";
    assert_eq!(told(Manner::Answers(wrong)), "a body is wrong at byte 7");
    let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(told(Manner::Answers(missing)), "an answer has status 404, not 200");
    let twice = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe fileHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe file";
    assert!(told(Manner::Answers(twice)).contains("an answer to no request"));
    let early = told(Manner::HangsUp);
    assert!(early.contains("before it had answered") || early.contains("broke"), "{early}");
}

#[test]
fn one_question_gives_head_and_body() {
    let target = serve(Manner::Answers(RIGHT));
    let (head, body) = ask(&target, &request("/file", "")).unwrap();
    assert_eq!((head.status, head.field("content-length"), body.as_slice()), (200, Some("8"), BODY));
    let told = ask(&serve(Manner::HangsUp), &request("/file", "")).unwrap_err().to_string();
    assert!(told.contains("no whole answer"), "{told}");
}
