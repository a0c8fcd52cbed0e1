//! When replies really leave of which later ones are to tell it (RFC 8972 §4.7), by the kernel's stamps of what is sent.
//!
//! They go one by one, each known to have left before the next is made; all others take the short way, and no stamps are
//! asked for. A reply that gets no stamp in time, for not every device gives them, is forgotten: nothing is told of it, for
//! the time of handing it over is T3 itself. Absent: telling; that is the machine's.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::sockopt::Timestamping;
use nix::sys::socket::{MsgFlags, TimestampingFlag, recvmsg, setsockopt};

use super::send_one;
use super::{Clock, Received};
use crate::limits::{FOLLOWED_NS_MAX, FOLLOWED_REPLIES_MAX};
use crate::reflector::{Answer, Reflector};
use crate::time::Timestamp;
use crate::udp::socket::{ORIGIN_STAMP, around, control_space};

/// Replies whose stamps are waited for.
#[derive(Debug, Default)]
pub(super) struct Followed {
    waiting: VecDeque<Waiting>,
    /// The kernel's number of the next reply that it stamps.
    next_number: u32,
    /// Whether the kernel is asked for stamps now.
    asking: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    number: u32,
    answer: Answer,
    handed_over: Timestamp,
}

impl Followed {
    /// Seals and sends a reply, and takes its stamp when the kernel has it at once: the next one may be of the same session.
    pub(super) fn reply(
        &mut self,
        socket: &UdpSocket,
        clock: &Clock,
        reflector: &mut Reflector,
        received: &Received,
        answer: Answer,
        packet: &mut [u8],
    ) {
        if !self.asking {
            let stamping = numbered() | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE;
            self.asking = setsockopt(socket, Timestamping, &stamping).is_ok();
        }
        let handed_over = clock.wall();
        reflector.seal(&answer, packet, handed_over);
        let sent = send_one(socket, received.source, received.around.destination, answer.dscp, packet);
        if sent.is_err() {
            self.begin_anew(socket);
        } else if self.asking {
            self.waiting.push_back(Waiting { number: self.next_number, answer, handed_over });
            self.next_number = self.next_number.wrapping_add(1);
            self.take(socket, clock, reflector);
        }
    }

    /// All of them are sent: what follows is not stamped.
    pub(super) fn rest(&mut self, socket: &UdpSocket) {
        if std::mem::take(&mut self.asking) {
            let _stays_on = setsockopt(socket, Timestamping, &numbered());
        }
    }

    /// Takes the stamps that the kernel has by now, and forgets replies whose stamps were waited for long enough.
    pub(super) fn take(&mut self, socket: &UdpSocket, clock: &Clock, reflector: &mut Reflector) {
        if self.waiting.is_empty() {
            return;
        }
        while let Some((number, stamp)) = next_stamp(socket) {
            let Some(place) = self.waiting.iter().position(|waiting| waiting.number == number) else {
                continue;
            };
            if let Some(Waiting { answer, handed_over, .. }) = self.waiting.remove(place) {
                // One from before, or from long after, was taken by a clock that was set in between.
                if (0..FOLLOWED_NS_MAX).contains(&stamp.nanos_since(handed_over)) {
                    reflector.departed(&answer, stamp);
                }
            }
        }
        let now = clock.wall();
        while let Some(oldest) = self.waiting.front() {
            let in_time = (0..FOLLOWED_NS_MAX).contains(&now.nanos_since(oldest.handed_over));
            if in_time && self.waiting.len() <= FOLLOWED_REPLIES_MAX {
                return;
            }
            self.waiting.pop_front();
        }
    }

    /// Some systems count a reply that could not be sent and others do not: the kernel is made to count from zero again.
    fn begin_anew(&mut self, socket: &UdpSocket) {
        let _counts_anew = setsockopt(socket, Timestamping, &TimestampingFlag::empty());
        while next_stamp(socket).is_some() {}
        self.waiting.clear();
        (self.next_number, self.asking) = (0, false);
    }
}

/// With numbers, which the kernel counts from zero when they are first asked for, and without the replies themselves. That stamps
/// are told is asked for with those of what is received.
fn numbered() -> TimestampingFlag {
    TimestampingFlag::SOF_TIMESTAMPING_OPT_ID | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY
}

/// The number and the time of a reply that left.
fn next_stamp(socket: &UdpSocket) -> Option<(u32, Timestamp)> {
    let mut control = control_space();
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    loop {
        let mut nothing = [IoSliceMut::new(&mut [])];
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut nothing, Some(&mut control), flags).ok()?;
        let around = message.cmsgs().map(around).unwrap_or_default();
        let complaint = around.complaint.filter(|complaint| complaint.origin == ORIGIN_STAMP);
        if let (Some(complaint), Some(stamp)) = (complaint, around.stamp) {
            return Some((complaint.number, stamp));
        }
    }
}

#[cfg(test)]
mod tests;
