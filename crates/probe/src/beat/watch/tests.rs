//! The monitor in virtual time: hosts, a network and a kernel's queue between them, and every way in which the monitor
//! itself may be absent. The goals of detection stand in `goals`.

mod absences;
mod goals;
mod hosts;

use super::*;
use crate::beat::{Farewell, Key, Sender};

pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000 * MS;
/// The monitor begins here.
pub(super) const START: u64 = 1_000 * SECOND;
/// The wall clock is this far ahead of the other.
pub(super) const WALL: u64 = 1_700_000_000 * SECOND;

pub(super) fn at(nanos: u64) -> Moment {
    Moment::from_nanos(nanos)
}

pub(super) fn wall(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(WALL + nanos)
}

pub(super) fn policy() -> Policy {
    Policy {
        method: Method::Expected,
        demand: Demand::false_alarms_per_month(1.0, 100_000, Some(6.5)),
        network: Network { loss: 0.01, loss_after_loss: 0.01, deviation_s: 0.01, delay_s: 0.05 },
        phi: 12.0,
        first_beat: Some(Duration::from_secs(60)),
        clock_window: Some(Duration::from_secs(600)),
        damping: true,
    }
}

pub(super) fn key(host: u64) -> Key {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&host.to_be_bytes());
    Key::new(bytes)
}

/// A monitor, senders, and what lies in the kernel's queue.
pub(super) struct World {
    pub(super) watch: Watch,
    pub(super) senders: Vec<Option<Sender>>,
    queue: VecDeque<(u64, Vec<u8>)>,
    pub(super) now: u64,
    pub(super) events: Vec<Event>,
}

impl World {
    /// So many hosts that beat at this interval, each at its own phase.
    pub(super) fn new(hosts: u64, interval_ms: u32, policy: Policy) -> Self {
        let watched = (0..hosts).map(|id| Host::new(id, &format!("host-{id:06}"), key(id))).collect();
        let sender = |id: u64| {
            let phase = id * 7_919 % u64::from(interval_ms);
            Some(Sender::new(id, key(id), 5, interval_ms, at(START + phase * MS)))
        };
        Self {
            watch: Watch::new(watched, policy, at(START)).unwrap(),
            senders: (0..hosts).map(sender).collect(),
            queue: VecDeque::new(),
            now: START,
            events: Vec::new(),
        }
    }

    /// Time goes on and hosts send, 10 ms on their way; the monitor does nothing.
    pub(super) fn hosts_run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / 10 {
            self.now += 10 * MS;
            for sender in self.senders.iter_mut().flatten() {
                let packet = sender.beat(at(self.now), wall(self.now));
                self.queue.extend(packet.map(|packet| (self.now + 10 * MS, packet.to_vec())));
            }
        }
    }

    /// As the driver does: a round every 50 ms.
    pub(super) fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / 50 {
            self.hosts_run(50);
            self.round();
        }
    }

    pub(super) fn round(&mut self) {
        self.watch.awake(at(self.now));
        while self.queue.front().is_some_and(|(came, _)| *came <= self.now) {
            let (came, packet) = self.queue.pop_front().unwrap();
            self.arrive(came, &packet);
        }
        self.watch.listened(at(self.now));
        self.drain();
    }

    pub(super) fn arrive(&mut self, came: u64, packet: &[u8]) {
        let source = ([192, 0, 2, 1], 4_000).into();
        self.watch.datagram(packet, &Arrival { at: at(came), stamp: wall(came), source });
    }

    pub(super) fn drain(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.watch.next_event()));
    }

    /// What lies in the queue from this place on is lost.
    pub(super) fn lose_from(&mut self, place: usize) {
        self.queue.truncate(place);
    }

    pub(super) fn alarms(&self) -> Vec<&Event> {
        let alarm = |event: &&Event| matches!(event.change, Change::Silent { .. } | Change::Missing);
        self.events.iter().filter(alarm).collect()
    }

    /// The changes of a host since this was asked last, those of its appearance apart.
    pub(super) fn changes(&mut self, host: usize) -> Vec<Change> {
        let told = std::mem::take(&mut self.events).into_iter();
        told.filter(|event| event.host == Some(host)).map(|event| event.change).collect()
    }

    pub(super) fn farewell(&mut self, host: usize, farewell: Farewell) {
        let mut sender = self.senders[host].take().unwrap();
        for _ in 0..3 {
            let packet = sender.farewell(farewell, wall(self.now));
            self.queue.push_back((self.now, packet.to_vec()));
        }
    }

    pub(super) fn restart(&mut self, host: u64, epoch: u64) {
        let sender = Sender::new(host, key(host), epoch, 1_000, at(self.now));
        self.senders[usize::try_from(host).unwrap()] = Some(sender);
    }
}
