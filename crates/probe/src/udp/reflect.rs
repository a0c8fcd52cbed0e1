//! The reflector's driver: one thread for each address it listens on, up to a batch of datagrams for each system call.
//!
//! The order is receive, decide all, read the clock, seal all, send: so the times T3 are as late as they can be. A reflector
//! that spoils packets on purpose takes a longer way, one packet at a time ([`spoiled`]).

mod followed;
mod outgoing;
mod spoiled;

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmsg};

use super::clock::Clock;
use super::socket::{self, Around, control_space};
use crate::error::ProbeError;
use crate::fault::Faults;
use crate::limits::{BATCH_PACKETS_MAX, PACKET_BYTES_MAX};
use crate::reflector::{Answer, Arrival, Counts, FaultCounts, Faulty, Network, Options, Reflector};
use crate::stamp::Format;
use crate::time::{Moment, Timestamp};
use followed::Followed;
use outgoing::{Outgoing, Reply};

/// How often the kernel is asked how good its clock is, and an idle listener looks whether it is to stop.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// Whom nothing is sent to.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A socket with a reflector behind it.
#[derive(Debug)]
pub struct Listener {
    socket: UdpSocket,
    address: SocketAddr,
    machine: Machine,
    format: Format,
    stopping: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
    tallies: SyncSender<Tally>,
    told: Option<Receiver<Tally>>,
}

#[derive(Debug)]
enum Machine {
    Plain(Box<Reflector>),
    Spoiling(Box<Faulty>),
}

/// What became of the packets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Of those that reached the reflector.
    pub counts: Counts,
    /// What was done to packets on purpose, where anything was to be.
    pub faults: Option<FaultCounts>,
}

/// Asks a listener, and ends it, from another thread.
#[derive(Debug)]
pub struct Remote {
    socket: UdpSocket,
    wake: SocketAddr,
    stopping: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
    told: Option<Receiver<Tally>>,
}

impl Remote {
    /// The listener returns from [`Listener::run`] soon.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // An empty datagram wakes who waits; should it be lost, the listener looks around soon.
        let _woken = self.socket.send_to(&[], self.wake);
    }

    /// What became of the packets so far. Waits until the listener looks around; `None` when it has ended, or when there is
    /// an earlier remote.
    #[must_use]
    pub fn tally(&self) -> Option<Tally> {
        let told = self.told.as_ref()?;
        self.asked.store(true, Ordering::Release);
        told.recv().ok()
    }
}

impl Listener {
    /// Listens on this address; port 0 lets the system choose one.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind(address: SocketAddr, options: Options) -> Result<Self, ProbeError> {
        let socket = socket::listening(address)?;
        let failed = |action| move |source| ProbeError::Socket { action, address, source };
        let address = socket.local_addr().map_err(failed("ask for the port"))?;
        socket.set_read_timeout(Some(LOOK_AROUND)).map_err(failed("limit waiting"))?;
        let format = options.format;
        let reflector = Reflector::new(options, &std::hash::RandomState::new());
        let (tallies, told) = sync_channel(1);
        Ok(Self {
            socket,
            address,
            machine: Machine::Plain(Box::new(reflector)),
            format,
            stopping: Arc::default(),
            asked: Arc::default(),
            tallies,
            told: Some(told),
        })
    }

    /// Spoils packets on purpose: those from loopback, with a right HMAC, or from the networks that are `allowed`.
    #[must_use]
    pub fn spoiling(self, faults: Faults, allowed: Vec<Network>) -> Self {
        let machine = match self.machine {
            Machine::Plain(reflector) => {
                let hashing = std::hash::RandomState::new();
                Machine::Spoiling(Box::new(Faulty::new(*reflector, faults, allowed, &hashing)))
            }
            spoiling @ Machine::Spoiling(_) => spoiling,
        };
        Self { machine, ..self }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What asks and ends it. Only the first remote can ask.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn remote(&mut self) -> Result<Remote, ProbeError> {
        let address = self.address;
        let socket = self.socket.try_clone().map_err(|source| ProbeError::Socket {
            action: "duplicate a socket",
            address,
            source,
        })?;
        let mut wake = address;
        if wake.ip().is_unspecified() {
            wake.set_ip(if wake.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        let (stopping, asked) = (Arc::clone(&self.stopping), Arc::clone(&self.asked));
        Ok(Remote { socket, wake, stopping, asked, told: self.told.take() })
    }

    /// Answers until it is stopped, and tells what became of the packets.
    ///
    /// # Errors
    /// When the socket fails for good.
    pub fn run(self) -> Result<Tally, ProbeError> {
        let line = Line {
            socket: self.socket,
            address: self.address,
            format: self.format,
            stopping: self.stopping,
            asked: self.asked,
            tallies: self.tallies,
        };
        match self.machine {
            Machine::Plain(reflector) => line.reflect(*reflector),
            Machine::Spoiling(faulty) => line.spoil(*faulty),
        }
    }
}

/// A listener that runs, without its machine.
struct Line {
    socket: UdpSocket,
    address: SocketAddr,
    format: Format,
    stopping: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
    tallies: SyncSender<Tally>,
}

impl Line {
    fn reflect(&self, mut reflector: Reflector) -> Result<Tally, ProbeError> {
        let clock = Clock::new();
        let (mut batch, mut followed) = (Batch::new(), Followed::default());
        let mut outgoing = Outgoing::new(&self.socket);
        let mut asked_at: Option<Moment> = None;
        while !self.stopping.load(Ordering::Acquire) {
            self.tell(|| Tally { counts: reflector.counts().clone(), faults: None });
            let now = clock.now();
            if asked_at.is_none_or(|at| now >= at.plus(LOOK_AROUND)) {
                reflector.set_error(clock.state().estimate(self.format));
                asked_at = Some(now);
            }
            if !self.received(batch.receive(&self.socket, MsgFlags::MSG_WAITFORONE))? {
                continue;
            }
            if self.stopping.load(Ordering::Acquire) {
                break;
            }
            followed.take(&self.socket, &clock, &mut reflector);
            batch.answer(&mut reflector, &clock, self.address, |reflector, received, answer, packet| {
                followed.reply(&self.socket, &clock, reflector, received, answer, packet);
            });
            followed.rest(&self.socket);
            batch.send(&self.socket, &mut outgoing);
        }
        Ok(Tally { counts: reflector.counts().clone(), faults: None })
    }

    /// Whether a batch came, of errors only those that are for good.
    fn received(&self, result: nix::Result<()>) -> Result<bool, ProbeError> {
        match result {
            Ok(()) => Ok(true),
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => Ok(false),
            // What an earlier answer met on its way; the listener has nothing to do with it.
            Err(nix::Error::ECONNREFUSED | nix::Error::EHOSTUNREACH | nix::Error::ENETUNREACH) => Ok(false),
            Err(error) => {
                let (action, source) = ("receive", error.into());
                Err(ProbeError::Socket { action, address: self.address, source })
            }
        }
    }

    fn tell(&self, tally: impl FnOnce() -> Tally) {
        if self.asked.swap(false, Ordering::AcqRel) {
            // Nobody waits any more, or the last answer was not taken yet.
            let _told = self.tallies.try_send(tally());
        }
    }
}

/// What one system call received, and the answers to it.
struct Batch {
    headers: MultiHeaders<SockaddrStorage>,
    buffer: Vec<u8>,
    received: Vec<Received>,
}

struct Received {
    source: SocketAddr,
    length: usize,
    around: Around,
    answer: Option<Answer>,
}

impl Received {
    fn arrival(&self, port: u16, at: Moment, wall: Timestamp) -> Arrival {
        Arrival {
            source: self.source,
            destination: self.around.destination,
            port,
            received: self.around.stamp.unwrap_or(wall),
            at,
            ttl: self.around.ttl,
            traffic_class: self.around.traffic_class,
        }
    }

    /// Whether its answer needs nothing said about its way: then it goes out with the others in one call.
    fn is_plain(&self) -> bool {
        let default_class = self.answer.and_then(|answer| answer.dscp).is_none_or(|dscp| dscp == 0);
        default_class && self.around.destination.is_none()
    }
}

impl Batch {
    fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH_PACKETS_MAX, Some(control_space())),
            buffer: vec![0; BATCH_PACKETS_MAX * PACKET_BYTES_MAX],
            received: Vec::with_capacity(BATCH_PACKETS_MAX),
        }
    }

    /// Waits for a datagram and takes what came with it.
    fn receive(&mut self, socket: &UdpSocket, flags: MsgFlags) -> nix::Result<()> {
        self.received.clear();
        let mut complete = true;
        {
            let mut pieces = self.buffer.chunks_exact_mut(PACKET_BYTES_MAX);
            let mut slices: [[IoSliceMut<'_>; 1]; BATCH_PACKETS_MAX] =
                std::array::from_fn(|_| [IoSliceMut::new(pieces.next().unwrap_or_default())]);
            let messages = recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), flags, None)?;
            for message in messages {
                let around = message.cmsgs().map(socket::around).unwrap_or_default();
                complete &= around.stamp.is_some() && around.ttl.is_some();
                // From no address of the internet: the reflector is silent to it.
                let source = message.address.as_ref().and_then(socket::socket_address).unwrap_or(NOBODY);
                self.received.push(Received { source, length: message.bytes, around, answer: None });
            }
        }
        if !complete {
            // The room for control messages shrinks to what the last datagram in its place needed.
            self.headers = MultiHeaders::preallocate(BATCH_PACKETS_MAX, Some(control_space()));
        }
        Ok(())
    }

    /// Makes the answers, and has those followed up at once of which the next ones are to tell when they left.
    fn answer(
        &mut self,
        reflector: &mut Reflector,
        clock: &Clock,
        local: SocketAddr,
        mut follow_up: impl FnMut(&mut Reflector, &Received, Answer, &mut [u8]),
    ) {
        let (at, wall) = (clock.now(), clock.wall());
        for (received, buffer) in self.received.iter_mut().zip(self.buffer.chunks_exact_mut(PACKET_BYTES_MAX))
        {
            let arrival = received.arrival(local.port(), at, wall);
            match reflector.answer(&arrival, buffer, received.length).ok() {
                Some(answer) if Reflector::is_followed_up(&answer) => {
                    follow_up(reflector, received, answer, &mut buffer[..answer.length]);
                }
                answer => received.answer = answer,
            }
        }
        let now = clock.wall();
        for (received, buffer) in self.received.iter().zip(self.buffer.chunks_exact_mut(PACKET_BYTES_MAX)) {
            if let Some(answer) = &received.answer {
                reflector.seal(answer, &mut buffer[..answer.length], now);
            }
        }
    }

    /// Sends the answers. One that cannot be sent is as good as lost on its way.
    fn send(&self, socket: &UdpSocket, outgoing: &mut Outgoing) {
        let mut replies = Vec::with_capacity(BATCH_PACKETS_MAX);
        for (received, buffer) in self.received.iter().zip(self.buffer.chunks_exact(PACKET_BYTES_MAX)) {
            let Some(answer) = received.answer else { continue };
            let packet = &buffer[..answer.length];
            if received.is_plain() {
                replies.push(Reply { to: received.source, packet, asked: received.around.stamp });
            } else {
                let _as_good_as_lost =
                    send_one(socket, received.source, received.around.destination, answer.dscp, packet);
            }
        }
        outgoing.send(socket, &mut replies);
    }
}

/// Sends an answer from the address that was asked, and with the class of service that was asked for.
fn send_one(
    socket: &UdpSocket,
    to: SocketAddr,
    from: Option<IpAddr>,
    dscp: Option<u8>,
    packet: &[u8],
) -> nix::Result<()> {
    let class = dscp.map(|dscp| dscp << 2);
    let class_v6 = class.map(i32::from);
    let packet = [IoSlice::new(packet)];
    let address = SockaddrStorage::from(to);
    let send = |messages: &[ControlMessage<'_>]| {
        sendmsg(socket.as_raw_fd(), &packet, messages, MsgFlags::MSG_DONTWAIT, Some(&address)).map(drop)
    };
    let v6 = to.is_ipv6();
    let class = match (&class, &class_v6) {
        (_, Some(class)) if v6 => Some(ControlMessage::Ipv6TClass(class)),
        (Some(class), _) => Some(ControlMessage::Ipv4Tos(class)),
        (None, _) => None,
    };
    match from {
        Some(IpAddr::V4(from)) => {
            let info = nix::libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: nix::libc::in_addr { s_addr: u32::from_ne_bytes(from.octets()) },
                ipi_addr: nix::libc::in_addr { s_addr: 0 },
            };
            let messages = [Some(ControlMessage::Ipv4PacketInfo(&info)), class];
            send(&messages.into_iter().flatten().collect::<Vec<_>>())
        }
        Some(IpAddr::V6(from)) => {
            let info = nix::libc::in6_pktinfo {
                ipi6_addr: nix::libc::in6_addr { s6_addr: from.octets() },
                ipi6_ifindex: 0,
            };
            let messages = [Some(ControlMessage::Ipv6PacketInfo(&info)), class];
            send(&messages.into_iter().flatten().collect::<Vec<_>>())
        }
        None => send(&class.into_iter().collect::<Vec<_>>()),
    }
}
