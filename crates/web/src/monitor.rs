//! Metrics and health, on a listener of their own: whoever may reach the site is not told how it does.
//!
//! `/metrics` is the text that Prometheus scrapes, `/health` says that the process answers, `/ready` that it takes
//! connections: 503 from the moment a shutdown begins. One thread answers one request after another and closes; a
//! peer holds it for a few seconds at most. *Absent:* TLS, passwords, anything that changes the server: listen on loopback,
//! or on a network that only the monitoring reaches.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::error::Error;
use crate::event_loop::{Clock, failure};
use crate::http1::{self, Method, Parsed};
use crate::limits;
use crate::metrics::Metrics;

/// The listener and its thread. Dropping it ends both.
#[derive(Debug)]
pub(crate) struct Monitor {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

/// The listener before its thread.
#[derive(Debug)]
pub(crate) struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Debug)]
struct State {
    is_draining: AtomicBool,
    end: OwnedFd,
}

impl Listening {
    /// Listens.
    ///
    /// # Errors
    /// When the address is in use, not permitted, or not one of this machine.
    pub(crate) fn at(address: SocketAddr) -> Result<Self, Error> {
        let failed = |error: io::Error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::INVAL);
            failure(address.to_string(), errno)
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Starts answering.
    ///
    /// # Errors
    /// When the system has no thread or descriptor left.
    pub(crate) fn answer(self, metrics: Metrics) -> Result<Monitor, Error> {
        let end = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::Resources { source: errno.into() })?;
        let state = Arc::new(State { is_draining: AtomicBool::new(false), end });
        let (listener, own) = (self.listener, Arc::clone(&state));
        let thread = std::thread::Builder::new()
            .name("web-monitor".to_owned())
            .spawn(move || answer_all(&listener, &own, &metrics))
            .map_err(|source| Error::Resources { source })?;
        Ok(Monitor { address: self.address, state, thread: Some(thread) })
    }
}

impl Monitor {
    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the server is not ready.
    pub(crate) fn drain(&self) {
        self.state.is_draining.store(true, Ordering::Relaxed);
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Nothing else writes to it, so it has room.
        let _woken = rustix::io::write(&self.state.end, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: limits::MONITOR_PAUSE_NS };

fn answer_all(listener: &TcpListener, state: &State, metrics: &Metrics) {
    loop {
        let mut sources = [PollFd::new(listener, PollFlags::IN), PollFd::new(&state.end, PollFlags::IN)];
        match poll(&mut sources, None) {
            Ok(_) if !sources[1].revents().is_empty() => return,
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        match listener.accept() {
            Ok((stream, _)) => {
                // A peer that is gone or too slow misses its answer, and nobody else does.
                let _answered = answer(stream, state, metrics);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // It may still be waiting, for a descriptor perhaps: the next look comes after a pause, or at the end.
            Err(_) => {
                let _paused = poll(&mut [PollFd::new(&state.end, PollFlags::IN)], Some(&PAUSE));
            }
        }
    }
}

fn answer(mut stream: TcpStream, state: &State, metrics: &Metrics) -> io::Result<()> {
    let patience = Some(Duration::from_millis(limits::MONITOR_STALL_MS_MAX));
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    let mut bytes = vec![0; limits::MONITOR_HEAD_BYTES_MAX];
    let mut filled = 0;
    let mut page = Page::BAD_REQUEST;
    for _ in 0..limits::MONITOR_READS_MAX {
        let read = stream.read(&mut bytes[filled..])?;
        filled += read;
        match http1::parse(&bytes[..filled]) {
            Ok(Parsed::Incomplete) if read > 0 => {}
            Ok(Parsed::Whole(head)) => {
                let path = head.resource.split(|byte| *byte == b'?').next().unwrap_or_default();
                page = Page::of(head.method, path, state, metrics);
                break;
            }
            Ok(Parsed::Incomplete) | Err(_) => break,
        }
    }
    stream.write_all(page.message().as_bytes())
}

struct Page {
    status: &'static str,
    media: &'static str,
    text: String,
    with_body: bool,
}

impl Page {
    const BAD_REQUEST: Self = Self::of_text("400 Bad Request", String::new());

    const fn of_text(status: &'static str, text: String) -> Self {
        Self { status, media: "text/plain; charset=utf-8", text, with_body: true }
    }

    fn of(method: Method, path: &[u8], state: &State, metrics: &Metrics) -> Self {
        let with_body = match method {
            Method::Get => true,
            Method::Head => false,
            Method::Options
            | Method::Post
            | Method::Put
            | Method::Delete
            | Method::Patch
            | Method::Trace
            | Method::Unknown => return Self::of_text("405 Method Not Allowed", "GET or HEAD\n".to_owned()),
        };
        let page = match path {
            b"/metrics" => Self {
                media: "text/plain; version=0.0.4; charset=utf-8",
                ..Self::of_text("200 OK", metrics.prometheus())
            },
            b"/health" => Self::of_text("200 OK", "ok\n".to_owned()),
            b"/ready" if state.is_draining.load(Ordering::Relaxed) => {
                Self::of_text("503 Service Unavailable", "draining\n".to_owned())
            }
            b"/ready" => Self::of_text("200 OK", "ready\n".to_owned()),
            _ => Self::of_text("404 Not Found", "/metrics, /health or /ready\n".to_owned()),
        };
        Self { with_body, ..page }
    }

    fn message(&self) -> String {
        let Self { status, media, text, .. } = self;
        let date: String = Clock::new().date().iter().copied().map(char::from).collect();
        let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
        let body = if self.with_body { text.as_str() } else { "" };
        format!(
            "HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\n{allow}Connection: close\r\n\r\n{body}",
            text.len()
        )
    }
}
