//! Over loopback: a stamp lies between the handing over of a reply and its reception, both read beside it.

use std::hash::RandomState;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::*;
use crate::reflector::{Options, Reflector};
use crate::stamp::tlv::{self, FollowUp, Kind};
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

    /// Reflects so many requests at once; tells for each reply but the last the time in it, when it left, and when it came.
    fn exchange(&mut self, requests: u32) -> Vec<(Timestamp, Timestamp, Option<Timestamp>)> {
        (0..requests).for_each(|n| assert!(self.client.send(&request(n)).is_ok()));
        self.batch.receive(&self.socket, MsgFlags::MSG_DONTWAIT).unwrap();
        self.reflect(None);
        let replies: Vec<_> = (0..requests).map(|_| reception(&self.client)).collect();
        let told = replies.windows(2).map(|pair| {
            let [(before, came), (after, _)] = pair else { panic!("pairs") };
            let (before, left) = (reply(before), told(after));
            assert_eq!(left.sequence, before.sequence);
            (before.sent.timestamp(Format::Ntp), left.sent.timestamp(Format::Ntp), *came)
        });
        told.collect()
    }

    /// Answers what came, to somebody else where that is wanted.
    fn reflect(&mut self, to: Option<SocketAddr>) {
        let local = self.socket.local_addr().unwrap();
        for received in &mut self.batch.received {
            received.source = to.unwrap_or(received.source);
        }
        let Self { socket, clock, reflector, batch, followed, .. } = self;
        batch.answer(reflector, clock, local, |reflector, received, answer, packet| {
            followed.reply(socket, clock, reflector, received, answer, packet);
        });
        followed.rest(socket);
    }
}

fn reply(packet: &[u8]) -> Reply {
    Reply::parse(Mode::Unauthenticated, packet).unwrap()
}

fn told(packet: &[u8]) -> FollowUp {
    let value = &packet[Mode::Unauthenticated.fixed_bytes() + tlv::HEADER_BYTES..];
    FollowUp::from_bytes(value.try_into().unwrap())
}

/// What was handed over after the time in it left after it, and came later.
fn check(exchanged: &[(Timestamp, Timestamp, Option<Timestamp>)]) {
    for (written, left, came) in exchanged {
        assert!(written < left && came.is_none_or(|came| *left <= came), "{written:?} {left:?} {came:?}");
    }
}

#[test]
fn each_reply_of_a_batch_tells_when_the_one_before_left() {
    for address in ANY {
        let mut world = World::new(address);
        for _ in 0..3 {
            let exchanged = world.exchange(6);
            assert_eq!(exchanged.len(), 5, "{address}");
            check(&exchanged);
        }
        assert!(world.followed.waiting.is_empty() && !world.followed.asking);
        assert_eq!(world.followed.next_number, 18, "the kernel stamped each");
    }
}

#[test]
fn a_reply_that_cannot_be_sent_does_not_confuse_the_stamps_of_others() {
    let mut world = World::new(ANY[0]);
    check(&world.exchange(3));
    world.client.send(&request(2)).unwrap();
    world.batch.receive(&world.socket, MsgFlags::MSG_DONTWAIT).unwrap();
    // No way leads there from loopback.
    world.reflect(Some(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9))));
    assert_eq!(world.followed.next_number, 0);
    let exchanged = world.exchange(4);
    assert_eq!(exchanged.len(), 3);
    check(&exchanged);
    assert!(world.followed.waiting.is_empty());
}

#[test]
fn of_replies_without_stamps_nothing_is_told_and_they_are_forgotten() {
    let mut world = World::new(ANY[0]);
    for _batch in 0..FOLLOWED_REPLIES_MAX / 32 + 2 {
        // The kernel is believed to stamp, and does not.
        world.followed.asking = true;
        (0..32).for_each(|n| assert!(world.client.send(&request(n)).is_ok()));
        world.batch.receive(&world.socket, MsgFlags::MSG_DONTWAIT).unwrap();
        world.reflect(None);
        for _reply in 0..32 {
            assert_eq!(told(&reception(&world.client).0), FollowUp::default());
            // Its own stamps would fill its queue.
            while next_stamp(&world.client).is_some() {}
        }
    }
    assert!(world.followed.waiting.len() <= FOLLOWED_REPLIES_MAX);
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
            match previous {
                None => assert_eq!(told(&packet), FollowUp::default()),
                Some((before, came)) => {
                    let told = told(&packet);
                    assert_eq!((told.sequence, told.method), (before.sequence, tlv::METHOD_SOFTWARE));
                    check(&[(before.sent.timestamp(Format::Ntp), told.sent.timestamp(Format::Ntp), came)]);
                }
            }
            previous = Some((reply(&packet), came));
        }
        remote.stop();
        assert_eq!(running.join().unwrap().unwrap().counts.answered, 20);
    }
}
