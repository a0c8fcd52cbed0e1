//! The way of a listener that spoils packets on purpose: one packet at a time through the machine, which may hold some of
//! them. Absent: what is spoiled; that is the machine's.

use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::MsgFlags;
use nix::sys::time::TimeSpec;

use super::{Batch, LOOK_AROUND, Line, Tally, send_one};
use crate::error::ProbeError;
use crate::limits::PACKET_BYTES_MAX;
use crate::reflector::{Departure, Faulty};
use crate::time::{Moment, nanos_of};
use crate::udp::clock::Clock;

impl Line {
    pub(super) fn spoil(&self, mut faulty: Faulty) -> Result<Tally, ProbeError> {
        let clock = Clock::new();
        let mut batch = Batch::new();
        let mut asked_at: Option<Moment> = None;
        while !self.stopping.load(Ordering::Acquire) {
            self.tell(|| tally(&faulty));
            let now = clock.now();
            if asked_at.is_none_or(|at| now >= at.plus(LOOK_AROUND)) {
                faulty.reflector_mut().set_error(clock.state().estimate(self.format));
                asked_at = Some(now);
            }
            self.wait(&faulty, &clock)?;
            if self.stopping.load(Ordering::Acquire) {
                break;
            }
            if self.received(batch.receive(&self.socket, MsgFlags::MSG_DONTWAIT))? {
                let (at, wall) = (clock.now(), clock.wall());
                for (received, buffer) in
                    batch.received.iter().zip(batch.buffer.chunks_exact(PACKET_BYTES_MAX))
                {
                    if let Some(packet) = buffer.get(..received.length) {
                        let arrival = received.arrival(self.address.port(), at, wall);
                        faulty.request(&arrival, packet, clock.wall());
                    }
                }
            }
            while let Some(departure) = faulty.poll(clock.now(), clock.wall()) {
                self.depart(&departure);
            }
        }
        Ok(tally(&faulty))
    }

    /// Until a packet comes, one that is held is due, or it is time to look around.
    fn wait(&self, faulty: &Faulty, clock: &Clock) -> Result<(), ProbeError> {
        let left = faulty.due().map(|due| due.nanos_since(clock.now()));
        let left = left.unwrap_or(u64::MAX).min(nanos_of(LOOK_AROUND));
        let limit = TimeSpec::from_duration(Duration::from_nanos(left));
        let mut waited = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut waited, Some(limit), None) {
            Ok(_) | Err(nix::Error::EINTR) => Ok(()),
            Err(error) => Err(ProbeError::System { action: "wait for packets", source: error.into() }),
        }
    }

    fn depart(&self, departure: &Departure) {
        for _copy in 0..departure.copies {
            let Departure { arrival, dscp, packet, .. } = departure;
            let _as_good_as_lost = send_one(&self.socket, arrival.source, arrival.destination, *dscp, packet);
        }
    }
}

fn tally(faulty: &Faulty) -> Tally {
    Tally { counts: faulty.reflector().counts().clone(), faults: Some(*faulty.counts()) }
}
