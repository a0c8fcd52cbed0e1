//! The network between clients and nodes: what is sent on a link arrives later, in pieces, or never.
//!
//! A *stream* keeps its order and loses nothing until it breaks; what is already under way may still arrive after the
//! sender has given the connection up: that is how a server meets late copies. A *lossy* link loses, doubles and
//! reorders whole frames.
//!
//! Absent: time. Who sends is told when each piece arrives, and delivers it then.

use std::collections::BTreeMap;

use switchboard_call::frame::{HEADER_BYTES, Kind, MAGIC};

use crate::chance::Chance;
use crate::plan::Weather;

/// Names a connection.
pub type LinkId = u64;

/// One of the two ends of a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum End {
    /// The client's.
    Client,
    /// The node's.
    Node,
}

/// What arrives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parcel {
    /// Bytes of the other end.
    Bytes(Vec<u8>),
    /// The other end sends nothing more.
    Finished,
    /// The connection is broken.
    Broken,
}

/// A connection.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Whose.
    pub client: usize,
    /// To which node.
    pub node: usize,
    lossy: bool,
    /// What is sent towards the node, towards the client, no longer arrives.
    severed: (bool, bool),
    /// Latest arrival towards the node, towards the client, in microseconds.
    last_us: (u64, u64),
}

/// All connections.
#[derive(Debug)]
pub struct Network {
    weather: Weather,
    chance: Chance,
    links: BTreeMap<LinkId, Link>,
    next: LinkId,
    /// Until when a client and a node do not reach each other, in microseconds.
    partitions: BTreeMap<(usize, usize), u64>,
    /// What it did: lost, doubled, delayed for long, cut.
    pub figures: NetworkFigures,
}

/// What the network did by itself.
#[derive(Clone, Copy, Default, Debug)]
pub struct NetworkFigures {
    /// Frames lost.
    pub lost: u64,
    /// Frames doubled.
    pub doubled: u64,
    /// Pieces that took very long.
    pub stuck: u64,
    /// Connections broken.
    pub cut: u64,
}

/// What becomes of something that was sent.
#[derive(Debug, Default)]
pub struct Sent {
    /// When what arrives where, in microseconds.
    pub arrivals: Vec<(u64, End, Parcel)>,
}

impl Network {
    /// A network without connections.
    #[must_use]
    pub fn new(weather: Weather, chance: Chance) -> Self {
        Self {
            weather,
            chance,
            links: BTreeMap::new(),
            next: 1,
            partitions: BTreeMap::new(),
            figures: NetworkFigures::default(),
        }
    }

    /// From now on nothing is lost, delayed or cut.
    pub fn heal(&mut self) {
        self.weather = Weather::CALM;
        self.partitions.clear();
    }

    /// A new connection.
    pub fn open(&mut self, client: usize, node: usize, lossy: bool) -> LinkId {
        let id = self.next;
        self.next += 1;
        let link = Link { client, node, lossy, severed: (false, false), last_us: (0, 0) };
        self.links.insert(id, link);
        id
    }

    /// Forgets a connection that both ends have left.
    pub fn forget(&mut self, id: LinkId) {
        self.links.remove(&id);
    }

    /// The connection, unless both ends have left it.
    #[must_use]
    pub fn link(&self, id: LinkId) -> Option<Link> {
        self.links.get(&id).copied()
    }

    /// The two do not reach each other until then, in microseconds.
    pub fn part(&mut self, client: usize, node: usize, until_us: u64) {
        let until = self.partitions.entry((client, node)).or_default();
        *until = until_us.max(*until);
    }

    /// Until when the ends of the link do not reach each other, in microseconds, if so.
    #[must_use]
    pub fn parted(&self, client: usize, node: usize, now_us: u64) -> Option<u64> {
        self.partitions.get(&(client, node)).copied().filter(|until| *until > now_us)
    }

    /// Whether what is on its way to this end still arrives.
    #[must_use]
    pub fn arrives(&self, id: LinkId, to: End) -> bool {
        self.links.get(&id).is_some_and(|link| match to {
            End::Node => !link.severed.0,
            End::Client => !link.severed.1,
        })
    }

    /// One way through the network, in microseconds.
    pub fn delay_us(&mut self) -> u64 {
        let (least, most) = self.weather.delay_ms;
        self.chance.between(least * 1000, most * 1000 + 50)
    }

    /// Sends bytes to the other end.
    pub fn send(&mut self, id: LinkId, to: End, bytes: Vec<u8>, now_us: u64) -> Sent {
        let mut sent = Sent::default();
        let Some(link) = self.links.get(&id).copied() else { return sent };
        if link.lossy {
            self.send_frames(id, to, &bytes, now_us, &mut sent);
        } else {
            self.send_stream(id, to, bytes, now_us, &mut sent);
        }
        if self.chance.happens(self.weather.cut) {
            self.cut(id, now_us, &mut sent);
        }
        sent
    }

    /// This end sends nothing more.
    pub fn finish(&mut self, id: LinkId, to: End, now_us: u64) -> Sent {
        let mut sent = Sent::default();
        let at_us = self.in_order(id, to, now_us);
        sent.arrivals.push((at_us, to, Parcel::Finished));
        sent
    }

    /// Breaks the connection: some of what is under way is lost, and each end hears of it sooner, later or never.
    pub fn cut(&mut self, id: LinkId, now_us: u64, sent: &mut Sent) {
        self.figures.cut += 1;
        let which = self.chance.below(3);
        let Some(link) = self.links.get_mut(&id) else { return };
        link.severed = (link.severed.0 || which != 1, link.severed.1 || which != 0);
        for end in [End::Client, End::Node] {
            if self.chance.happens(0.8) {
                let at_us = now_us + self.delay_us() + self.chance.below(3_000_000);
                sent.arrivals.push((at_us, end, Parcel::Broken));
            }
        }
    }

    fn send_stream(&mut self, id: LinkId, to: End, bytes: Vec<u8>, now_us: u64, sent: &mut Sent) {
        let mut rest = bytes;
        while self.weather.splits && rest.len() > 1 && self.chance.happens(0.5) {
            let tail = rest.split_off(1 + self.chance.index(rest.len() - 1));
            let at_us = self.in_order(id, to, now_us);
            sent.arrivals.push((at_us, to, Parcel::Bytes(rest)));
            rest = tail;
        }
        let at_us = self.in_order(id, to, now_us);
        sent.arrivals.push((at_us, to, Parcel::Bytes(rest)));
    }

    fn send_frames(&mut self, id: LinkId, to: End, bytes: &[u8], now_us: u64, sent: &mut Sent) {
        let lost = match to {
            End::Node => self.weather.lost.0,
            End::Client => self.weather.lost.1,
        };
        for frame in frames(bytes) {
            if !is_at_risk(frame) {
                let at_us = self.in_order(id, to, now_us);
                sent.arrivals.push((at_us, to, Parcel::Bytes(frame.to_vec())));
                continue;
            }
            if self.chance.happens(lost) {
                self.figures.lost += 1;
                continue;
            }
            let twice = self.chance.happens(self.weather.doubled);
            self.figures.doubled += u64::from(twice);
            for _ in 0..=u8::from(twice) {
                let at_us = now_us + self.travel_us();
                sent.arrivals.push((at_us, to, Parcel::Bytes(frame.to_vec())));
            }
        }
    }

    fn travel_us(&mut self) -> u64 {
        let stuck = self.chance.happens(self.weather.stuck);
        self.figures.stuck += u64::from(stuck);
        let more_us = if stuck { self.chance.below(self.weather.stuck_ms_max * 1000) } else { 0 };
        self.delay_us() + more_us
    }

    fn in_order(&mut self, id: LinkId, to: End, now_us: u64) -> u64 {
        let at_us = now_us + self.travel_us();
        let Some(link) = self.links.get_mut(&id) else { return at_us };
        let last_us = match to {
            End::Node => &mut link.last_us.0,
            End::Client => &mut link.last_us.1,
        };
        *last_us = at_us.max(*last_us);
        *last_us
    }
}

/// The frames in bytes that hold whole frames only.
fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = frame_bytes(bytes).unwrap_or(bytes.len()).min(bytes.len());
        let (frame, rest) = bytes.split_at(length);
        found.push(frame);
        bytes = rest;
    }
    found
}

/// Length of the first frame, header included.
fn frame_bytes(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    debug_assert_eq!(header[6..8], MAGIC, "machines send whole frames");
    let payload = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
    Some(HEADER_BYTES + usize::try_from(payload).ok()?)
}

fn is_at_risk(frame: &[u8]) -> bool {
    frame.get(4).copied().and_then(Kind::from_byte).is_some_and(Kind::carries_a_call)
}
