//! Figures for Prometheus over HTTP: `GET /metrics` gets one page of text (format 0.0.4), and the connection ends.
//!
//! A few threads answer, each one connection at a time; who comes while all are taken waits in the system's queue. A peer gets a
//! bounded time for its whole request, for the whole answer and for the end of the connection, however it drips them: it takes
//! a thread for no longer than these together. Absent: fairness to who waits behind many slow peers, TLS, passwords, a second
//! request on a connection, and what the figures are.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::exit::Exit;
use crate::failure::Failure;

/// Connections that are answered at a time.
const CONNECTIONS_MAX: usize = 4;
/// Octets of a request; the figures need no longer one.
const REQUEST_BYTES_MAX: usize = 8_192;
/// How long a request may take to come.
const REQUEST_MS_MAX: u64 = 2_000;
/// How long an answer may take to be taken.
const ANSWER_MS_MAX: u64 = 3_000;
/// How long a peer that has the whole answer may take to end the connection.
const END_MS_MAX: u64 = 300;
/// Until another connection is tried to be taken where the system has no room for one.
const SHORTAGE_MS: u64 = 100;

/// Answers at this address until the program ends, with what `page` says each time; without a page the answer says that there
/// is none. Returns where it listens, which port 0 leaves to the system.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) fn serve(
    address: SocketAddr,
    page: impl Fn() -> Option<String> + Send + Sync + 'static,
) -> Result<SocketAddr, Failure> {
    let failed = |error: std::io::Error| {
        let in_use = error.kind() == ErrorKind::AddrInUse;
        let exit = if in_use { Exit::Unavailable } else { Exit::CannotCreate };
        Failure::new(exit, format!("cannot listen for metrics on {address}"))
            .because(error)
            .advise("name another address with --metrics ADDR:PORT")
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let shared = Arc::new((listener, page));
    for _ in 0..CONNECTIONS_MAX {
        let shared = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || answer_all(&shared.0, &shared.1))
            .map_err(failed)?;
    }
    Ok(address)
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when the system has descriptors again")]
fn answer_all(listener: &TcpListener, page: &dyn Fn() -> Option<String>) {
    loop {
        match listener.accept() {
            // Who is gone or too slow goes without.
            Ok((peer, _)) => drop(answer(&peer, page)),
            Err(_) => std::thread::sleep(Duration::from_millis(SHORTAGE_MS)),
        }
    }
}

/// What is said to a request.
struct Answer {
    status: &'static str,
    /// Fields of the head beside those of every answer, each with its end of line.
    fields: &'static str,
    body: String,
}

fn answer(peer: &TcpStream, page: &dyn Fn() -> Option<String>) -> std::io::Result<()> {
    let Some(answer) = heard(peer)?.map(|request| answer_to(&request, page)) else { return Ok(()) };
    let Answer { status, fields, body } = answer;
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         {fields}Connection: close\r\n\r\n",
        body.len()
    );
    let deadline = Deadline::within(ANSWER_MS_MAX);
    for piece in [head.as_bytes(), body.as_bytes()] {
        write(peer, piece, &deadline)?;
    }
    end(peer)
}

fn write(mut peer: &TcpStream, mut piece: &[u8], deadline: &Deadline) -> std::io::Result<()> {
    while !piece.is_empty() {
        peer.set_write_timeout(Some(deadline.left()?))?;
        match peer.write(piece) {
            Ok(written) => piece = piece.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read(mut peer: &TcpStream, room: &mut [u8], deadline: &Deadline) -> std::io::Result<usize> {
    loop {
        peer.set_read_timeout(Some(deadline.left()?))?;
        match peer.read(room) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// The first line of a request, when all of its head has come; an empty one when that is too long.
fn heard(peer: &TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let deadline = Deadline::within(REQUEST_MS_MAX);
    let mut request = vec![0; REQUEST_BYTES_MAX];
    let mut filled = 0;
    while let Some(room) = request.get_mut(filled..).filter(|room| !room.is_empty()) {
        match read(peer, room, &deadline)? {
            0 => return Ok(None),
            read => filled += read,
        }
        let head = request.get(..filled).unwrap_or_default();
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            return Ok(head.split(|octet| *octet == b'\r').next().map(<[u8]>::to_vec));
        }
    }
    Ok(Some(Vec::new()))
}

fn answer_to(line: &[u8], page: &dyn Fn() -> Option<String>) -> Answer {
    let refusal = |status, words: &str| Answer { status, fields: "", body: format!("{words}\n") };
    let words: Vec<&[u8]> = line.split(|octet| *octet == b' ').collect();
    let [method, target, version] = words[..] else {
        return refusal("400 Bad Request", "this is no request of HTTP, or a longer one than is read here");
    };
    let path = target.split(|octet| *octet == b'?').next().unwrap_or_default();
    match (method, path) {
        _ if !version.starts_with(b"HTTP/1.") => refusal("400 Bad Request", "only HTTP/1 is spoken here"),
        (b"GET", b"/metrics") => match page() {
            Some(body) => Answer { status: "200 OK", fields: "", body },
            None => refusal("503 Service Unavailable", "there are no figures any more"),
        },
        (b"GET", _) => refusal("404 Not Found", "figures are at /metrics"),
        _ => Answer { fields: "Allow: GET\r\n", ..refusal("405 Method Not Allowed", "only GET is answered") },
    }
}

/// Waits until the peer has the answer and ends the connection as well: a connection that is closed with octets unread is
/// broken off, and the answer with it.
fn end(peer: &TcpStream) -> std::io::Result<()> {
    peer.shutdown(Shutdown::Write)?;
    let deadline = Deadline::within(END_MS_MAX);
    let mut rest = [0; 1_024];
    for _ in 0..REQUEST_BYTES_MAX / rest.len() {
        if read(peer, &mut rest, &deadline)? == 0 {
            break;
        }
    }
    Ok(())
}

/// When patience ends.
struct Deadline(Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "the clock of the connections here")]
    fn within(milliseconds: u64) -> Self {
        Self(Instant::now() + Duration::from_millis(milliseconds))
    }

    #[expect(clippy::disallowed_methods, reason = "the clock of the connections here")]
    fn left(&self) -> std::io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

#[cfg(test)]
mod tests;
