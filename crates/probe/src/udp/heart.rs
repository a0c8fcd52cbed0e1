//! The driver of a host's sender: one socket, asleep until the next beat is due or a signal comes. Absent: output.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::clock::Clock;
use super::socket::{self, Sending};
use crate::beat::limits::{FAREWELL_COPIES, FAREWELL_SPACING_MS};
use crate::beat::{Farewell, Key, PACKET_BYTES, Sender};
use crate::error::ProbeError;
use crate::time::Moment;

/// Sends the beats of one run.
#[derive(Debug)]
pub struct Heart {
    socket: UdpSocket,
    clock: Clock,
    sender: Sender,
}

/// What became of a datagram, as far as this machine knows.
#[derive(Debug)]
pub enum Sent {
    /// It left.
    Left,
    /// The system could not send it, or one before it met somebody who refused.
    Failed(io::Error),
}

/// Who beats, for whom, how often.
#[derive(Clone, Debug)]
pub struct Run {
    /// The monitor.
    pub monitor: SocketAddr,
    /// The host's number.
    pub host: u64,
    /// The host's key.
    pub key: Key,
    /// The run's number; the wall clock's nanoseconds where absent.
    pub epoch: Option<u64>,
    /// Milliseconds from beat to beat.
    pub interval_ms: u32,
}

impl Heart {
    /// Opens a socket to the monitor. The first beat is due at once.
    ///
    /// # Errors
    /// When a socket cannot be had, or there is no way to the monitor.
    pub fn open(run: &Run) -> Result<Self, ProbeError> {
        let clock = Clock::new();
        let (socket, _stamped) = socket::connected(run.monitor, &Sending::default())?;
        let epoch = run.epoch.unwrap_or_else(|| clock.wall().nanos());
        let sender = Sender::new(run.host, run.key.clone(), epoch, run.interval_ms, clock.now());
        Ok(Self { socket, clock, sender })
    }

    /// Waits for the next beat and sends it; `None` when `stop` can be read first.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub fn beat(&mut self, stop: &impl AsFd) -> Result<Option<Sent>, ProbeError> {
        loop {
            if let Some(packet) = self.sender.beat(self.clock.now(), self.clock.wall()) {
                return Ok(Some(self.send(&packet)));
            }
            if self.sleep(self.sender.due(), &[stop.as_fd()])? {
                return Ok(None);
            }
        }
    }

    /// Sends all copies of the last words.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub fn farewell(&mut self, farewell: Farewell) -> Result<Sent, ProbeError> {
        let mut best = Sent::Failed(io::ErrorKind::NotConnected.into());
        for copy in 0..FAREWELL_COPIES {
            if copy > 0 {
                let until = self.clock.now().plus(Duration::from_millis(FAREWELL_SPACING_MS));
                self.sleep(until, &[])?;
            }
            let packet = self.sender.farewell(farewell, self.clock.wall());
            let sent = self.send(&packet);
            if !matches!(best, Sent::Left) {
                best = sent;
            }
        }
        Ok(best)
    }

    /// A refusal that an earlier datagram met is told by the next call, which sends nothing; so it is made again.
    fn send(&self, packet: &[u8; PACKET_BYTES]) -> Sent {
        match self.socket.send(packet) {
            Ok(_) => Sent::Left,
            Err(refused) => {
                let _again = self.socket.send(packet);
                Sent::Failed(refused)
            }
        }
    }

    /// True when one of these can be read first.
    fn sleep(&self, until: Moment, stop: &[std::os::fd::BorrowedFd<'_>]) -> Result<bool, ProbeError> {
        loop {
            let left = until.nanos_since(self.clock.now());
            let mut waited: Vec<_> = stop.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
            match ppoll(&mut waited, Some(TimeSpec::from_duration(Duration::from_nanos(left))), None) {
                Ok(ready) => return Ok(ready > 0),
                Err(nix::Error::EINTR) => {}
                Err(error) => {
                    return Err(ProbeError::System {
                        action: "wait for the next beat",
                        source: error.into(),
                    });
                }
            }
        }
    }
}
