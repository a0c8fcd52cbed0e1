//! What goes over one connection: many requests, split anyhow, large bodies.

use crate::client::{Client, Served};

#[test]
fn many_requests_use_one_connection() {
    let served = Served::new();
    served.write("a.txt", "first");
    served.write("b.txt", "second");
    let mut client = served.connect();
    for _ in 0..50 {
        assert_eq!(client.fetch("/a.txt").body, b"first");
        assert_eq!(client.fetch("/b.txt").body, b"second");
        assert_eq!(client.fetch("/c.txt").status, 404);
    }
    let counted = served.running.metrics().snapshot();
    assert_eq!((counted.accepted, counted.status_2xx, counted.status_4xx), (1, 100, 50));
    assert!(counted.cache_hits >= 140, "{counted:?}");
}

#[test]
fn a_thousand_pipelined_requests_are_answered_in_order() {
    let served = Served::new();
    let body = |number: usize| format!("{number} ").repeat(1 + number % 700 * 50);
    for number in 0..100 {
        served.write(&format!("{number}.txt"), body(number));
    }
    let mut client = served.connect();
    let requests: String = (0..1000)
        .map(|number| format!("GET /{}.txt HTTP/1.1\r\nHost: localhost\r\n\r\n", number * 7 % 100))
        .collect();
    let mut writer = client.stream.get_ref().try_clone().unwrap();
    // The server does not read on while its answers are not taken, so this has to happen beside the reading.
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut writer, requests.as_bytes()));
    for number in 0..1000 {
        let answer = client.answer(false).unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body == body(number * 7 % 100).as_bytes(), "answer {number}");
    }
    sending.join().unwrap().unwrap();
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let served = Served::new();
    served.write("a.txt", "whole");
    let mut client = served.connect();
    client.stream.get_ref().set_nodelay(true).unwrap();
    for byte in b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n" {
        client.send([*byte]);
    }
    assert_eq!(client.answer(false).unwrap().body, b"whole");
    assert_eq!(client.answer(false).unwrap().body, b"whole");
}

#[test]
fn a_large_file_is_whole_and_so_are_its_parts() {
    let served = Served::new();
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    served.write("large.bin", &bytes);
    let mut client = served.connect();
    let whole = client.fetch("/large.bin");
    assert!(whole.status == 200 && whole.body == bytes);
    let part = client.request("GET", "/large.bin", "Range: bytes=1000000-9999999\r\n");
    assert!(part.status == 206 && part.body == bytes[1_000_000..10_000_000]);
    let several = client.request("GET", "/large.bin", "Range: bytes=0-99,5000000-5999999\r\n");
    assert_eq!(several.status, 206);
    assert!(several.body.windows(100).any(|window| window == &bytes[..100]));
    assert_eq!(client.fetch("/none").status, 404, "the connection goes on");
}

#[test]
fn head_has_the_fields_of_get() {
    let served = Served::new();
    served.write("small.html", "x".repeat(100));
    served.write("large.bin", vec![7; 1_000_000]);
    std::fs::create_dir(served.path("folder")).unwrap();
    let mut client = served.connect();
    for target in ["/small.html", "/large.bin", "/folder", "/none", "/small.html?q"] {
        // Twice: made up, and made before.
        for _ in 0..2 {
            let get = client.request("GET", target, "");
            let head = client.request("HEAD", target, "");
            let without_date = |head: &str| {
                head.lines().filter(|line| !line.starts_with("Date: ")).map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(without_date(&get.head), without_date(&head.head));
        }
    }
}

#[test]
fn equal_conditions_have_equal_answers_the_second_time() {
    let served = Served::new();
    served.write("a.css", "body {}");
    let mut client = served.connect();
    let first = client.fetch("/a.css");
    let tag = first.field("ETag").unwrap().to_owned();
    let modified = first.field("Last-Modified").unwrap().to_owned();
    for _ in 0..3 {
        let matched = client.request("GET", "/a.css", &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((matched.status, matched.body.len()), (304, 0));
        let since = client.request("GET", "/a.css", &format!("If-Modified-Since: {modified}\r\n"));
        assert_eq!(since.status, 304);
        let other = client.request("GET", "/a.css", "If-None-Match: \"other\"\r\n");
        assert_eq!((other.status, other.body.as_slice()), (200, b"body {}".as_slice()));
        let failed = client.request("GET", "/a.css", "If-Match: \"other\"\r\n");
        assert_eq!(failed.status, 412);
    }
}

#[test]
fn a_body_is_thrown_away_and_the_next_request_found_behind_it() {
    let served = Served::new();
    served.write("a.txt", "a");
    let mut client = served.connect();
    client.send(
        "GET /a.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345\
         POST /a.txt HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
         GET /a.txt HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    let answers: Vec<u16> = (0..3).map(|_| client.answer(false).unwrap().status).collect();
    assert_eq!(answers, [200, 405, 200]);
}

#[test]
fn who_is_refused_sees_why_before_the_end() {
    let served = Served::new();
    let mut client = served.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost : x\r\n\r\n{}", "y".repeat(100_000)));
    let answer = client.answer(false).unwrap();
    assert_eq!((answer.status, answer.field("Connection")), (400, Some("close")));
    assert!(client.is_closed());
}

#[test]
fn old_clients_and_those_that_say_so_are_closed() {
    let served = Served::new();
    served.write("a.txt", "a");
    for request in
        ["GET /a.txt HTTP/1.0\r\n\r\n", "GET /a.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"]
    {
        let mut client = served.connect();
        client.send(request);
        assert_eq!(client.answer(false).unwrap().body, b"a");
        assert!(client.is_closed());
    }
    let mut kept = served.connect();
    kept.send("GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(kept.answer(false).unwrap().field("Connection"), Some("keep-alive"));
    assert_eq!(kept.fetch("/a.txt").status, 200);
}

#[test]
fn ipv6_and_a_unix_socket_serve_the_same() {
    use std::io::{Read as _, Write as _};
    use switchboard_web::Listener;

    let sockets = tempfile::tempdir().unwrap();
    let path = sockets.path().join("web.sock");
    // Left behind by a process that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let served = Served::with(|settings| {
        settings.workers = Some(2);
        settings.listeners = vec![Listener::Tcp("[::1]:0".parse().unwrap()), Listener::Unix(path.clone())];
    });
    served.write("a.txt", "same");
    assert_eq!(served.fetch("/a.txt").body, b"same");
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /a.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nsame"), "{answer}");
    served.running.shutdown();
    assert!(!path.exists());
}

#[test]
fn a_site_is_chosen_by_its_host() {
    use switchboard_web::Site;

    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("index.html"), "other").unwrap();
    let served = Served::with(|settings| {
        let hosts = vec!["other.example".to_owned()];
        settings.sites.push(Site { hosts, ..Site::new(other.path()) });
    });
    served.write("index.html", "first");
    let mut client = served.connect();
    for (host, expected) in [
        ("other.example", "other"),
        ("OTHER.example:8080", "other"),
        ("other.example.", "other"),
        ("elsewhere.example", "first"),
        ("[::1]:80", "first"),
    ] {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.answer(false).unwrap().body, expected.as_bytes(), "{host}");
    }
}

#[test]
fn what_cannot_be_served_is_told_at_the_start() {
    use switchboard_web::{Error, Listener, Server, Settings, Site};

    let root = tempfile::tempdir().unwrap();
    let start =
        |root: &std::path::Path, listener| Server::new(Settings::new(Site::new(root), listener)).start();
    let any = || Listener::Tcp("127.0.0.1:0".parse().unwrap());
    assert!(matches!(start(&root.path().join("none"), any()), Err(Error::RootMissing { .. })));
    let file = root.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(start(&file, any()), Err(Error::RootNotDirectory { .. })));
    let first = start(root.path(), any()).unwrap();
    let taken = crate::client::tcp(&first);
    assert!(matches!(start(root.path(), Listener::Tcp(taken)), Err(Error::AddressInUse { .. })));
    let far = Listener::Tcp("192.0.2.1:0".parse().unwrap());
    assert!(matches!(start(root.path(), far), Err(Error::AddressNotAvailable { .. })));
    assert!(Client::connect(taken).fetch("/file").status == 200, "the first one goes on");
}
