//! Peers that ask well, badly, slowly or not at all.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn served() -> SocketAddr {
    let asked = AtomicUsize::new(0);
    let page = move || Some(format!("asked {}\n", asked.fetch_add(1, Ordering::Relaxed)));
    serve("127.0.0.1:0".parse().unwrap(), page).unwrap()
}

fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut peer = TcpStream::connect(address).unwrap();
    peer.write_all(request).unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn each_question_gets_the_page_of_its_moment() {
    let address = served();
    for n in 0..10 {
        let answer = ask(address, b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nContent-Length: 8\r\n"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\nasked {n}\n")), "{answer}");
    }
}

#[test]
fn what_is_no_question_is_told_so() {
    let address = served();
    let long = [b"GET /metrics HTTP/1.1\r\nX: ", &[b'x'; 2 * REQUEST_BYTES_MAX][..]].concat();
    for (request, status) in [
        (&b"GET /metrics?name=up HTTP/1.0\r\n\r\n"[..], "200"),
        (b"GET / HTTP/1.1\r\n\r\n", "404"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "405"),
        (b"GET /metrics\r\n\r\n", "400"),
        (b"GET /metrics SPDY/3\r\n\r\n", "400"),
        (b"\r\n\r\n", "400"),
        (b"\0\xff\r\n\r\n", "400"),
        (&long, "400"),
    ] {
        let answer = ask(address, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{}: {answer}", request.escape_ascii());
    }
}

#[test]
fn where_there_are_no_figures_any_more_that_is_said() {
    let address = serve("127.0.0.1:0".parse().unwrap(), || None).unwrap();
    assert!(ask(address, b"GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 503 "));
}

#[test]
fn who_may_not_ask_so_is_told_how_in_a_field_of_its_own() {
    let answer = ask(served(), b"PUT /metrics HTTP/1.1\r\n\r\n");
    let mut lines = answer.split("\r\n");
    assert_eq!(lines.next(), Some("HTTP/1.1 405 Method Not Allowed"));
    assert!(lines.take_while(|line| !line.is_empty()).any(|field| field == "Allow: GET"), "{answer}");
    assert!(!ask(served(), b"GET / HTTP/1.1\r\n\r\n").contains("Allow: "));
}

#[test]
fn peers_that_have_their_answer_and_stay_hold_nobody_up() {
    let address = served();
    let asking = || {
        let mut peer = TcpStream::connect(address).unwrap();
        peer.set_read_timeout(Some(Duration::from_millis(REQUEST_MS_MAX - END_MS_MAX))).unwrap();
        peer.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        peer
    };
    let _stay: Vec<TcpStream> = (0..=CONNECTIONS_MAX).map(|_| asking()).collect();
}

/// As many silent peers as there are threads, and one that drips: all are sent away, and who comes later is answered.
#[test]
fn peers_that_say_nothing_or_drip_hold_nobody_up_for_long() {
    let address = served();
    let silent: Vec<TcpStream> =
        (0..CONNECTIONS_MAX - 1).map(|_| TcpStream::connect(address).unwrap()).collect();
    let dripping = std::thread::spawn(move || {
        let mut peer = TcpStream::connect(address).unwrap();
        peer.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut drops = 0_u64;
        // An octet at a time, until the connection is closed.
        while peer.write_all(b"x").is_ok() {
            drops += 1;
            if matches!(peer.read(&mut [0; 1]), Ok(0)) {
                break;
            }
        }
        drops
    });
    let answer = ask(address, b"GET /metrics HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        dripping.join().unwrap() < REQUEST_MS_MAX,
        "it was not listened to until its request was too long"
    );
    for mut peer in silent {
        assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0, "sent away");
    }
}

#[test]
fn an_address_in_use_is_told_with_what_to_do() {
    let failure = serve(served(), || None).unwrap_err();
    assert_eq!(failure.exit(), Exit::Unavailable);
}
