//! Strangers by the hundred at the real server: silent, dribbling, noisy, speaking another protocol. A till goes on
//! withdrawing through the same server, and each stranger is let go.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use switchboard_call::frame::{ClientFrame, Hello, Inbox, Read, ServerFrame};
use switchboard_call::limits::FRAME_BYTES_MAX;
use switchboard_commands::Commands as _;
use switchboard_commands::text::{Chunk, Command, Text};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::house::{House, PATIENCE, Server};
use crate::till::{Till, check_books, euros, furnish};

/// Strangers of each kind.
const OF_EACH: usize = 48;
/// Withdrawals meanwhile.
const WITHDRAWALS: i64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_till_goes_on_withdrawing_while_strangers_by_the_hundred_do_their_worst() {
    let house = House::new();
    let quiet = ["--tcp", "127.0.0.1:0", "--set", "limits.handshake_ms=1000", "--set", "log.level=warn"];
    let server = house.serve(&quiet);
    furnish(&house, 1000);
    let (ticks, tick) = watch::channel(0_i64);
    let mut strangers = Strangers::default();
    for port in ["tcp://", "tls://"] {
        let address = port_of(&server, port);
        for _ in 0..OF_EACH {
            for (kind, opening) in openings() {
                strangers.send(&format!("{port} {kind}"), let_go_after(address, opening));
            }
            strangers.send(&format!("{port} dribbling"), dribble(address, tick.clone()));
        }
    }
    for _ in 0..8 {
        strangers.send("greedy", flood(port_of(&server, "tcp://"), tick.clone()));
    }
    let till = Till::open(&house).await;
    for withdrawn in 1..=WITHDRAWALS {
        assert_eq!(till.withdraw().await, euros(1000 - withdrawn));
        ticks.send(withdrawn).unwrap();
    }
    drop(ticks);
    till.close().await;
    strangers.are_let_go().await;
    house.ok(&["--server", &server.address("tcp://"), "text", "upper", "a"]);
    check_books(&house, 700);
    let (code, log) = server.stop();
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

/// Strangers at work, and how many of each kind are still connected.
#[derive(Default)]
struct Strangers {
    at_work: JoinSet<String>,
    connected: BTreeMap<String, usize>,
}

impl Strangers {
    fn send(&mut self, kind: &str, work: impl Future<Output = ()> + Send + 'static) {
        *self.connected.entry(kind.to_owned()).or_default() += 1;
        let kind = kind.to_owned();
        self.at_work.spawn(async {
            work.await;
            kind
        });
    }

    async fn are_let_go(mut self) {
        while !self.connected.is_empty() {
            let Ok(gone) = timeout(PATIENCE, self.at_work.join_next()).await else {
                panic!("still connected: {:?}", self.connected);
            };
            let kind = gone.expect("as many tasks as strangers").unwrap();
            let left = self.connected.get_mut(&kind).unwrap();
            *left -= 1;
            if *left == 0 {
                self.connected.remove(&kind);
            }
        }
    }
}

pub(crate) fn port_of(server: &Server, scheme: &str) -> SocketAddr {
    server.address(scheme).strip_prefix(scheme).unwrap().parse().unwrap()
}

pub(crate) fn hello(agent: String) -> Vec<u8> {
    let hello =
        Hello { version_min: 1, version_max: 1, store: None, sessions: Vec::new(), credential: None, agent };
    encoded(&ClientFrame::Hello(hello))
}

pub(crate) fn encoded(frame: &ClientFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

/// Says hello over a plain connection and waits for the welcome.
pub(crate) fn greet(stream: &mut std::net::TcpStream) {
    stream.write_all(&hello("a guest".to_owned())).unwrap();
    let mut inbox = Inbox::new(FRAME_BYTES_MAX);
    let mut bytes = [0; 4096];
    loop {
        if let Some(raw) = inbox.next_frame().unwrap() {
            assert!(matches!(ServerFrame::decode(raw).unwrap(), ServerFrame::Welcome(_)));
            return;
        }
        let read = stream.read(&mut bytes).unwrap();
        assert_ne!(read, 0, "the server greets");
        inbox.push(&bytes[..read]);
    }
}

/// What strangers begin with; some of it is half of something and never goes on.
fn openings() -> Vec<(&'static str, Vec<u8>)> {
    let whole = hello("a stranger".to_owned());
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut of_the_future = whole.clone();
    of_the_future[4] = 77;
    let greeted_then_noise = [&whole[..], &[0x5a; 300]].concat();
    let long = [&[0xff, 0xff, 0xff, 0xff, 3, 0, b'S', b'B', 0, 0, 0, 0][..], &[0; 2000]].concat();
    let noise: Vec<u8> = (0..70_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let tls = [&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03][..], &[7; 200]].concat();
    vec![
        ("silent", Vec::new()),
        ("half a hello", whole[..whole.len() / 2].to_vec()),
        ("damaged", damaged),
        ("of the future", of_the_future),
        ("noisy after the greeting", greeted_then_noise),
        ("announcing four gigabytes", long),
        ("noisy", noise),
        ("browser", b"GET / HTTP/1.1\r\nHost: bank\r\n\r\n".to_vec()),
        ("half a TLS hello", tls),
    ]
}

/// Says its opening, stays, and is let go by the server.
async fn let_go_after(address: SocketAddr, opening: Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has seen enough stops reading.
    let _said = stream.write_all(&opening).await;
    gone(&mut stream).await;
}

/// Says hello a byte at each withdrawal, in words too long to finish.
async fn dribble(address: SocketAddr, mut tick: watch::Receiver<i64>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for byte in hello("a very slow stranger ".repeat(40)) {
        if tick.changed().await.is_err() || stream.write_all(&[byte]).await.is_err() {
            break;
        }
    }
    gone(&mut stream).await;
}

/// Asks for much and reads nothing while the till is at work: at some point the server stops reading, too.
async fn flood(address: SocketAddr, mut tick: watch::Receiver<i64>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let chunk = Chunk { bytes: vec![b'a'; 20_000], context: 0, last: true, lossy: false };
    let body = minicbor::to_vec(Command::Upper { chunk }).unwrap();
    let ask = async {
        stream.write_all(&hello("a greedy stranger".to_owned())).await.unwrap();
        for tag in 0..500 {
            let (service, body) = (Text::SERVICE.to_owned(), body.clone());
            let read = Read { tag, service, version: Text::VERSION, body };
            if stream.write_all(&encoded(&ClientFrame::Read(read))).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = ask => {}
        _ = tick.wait_for(|withdrawn| *withdrawn == WITHDRAWALS) => {}
    }
}

/// Reads until the server ends the connection.
async fn gone(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}

#[test]
fn the_log_tells_of_clients_and_not_of_who_only_looks_for_a_server() {
    let house = House::new();
    let server = crate::logged::Logged::start(&house, house.program(&[]), &[]);
    house.ok(&["bank", "open", "Ada", "EUR"]);
    server.server.signal(rustix::process::Signal::TERM);
    crate::house::wait_until("all connections have ended", || server.log().contains("\"stopped\""));
    assert!(server.log().contains("(operator)"), "{}", server.log());
    assert!(!server.log().contains("closed without a goodbye"), "{}", server.log());
}
