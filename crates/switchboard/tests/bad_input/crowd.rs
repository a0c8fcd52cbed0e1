//! Ten thousand connections at once to the real server: all greeted, all kept, one more client served beside them, and what
//! an idle one costs.

use std::net::SocketAddr;

use switchboard_call::frame::{ClientFrame, Inbox, ServerFrame};
use switchboard_call::limits::FRAME_BYTES_MAX;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::house::{House, PATIENCE, wait_until};
use crate::strangers::{encoded, hello, port_of};
use crate::till::{check_books, furnish};

const CONNECTIONS: usize = 10_000;
/// Addresses of loopback that they come from: the server takes 1024 connections of each.
const ADDRESSES: u8 = 20;
/// What an idle connection may cost the server, kernel not counted, in KiB.
const IDLE_KIB_MAX: usize = 16;

/// A greeted connection.
struct Guest {
    stream: TcpStream,
    inbox: Inbox,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_are_kept_and_one_more_client_is_served() {
    raise_open_files(u64::try_from(CONNECTIONS).unwrap() + 500);
    let house = House::new();
    let server = house.serve(&["--tcp", "127.0.0.1:0", "--set", "log.level=warn"]);
    furnish(&house, 10);
    let (pid, address) = (server.pid(), port_of(&server, "tcp://"));
    let (pss_before, sockets_before) = (pss_kib(pid), sockets(pid));

    let guests = crowd(address).await;
    assert_eq!(guests.len(), CONNECTIONS);
    assert!(sockets(pid) >= sockets_before + CONNECTIONS);
    let (pss, each) = (pss_kib(pid), (pss_kib(pid) - pss_before) * 1024 / CONNECTIONS);
    println!(
        "{CONNECTIONS} idle connections: PSS {pss_before} KiB before, {pss} KiB with them, {each} bytes each"
    );
    assert!(each <= IDLE_KIB_MAX * 1024, "{each} bytes for an idle connection");

    assert_eq!(house.ok(&["--server", &server.address("tcp://"), "text", "upper", "one more"]), "ONE MORE\n");
    house.ok(&["bank", "withdraw", "1", "1.00"]);
    let guests = all_answer(guests).await;

    drop(guests);
    wait_until("the server has let them go", || sockets(pid) <= sockets_before);
    check_books(&house, 9);
    assert_eq!(server.stop(), (0, String::new()), "nothing to complain of");
}

async fn crowd(address: SocketAddr) -> Vec<Guest> {
    let mut coming = JoinSet::new();
    for number in 0..ADDRESSES {
        coming.spawn(async move {
            let mut guests = Vec::new();
            for _ in 0..CONNECTIONS / usize::from(ADDRESSES) {
                guests.push(Guest::come([127, 0, 0, number + 2], address).await);
            }
            guests
        });
    }
    coming.join_all().await.into_iter().flatten().collect()
}

async fn all_answer(guests: Vec<Guest>) -> Vec<Guest> {
    let mut answering = JoinSet::new();
    let mut guests = guests.into_iter();
    for _ in 0..ADDRESSES {
        let mut some: Vec<Guest> = guests.by_ref().take(CONNECTIONS / usize::from(ADDRESSES)).collect();
        answering.spawn(async move {
            for (number, guest) in some.iter_mut().enumerate() {
                let token = u64::try_from(number).unwrap().to_be_bytes();
                guest.stream.write_all(&encoded(&ClientFrame::Ping(token))).await.unwrap();
                assert!(matches!(guest.next().await, ServerFrame::Pong(pong) if pong == token));
            }
            some
        });
    }
    answering.join_all().await.into_iter().flatten().collect()
}

impl Guest {
    async fn come(from: [u8; 4], to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let mut stream = timeout(PATIENCE, socket.connect(to)).await.expect("the server accepts").unwrap();
        stream.write_all(&hello("one of many".to_owned())).await.unwrap();
        let mut guest = Self { stream, inbox: Inbox::new(FRAME_BYTES_MAX) };
        assert!(matches!(guest.next().await, ServerFrame::Welcome(_)));
        guest
    }

    async fn next(&mut self) -> ServerFrame {
        let mut bytes = [0; 4096];
        loop {
            if let Some(raw) = self.inbox.next_frame().unwrap() {
                return ServerFrame::decode(raw).unwrap();
            }
            let read =
                timeout(PATIENCE, self.stream.read(&mut bytes)).await.expect("the server answers").unwrap();
            assert_ne!(read, 0, "the server keeps the connection");
            self.inbox.push(&bytes[..read]);
        }
    }
}

/// Lets this process, and the server that it starts, have this many files open.
fn raise_open_files(wanted: u64) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let possible = limit.maximum.is_none_or(|maximum| maximum >= wanted);
    assert!(
        possible,
        "{CONNECTIONS} connections need {wanted} open files; raise the hard limit (ulimit -Hn)"
    );
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        setrlimit(Resource::Nofile, limit).unwrap();
    }
}

fn sockets(pid: u32) -> usize {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    // A file may be closed between the listing and the look.
    let targets = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// The memory of a process, its share of what it shares included, in KiB (proc_pid_smaps_rollup(5)).
fn pss_kib(pid: u32) -> usize {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse().unwrap()
}
