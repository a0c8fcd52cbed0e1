//! TLS as clients see it: which certificate, which protocol, every byte, and what becomes of those who never finish.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, NamedGroup, StreamOwned};
use switchboard_tls::{Fingerprint, Identity, ServerAddress, Trust, client_config};
use switchboard_web::{Address, CertificateFiles, Listener, Settings};

use crate::client::{Served, until};
use crate::http2::{ask, get, open, run, whole};

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn served(change: impl FnOnce(&mut Settings)) -> Served {
    Served::with(|settings| {
        settings.listeners.push(Listener::Tls("127.0.0.1:0".parse().unwrap()));
        change(settings);
    })
}

fn address(served: &Served) -> SocketAddr {
    let is_tls = |address: &Address| match address {
        Address::Tls(address) => Some(*address),
        Address::Tcp(_) | Address::Unix(_) => None,
    };
    served.running.addresses().iter().find_map(is_tls).unwrap()
}

fn config(fingerprint: Fingerprint, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let server = ServerAddress::new("localhost", 443).unwrap();
    client_config(&Trust::Pin(fingerprint), &server, alpn).unwrap().config()
}

fn connect(served: &Served, name: &str, alpn: &[&[u8]]) -> Stream {
    let config = config(served.running.fingerprints()[0], alpn);
    stream(served, name, config)
}

fn stream(served: &Served, name: &str, config: Arc<ClientConfig>) -> Stream {
    let socket = TcpStream::connect(address(served)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    StreamOwned::new(ClientConnection::new(config, name).unwrap(), socket)
}

/// The body, from an answer after which the server closes. The end has to be announced.
fn body(mut stream: Stream, target: &str) -> Vec<u8> {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    bytes.split_off(head + 4)
}

fn files(folder: &Path, names: &[&str]) -> (CertificateFiles, Fingerprint) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let (identity, _) = Identity::load_or_create(folder, &names, 1_795_000_000).unwrap();
    let files = CertificateFiles { certificate: folder.join("server.crt"), key: folder.join("server.key") };
    (files, identity.fingerprint())
}

fn large() -> Vec<u8> {
    (0..10 * 1024 * 1024_u32).map(|at| u8::try_from(at % 253).unwrap()).collect()
}

/// What a peer has that reads at an even, low rate to the end.
#[expect(clippy::disallowed_methods, reason = "a slow peer is what is tested")]
fn body_read_slowly(mut stream: Stream, target: &str) -> Vec<u8> {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    let mut piece = vec![0; 32 * 1024];
    loop {
        match stream.read(&mut piece).unwrap() {
            0 => break,
            read => bytes.extend_from_slice(&piece[..read]),
        }
        std::thread::sleep(Duration::from_millis(160));
    }
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    bytes.split_off(head + 4)
}

#[test]
fn whoever_reads_slowly_for_longer_than_a_stall_may_last_gets_all_of_it() {
    let served = served(|settings| settings.limits.write_stall_max = Duration::from_secs(2));
    let sizes = (0..12).map(|number| 700_000 + number * 9_000);
    std::thread::scope(|scope| {
        for size in sizes {
            let served = &served;
            scope.spawn(move || {
                let name = format!("{size}.bin");
                served.write(&name, large().split_off(large().len() - size));
                let stream = connect(served, "localhost", &[]);
                socket2::SockRef::from(&stream.sock).set_recv_buffer_size(16 * 1024).unwrap();
                let body = body_read_slowly(stream, &format!("/{name}"));
                assert_eq!(body.len(), size, "of {name}");
                assert!(body == large().split_off(large().len() - size), "{name}");
            });
        }
    });
    assert_eq!(served.running.metrics().snapshot().timeout_write, 0);
}

#[test]
fn ten_mebibytes_arrive_as_they_are_over_both_protocols() {
    let served = served(|_| {});
    let bytes = large();
    served.write("large.bin", &bytes);
    served.write("small.txt", "small");
    assert!(body(connect(&served, "localhost", &[]), "/large.bin") == bytes);
    assert_eq!(body(connect(&served, "localhost", &[b"http/1.1"]), "/small.txt"), b"small");
    let config = config(served.running.fingerprints()[0], &[b"h2", b"http/1.1"]);
    run(async {
        let socket = tokio::net::TcpStream::connect(address(&served)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let socket = tokio_rustls::TlsConnector::from(config).connect(name, socket).await.unwrap();
        assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut client = open(socket).await;
        let secure = |path: &str| {
            let mut request = get(path);
            *request.uri_mut() = format!("https://localhost{path}").parse().unwrap();
            request
        };
        let plain = ask(&mut client, get("/small.txt"));
        let (one, two) = (ask(&mut client, secure("/large.bin")), ask(&mut client, secure("/small.txt")));
        assert_eq!(whole(plain).await.unwrap().status, 421, "http is not https");
        assert_eq!(whole(two).await.unwrap().body, b"small");
        assert!(whole(one).await.unwrap().body == bytes);
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let served = served(|_| {});
    for number in 0..50 {
        served.write(&format!("{number}"), format!("({number})").repeat(number * 30));
    }
    let mut stream = connect(&served, "localhost", &[]);
    let mut expected = String::new();
    for number in 0..50 {
        let close = if number == 49 { "Connection: close\r\n" } else { "" };
        write!(stream, "GET /{number} HTTP/1.1\r\nHost: h\r\n{close}\r\n").unwrap();
        expected.push_str(&format!("({number})").repeat(number * 30));
    }
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    let mut bodies = String::new();
    let mut rest = answers.as_str();
    while let Some((head, behind)) = rest.split_once("\r\n\r\n") {
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        let (body, next) = behind.split_at(length.parse().unwrap());
        bodies.push_str(body);
        rest = next;
    }
    assert_eq!(bodies, expected);
}

#[test]
fn the_certificate_is_the_one_for_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let (one, first) = files(&folder.path().join("one"), &["one.example"]);
    let (two, second) = files(&folder.path().join("two"), &["two.example"]);
    let served = served(|settings| settings.tls.certificates = vec![one, two]);
    assert_eq!(served.running.fingerprints(), [first, second]);
    for (name, expected) in
        [("one.example", first), ("two.example", second), ("three.example", first), ("TWO.example", second)]
    {
        let stream = stream(&served, name, config(expected, &[]));
        assert!(!body(stream, "/").is_empty(), "{name}");
    }
}

#[test]
fn a_reload_shows_new_certificates_and_cuts_no_download() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let (pair, old) = files(&keys, &["one.example"]);
    let served = served(|settings| settings.tls.certificates = vec![pair]);
    let bytes = large();
    served.write("large.bin", &bytes);
    let mut begun = stream(&served, "one.example", config(old, &[]));
    begun.write_all(b"GET /large.bin HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    begun.read_exact(&mut [0; 20]).unwrap();
    std::fs::write(keys.join("server.crt"), "damaged").unwrap();
    assert!(served.running.reload().is_err());
    assert_eq!(served.running.fingerprints(), [old], "what fails changes nothing");
    std::fs::remove_dir_all(&keys).unwrap();
    let (_, new) = files(&keys, &["one.example"]);
    served.running.reload().unwrap();
    assert_eq!(served.running.fingerprints(), [new]);
    assert!(!body(stream(&served, "one.example", config(new, &[])), "/").is_empty());
    let mut rest = Vec::new();
    begun.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(&bytes));
}

#[test]
fn who_does_not_finish_the_handshake_is_closed() {
    let served = served(|settings| settings.limits.handshake_time_max = Duration::from_millis(200));
    let mut silent = TcpStream::connect(address(&served)).unwrap();
    let mut slow = TcpStream::connect(address(&served)).unwrap();
    slow.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    for socket in [&mut silent, &mut slow] {
        let mut said = Vec::new();
        socket.read_to_end(&mut said).unwrap();
    }
    until(&served, "both are counted", |counted| counted.timeout_handshake == 2);
    let mut wrong = TcpStream::connect(address(&served)).unwrap();
    wrong.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut said = Vec::new();
    wrong.read_to_end(&mut said).unwrap();
    assert_eq!(said[0], 21, "an alert");
}

#[test]
fn an_end_that_comes_together_with_the_last_request_is_heard() {
    let served = served(|settings| settings.limits.idle_time_max = Duration::from_secs(600));
    let http1 = b"GET /none HTTP/1.1\r\nHost: h\r\n\r\n".as_slice();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let http2 = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat();
    for (alpn, request, answer) in [("http/1.1", http1, "HTTP/1.1 404 "), ("h2", http2.as_slice(), "")] {
        let mut stream = connect(&served, "localhost", &[alpn.as_bytes()]);
        stream.conn.complete_io(&mut stream.sock).unwrap();
        stream.conn.writer().write_all(request).unwrap();
        stream.conn.send_close_notify();
        let mut records = Vec::new();
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut records).unwrap();
        }
        // In one piece and without an end of the connection below.
        stream.sock.write_all(&records).unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).unwrap();
        assert!(!said.is_empty() && said.starts_with(answer.as_bytes()), "{said:?}");
    }
}

#[test]
fn strict_transport_security_is_said_under_tls_when_asked_for() {
    let served = served(|settings| settings.tls.hsts = Some(Duration::from_secs(31_536_000)));
    served.write("a.txt", "a");
    assert_eq!(served.fetch("/a.txt").field("Strict-Transport-Security"), None);
    for _ in 0..2 {
        let mut stream = connect(&served, "localhost", &[]);
        stream.write_all(b"GET /a.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("\r\nStrict-Transport-Security: max-age=31536000\r\n"), "{answer}");
    }
    assert_eq!(served.fetch("/a.txt").field("Strict-Transport-Security"), None);
}

#[test]
fn a_session_is_resumed() {
    let served = served(|_| {});
    let config = config(served.running.fingerprints()[0], &[]);
    for expected in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
        let mut stream = stream(&served, "localhost", Arc::clone(&config));
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 20]).unwrap();
        assert_eq!(stream.conn.handshake_kind(), Some(expected));
    }
}

/// Keeps nothing and counts the tickets that it is given.
#[derive(Debug, Default)]
struct Tickets(AtomicUsize);

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _server: ServerName<'static>, _group: NamedGroup) {}

    fn kx_hint(&self, _server: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _server: ServerName<'static>, _session: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _server: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _server: ServerName<'static>, _ticket: Tls13ClientSessionValue) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn take_tls13_ticket(&self, _server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

#[test]
fn a_new_connection_is_given_one_ticket() {
    let served = served(|_| {});
    let tickets = Arc::<Tickets>::default();
    let mut config = ClientConfig::clone(&config(served.running.fingerprints()[0], &[]));
    config.resumption = Resumption::store(Arc::<Tickets>::clone(&tickets));
    assert!(!body(stream(&served, "localhost", Arc::new(config)), "/").is_empty());
    assert_eq!(tickets.0.load(Ordering::Relaxed), 1);
}
