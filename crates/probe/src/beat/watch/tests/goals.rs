//! The goals: detection within 6.5 s at a beat a second with 1 % lost, at most one false alarm in 30 days over 100,000
//! hosts; at most 512 octets a host.

use super::*;
use crate::beat::{Beat, Kind};

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap()) / f64::from(u32::MAX)
    }

    /// Exponential with a mean of 20 ms.
    fn delay_ns(&mut self) -> u64 {
        crate::beat::nanos(-0.02 * self.share().max(1e-9).ln())
    }
}

/// A monitor of one host, fed by hand with beat n of run 5.
fn one_host() -> (Watch, impl Fn(&mut Watch, u64, u64)) {
    let watch =
        Watch::new(vec![Host::new(0, "host", key(0))], Policy { damping: false, ..policy() }, at(START));
    let feed = |watch: &mut Watch, sequence: u64, delay_ns: u64| {
        let sent = START + sequence * SECOND;
        let stamp = wall(sent);
        let beat = Beat { kind: Kind::Beat, interval_ms: 1_000, host: 0, epoch: 5, sequence, stamp };
        let came = sent + delay_ns;
        watch.awake(at(came));
        let arrival = Arrival { at: at(came), stamp: wall(came), source: ([192, 0, 2, 1], 4_000).into() };
        watch.datagram(&key(0).seal(&beat), &arrival);
    };
    (watch.unwrap(), feed)
}

/// Importance sampling: the machine runs with 30 % lost, where false alarms are frequent, and each stretch between two
/// beats that arrived counts with the ratio of its likelihood at 1 % to that at 30 %.
#[test]
fn false_alarms_are_rarer_than_one_in_thirty_days_over_a_hundred_thousand_hosts() {
    let (lost, goal) = (0.3, 0.01);
    let (mut watch, feed) = one_host();
    let mut chance = Chance(1);
    let (mut weight, mut weighted_alarms, mut weighted_beats, mut alarms, mut sequence) =
        (1.0, 0.0, 0.0, 0, 0);
    let mut until = START;
    while alarms < 60 {
        if chance.share() < lost {
            weight *= goal / lost;
            weighted_beats += weight * (1.0 - goal);
        } else {
            // Until the beat comes, the monitor looks around as its driver does.
            let delay = chance.delay_ns();
            let came = START + sequence * SECOND + delay;
            while until < came {
                until = (until + 250 * MS).min(came);
                watch.awake(at(until));
                watch.listened(at(until.saturating_sub(1)));
            }
            feed(&mut watch, sequence, delay);
            let raised = std::iter::from_fn(|| watch.next_event());
            let silent = raised.filter(|event| matches!(event.change, Change::Silent { .. })).count();
            if silent > 0 {
                alarms += 1;
                weighted_alarms += weight;
            }
            weighted_beats += weight;
            weight = 1.0;
        }
        sequence += 1;
    }
    let in_a_month = weighted_alarms / weighted_beats * 30.0 * 86_400.0 * 100_000.0;
    // Six losses in a row after a beat that came: 0.99 * 0.01^6 of all beats, 0.26 in that time.
    assert!((0.1..0.5).contains(&in_a_month), "{in_a_month} false alarms");
    assert!(watch.counts().absences == 0);
}

#[test]
fn a_silent_host_is_detected_within_six_and_a_half_seconds() {
    let mut chance = Chance(2);
    let mut longest = 0.0_f64;
    for round in 0..1_000_u64 {
        let (mut watch, feed) = one_host();
        // As many as the estimate is made of: before, it is as good as the first few beats were.
        let beats = 32 + round % 60;
        for sequence in 0..beats {
            if chance.share() >= 0.01 || sequence == 0 {
                let delay = chance.delay_ns();
                feed(&mut watch, sequence, delay);
            }
        }
        // The worst moment to die: right after a beat.
        let died = START + (beats - 1) * SECOND;
        let deadline = watch.hosts()[0].deadline().unwrap();
        watch.listened(deadline);
        assert_eq!(watch.hosts()[0].status(), Status::Silent);
        longest = longest.max(seconds(deadline.nanos() - died));
    }
    assert!((6.4..=6.5).contains(&longest), "{longest} s");
}

#[test]
fn a_host_takes_at_most_512_octets() {
    let mut world = World::new(1_000, 10_000, policy());
    world.run(60_000);
    world.drain();
    let Watch { hosts, due, .. } = &world.watch;
    let names: usize = hosts.iter().map(|host| host.name().len().next_multiple_of(16) + 16).sum();
    let octets = size_of_val(&**hosts) + due.capacity() * size_of::<Reverse<(Moment, u32)>>() + names;
    assert!(octets <= 512 * 1_000, "{} octets a host, {} of them its own", octets / 1_000, size_of::<Host>());
}

/// Every host is looked at as often as its deadline passes, not as often as it beats.
#[test]
fn entries_of_the_queue_stay_as_many_as_hosts() {
    let mut world = World::new(50, 100, policy());
    for round in 0..50 {
        world.run(1_000);
        let host = round % 50;
        world.farewell(host, Farewell::Pause { seconds: 1_000_000 });
        world.run(100);
        world.restart(u64::try_from(host).unwrap(), 6 + u64::try_from(round).unwrap());
    }
    assert!(world.watch.due.len() <= 101, "{}", world.watch.due.len());
}
