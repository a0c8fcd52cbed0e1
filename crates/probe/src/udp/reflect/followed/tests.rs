//! Over loopback: a stamp lies between the handing over of a reply and its reception, both read beside it.

use std::hash::RandomState;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use nix::sys::socket::SockaddrStorage;

use super::*;
use crate::limits::PACKET_BYTES_MAX;
use crate::reflector::{Options, Reflector};
use crate::stamp::tlv::{self, Kind};
use crate::stamp::{ErrorEstimate, Format, Mode, Reply, Request, WireTime};
use crate::udp::reflect::{Batch, Listener};
use crate::udp::socket::{Sending, connected, listening};

const ANY: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

/// A request that wants to know when the previous reply left.
fn request(sequence: u32) -> Vec<u8> {
    let error = ErrorEstimate::unknown(Format::Ntp);
    let request = Request { sequence, sent: WireTime::default(), error, session: 7 };
    let mut packet = vec![0; Mode::Unauthenticated.fixed_bytes()];
    assert!(request.write(Mode::Unauthenticated, &mut packet));
    tlv::push(&mut packet, Kind::FollowUpTelemetry, &[0; 16]);
    packet
}

/// A reply, and when the kernel had it.
fn reception(client: &UdpSocket) -> (Vec<u8>, Option<Timestamp>) {
    let (mut packet, mut control) = (vec![0; 128], control_space());
    let mut pieces = [IoSliceMut::new(&mut packet)];
    let message =
        recvmsg::<()>(client.as_raw_fd(), &mut pieces, Some(&mut control), MsgFlags::empty()).unwrap();
    let (length, stamp) = (message.bytes, around(message.cmsgs().unwrap()).stamp);
    packet.truncate(length);
    (packet, stamp)
}

/// A reflector's parts, one by one, and a sender.
struct World {
    socket: UdpSocket,
    client: UdpSocket,
    clock: Clock,
    reflector: Reflector,
    batch: Batch,
    followed: Followed,
}

impl World {
    fn new(address: &str) -> Self {
        let socket = listening(address.parse().unwrap()).unwrap();
        let (client, _) = connected(socket.local_addr().unwrap(), &Sending::default()).unwrap();
        let reflector = Reflector::new(Options::default(), &RandomState::new());
        let (clock, batch, followed) = (Clock::new(), Batch::new(), Followed::default());
        Self { socket, client, clock, reflector, batch, followed }
    }

    /// Reflects so many requests at once; tells when the replies were handed over, left, and came.
    fn exchange(&mut self, requests: u32) -> Vec<(Timestamp, Timestamp, Option<Timestamp>)> {
        (0..requests).for_each(|n| assert!(self.client.send(&request(n)).is_ok()));
        self.batch.receive(&self.socket, MsgFlags::MSG_DONTWAIT).unwrap();
        self.batch.answer(&mut self.reflector, &self.clock, 862);
        let before = self.clock.wall();
        let mut left = Vec::new();
        let replies = self.batch.received.iter().zip(self.batch.buffer.chunks_exact(PACKET_BYTES_MAX)).map(
            |(received, buffer)| {
                let answer = received.answer.unwrap();
                (received, answer, &buffer[..answer.length])
            },
        );
        self.followed.send(&self.socket, &self.clock, replies, |_, _| panic!("without a stamp"));
        self.followed.take(&self.socket, &self.clock, |_, at| left.push(at));
        left.into_iter().map(|left| (before, left, reception(&self.client).1)).collect()
    }
}

#[test]
fn the_kernel_stamps_each_reply_that_is_followed_up() {
    for address in ANY {
        let mut world = World::new(address);
        for _ in 0..3 {
            let exchanged = world.exchange(5);
            assert_eq!(exchanged.len(), 5, "{address}");
            assert!(exchanged.is_sorted_by_key(|(_, left, _)| *left), "{exchanged:?}");
            for (handed_over, left, came) in exchanged {
                assert!(handed_over <= left && came.is_none_or(|came| left <= came), "{left:?} {came:?}");
            }
        }
        assert!(world.followed.waiting.is_empty());
    }
}

#[test]
fn a_reply_that_cannot_be_sent_does_not_confuse_the_stamps_of_others() {
    let mut world = World::new(ANY[0]);
    assert_eq!(world.exchange(2).len(), 2);
    world.client.send(&request(2)).unwrap();
    world.batch.receive(&world.socket, MsgFlags::MSG_DONTWAIT).unwrap();
    world.batch.answer(&mut world.reflector, &world.clock, 862);
    let (answer, mut told) = (world.batch.received[0].answer.unwrap(), 0);
    // Nobody may send there unasked.
    let broadcast = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::BROADCAST, 9));
    world.batch.received[0].source = SockaddrStorage::from(broadcast);
    let reply = (&world.batch.received[0], answer, &world.batch.buffer[..answer.length]);
    world.followed.send(&world.socket, &world.clock, [reply].into_iter(), |_, _| told += 1);
    assert_eq!(told, 1, "it left when it was handed over, for all that is known");
    for (handed_over, left, came) in world.exchange(3) {
        assert!(handed_over <= left && came.is_none_or(|came| left <= came), "{left:?} {came:?}");
    }
    assert!(world.followed.waiting.is_empty());
}

#[test]
fn a_listener_tells_when_its_previous_reply_really_left() {
    for address in ANY {
        let mut listener = Listener::bind(address.parse().unwrap(), Options::default()).unwrap();
        let remote = listener.remote().unwrap();
        let (client, _) = connected(listener.address(), &Sending::default()).unwrap();
        let running = std::thread::spawn(|| listener.run());
        let mut previous: Option<(Reply, Option<Timestamp>)> = None;
        for sequence in 0..20 {
            client.send(&request(sequence)).unwrap();
            let (packet, came) = reception(&client);
            let reply = Reply::parse(Mode::Unauthenticated, &packet).unwrap();
            let fixed = Mode::Unauthenticated.fixed_bytes();
            let value = &packet[fixed + tlv::HEADER_BYTES..];
            let number = u32::from_be_bytes(value[..4].try_into().unwrap());
            let left = WireTime(u64::from_be_bytes(value[4..12].try_into().unwrap())).timestamp(Format::Ntp);
            match previous {
                None => assert_eq!(value, [0; 16]),
                Some((before, came)) => {
                    assert_eq!((number, value[12]), (before.sequence, tlv::METHOD_SOFTWARE));
                    let written = before.sent.timestamp(Format::Ntp);
                    assert!(written < left && came.is_none_or(|came| left <= came), "{written:?} {left:?}");
                }
            }
            previous = Some((reply, came));
        }
        remote.stop();
        assert_eq!(running.join().unwrap().unwrap().counts.answered, 20);
    }
}
