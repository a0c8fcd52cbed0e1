//! A reflector behind a line that spoils packets on purpose, on both ways, and counts what it did: the truth that a sender's
//! own counts can be held against. A probe suffers one fault at most, there or back. Delayed and overtaken requests reach the
//! reflector late, replies are sealed first and then held, so that one-way delay shows on which way the time was spent.
//!
//! Only packets from loopback, from networks named for it, and with a right HMAC suffer anything. What is held is bounded;
//! beyond the bound packets pass untouched. Absent: sockets and clocks, and telling when the previous reply left.

use std::collections::{BTreeMap, VecDeque};
use std::hash::RandomState;
use std::net::SocketAddr;

use super::network::Network;
use super::table::Table;
use super::{Answer, Arrival, Protocol, Reflector};
use crate::fault::{Fates, Faults, Kind, Way};
use crate::limits::{
    FAULT_SESSIONS_MAX, HELD_BYTES_MAX, HELD_PACKETS_MAX, REORDER_HOLD_MS_MAX, SESSION_IDLE_S,
};
use crate::stamp::{Mode, packet};
use crate::time::{Moment, Timestamp, nanos_of};

/// What was done to packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultCounts {
    counts: [[u64; Kind::ALL.len()]; Way::ALL.len()],
}

impl FaultCounts {
    /// Packets on this way that suffered this. Reordered are those that left after one that had come later.
    #[must_use]
    pub fn of(&self, way: Way, kind: Kind) -> u64 {
        self.counts[way.index()][kind.index()]
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().flatten().zip(other.counts.iter().flatten()) {
            *mine += theirs;
        }
    }

    fn count(&mut self, way: Way, kind: Kind) {
        self.counts[way.index()][kind.index()] += 1;
    }
}

/// A reply that leaves now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Departure {
    /// Its octets.
    pub packet: Vec<u8>,
    /// How often it is sent.
    pub copies: u8,
    /// How its request came.
    pub arrival: Arrival,
    /// With which DSCP the sender wants it.
    pub dscp: Option<u8>,
}

/// The machine. Order of calls: [`Faulty::request`] for each packet, then [`Faulty::poll`] until it has nothing.
#[derive(Debug)]
pub struct Faulty {
    reflector: Reflector,
    faults: Faults,
    allowed: Vec<Network>,
    sessions: Table<(SocketAddr, u16), Session>,
    /// By when they are due, and the order in which they were held.
    held: BTreeMap<(Moment, u64), Held>,
    held_bytes: usize,
    holds: u64,
    departing: VecDeque<Departure>,
    counts: FaultCounts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Session {
    fates: Fates,
    /// Packets so far, and one more than the highest of those whose reply left whole.
    arrived: u64,
    departed_up_to: u64,
    /// The packet on each way that waits to be overtaken.
    reordering: [Option<(Moment, u64)>; Way::ALL.len()],
}

/// Which packet it is, and what it suffered.
#[derive(Clone, Copy, Debug)]
struct Tag {
    key: (SocketAddr, u16),
    index: u64,
    suffered: Option<(Way, Kind)>,
}

#[derive(Debug)]
enum Held {
    Request { tag: Tag, arrival: Arrival, packet: Vec<u8> },
    Reply { tag: Tag, departure: Departure },
}

impl Faulty {
    /// Puts a line before a reflector. `allowed` may be subject to it beside loopback and the authenticated.
    #[must_use]
    pub fn new(reflector: Reflector, faults: Faults, allowed: Vec<Network>, hashing: &RandomState) -> Self {
        let idle_ns = SESSION_IDLE_S * 1_000_000_000;
        Self {
            reflector,
            faults,
            allowed,
            sessions: Table::new(FAULT_SESSIONS_MAX, idle_ns, hashing.clone()),
            held: BTreeMap::new(),
            held_bytes: 0,
            holds: 0,
            departing: VecDeque::new(),
            counts: FaultCounts::default(),
        }
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> &FaultCounts {
        &self.counts
    }

    /// The reflector behind the line.
    #[must_use]
    pub fn reflector(&self) -> &Reflector {
        &self.reflector
    }

    /// The same, to be told about its clock.
    pub fn reflector_mut(&mut self) -> &mut Reflector {
        &mut self.reflector
    }

    /// Takes a packet; `wall` is the time that replies are sealed with.
    pub fn request(&mut self, arrival: &Arrival, packet: &[u8], wall: Timestamp) {
        let (session, authentic) = self.reflector.identify(packet);
        let key = (arrival.source, session);
        if !authentic && !self.may_suffer(arrival) {
            if let Some((departure, _)) = self.reflect(arrival, packet, wall) {
                self.departing.push_back(departure);
            }
            return;
        }
        let known = self.sessions.entry(key, arrival.at);
        let mut tag = Tag { key, index: known.arrived, suffered: None };
        known.arrived += 1;
        let fate = self.faults.next(Way::Up, &mut known.fates);
        tag.suffered = fate.map(|kind| (Way::Up, kind));
        match fate {
            None => self.pass(tag, arrival, packet, wall),
            Some(Kind::Drop) => self.counts.count(Way::Up, Kind::Drop),
            Some(Kind::Corrupt) => {
                self.counts.count(Way::Up, Kind::Corrupt);
                let mut spoiled = packet.to_vec();
                corrupt(&mut spoiled, sent_at(&self.reflector, authentic, Way::Up));
                self.pass(tag, arrival, &spoiled, wall);
            }
            Some(Kind::Duplicate) => {
                self.counts.count(Way::Up, Kind::Duplicate);
                self.pass(tag, arrival, packet, wall);
                self.pass(tag, arrival, packet, wall);
            }
            Some(kind @ (Kind::Reorder | Kind::Delay)) => {
                let request = |tag| Held::Request { tag, arrival: *arrival, packet: packet.to_vec() };
                if !self.hold(tag, Way::Up, kind, arrival.at, request) {
                    self.pass(Tag { suffered: None, ..tag }, arrival, packet, wall);
                }
            }
        }
    }

    /// The next reply that leaves by now.
    pub fn poll(&mut self, now: Moment, wall: Timestamp) -> Option<Departure> {
        while self.departing.is_empty() {
            let due = self.held.first_entry().filter(|held| held.key().0 <= now)?;
            let (at, held) = due.remove_entry();
            self.release(at, held, now, wall);
        }
        self.departing.pop_front()
    }

    /// When something that is held is due.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        self.held.first_key_value().map(|((due, _), _)| *due)
    }

    fn may_suffer(&self, arrival: &Arrival) -> bool {
        let address = arrival.source.ip().to_canonical();
        address.is_loopback() || self.allowed.iter().any(|network| network.contains(address))
    }

    /// Through the reflector, and on the way back.
    fn pass(&mut self, tag: Tag, arrival: &Arrival, packet: &[u8], wall: Timestamp) {
        let Some((mut departure, mode)) = self.reflect(arrival, packet, wall) else { return };
        let session = self.sessions.entry(tag.key, arrival.at);
        let fate =
            if tag.suffered.is_some() { None } else { self.faults.next(Way::Down, &mut session.fates) };
        let suffering = Tag { suffered: tag.suffered.or(fate.map(|kind| (Way::Down, kind))), ..tag };
        match fate {
            None => self.depart(tag, departure, wall),
            Some(Kind::Drop) => self.counts.count(Way::Down, Kind::Drop),
            Some(Kind::Corrupt) => {
                self.counts.count(Way::Down, Kind::Corrupt);
                let authentic = mode == Some(Mode::Authenticated);
                corrupt(&mut departure.packet, sent_at(&self.reflector, authentic, Way::Down));
                self.depart(suffering, departure, wall);
            }
            Some(Kind::Duplicate) => {
                self.counts.count(Way::Down, Kind::Duplicate);
                departure.copies = 2;
                self.depart(suffering, departure, wall);
            }
            Some(kind @ (Kind::Reorder | Kind::Delay)) => {
                let reply = |tag| Held::Reply { tag, departure: departure.clone() };
                if !self.hold(suffering, Way::Down, kind, arrival.at, reply) {
                    self.depart(tag, departure, wall);
                }
            }
        }
    }

    fn reflect(
        &mut self,
        arrival: &Arrival,
        packet: &[u8],
        wall: Timestamp,
    ) -> Option<(Departure, Option<Mode>)> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len().max(packet::AUTHENTICATED_BYTES), 0);
        let answer: Answer = self.reflector.answer(arrival, &mut buffer, packet.len()).ok()?;
        buffer.truncate(answer.length);
        self.reflector.seal(&answer, &mut buffer, wall);
        let departure = Departure { packet: buffer, copies: 1, arrival: *arrival, dscp: answer.dscp };
        Some((departure, answer.mode()))
    }

    /// Leaves; what was to be overtaken by it follows.
    fn depart(&mut self, tag: Tag, departure: Departure, wall: Timestamp) {
        let at = departure.arrival.at;
        let session = self.sessions.entry(tag.key, at);
        let whole = !matches!(tag.suffered, Some((_, Kind::Corrupt)));
        if whole && tag.index + 1 < session.departed_up_to {
            let way = tag.suffered.map_or(Way::Up, |(way, _)| way);
            self.counts.count(way, Kind::Reorder);
        }
        if whole {
            session.departed_up_to = session.departed_up_to.max(tag.index + 1);
        }
        self.departing.push_back(departure);
        if !whole {
            return;
        }
        for way in Way::ALL {
            let waiting = self.sessions.entry(tag.key, at).reordering[way.index()];
            let Some(waiting) = waiting else { continue };
            if self.held.get(&waiting).is_some_and(|held| held.index() < tag.index)
                && let Some(held) = self.held.remove(&waiting)
            {
                self.release(waiting, held, at, wall);
            }
        }
    }

    /// Holds a packet; false when there is no room, or when one already waits to be overtaken.
    fn hold(&mut self, tag: Tag, way: Way, kind: Kind, now: Moment, held: impl FnOnce(Tag) -> Held) -> bool {
        let session = self.sessions.entry(tag.key, now);
        let reordering = &mut session.reordering[way.index()];
        let full = self.held.len() >= HELD_PACKETS_MAX || self.held_bytes >= HELD_BYTES_MAX;
        if full || (kind == Kind::Reorder && reordering.is_some()) {
            return false;
        }
        let for_ns = match kind {
            Kind::Reorder => REORDER_HOLD_MS_MAX * 1_000_000,
            Kind::Delay | Kind::Drop | Kind::Corrupt | Kind::Duplicate => nanos_of(self.faults.delay(way)),
        };
        let place = (now.plus_nanos(for_ns), self.holds);
        self.holds += 1;
        if kind == Kind::Reorder {
            *reordering = Some(place);
        } else {
            self.counts.count(way, Kind::Delay);
        }
        let held = held(tag);
        self.held_bytes += held.bytes();
        self.held.insert(place, held);
        true
    }

    /// Lets go of a packet that is no longer among the held.
    fn release(&mut self, place: (Moment, u64), held: Held, now: Moment, wall: Timestamp) {
        self.held_bytes = self.held_bytes.saturating_sub(held.bytes());
        let (Held::Request { tag, .. } | Held::Reply { tag, .. }) = &held;
        for waiting in &mut self.sessions.entry(tag.key, now).reordering {
            if *waiting == Some(place) {
                *waiting = None;
            }
        }
        match held {
            Held::Request { tag, arrival, packet } => {
                self.pass(tag, &Arrival { received: wall, at: now, ..arrival }, &packet, wall);
            }
            Held::Reply { tag, mut departure } => {
                departure.arrival.at = now;
                self.depart(tag, departure, wall);
            }
        }
    }
}

impl Held {
    fn bytes(&self) -> usize {
        match self {
            Self::Request { packet, .. } => packet.len(),
            Self::Reply { departure, .. } => departure.packet.len(),
        }
    }

    fn index(&self) -> u64 {
        match self {
            Self::Request { tag, .. } | Self::Reply { tag, .. } => tag.index,
        }
    }
}

/// Where the last octet of the sender's time stands; nowhere in particular where the protocol is text.
fn sent_at(reflector: &Reflector, authentic: bool, way: Way) -> Option<usize> {
    let mode = if authentic { Mode::Authenticated } else { Mode::Unauthenticated };
    match (reflector.protocol(), way) {
        (Protocol::Text, _) => None,
        (Protocol::Stamp, Way::Up) => Some(packet::sent_offset(mode) + 7),
        (Protocol::Stamp, Way::Down) => Some(packet::request_sent_offset(mode) + 7),
    }
}

/// Turns one bit over: there, or at the end, where a digit of a text becomes its neighbour.
fn corrupt(packet: &mut [u8], at: Option<usize>) {
    let place = match at {
        Some(at) => packet.get_mut(at),
        None => packet.last_mut(),
    };
    if let Some(octet) = place {
        *octet ^= 1;
    }
}

#[cfg(test)]
mod tests;
