//! The load on reflectors: one thread keeps so many datagrams on their way, up to 32 for each system call, whatever the
//! reflector. Every reply is matched with what was sent, and what never comes back is counted.
//!
//! Closed loop: a reply lets the next datagram go, so that a slow reflector is not flooded. Absent: a verdict.

mod dialect;

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};

pub(crate) use dialect::Dialect;
use dialect::Session;

/// Datagrams for each system call, at most.
const BATCH: usize = 32;
/// Sequences that are told apart; far more than are on their way.
const REMEMBERED: u32 = 1 << 16;
/// What did not come back within this time is lost.
const SILENCE: Duration = Duration::from_millis(200);
/// Longest wait for the first reply, in milliseconds.
const FIRST_MS_MAX: u64 = 50;
/// Room for a reply that is longer than it may be.
const REPLY_OCTETS_MAX: usize = 256;

/// What is sent where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) dialect: Dialect,
    /// Of a datagram.
    pub(crate) octets: u16,
    /// On their way at once.
    pub(crate) window: u16,
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Done {
    /// Datagrams that went out.
    pub(crate) sent: u64,
    /// Of these, those that came back, once each.
    pub(crate) answered: u64,
    /// Those that did not come back.
    pub(crate) lost: u64,
    /// Datagrams that answer nothing that was on its way.
    pub(crate) strange: u64,
    /// From the first datagram to the last reply.
    pub(crate) elapsed: Duration,
}

/// A load with its socket and its session.
#[derive(Debug)]
pub(crate) struct Ready {
    load: Load,
    socket: UdpSocket,
    session: Session,
    /// Which of the last sequences are on their way.
    open: Vec<bool>,
    on_their_way: u16,
    next: u32,
    buffer: Vec<u8>,
    sending: MultiHeaders<SockaddrIn>,
    receiving: MultiHeaders<SockaddrIn>,
    done: Done,
}

impl Load {
    /// Whether the reflector answers by now.
    pub(crate) fn is_answered(&self) -> bool {
        let first = Self { window: 1, ..*self };
        let wait = Duration::from_millis(FIRST_MS_MAX);
        first.connect(wait).and_then(|ready| ready.run(Duration::ZERO)).is_ok_and(|done| done.answered > 0)
    }

    /// A socket and a session; a reply is waited for so long.
    pub(crate) fn connect(self, wait: Duration) -> Result<Ready> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(self.address)?;
        socket.set_read_timeout(Some(wait))?;
        let session = self.dialect.open(&socket, self.octets)?;
        Ok(Ready {
            load: self,
            socket,
            session,
            open: vec![false; usize::try_from(REMEMBERED)?],
            on_their_way: 0,
            next: 0,
            buffer: vec![0; BATCH * REPLY_OCTETS_MAX],
            sending: MultiHeaders::preallocate(BATCH, None),
            receiving: MultiHeaders::preallocate(BATCH, None),
            done: Done::default(),
        })
    }

    /// Connects and runs for so long.
    pub(crate) fn run(self, lasts: Duration) -> Result<Done> {
        self.connect(SILENCE)?.run(lasts)
    }
}

impl Ready {
    /// Keeps the window full for so long, at least once, then waits for what is on its way.
    #[expect(clippy::disallowed_methods, reason = "a driver's clock: times are what is measured")]
    pub(crate) fn run(mut self, lasts: Duration) -> Result<Done> {
        let begun = Instant::now();
        loop {
            let sending = self.done.sent == 0 || begun.elapsed() < lasts;
            if sending {
                self.fill()?;
            } else if self.on_their_way == 0 {
                break;
            }
            let heard = self.hear()?;
            if heard {
                self.done.elapsed = begun.elapsed();
            }
        }
        self.session.close(&self.socket)?;
        Ok(self.done)
    }

    /// Sends until the window is full or the system takes no more.
    fn fill(&mut self) -> Result<()> {
        let octets = usize::from(self.load.octets);
        while self.on_their_way < self.load.window {
            let room = usize::from(self.load.window - self.on_their_way).min(BATCH);
            let mut sequence = self.next;
            for packet in self.buffer.chunks_exact_mut(octets).take(room) {
                self.session.write(sequence, packet);
                sequence = sequence.wrapping_add(1);
            }
            let slices: Vec<[IoSlice<'_>; 1]> =
                self.buffer.chunks_exact(octets).take(room).map(|packet| [IoSlice::new(packet)]).collect();
            let nowhere_else = vec![None; room];
            let (socket, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
            let sent = match sendmmsg(socket, &mut self.sending, &slices, nowhere_else, [], flags) {
                Ok(sent) => sent.count(),
                // Of an earlier datagram, before the reflector listened.
                Err(Errno::ECONNREFUSED) => bail!("nobody listens on {}", self.load.address),
                Err(error) => return Err(error).context("cannot send"),
            };
            for _ in 0..sent {
                self.open[place(self.next)] = true;
                self.next = self.next.wrapping_add(1);
            }
            self.on_their_way += u16::try_from(sent)?;
            self.done.sent += u64::try_from(sent)?;
        }
        Ok(())
    }

    /// Takes what has come; false when it was silent for so long that what is on its way is lost.
    fn hear(&mut self) -> Result<bool> {
        let mut lengths = [0; BATCH];
        let heard = self.receive(&mut lengths)?;
        if heard == 0 {
            self.done.lost += u64::from(self.on_their_way);
            self.on_their_way = 0;
            self.open.fill(false);
            return Ok(false);
        }
        for (packet, length) in self.buffer.chunks_exact(REPLY_OCTETS_MAX).zip(lengths).take(heard) {
            let sequence = packet.get(..length).and_then(|reply| self.session.answered(reply));
            match sequence.map(|sequence| &mut self.open[place(sequence)]) {
                Some(open) if *open => {
                    *open = false;
                    self.on_their_way -= 1;
                    self.done.answered += 1;
                }
                Some(_) | None => self.done.strange += 1,
            }
        }
        Ok(true)
    }

    /// Takes up to a batch; nothing when there was silence.
    fn receive(&mut self, lengths: &mut [usize; BATCH]) -> Result<usize> {
        let mut pieces = self.buffer.chunks_exact_mut(REPLY_OCTETS_MAX);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(pieces.next().unwrap_or_default())]);
        let (socket, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_WAITFORONE);
        match recvmmsg(socket, &mut self.receiving, slices.iter_mut(), flags, None) {
            Ok(messages) => {
                let mut heard = 0;
                for (message, length) in messages.zip(lengths.iter_mut()) {
                    *length = message.bytes;
                    heard += 1;
                }
                Ok(heard)
            }
            Err(Errno::EAGAIN) => Ok(0),
            Err(Errno::ECONNREFUSED) => bail!("nobody listens on {}", self.load.address),
            Err(error) => Err(error).context("cannot receive"),
        }
    }
}

fn place(sequence: u32) -> usize {
    usize::try_from(sequence % REMEMBERED).expect("an index of 16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo that keeps every tenth datagram and sends every seventh twice.
    fn careless_echo() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            for number in 1_u64.. {
                let (length, from) = socket.recv_from(&mut buffer).unwrap();
                let times = if number % 10 == 0 { 0 } else { 1 + u8::from(number % 7 == 0) };
                for _ in 0..times {
                    socket.send_to(&buffer[..length], from).unwrap();
                }
            }
        });
        address
    }

    #[test]
    fn what_does_not_come_back_is_counted_and_what_comes_twice_too() {
        let load = Load { address: careless_echo(), dialect: Dialect::Echo, octets: 64, window: 8 };
        let done = load.run(Duration::from_millis(300)).unwrap();
        assert_eq!(done.sent, done.answered + done.lost);
        assert!(done.lost >= done.sent / 10 && done.lost <= done.sent / 10 + 1, "{done:?}");
        assert!(done.strange >= 1, "{done:?}");
    }

    #[test]
    fn a_port_where_nobody_listens_is_not_ready() {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let load = Load { address: port, dialect: Dialect::Echo, octets: 64, window: 1 };
        assert!(!load.is_answered());
    }
}
