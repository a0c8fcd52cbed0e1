//! One connection of a load: what it sent, when, and the answers.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use hdrhistogram::Histogram;
use rustix::event::epoll;
use rustix::fd::OwnedFd;

use super::reader::{Head, Reader};
use super::{Lasting, Load, Pace, Target};
use crate::load::Wire;

/// A connection, or the place of one that is to be made.
#[derive(Debug)]
pub(super) struct Connection {
    number: u64,
    wire: Option<Wire>,
    reader: Reader,
    /// When each request in flight was due, sent, or when its connection was begun.
    in_flight: VecDeque<Instant>,
    /// When requests were due that have not gone.
    owed: VecDeque<Instant>,
    sending: Vec<u8>,
}

impl Connection {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            wire: None,
            reader: Reader::default(),
            in_flight: VecDeque::new(),
            owed: VecDeque::new(),
            sending: Vec::new(),
        }
    }

    /// Connects; the handshake of TLS goes on with the first request.
    pub(super) fn open(&mut self, target: &Target, poll: &OwnedFd) -> Result<()> {
        let (tcp, tls) = target.open()?;
        tcp.set_nonblocking(true)?;
        // Level-triggered: a request and what a handshake sends always fit into the socket, and an end is told until seen.
        epoll::add(poll, &tcp, epoll::EventData::new_u64(self.number), epoll::EventFlags::IN)?;
        self.wire = Some(Wire::over(tcp, tls));
        Ok(())
    }

    /// Sends so many requests.
    pub(super) fn send(&mut self, requests: u16, since: Instant, load: &Load) -> Result<()> {
        for _ in 0..requests {
            self.sending.extend_from_slice(&load.request);
            self.in_flight.push_back(since);
        }
        let wire = self.wire.as_mut().context("a request needs a connection")?;
        Ok(wire.send(&mut self.sending)?)
    }

    /// Open loop: one request was due at `due`; it goes when the one before is answered.
    pub(super) fn owe(&mut self, due: Instant, load: &Load) -> Result<()> {
        self.owed.push_back(due);
        self.pay(load)
    }

    /// Nothing in flight and nothing owed.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.owed.is_empty()
    }

    /// Reads what came; returns the requests that it answers.
    #[expect(clippy::disallowed_methods, reason = "the driver of the load reads the clock")]
    pub(super) fn turn(
        &mut self,
        load: &Load,
        scratch: &mut Vec<u8>,
        latency_us: &mut Histogram<u64>,
    ) -> Result<u64> {
        // An event may be left over from the connection before this one.
        let Some(wire) = self.wire.as_mut() else { return Ok(0) };
        let (reader, mut answers) = (&mut self.reader, Ok(0));
        let received = wire.receive(scratch, |bytes| {
            if let Ok(so_far) = &mut answers {
                match reader.push(bytes, &load.expected) {
                    Ok(more) => *so_far += more,
                    Err(why) => answers = Err(why),
                }
            }
        });
        let answers: u64 = answers?;
        let now = Instant::now();
        for _ in 0..answers {
            let since = self.in_flight.pop_front().context("an answer to no request")?;
            latency_us.saturating_record(u64::try_from(now.saturating_duration_since(since).as_micros())?);
        }
        match received {
            // What a handshake still has to say.
            Ok(_) => wire.send(&mut self.sending)?,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => self.ended(load)?,
            Err(error) => return Err(error).context("a connection broke"),
        }
        Ok(answers)
    }

    /// Sends what the answers made room for, on a new connection where the last one was for one request.
    #[expect(clippy::disallowed_methods, reason = "the driver of the load reads the clock")]
    pub(super) fn go_on(&mut self, load: &Load, poll: &OwnedFd, is_over: bool) -> Result<()> {
        match load.pace {
            Pace::Once => Ok(()),
            Pace::Open { .. } => self.pay(load),
            Pace::Closed(_) if is_over => Ok(()),
            Pace::Closed(_) => match load.lasting {
                Lasting::Kept => {
                    let room = load.depth - u16::try_from(self.in_flight.len())?;
                    if room == 0 { Ok(()) } else { self.send(room, Instant::now(), load) }
                }
                Lasting::OneRequest if self.wire.is_none() => {
                    let begun = Instant::now();
                    self.open(&load.target, poll)?;
                    self.send(1, begun, load)
                }
                Lasting::OneRequest => Ok(()),
            },
        }
    }

    fn pay(&mut self, load: &Load) -> Result<()> {
        if !self.in_flight.is_empty() {
            return Ok(());
        }
        let Some(due) = self.owed.pop_front() else { return Ok(()) };
        self.send(1, due, load)
    }

    /// The server closed.
    fn ended(&mut self, load: &Load) -> Result<()> {
        ensure!(
            self.in_flight.is_empty() && self.reader.is_between(),
            "the server closed a connection before it had answered"
        );
        ensure!(load.lasting == Lasting::OneRequest, "the server closed a connection that was to be kept");
        self.wire = None;
        Ok(())
    }
}

/// Asks once, on a connection of its own; returns head and body. Blocks.
///
/// # Errors
/// When there is no whole answer.
pub(crate) fn ask(target: &Target, request: &[u8]) -> Result<(Head, Vec<u8>)> {
    let (tcp, tls) = target.open()?;
    tcp.set_read_timeout(Some(std::time::Duration::from_secs(super::SILENCE_SECONDS_MAX)))?;
    let mut wire = Wire::over(tcp, tls);
    let (mut sending, mut scratch, mut answer) = (request.to_vec(), Vec::new(), Vec::new());
    loop {
        wire.send(&mut sending)?;
        let received = wire.receive(&mut scratch, |bytes| answer.extend_from_slice(bytes));
        if let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = Head::parse(&answer[..end])?;
            let whole = end + 4 + head.body_bytes()?;
            if answer.len() >= whole {
                ensure!(answer.len() == whole, "more bytes than the answer has");
                return Ok((head, answer.split_off(end + 4)));
            }
        }
        if let Err(error) = received {
            bail!("no whole answer: {error}");
        }
    }
}
