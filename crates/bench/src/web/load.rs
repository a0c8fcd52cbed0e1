//! The load on web servers: many connections on one thread, every answer compared with the file on disk, byte for byte, and
//! counted. The same load drives every peer, so that what differs is the server.
//!
//! Closed loop: an answer lets the next request go. Open loop: requests are due at fixed times whatever the server does, and
//! latency counts from when a request was due (no coordinated omission). Absent: HTTP/2 (`h2load`), and a verdict.

mod connection;
mod reader;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;
use rustix::event::{Timespec, epoll};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

pub use reader::Expected;

use connection::Connection;
pub(crate) use connection::ask;

/// Longest wait for the server to say anything, in seconds.
const SILENCE_SECONDS_MAX: u64 = 20;
/// Longest latency that is told apart, in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

/// Where the server listens, and how to speak with it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its address.
    pub address: SocketAddr,
    /// Under TLS with this configuration, which believes its key; in the clear without.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// What is sent, how, and for how long.
#[derive(Clone, Debug)]
pub struct Load {
    /// To whom.
    pub target: Target,
    /// Connections at a time.
    pub connections: u16,
    /// Requests in flight on each.
    pub depth: u16,
    /// Whether a connection serves more than one request.
    pub lasting: Lasting,
    /// Every request.
    pub request: Vec<u8>,
    /// Every answer.
    pub expected: Expected,
    /// When requests go.
    pub pace: Pace,
}

/// How long connections last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lasting {
    /// As long as the load.
    Kept,
    /// For one request, which has to ask for that (`Connection: close`); the server closes.
    OneRequest,
}

/// When requests go.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    /// One on each connection.
    Once,
    /// As fast as answers make room, until this time is over.
    Closed(Duration),
    /// At fixed times, so many a second over all connections, one in flight on each, until this time is over.
    Open {
        /// Requests a second.
        per_second: u16,
        /// For how long.
        lasts: Duration,
    },
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Done {
    /// Requests answered as they had to be.
    pub requests: u64,
    /// From the first send to the last answer.
    pub elapsed: Duration,
    /// From due (open loop) or sent or connecting (closed loop) to answered, in microseconds.
    pub latency_us: Histogram<u64>,
}

/// A load whose connections are made; nothing has been asked yet.
#[derive(Debug)]
pub struct Ready {
    load: Load,
    connections: Vec<Connection>,
    poll: rustix::fd::OwnedFd,
}

impl Load {
    /// Makes the connections, unless each request is to make its own.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn connect(self) -> Result<Ready> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections: Vec<_> = (0..u64::from(self.connections)).map(Connection::new).collect();
        if self.lasting == Lasting::Kept {
            connections.iter_mut().try_for_each(|connection| connection.open(&self.target, &poll))?;
        }
        Ok(Ready { load: self, connections, poll })
    }

    /// Connects, runs and disconnects.
    ///
    /// # Errors
    /// As [`Load::connect`] and [`Ready::run`].
    pub fn run(self) -> Result<Done> {
        self.connect()?.run()
    }
}

impl Ready {
    /// Runs the load to its end: every request that was sent is answered when this returns.
    ///
    /// # Errors
    /// When the server falls silent, breaks a connection, or answers with anything but what is expected.
    #[expect(clippy::disallowed_methods, reason = "the driver of the load reads the clock")]
    pub fn run(&mut self) -> Result<Done> {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?;
        let mut done = Done { requests: 0, elapsed: Duration::ZERO, latency_us };
        // The kernel may otherwise be 50 microseconds late for every request that is due: prctl(2), PR_SET_TIMERSLACK.
        rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
        let begun = Instant::now();
        let mut schedule = Schedule { pace: self.load.pace, begun, due: 0 };
        self.start(begun)?;
        let (mut events, mut scratch) = (Vec::with_capacity(self.connections.len()), Vec::new());
        let mut last_answer = begun;
        loop {
            let now = Instant::now();
            while let Some(due) = schedule.next_until(now) {
                let number = usize::try_from(schedule.due)? % self.connections.len();
                self.connections[number].owe(due, &self.load)?;
                schedule.due += 1;
            }
            let is_over = schedule.is_over(now);
            if is_over && self.connections.iter().all(Connection::is_idle) {
                break;
            }
            ensure!(
                now.saturating_duration_since(last_answer) < Duration::from_secs(SILENCE_SECONDS_MAX),
                "the server has not answered for {SILENCE_SECONDS_MAX} s"
            );
            events.clear();
            let wait = schedule.wait(now);
            epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&wait))?;
            for event in &events {
                let connection = &mut self.connections[usize::try_from(event.data.u64())?];
                let answers = connection.turn(&self.load, &mut scratch, &mut done.latency_us)?;
                if answers > 0 {
                    done.requests += answers;
                    last_answer = Instant::now();
                }
                connection.go_on(&self.load, &self.poll, is_over)?;
            }
        }
        done.elapsed = last_answer.duration_since(begun);
        Ok(done)
    }

    /// The first requests of a load that is not told when each is due.
    fn start(&mut self, now: Instant) -> Result<()> {
        let depth = match self.load.pace {
            Pace::Once => 1,
            Pace::Closed(_) => self.load.depth,
            Pace::Open { .. } => return Ok(()),
        };
        for connection in &mut self.connections {
            if self.load.lasting == Lasting::OneRequest {
                connection.open(&self.load.target, &self.poll)?;
            }
            connection.send(depth, now, &self.load)?;
        }
        Ok(())
    }
}

/// A pace under way.
#[derive(Debug)]
struct Schedule {
    pace: Pace,
    begun: Instant,
    /// Requests of an open loop that were due so far.
    due: u32,
}

impl Schedule {
    /// When the next request of an open loop is due, unless that is later than `now`.
    fn next_until(&self, now: Instant) -> Option<Instant> {
        self.next_due().filter(|due| *due <= now)
    }

    fn next_due(&self) -> Option<Instant> {
        let Pace::Open { per_second, lasts } = self.pace else { return None };
        let after = Duration::from_secs_f64(f64::from(self.due) / f64::from(per_second));
        (after < lasts).then(|| self.begun + after)
    }

    /// No more requests may go.
    fn is_over(&self, now: Instant) -> bool {
        match self.pace {
            Pace::Once => true,
            Pace::Closed(lasts) => now.duration_since(self.begun) >= lasts,
            Pace::Open { .. } => self.next_due().is_none(),
        }
    }

    /// How long to wait for an answer at most.
    fn wait(&self, now: Instant) -> Timespec {
        let until = match self.pace {
            Pace::Closed(lasts) => Some(self.begun + lasts).filter(|end| *end > now),
            Pace::Once | Pace::Open { .. } => self.next_due(),
        };
        let longest = Duration::from_secs(SILENCE_SECONDS_MAX);
        let wait = until.map_or(longest, |until| until.saturating_duration_since(now).min(longest));
        Timespec { tv_sec: i64::try_from(wait.as_secs()).unwrap_or(1), tv_nsec: wait.subsec_nanos().into() }
    }
}

/// A request for a path; `fields` are whole lines.
#[must_use]
pub fn request(path: &str, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n{fields}\r\n").into_bytes()
}

impl Target {
    /// A socket to it, and what TLS needs on top.
    fn open(&self) -> Result<(std::net::TcpStream, Option<Box<rustls::ClientConnection>>)> {
        let tcp = std::net::TcpStream::connect(self.address).context("cannot connect")?;
        tcp.set_nodelay(true)?;
        let tls = match &self.tls {
            None => None,
            Some((config, name)) => {
                Some(Box::new(rustls::ClientConnection::new(Arc::clone(config), name.clone())?))
            }
        };
        Ok((tcp, tls))
    }
}

#[cfg(test)]
mod tests;
