//! The monitor's driver: takes what the kernel received, with the kernel's stamps, and tells the machine how far it listened.
//!
//! Time is `CLOCK_BOOTTIME`, which goes on while the machine sleeps, so that a sleep shows. A wait never lasts longer than
//! [`WAIT_MS`], so that a longer gap means absence. When something arrives it waits [`GATHER_MS`] for more: stamps say when
//! each came, and one wake-up serves many. Absent: any decision about a host.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt,
};
use nix::time::{ClockId, clock_gettime};

use super::clock::Clock;
use super::socket::{self, control_space};
use crate::beat::{Arrival, PACKET_BYTES, Watch};
use crate::error::ProbeError;
use crate::limits::BATCH_PACKETS_MAX;
use crate::time::{Moment, Timestamp};

/// Longest wait.
const WAIT_MS: u16 = 250;
/// How long to wait for more when something came.
const GATHER_MS: u8 = 5;
/// System calls that one round makes before it looks at deadlines and signals.
const ROUND_BATCHES_MAX: usize = 64;
/// Room for datagrams in the kernel that is asked for; it gives at most `net.core.rmem_max`.
const RECEIVE_BYTES: usize = 16 * 1024 * 1024;
/// A datagram longer than a beat is none; one octet more shows that.
const ROOM: usize = PACKET_BYTES + 1;

/// A socket that hears beats.
pub struct Monitor {
    socket: UdpSocket,
    address: SocketAddr,
    clock: Clock,
    headers: MultiHeaders<SockaddrStorage>,
    buffer: Vec<u8>,
    /// The kernel's count of datagrams that it dropped.
    dropped: u32,
    listened_until: Moment,
}

/// How a round ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Round {
    /// It listened.
    Listened,
    /// It is time to stop.
    Stopped,
}

struct Taken {
    datagrams: usize,
    last: Moment,
}

impl Monitor {
    /// Listens on this address; port 0 lets the system choose one.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind(address: SocketAddr) -> Result<Self, ProbeError> {
        let socket = socket::listening(address)?;
        let failed = |action| move |source| ProbeError::Socket { action, address, source };
        let address = socket.local_addr().map_err(failed("ask for the port"))?;
        setsockopt(&socket, sockopt::RxqOvfl, &1)
            .map_err(|error| failed("ask for the number of dropped datagrams")(error.into()))?;
        // With less room, more is dropped when many come at once, and that is told.
        let _as_much_as_there_is = setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BYTES);
        Ok(Self {
            socket,
            address,
            clock: Clock::new(),
            headers: MultiHeaders::preallocate(BATCH_PACKETS_MAX, Some(room_around())),
            buffer: vec![0; BATCH_PACKETS_MAX * ROOM],
            dropped: 0,
            listened_until: Self::boot_time(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The clock that drives the machine.
    #[must_use]
    pub fn now(&self) -> Moment {
        Self::boot_time()
    }

    /// The wall clock at a moment of that clock.
    #[must_use]
    pub fn wall_at(&self, moment: Moment) -> Timestamp {
        let (now, wall) = (Self::boot_time(), self.clock.wall());
        let ago = now.nanos_since(moment);
        let ahead = moment.nanos_since(now);
        Timestamp::from_nanos(wall.nanos().saturating_sub(ago).saturating_add(ahead))
    }

    /// Waits until something comes, a deadline passes or a while is over; takes all there is; raises what is due.
    ///
    /// # Errors
    /// When the socket fails for good.
    pub fn round(&mut self, watch: &mut Watch, stop: &impl AsFd) -> Result<Round, ProbeError> {
        if self.wait(watch, stop)? {
            return Ok(Round::Stopped);
        }
        watch.awake(Self::boot_time());
        let (mut drained, mut last, overflows_before) = (None, self.listened_until, self.dropped);
        for _ in 0..ROUND_BATCHES_MAX {
            let before = Self::boot_time();
            let taken = self.take(watch)?;
            last = last.max(taken.last);
            if taken.datagrams < BATCH_PACKETS_MAX {
                drained = Some(before);
                break;
            }
        }
        let dropped = self.dropped.wrapping_sub(overflows_before);
        if dropped > 0 {
            watch.overflowed(Self::boot_time(), dropped.into());
        }
        self.listened_until = drained.unwrap_or(last);
        watch.listened(self.listened_until);
        Ok(Round::Listened)
    }

    /// True when it is time to stop.
    fn wait(&self, watch: &Watch, stop: &impl AsFd) -> Result<bool, ProbeError> {
        let now = Self::boot_time();
        let left_ms = watch.next_due().map_or(u64::MAX, |due| due.nanos_since(now) / 1_000_000 + 1);
        let wait_ms = u16::try_from(left_ms).unwrap_or(WAIT_MS).min(WAIT_MS);
        let mut waited = [
            PollFd::new(stop.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
        ];
        poll_calmly(&mut waited, PollTimeout::from(wait_ms))?;
        let [stopped, heard] = waited.each_ref().map(|fd| fd.any().unwrap_or(false));
        if stopped || !heard {
            return Ok(stopped);
        }
        poll_calmly(&mut waited[..1], PollTimeout::from(GATHER_MS))?;
        Ok(waited[0].any().unwrap_or(false))
    }

    /// One system call's worth of datagrams.
    fn take(&mut self, watch: &mut Watch) -> Result<Taken, ProbeError> {
        let mut taken = Taken { datagrams: 0, last: self.listened_until };
        let mut complete = true;
        {
            let mut pieces = self.buffer.chunks_exact_mut(ROOM);
            let mut slices: [[IoSliceMut<'_>; 1]; BATCH_PACKETS_MAX] =
                std::array::from_fn(|_| [IoSliceMut::new(pieces.next().unwrap_or_default())]);
            let flags = MsgFlags::MSG_DONTWAIT;
            let received =
                recvmmsg(self.socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), flags, None);
            let messages = match received {
                Ok(messages) => messages,
                Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(taken),
                Err(error) => {
                    return Err(ProbeError::Socket {
                        action: "receive",
                        address: self.address,
                        source: error.into(),
                    });
                }
            };
            let (now, wall) = (Self::boot_time(), self.clock.wall());
            for message in messages {
                taken.datagrams += 1;
                let around = message.cmsgs().map(socket::around).unwrap_or_default();
                complete &= around.stamp.is_some() && around.ttl.is_some();
                if let Some(count) = message.cmsgs().ok().and_then(drop_count) {
                    self.dropped = count;
                }
                let stamp = around.stamp.unwrap_or(wall);
                let at = moment_of(stamp, wall, now).clamp(self.listened_until, now);
                taken.last = taken.last.max(at);
                let source = message.address.as_ref().and_then(socket::socket_address);
                let (Some(source), Some(bytes)) = (source, message.iovs().next()) else { continue };
                watch.datagram(bytes, &Arrival { at, stamp, source });
            }
        }
        if !complete {
            // The room for control messages shrinks to what the last datagram in its place needed.
            self.headers = MultiHeaders::preallocate(BATCH_PACKETS_MAX, Some(room_around()));
        }
        Ok(taken)
    }

    fn boot_time() -> Moment {
        // The clock exists since Linux 2.6.39; without it there would be no kernel that this program runs on.
        let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("the clock exists");
        let nanos = std::time::Duration::from(time).as_nanos();
        Moment::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").field("address", &self.address).finish_non_exhaustive()
    }
}

/// When a stamp of the wall clock was, by the other clock. Only as good as both clocks ran alike since.
fn moment_of(stamp: Timestamp, wall: Timestamp, now: Moment) -> Moment {
    let ago = wall.nanos().saturating_sub(stamp.nanos());
    Moment::from_nanos(now.nanos().saturating_sub(ago))
}

fn room_around() -> Vec<u8> {
    let mut room = control_space();
    room.extend(nix::cmsg_space!(u32));
    room
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the kernel has more messages than were asked for")]
fn drop_count(mut messages: impl Iterator<Item = ControlMessageOwned>) -> Option<u32> {
    messages.find_map(|message| match message {
        ControlMessageOwned::RxqOvfl(count) => Some(count),
        _ => None,
    })
}

fn poll_calmly(waited: &mut [PollFd<'_>], limit: PollTimeout) -> Result<(), ProbeError> {
    match poll(waited, limit) {
        Ok(_) | Err(nix::Error::EINTR) => Ok(()),
        Err(error) => Err(ProbeError::System { action: "wait for beats", source: error.into() }),
    }
}
