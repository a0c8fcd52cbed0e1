//! Over loopback: every peer has every reply that is its own, octet for octet and in order, whether the kernel cuts or not.

use std::time::Duration;

use super::*;

const NOON: Timestamp = Timestamp::from_nanos(1_800_000_000_000_000_000);

/// A reflector's socket, and peers.
struct World {
    socket: UdpSocket,
    peers: Vec<UdpSocket>,
    outgoing: Outgoing,
}

/// What is sent: to which peer, and how long. The octets tell the place in the whole.
type Sent = [(usize, usize)];

impl World {
    fn new(address: &str, peers: usize) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        let peer = |_| {
            let peer = UdpSocket::bind(address).unwrap();
            peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            peer
        };
        let outgoing = Outgoing::new(&socket);
        Self { peers: (0..peers).map(peer).collect(), outgoing, socket }
    }

    fn packets(sent: &Sent) -> Vec<Vec<u8>> {
        let packet = |(place, (_, length)): (usize, &(usize, usize))| {
            (0..*length).map(|octet| u8::try_from((place * 7 + octet) % 251).unwrap()).collect()
        };
        sent.iter().enumerate().map(packet).collect()
    }

    fn replies<'a>(&self, sent: &Sent, packets: &'a [Vec<u8>]) -> Vec<Reply<'a>> {
        let to = |peer: usize| self.peers[peer].local_addr().unwrap();
        let replies = sent.iter().zip(packets);
        replies.map(|((peer, _), packet)| Reply { to: to(*peer), packet, asked: Some(NOON) }).collect()
    }

    /// Every peer receives its own packets, and nothing else.
    fn check_received(&self, sent: &Sent, packets: &[Vec<u8>]) {
        let mut buffer = vec![0; 70_000];
        for (place, peer) in self.peers.iter().enumerate() {
            let own = sent.iter().zip(packets).filter(|((to, _), _)| *to == place);
            for (_, packet) in own {
                let length = peer.recv(&mut buffer).unwrap();
                assert!(buffer[..length] == *packet.as_slice(), "{length} octets, not {}", packet.len());
            }
            peer.set_nonblocking(true).unwrap();
            assert!(peer.recv(&mut buffer).is_err(), "peer {place} received more than its own");
            peer.set_nonblocking(false).unwrap();
        }
    }

    fn check(&mut self, sent: &Sent) {
        let packets = Self::packets(sent);
        let mut replies = self.replies(sent, &packets);
        self.outgoing.send(&self.socket, &mut replies);
        self.check_received(sent, &packets);
    }
}

/// Batches that are sent in different ways.
fn batches() -> Vec<Vec<(usize, usize)>> {
    let many = |length: usize| -> Vec<(usize, usize)> { vec![(0, length); BATCH_PACKETS_MAX] };
    vec![
        many(44),
        many(SEGMENT_BYTES_MAX),
        many(SEGMENT_BYTES_MAX + 1),
        // Peers in turn, each with its own length.
        (0..BATCH_PACKETS_MAX).map(|place| (place % 3, 44 + place % 3)).collect(),
        // Of two lengths to one peer: they keep their order.
        (0..BATCH_PACKETS_MAX).map(|place| (place % 2, if place % 5 == 0 { 100 } else { 64 })).collect(),
        // Enough for one peer to be a group, not for the others.
        (0..20).map(|place| (place % 4 * usize::from(place > 11), 64)).collect(),
        vec![(1, 64); GROUP_PACKETS_MIN - 1],
        vec![(2, 64); GROUP_PACKETS_MIN],
        vec![(0, 20_000)],
        vec![],
    ]
}

#[test]
fn every_peer_has_its_own_replies_octet_for_octet_and_in_order() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let mut world = World::new(address, 4);
        assert!(world.outgoing.cuts, "this kernel cuts messages");
        batches().iter().for_each(|sent| world.check(sent));
        assert!(world.outgoing.cuts, "nothing was refused");
    }
}

#[test]
fn without_cutting_the_same_replies_come() {
    let mut world = World::new("127.0.0.1:0", 4);
    world.outgoing.cuts = false;
    batches().iter().for_each(|sent| world.check(sent));
}

/// How many messages, with which segments, are handed over for these replies.
fn handed_over(sent: &Sent) -> Vec<(usize, Option<u16>)> {
    let world = World::new("127.0.0.1:0", 4);
    let packets = World::packets(sent);
    let mut handed_over = Vec::new();
    send(&mut world.replies(sent, &packets), &mut true, &mut |messages, segment| {
        handed_over.push((messages.len(), segment));
        Ok(messages.len())
    });
    handed_over
}

#[test]
fn a_burst_is_one_message_for_each_peer() {
    assert_eq!(handed_over(&[(0, 64); 64]), [(1, Some(64))]);
    // As many octets as one datagram may have, twice.
    assert_eq!(handed_over(&[(0, SEGMENT_BYTES_MAX); 64]), [(2, Some(1_232))]);
    assert_eq!(handed_over(&[(0, 64); 7]), [(7, None)]);
    let peers: Vec<(usize, usize)> = (0..64).map(|place| (place % 4, 64)).collect();
    assert_eq!(handed_over(&peers), [(4, Some(64))]);
    let lengths: Vec<(usize, usize)> = (0..64).map(|place| (place % 4, 64 + place % 4 / 2)).collect();
    assert_eq!(handed_over(&lengths), [(2, Some(64)), (2, Some(65))]);
    let of_two_lengths: Vec<(usize, usize)> = (0..64).map(|place| (0, 64 + place % 2)).collect();
    assert_eq!(handed_over(&of_two_lengths), [(64, None)]);
}

#[test]
fn what_was_asked_for_slowly_is_no_burst_even_when_it_was_waited_with() {
    let together = |gap: Option<u64>| {
        let world = World::new("127.0.0.1:0", 1);
        let sent = [(0, 64); 20];
        let packets = World::packets(&sent);
        let mut replies = world.replies(&sent, &packets);
        for (place, reply) in (0..).zip(&mut replies) {
            reply.asked = gap.map(|gap| Timestamp::from_nanos(NOON.nanos() + place * gap));
        }
        let mut all = Vec::new();
        send(&mut replies, &mut true, &mut |messages, _| {
            all.push(messages.len());
            Ok(messages.len())
        });
        all == [1]
    };
    assert!(together(Some(0)) && together(Some(2_000)) && together(Some(GROUP_GAP_NS_MAX)));
    assert!(!together(Some(100_000)), "ten thousand a second");
    assert!(!together(None), "nobody knows");
}

#[test]
fn what_cannot_be_cut_leaves_one_by_one_and_where_nothing_can_be_is_not_tried_again() {
    let refusals = [
        (nix::Error::EIO, false),
        (nix::Error::EOPNOTSUPP, false),
        // A smaller MTU on the way to one peer.
        (nix::Error::EINVAL, true),
        (nix::Error::EMSGSIZE, true),
        // Nothing against cutting: this once only.
        (nix::Error::EAGAIN, true),
    ];
    for (refusal, goes_on) in refusals {
        let mut world = World::new("127.0.0.1:0", 3);
        let sent: Vec<(usize, usize)> = (0..60).map(|place| (place % 3, 64)).collect();
        let packets = World::packets(&sent);
        let (mut cuts, mut tried) = (true, 0);
        let replies = world.replies(&sent, &packets);
        let plain = &mut world.outgoing;
        plain.cuts = false;
        send(&mut replies.clone(), &mut cuts, &mut |messages, segment| {
            if segment.is_some() {
                tried += 1;
                return Err(refusal);
            }
            let mut again: Vec<Reply<'_>> =
                messages.iter().flat_map(|message| message.replies).copied().collect();
            plain.send(&world.socket, &mut again);
            Ok(messages.len())
        });
        assert_eq!((cuts, tried), (goes_on, 3), "{refusal}");
        world.check_received(&sent, &packets);
        let mut counted = Vec::new();
        send(&mut replies.clone(), &mut cuts, &mut |messages, segment| {
            counted.push((messages.len(), segment));
            Ok(messages.len())
        });
        assert_eq!(counted, if goes_on { [(3, Some(64))] } else { [(60, None)] }, "{refusal}");
    }
}

#[test]
fn a_reply_that_cannot_be_sent_does_not_keep_back_the_others() {
    let mut world = World::new("127.0.0.1:0", 1);
    let sent = vec![(0, 64); 40];
    let packets = World::packets(&sent);
    let mut replies = world.replies(&sent, &packets);
    // Nobody may send there unasked: a message of a group, and single ones.
    let broadcast: SocketAddr = "255.255.255.255:9".parse().unwrap();
    let unsendable = |packet| Reply { to: broadcast, packet, asked: Some(NOON) };
    replies.extend(packets.iter().take(20).map(|packet| unsendable(packet.as_slice())));
    world.outgoing.send(&world.socket, &mut replies);
    world.check_received(&sent, &packets);
    assert!(world.outgoing.cuts);
}
