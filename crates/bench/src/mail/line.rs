//! A long line: what is sent through it arrives half a round trip later on either side, and a connection begins a round trip after it was
//! asked for, as the handshake of TCP would have it. It also counts the round trips of each connection: how often in succession somebody
//! had to hear the other side before going on (Lamport's clocks, "Time, Clocks, and the Ordering of Events in a Distributed System",
//! 1978), the one that the connection takes included. Absent: loss, and a limit of throughput but for what may be under way.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

const PIECE_BYTES_MAX: usize = 64 << 10;
/// Pieces under way in one direction; more are not read.
const UNDER_WAY_MAX: usize = 256;
/// Ways from asking for a connection to the server's hearing of the client: two for it to be there, and one for what is said then.
const HANDSHAKE_WAYS: u32 = 3;

/// A line to a server, until it is dropped.
#[derive(Debug)]
pub(super) struct Line {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    one_way: Duration,
    ending: AtomicBool,
    /// Round trips of the connections that are over.
    ended: Mutex<Vec<u64>>,
}

impl Line {
    /// A line to `server`.
    pub(super) fn to(server: SocketAddr, round_trip: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            one_way: round_trip / 2,
            ending: AtomicBool::new(false),
            ended: Mutex::default(),
        });
        let of_thread = Arc::clone(&shared);
        let accepting = thread::spawn(move || of_thread.accept(&listener));
        Ok(Self { address, shared, accepting: Some(accepting) })
    }

    /// Where its near end is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The round trips of each connection, all of which are over when it returns.
    pub(super) fn round_trips(mut self) -> Result<Vec<u64>> {
        self.end();
        let ended = self.shared.ended.lock().map_err(|_| anyhow!("the line broke"))?;
        Ok(ended.clone())
    }

    fn end(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        self.shared.ending.store(true, Ordering::Release);
        // So that the listener looks.
        let _looked = TcpStream::connect(self.address);
        let _ended = accepting.join();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        let mut connections = Vec::new();
        while let Ok((client, _)) = listener.accept() {
            if self.ending.load(Ordering::Acquire) {
                break;
            }
            let shared = Arc::clone(self);
            connections.push(thread::spawn(move || {
                // A server that is not there is missed by the client.
                if let Ok(round_trips) = shared.carry(&client)
                    && let Ok(mut ended) = shared.ended.lock()
                {
                    ended.push(round_trips);
                }
            }));
        }
        for connection in connections {
            let _ended = connection.join();
        }
    }

    /// Carries a connection to its end; returns its round trips.
    #[expect(clippy::disallowed_methods, reason = "a line takes its time")]
    fn carry(&self, client: &TcpStream) -> Result<u64> {
        client.set_nodelay(true)?;
        let (at_client, at_server) = (AtomicU64::new(0), AtomicU64::new(0));
        let (up, down) = (sync_channel(UNDER_WAY_MAX), sync_channel(UNDER_WAY_MAX));
        thread::scope(|scope| -> Result<()> {
            let ((up_in, up_out), (down_in, down_out)) = (up, down);
            let (at_client, at_server) = (&at_client, &at_server);
            scope.spawn(move || self.take(client, &up_in, at_client, Side::Client));
            // The server hears of the connection with the end of the handshake.
            thread::sleep(self.one_way * HANDSHAKE_WAYS);
            let connected = TcpStream::connect(self.server).and_then(|server| {
                server.set_nodelay(true)?;
                Ok(server)
            });
            let server = match connected {
                Ok(server) => server,
                Err(error) => {
                    // So that its reader looks.
                    client.shutdown(Shutdown::Both)?;
                    return Err(error.into());
                }
            };
            thread::scope(|scope| {
                let server = &server;
                scope.spawn(move || self.take(server, &down_in, at_server, Side::Server));
                scope.spawn(move || give(server, &up_out, at_server));
                give(client, &down_out, at_client);
            });
            Ok(())
        })?;
        Ok(1 + at_client.load(Ordering::Acquire))
    }

    /// Reads what one side says and sends it on its way, with the count of round trips that it has come after.
    #[expect(clippy::disallowed_methods, reason = "what is due when depends on when it came")]
    fn take(&self, mut from: &TcpStream, way: &SyncSender<Piece>, heard: &AtomicU64, side: Side) {
        let mut buffer = vec![0; PIECE_BYTES_MAX];
        loop {
            let length = from.read(&mut buffer).unwrap_or(0);
            let heard = heard.load(Ordering::Acquire);
            let (ways, round_trips) = match side {
                // It knew itself connected a round trip too early, since the near end of the line took the connection at once.
                Side::Client if heard == 0 => (HANDSHAKE_WAYS, 0),
                Side::Client => (1, heard),
                Side::Server => (1, heard + 1),
            };
            let due = Instant::now() + self.one_way * ways;
            let piece = Piece { due, round_trips, bytes: buffer[..length].to_vec() };
            if way.send(piece).is_err() || length == 0 {
                return;
            }
        }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug)]
enum Side {
    Client,
    Server,
}

/// What is under way; without bytes it is the end.
struct Piece {
    due: Instant,
    round_trips: u64,
    bytes: Vec<u8>,
}

/// Hands out what is due, and notes how many round trips the side has heard of.
#[expect(clippy::disallowed_methods, reason = "a line takes its time")]
fn give(mut to: &TcpStream, way: &Receiver<Piece>, heard: &AtomicU64) {
    let mut is_there = true;
    while let Ok(piece) = way.recv() {
        if piece.bytes.is_empty() {
            let _ended = to.shutdown(Shutdown::Write);
            return;
        }
        thread::sleep(piece.due.saturating_duration_since(Instant::now()));
        heard.fetch_max(piece.round_trips, Ordering::AcqRel);
        // What a side that has gone does not take is lost; the other side is heard to its end all the same.
        is_there = is_there && to.write_all(&piece.bytes).is_ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each byte with one.
    fn echo(greeting: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            socket.write_all(greeting).unwrap();
            let mut buffer = [0; 100];
            while let Ok(length @ 1..) = socket.read(&mut buffer) {
                socket.write_all(&buffer[..length]).unwrap();
            }
        });
        address
    }

    #[test]
    fn what_waits_for_an_answer_is_a_round_trip_and_what_does_not_is_none() {
        let line = Line::to(echo(b"hello"), Duration::from_millis(2)).unwrap();
        let mut client = TcpStream::connect(line.address()).unwrap();
        let mut buffer = [0; 100];
        assert_eq!(client.read(&mut buffer).unwrap(), 5);
        for asked in [&b"a"[..], b"bcd"] {
            client.write_all(asked).unwrap();
            client.read_exact(&mut buffer[..asked.len()]).unwrap();
        }
        drop(client);
        // The connection, the greeting, two questions.
        assert_eq!(line.round_trips().unwrap(), [4]);
    }

    #[test]
    fn who_speaks_first_is_answered_two_round_trips_after_it_asked_for_the_connection() {
        let first_answer = || {
            #[expect(clippy::disallowed_methods, reason = "the time is what is tested")]
            let begun = Instant::now();
            let line = Line::to(echo(b""), Duration::from_millis(100)).unwrap();
            let mut client = TcpStream::connect(line.address()).unwrap();
            client.write_all(b"a").unwrap();
            client.read_exact(&mut [0; 1]).unwrap();
            let elapsed = begun.elapsed();
            drop(client);
            // The connection and the answer.
            assert_eq!(line.round_trips().unwrap(), [2]);
            elapsed
        };
        let fastest = (0..3).map(|_| first_answer()).min().unwrap();
        assert!((200..240).contains(&fastest.as_millis()), "{fastest:?}");
    }

    #[test]
    fn without_a_server_the_connection_ends() {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let line = Line::to(nobody, Duration::from_millis(2)).unwrap();
        let mut client = TcpStream::connect(line.address()).unwrap();
        assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
        assert!(line.round_trips().unwrap().is_empty());
    }

    #[test]
    fn it_takes_as_long_as_it_is() {
        let begun = {
            #[expect(clippy::disallowed_methods, reason = "the time is what is tested")]
            Instant::now()
        };
        let line = Line::to(echo(b"hello"), Duration::from_millis(20)).unwrap();
        let mut client = TcpStream::connect(line.address()).unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        client.write_all(b"a").unwrap();
        client.read_exact(&mut [0; 1]).unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(60), "{:?}", begun.elapsed());
    }
}
