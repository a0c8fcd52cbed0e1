//! Replies on their way out, in as few system calls and passes through the kernel as can be: many replies of one length to
//! one peer are handed over as a single message that the kernel, or the device, cuts into datagrams (`UDP_SEGMENT`, udp(7));
//! each datagram carries what was written for it alone. Where that is not possible, and where no rush of requests is to be
//! answered, they leave one by one, with the same octets.
//!
//! Replies to one peer leave in the order in which they are given. Absent: replies that need something said about their way.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;

use nix::sys::socket::sockopt::UdpGsoSegment;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, setsockopt};

use crate::limits::{
    BATCH_PACKETS_MAX, GROUP_BYTES_MAX, GROUP_GAP_NS_MAX, GROUP_PACKETS_MIN, SEGMENT_BYTES_MAX,
};
use crate::time::Timestamp;

/// A reply and where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply<'a> {
    pub(super) to: SocketAddr,
    pub(super) packet: &'a [u8],
    /// When its request came, by the kernel.
    pub(super) asked: Option<Timestamp>,
}

/// What sends them.
#[derive(Debug)]
pub(super) struct Outgoing {
    headers: MultiHeaders<SockaddrStorage>,
    segmented_headers: MultiHeaders<SockaddrStorage>,
    addresses: Vec<Option<SockaddrStorage>>,
    joined: Vec<u8>,
    /// Whether the kernel cuts messages, as far as is known.
    cuts: bool,
}

/// What is handed over at once: one reply, or several to one peer.
#[derive(Clone, Copy)]
struct Message<'a> {
    replies: &'a [Reply<'a>],
    /// The length of each of those that the kernel is to cut.
    segment: Option<u16>,
}

impl Outgoing {
    /// For this socket. A kernel that does not know how to cut messages would send one as a single long datagram: it is asked.
    pub(super) fn new(socket: &UdpSocket) -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH_PACKETS_MAX, None),
            segmented_headers: MultiHeaders::preallocate(BATCH_PACKETS_MAX, Some(nix::cmsg_space!(u16))),
            addresses: Vec::with_capacity(BATCH_PACKETS_MAX),
            joined: Vec::with_capacity(BATCH_PACKETS_MAX * SEGMENT_BYTES_MAX),
            cuts: setsockopt(socket, UdpGsoSegment, &0).is_ok(),
        }
    }

    /// Sends up to a batch of them, in groups where that is possible. One that cannot be sent is as good as lost on its way.
    pub(super) fn send(&mut self, socket: &UdpSocket, replies: &mut [Reply<'_>]) {
        let Self { headers, segmented_headers, addresses, joined, cuts } = self;
        let (socket, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        send(replies, cuts, &mut |messages, segment| {
            addresses.clear();
            let to = |message: &Message<'_>| message.replies.first().map(|reply| reply.to.into());
            addresses.extend(messages.iter().map(to));
            let Some(octets) = segment else {
                let all: Vec<_> = messages
                    .iter()
                    .flat_map(|message| message.replies)
                    .map(|reply| [IoSlice::new(reply.packet)])
                    .collect();
                return sendmmsg(socket, headers, &all, &*addresses, [], flags).map(Iterator::count);
            };
            let whole = join(messages, joined);
            let cut = [ControlMessage::UdpGsoSegments(&octets)];
            sendmmsg(socket, segmented_headers, &whole, &*addresses, cut, flags).map(Iterator::count)
        });
    }
}

/// Each message in one piece: copying a few octets takes less time than it takes the kernel to gather them.
fn join<'a>(messages: &[Message<'_>], joined: &'a mut Vec<u8>) -> Vec<[IoSlice<'a>; 1]> {
    joined.clear();
    messages
        .iter()
        .flat_map(|message| message.replies)
        .for_each(|reply| joined.extend_from_slice(reply.packet));
    let mut rest = joined.as_slice();
    let whole = messages.iter().map(|message| {
        let octets = message.replies.iter().map(|reply| reply.packet.len()).sum();
        let (whole, behind) = rest.split_at(octets);
        rest = behind;
        [IoSlice::new(whole)]
    });
    whole.collect()
}

/// Takes messages whose segments have the same length, and tells how many of them the system took.
type HandOver<'a> = &'a mut dyn FnMut(&[Message<'_>], Option<u16>) -> nix::Result<usize>;

fn send(replies: &mut [Reply<'_>], cuts: &mut bool, hand_over: HandOver<'_>) {
    // Stable: what goes to one peer keeps its order.
    replies.sort_by_key(|reply| reply.to);
    let mut messages = Vec::with_capacity(BATCH_PACKETS_MAX);
    for peer in replies.chunk_by(|one, next| one.to == next.to) {
        let segment = common_length(peer).filter(|_| *cuts);
        let together = segment.map_or(1, |octets| GROUP_BYTES_MAX / usize::from(octets));
        messages.extend(peer.chunks(together).map(|replies| Message { replies, segment }));
    }
    messages.sort_by_key(|message| message.segment);
    for alike in messages.chunk_by(|one, next| one.segment == next.segment) {
        hand_over_all(alike, cuts, hand_over);
    }
}

/// The length of all replies to a peer, when they are enough, short enough, and asked for in such a rush as to
/// be handed over as one message.
fn common_length(replies: &[Reply<'_>]) -> Option<u16> {
    let length = replies.first()?.packet.len();
    let alike = replies.iter().all(|reply| reply.packet.len() == length);
    let fits = (1..=SEGMENT_BYTES_MAX).contains(&length) && replies.len() >= GROUP_PACKETS_MIN;
    u16::try_from(length).ok().filter(|_| alike && fits && is_burst(replies))
}

fn is_burst(replies: &[Reply<'_>]) -> bool {
    let asked = |reply: Option<&Reply<'_>>| reply.and_then(|reply| reply.asked);
    let Some((first, last)) = asked(replies.first()).zip(asked(replies.last())) else { return false };
    let gaps = u64::try_from(replies.len()).unwrap_or(u64::MAX);
    u64::try_from(last.nanos_since(first)).is_ok_and(|lasted| lasted / gaps <= GROUP_GAP_NS_MAX)
}

fn hand_over_all(messages: &[Message<'_>], cuts: &mut bool, hand_over: HandOver<'_>) {
    let mut left = messages;
    while let Some((first, behind)) = left.split_first() {
        match hand_over(left, first.segment) {
            Ok(sent) => left = left.get(sent.max(1)..).unwrap_or_default(),
            // An error belongs to the first of those left.
            Err(error) => {
                if first.segment.is_some() {
                    *cuts &= !forbids_cutting(error);
                    let single = |replies| Message { replies, segment: None };
                    let all: Vec<_> = first.replies.chunks(1).map(single).collect();
                    hand_over_all(&all, cuts, hand_over);
                }
                left = behind;
            }
        }
    }
}

/// Whether an error says that messages cannot be cut at all, for want of checksums by the device: it is not tried again. A
/// smaller MTU on the way to one peer (`EINVAL`, `EMSGSIZE`), which anybody can pretend, says nothing about the others.
fn forbids_cutting(error: nix::Error) -> bool {
    matches!(error, nix::Error::EIO | nix::Error::EOPNOTSUPP)
}

#[cfg(test)]
mod tests;
