//! A real client and server side around the proxy: what it does to frames is what it says it did.

use std::sync::Mutex;

use switchboard_call::frame::Call;
use switchboard_call::frame::{ClientFrame, Hello, Reference, Reply, ServerFrame};
use switchboard_call::id::{CallId, Nonce, ReplyHash, Sequence, SessionId, Slot};
use switchboard_tls::{ServerAddress, Trust, client_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

const FRAMES: u64 = 400;

#[tokio::test]
async fn without_faults_every_frame_arrives_once_and_in_order() {
    let run = Run::with(Plan::default()).await;
    assert_eq!(run.at_server, (1..=FRAMES).collect::<Vec<_>>());
    assert_eq!(run.requests, Counts { arrived: FRAMES, forwarded: FRAMES, ..Counts::default() });
    assert_eq!(run.events, []);
}

#[tokio::test]
async fn every_fault_is_counted_and_told() {
    let faults = Faults { lose: 0.2, double: 0.1, delay: 0.1, delay_ms_max: 5, reorder: 0.1 };
    let run = Run::with(Plan { seed: 7, requests: faults, replies: Faults::default() }).await;
    let counts = run.requests;
    assert_eq!(counts.arrived, FRAMES);
    assert_eq!(counts.arrived + counts.doubled, counts.forwarded + counts.lost);
    assert_eq!(u64::try_from(run.at_server.len()).unwrap(), counts.forwarded);
    for (fault, count) in [
        (Fault::Lost, counts.lost),
        (Fault::Doubled, counts.doubled),
        (Fault::Delayed, counts.delayed),
        (Fault::HeldBack, counts.held_back),
    ] {
        assert!(count > 10, "{fault:?} happened {count} times");
        let told = run.events.iter().filter(|event| event.fault == fault).count();
        assert_eq!(u64::try_from(told).unwrap(), count, "{fault:?}");
    }
    let lost_calls = run.events.iter().filter(|event| event.fault == Fault::Lost);
    for event in lost_calls {
        let number = event.call.expect("a call frame names its call").sequence.number();
        assert!(!run.at_server.contains(&number), "{number} was lost and arrived");
    }
    assert!(!run.at_server.is_sorted(), "reordering has to show");
}

#[tokio::test]
async fn the_same_seed_loses_the_same_frames() {
    let plan = Plan { seed: 11, requests: Faults { lose: 0.3, ..Faults::default() }, ..Plan::default() };
    let (first, second) = (Run::with(plan).await, Run::with(plan).await);
    assert_eq!(first.at_server, second.at_server);
    assert_ne!(first.at_server, Run::with(Plan { seed: 12, ..plan }).await.at_server);
}

#[tokio::test]
async fn with_everything_lost_the_hello_still_passes() {
    let all = Faults { lose: 1.0, ..Faults::default() };
    let run = Run::with(Plan { seed: 1, requests: all, replies: all }).await;
    assert!(run.hello_came);
    assert_eq!(run.at_server, Vec::<u64>::new());
    assert_eq!(run.requests.lost, FRAMES);
}

#[tokio::test]
async fn a_healed_proxy_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = tokio::spawn(answer_all(UnixListener::bind(&path).unwrap()));
    let all = Faults { lose: 1.0, ..Faults::default() };
    let plan = Plan { seed: 1, requests: all, replies: all };
    let proxy = Proxy::start(plan, path, Arc::new(|_| {})).await.unwrap();
    proxy.heal();
    let mut client = connect(&proxy).await;
    client.write_all(&call(1)).await.unwrap();
    assert!(framing::read(&mut client).await.unwrap().is_some());
    drop(client);
    assert_eq!(server.await.unwrap().1, [1]);
}

#[tokio::test]
async fn replies_suffer_apart_from_requests() {
    let replies = Faults { lose: 0.5, ..Faults::default() };
    let plan = Plan { seed: 3, replies, ..Plan::default() };
    let run = Run::with(plan).await;
    assert_eq!(run.requests.lost, 0);
    assert!(run.replies.lost > FRAMES / 4);
    assert_eq!(run.replies.replayed, FRAMES, "the server of this test marks every reply");
}

#[tokio::test]
async fn a_cut_ends_the_connection_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = UnixListener::bind(&path).unwrap();
    let proxy = Proxy::start(Plan::default(), path, Arc::new(|_| {})).await.unwrap();
    let mut client = connect(&proxy).await;
    let _accepted = server.accept().await.unwrap();
    proxy.cut_connections();
    let mut rest = Vec::new();
    let ended = client.read_to_end(&mut rest).await;
    assert!(ended.is_err() || rest.is_empty());
    connect(&proxy).await;
}

struct Run {
    at_server: Vec<u64>,
    hello_came: bool,
    requests: Counts,
    replies: Counts,
    events: Vec<Event>,
}

impl Run {
    /// Sends a hello and [`FRAMES`] calls through a proxy to a server that answers each, and reads to the end.
    async fn with(plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        let proxy =
            Proxy::start(plan, path, Arc::new(move |event| heard.lock().unwrap().push(event))).await.unwrap();
        let server = tokio::spawn(answer_all(listener));
        let client = connect(&proxy).await;
        let (mut from_proxy, mut to_proxy) = tokio::io::split(client);
        let reading = tokio::spawn(async move { from_proxy.read_to_end(&mut Vec::new()).await });
        to_proxy.write_all(&hello()).await.unwrap();
        for number in 1..=FRAMES {
            to_proxy.write_all(&call(number)).await.unwrap();
        }
        to_proxy.shutdown().await.unwrap();
        let (hello_came, at_server) = server.await.unwrap();
        let _how_it_ended = reading.await.unwrap();
        let events = events.lock().unwrap().clone();
        let [requests, replies] = [Direction::Request, Direction::Reply].map(|way| proxy.counts(way));
        Self { at_server, hello_came, requests, replies, events }
    }
}

/// Answers each call; returns whether a hello came, and the sequences in order of arrival.
async fn answer_all(listener: UnixListener) -> (bool, Vec<u64>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (mut hello_came, mut numbers) = (false, Vec::new());
    while let Some(frame) = framing::read(&mut stream).await.unwrap() {
        match frame.call(Direction::Request) {
            Some(id) => {
                numbers.push(id.sequence.number());
                let mut out = Vec::new();
                let reply =
                    Reply { reference: Reference::Call(id), attempt: 1, replayed: true, answer: vec![2] };
                ServerFrame::Reply(reply).encode(&mut out);
                stream.write_all(&out).await.unwrap();
            }
            None => hello_came = true,
        }
    }
    (hello_came, numbers)
}

async fn connect(proxy: &Proxy) -> TlsStream<TcpStream> {
    let server = ServerAddress::new("127.0.0.1", proxy.address().port()).unwrap();
    let tls = client_config(&Trust::Pin(proxy.fingerprint()), &server, &[CALL_PROTOCOL]).unwrap();
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    TlsConnector::from(tls.config()).connect(tls.server_name(), stream).await.unwrap()
}

fn hello() -> Vec<u8> {
    let hello = Hello {
        version_min: 1,
        version_max: 1,
        store: None,
        sessions: vec![],
        credential: None,
        agent: "test".to_owned(),
    };
    let mut out = Vec::new();
    ClientFrame::Hello(hello).encode(&mut out);
    out
}

fn call(number: u64) -> Vec<u8> {
    let id = CallId {
        session: SessionId::mint(1, [1; 10]),
        slot: Slot(0),
        sequence: Sequence::new(number).unwrap(),
    };
    let call = Call {
        service: "bank".to_owned(),
        id,
        nonce: Nonce([0; 16]),
        previous: ReplyHash::NONE,
        version: 1,
        not_after_us: None,
        attempt: 1,
        body: vec![0; 32],
    };
    let mut out = Vec::new();
    ClientFrame::Call(call).encode(&mut out);
    out
}
