//! Packets through a line that spoils them, in virtual time, and what it says that it did.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::fault::Fault;
use crate::prober::form::{Form, Particulars, Stamp};
use crate::prober::{Arrived, Outcome, Pace, Plan, Prober, Step, form::Reading};
use crate::reflector::Options;
use crate::stamp::{ErrorEstimate, Format, Key, Keys};
use crate::statistics::{Counts, LossByDirection};

const MS: u64 = 1_000_000;
const WALL: u64 = 1_700_000_000_000_000_000;

fn wall(now: u64) -> Timestamp {
    Timestamp::from_nanos(WALL + now)
}

fn arrival(source: &str, now: u64) -> Arrival {
    Arrival {
        source: source.parse().unwrap(),
        destination: None,
        port: 8620,
        received: wall(now),
        at: Moment::from_nanos(now),
        ttl: Some(64),
        traffic_class: None,
    }
}

fn faulty(wishes: &[&str], seed: u64, key: Option<&Key>, allowed: &[&str]) -> Faulty {
    let wishes: Vec<Fault> = wishes.iter().map(|wish| wish.parse().unwrap()).collect();
    let mut keys = Keys::default();
    if let Some(key) = key {
        keys.insert(9, key.clone());
    }
    let hashing = RandomState::new();
    let reflector = Reflector::new(Options { keys, ..Options::default() }, &hashing);
    let allowed = allowed.iter().map(|network| network.parse().unwrap()).collect();
    Faulty::new(reflector, Faults::new(&wishes, seed), allowed, &hashing)
}

struct Run {
    counts: Counts,
    lost: Option<LossByDirection>,
    faults: FaultCounts,
}

/// A prober that sends every millisecond, and a line of no length to a reflector that spoils.
fn run(faulty: &mut Faulty, source: &str, key: Option<Key>, count: u64) -> Run {
    let form =
        Form::Stamp(Stamp { session: 9, key, length: None, dscp: None, fill: Vec::new(), follow_up: false });
    let [interval, wait] = [1, 100].map(Duration::from_millis);
    let mut prober =
        Prober::new(Plan { count: Some(count), interval, wait, pace: Pace::Schedule }, Moment::default(), 1);
    let mut packet = Vec::new();
    for now in (0..(count + 400) * MS).step_by(100_000) {
        let moment = Moment::from_nanos(now);
        while let Step::Send { sequence, due } = prober.poll(moment, moment) {
            prober.sent(sequence, moment, wall(now), due);
            let error = ErrorEstimate::unknown(Format::Ntp);
            form.write(&Particulars { sequence, sent: wall(now), error }, &mut packet);
            faulty.request(&arrival(source, now), &packet, wall(now));
        }
        while let Some(departure) = faulty.poll(moment, wall(now)) {
            for _copy in 0..departure.copies {
                receive(&mut prober, &form, &departure.packet, now);
            }
        }
    }
    let statistics = prober.statistics();
    Run { counts: statistics.counts(), lost: statistics.loss_by_direction(), faults: *faulty.counts() }
}

fn receive(prober: &mut Prober, form: &Form, packet: &[u8], now: u64) {
    let outcome = match form.read(packet) {
        Reading::Answer(answer) => prober.answered(&Arrived {
            sequence: answer.sequence,
            at: Moment::from_nanos(now),
            received: wall(now),
            kernel: false,
            echo: answer.echo,
            reflected: answer.reflected,
        }),
        Reading::Damaged { sequence } => prober.damaged(sequence),
        Reading::Foreign => panic!("no answer: {packet:?}"),
    };
    assert_ne!(outcome, Outcome::Unknown);
}

const EVERYTHING: [&str; 10] = [
    "up:drop:1/20",
    "up:corrupt:1/30",
    "up:duplicate:1/25",
    "up:reorder:1/15",
    "up:delay:1/40:150",
    "down:drop:1/18",
    "down:corrupt:1/35",
    "down:duplicate:1/22",
    "down:reorder:1/17",
    "down:delay:1/45:200",
];

#[test]
fn a_probers_counts_are_what_was_done_to_its_packets() {
    let key = Key::new(&[1; 32]).unwrap();
    let mut compared = 0;
    for (seed, key) in (0..20).flat_map(|seed| [(seed, None), (seed, Some(key.clone()))]) {
        let mut faulty = faulty(&EVERYTHING, seed, key.as_ref(), &[]);
        let Run { counts, lost, faults } = run(&mut faulty, "127.0.0.1:4000", key.clone(), 1_000);
        let [up, down] = Way::ALL.map(|way| move |kind| faults.of(way, kind));
        let lost = lost.unwrap();
        assert_eq!(counts.sent, 1_000);
        if lost.unknown > 0 {
            // The last probe was not answered, so nobody can know on which way it was lost.
            continue;
        }
        compared += 1;
        // A reflector with keys throws away what was changed on the way there.
        let refused = if key.is_some() { up(Kind::Corrupt) } else { 0 };
        assert_eq!(lost.up, up(Kind::Drop) + refused, "seed {seed}");
        assert_eq!(lost.down, down(Kind::Drop), "seed {seed}");
        assert_eq!(counts.corrupt, up(Kind::Corrupt) + down(Kind::Corrupt) - refused, "seed {seed}");
        assert_eq!(
            (lost.duplicated_up, lost.duplicated_down),
            (up(Kind::Duplicate), down(Kind::Duplicate)),
            "seed {seed}"
        );
        assert_eq!(counts.reordered, up(Kind::Reorder) + down(Kind::Reorder), "seed {seed}");
        assert_eq!(counts.late, up(Kind::Delay) + down(Kind::Delay), "seed {seed}");
        let unanswered = lost.up + lost.down + counts.corrupt + counts.late;
        assert_eq!(counts.no_answer, unanswered, "seed {seed}");
        assert!(
            [up(Kind::Drop), down(Kind::Corrupt), up(Kind::Reorder), down(Kind::Delay)]
                .iter()
                .all(|n| *n > 5)
        );
    }
    assert!(compared >= 20, "only {compared} of 40 runs ended with an answer");
}

#[test]
fn only_loopback_the_allowed_and_the_authentic_suffer() {
    let key = Key::new(&[1; 32]).unwrap();
    for (source, key, suffers) in [
        ("127.0.0.1:4000", None, true),
        ("[::1]:4000", None, true),
        ("192.0.2.7:4000", None, true),
        ("198.51.100.7:4000", None, false),
        ("198.51.100.7:4000", Some(key), true),
    ] {
        let mut faulty = faulty(&["up:drop:1/2"], 1, key.as_ref(), &["192.0.2.0/24"]);
        let done = run(&mut faulty, source, key, 100);
        assert_eq!(
            (done.faults.of(Way::Up, Kind::Drop), done.counts.no_answer > 0),
            (if suffers { 50 } else { 0 }, suffers)
        );
    }
}

#[test]
fn every_session_suffers_the_same_whoever_else_sends() {
    let mut lines = [(), ()].map(|()| faulty(&["up:drop:3/10"], 7, None, &[]));
    let mut answered: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    let form = Form::Stamp(Stamp {
        session: 9,
        key: None,
        length: None,
        dscp: None,
        fill: Vec::new(),
        follow_up: false,
    });
    for n in 0..200_u32 {
        let mut packet = Vec::new();
        let error = ErrorEstimate::unknown(Format::Ntp);
        form.write(&Particulars { sequence: n.into(), sent: wall(0), error }, &mut packet);
        for (who, source, line) in
            [("alone", "127.0.0.1:1", 0), ("one", "127.0.0.1:2", 1), ("two", "127.0.0.1:3", 1)]
        {
            let line = &mut lines[line];
            line.request(&arrival(source, 0), &packet, wall(0));
            if line.poll(Moment::default(), wall(0)).is_some() {
                answered.entry(who).or_default().push(n);
            }
        }
    }
    assert_eq!(answered["alone"].len(), 140);
    assert_eq!((&answered["one"], &answered["two"]), (&answered["alone"], &answered["alone"]));
}

#[test]
fn what_is_held_is_bounded_and_the_rest_passes() {
    let mut faulty = faulty(&["up:delay:1:60000"], 1, None, &[]);
    let packet = [0x11; 60];
    for n in 0..3 * HELD_PACKETS_MAX {
        let source = format!("127.0.0.1:{}", 10_000 + n % 1_000);
        faulty.request(&arrival(&source, 0), &packet, wall(0));
    }
    assert_eq!(faulty.held.len(), HELD_PACKETS_MAX);
    let mut passed = 0;
    while faulty.poll(Moment::from_nanos(MS), wall(MS)).is_some() {
        passed += 1;
    }
    assert_eq!(passed, 2 * HELD_PACKETS_MAX);
    while faulty.poll(Moment::from_nanos(60_000 * MS), wall(60_000 * MS)).is_some() {}
    assert_eq!((faulty.held.len(), faulty.held_bytes), (0, 0));
}
