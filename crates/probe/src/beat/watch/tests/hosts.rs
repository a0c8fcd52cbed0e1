//! What a host says and what is said of it.

use super::*;
use crate::beat::{Beat, Kind};

#[test]
fn a_host_appears_falls_silent_once_and_returns() {
    let mut world = World::new(2, 1_000, policy());
    world.run(30_000);
    assert_eq!(world.changes(1), [Change::Appeared]);
    let stopped = world.senders[1].take();
    world.run(60_000);
    let changes = world.changes(1);
    let [Change::Silent { silence_s }] = changes[..] else { panic!("{changes:?}") };
    assert!((6.0..6.5).contains(&silence_s), "{silence_s}");
    assert_eq!(world.watch.hosts()[1].status(), Status::Silent);
    world.senders[1] = stopped;
    world.run(10_000);
    let changes = world.changes(1);
    let [Change::Returned { silence_s }] = changes[..] else { panic!("{changes:?}") };
    assert!((58.0..62.0).contains(&silence_s), "{silence_s}");
    assert!(world.watch.hosts()[1].measured().lost > 50, "what it sent meanwhile was left out");
}

#[test]
fn a_host_that_is_never_heard_is_missing() {
    let mut world = World::new(1, 1_000, policy());
    world.senders[0] = None;
    world.run(59_000);
    assert_eq!(world.changes(0), []);
    world.run(2_000);
    assert_eq!(world.changes(0), [Change::Missing]);
    world.run(600_000);
    assert_eq!(world.changes(0), [], "it is told once");
    world.restart(0, 9);
    world.run(2_000);
    assert_eq!(world.changes(0), [Change::Appeared]);
}

#[test]
fn goodbye_is_no_alarm() {
    let mut world = World::new(2, 1_000, policy());
    world.run(10_000);
    world.farewell(0, Farewell::Goodbye);
    world.run(600_000);
    assert_eq!(world.changes(0), [Change::Appeared, Change::Goodbye]);
    assert_eq!(world.watch.hosts()[0].status(), Status::Gone);
    world.restart(0, 6);
    world.run(2_000);
    assert_eq!(world.changes(0), [Change::Appeared]);
}

#[test]
fn a_pause_is_honoured_until_it_is_over() {
    let mut world = World::new(1, 1_000, policy());
    world.run(10_000);
    world.farewell(0, Farewell::Pause { seconds: 120 });
    world.run(100_000);
    assert_eq!(world.changes(0), [Change::Appeared, Change::Paused { seconds: 120 }]);
    world.restart(0, 6);
    world.run(30_000);
    assert_eq!(world.changes(0), [Change::Returned { silence_s: 0.0 }]);

    world.farewell(0, Farewell::Pause { seconds: 120 });
    world.run(126_000);
    assert_eq!(world.changes(0), [Change::Paused { seconds: 120 }]);
    world.run(2_000);
    let changes = world.changes(0);
    let [Change::Silent { silence_s }] = changes[..] else { panic!("{changes:?}") };
    assert!((6.0..6.6).contains(&silence_s), "counted from the end of the pause: {silence_s}");
}

#[test]
fn a_run_begins_anew_only_when_its_epoch_is_greater() {
    let mut world = World::new(1, 1_000, policy());
    world.run(10_000);
    world.restart(0, 4);
    world.run(5_000);
    assert_eq!(world.watch.counts().rejected(Rejection::OldRun), 5);
    world.restart(0, 6);
    world.run(5_000);
    let changes = world.changes(0);
    assert!(
        matches!(changes[..], [Change::Appeared, Change::Rejected { .. }, Change::Restarted]),
        "{changes:?}"
    );
}

#[test]
fn what_is_no_true_new_beat_is_counted_and_changes_nothing() {
    let mut world = World::new(1, 1_000, policy());
    world.run(10_000);
    let now = world.now;
    let beat =
        Beat { kind: Kind::Goodbye, interval_ms: 1_000, host: 0, epoch: 5, sequence: 9, stamp: wall(now) };
    let seal = |beat: Beat| key(0).seal(&beat);
    let mut forged = seal(Beat { sequence: 500, ..beat });
    forged[63] ^= 1;
    let stale = Beat { epoch: 7, stamp: wall(now - 601 * SECOND), ..beat };
    for (packet, reason) in [
        (&seal(beat)[..], Rejection::Replayed),
        (&forged[..], Rejection::Forged),
        (&key(1).seal(&Beat { sequence: 500, ..beat })[..], Rejection::Forged),
        (&key(1).seal(&Beat { host: 1, ..beat })[..], Rejection::UnknownHost),
        (&seal(Beat { epoch: 4, sequence: 500, ..beat })[..], Rejection::OldRun),
        (&seal(stale)[..], Rejection::Stale),
        (&[0; 64][..], Rejection::Malformed),
        (&[][..], Rejection::Malformed),
        (&[&seal(Beat { sequence: 500, ..beat })[..], &[0]].concat()[..], Rejection::Malformed),
    ] {
        let before = world.watch.counts().rejected(reason);
        (0..3).for_each(|_| world.arrive(now, packet));
        assert_eq!(world.watch.counts().rejected(reason), before + 3, "{reason:?}");
    }
    world.drain();
    let told = world.events.iter().filter(|event| matches!(event.change, Change::Rejected { .. })).count();
    assert_eq!(told, 6, "each kind once a minute: {:?}", world.events);
    world.run(600_000);
    assert_eq!(world.watch.hosts()[0].status(), Status::Alive);
    assert!(world.alarms().is_empty());
    let late = Beat { kind: Kind::Beat, sequence: 1, ..beat };
    world.arrive(world.now, &seal(late));
    assert_eq!(world.watch.counts().rejected(Rejection::TooOld), 1);
}

#[test]
fn a_late_beat_is_counted_and_proves_nothing_new() {
    let mut world = World::new(1, 1_000, policy());
    world.run(10_000);
    let mut sender = world.senders[0].take().unwrap();
    let due = sender.due();
    let held_up = sender.beat(due, wall(due.nanos())).unwrap();
    world.senders[0] = Some(sender);
    world.run(5_000);
    assert_eq!(world.watch.hosts()[0].measured().lost, 1);
    let deadline = world.watch.hosts()[0].deadline();
    world.arrive(world.now, &held_up);
    assert_eq!(world.watch.hosts()[0].measured().lost, 0);
    assert_eq!(world.watch.hosts()[0].deadline(), deadline);
}

#[test]
fn a_host_that_flaps_is_told_once_and_told_when_it_is_steady() {
    let mut world = World::new(1, 1_000, policy());
    world.run(10_000);
    for _ in 0..12 {
        let stopped = world.senders[0].take();
        world.run(20_000);
        world.senders[0] = stopped;
        world.run(20_000);
    }
    let changes = world.changes(0);
    let told = |wanted: fn(&Change) -> bool| changes.iter().filter(|change| wanted(change)).count();
    assert_eq!(told(|change| matches!(change, Change::Silent { .. })), 2, "{changes:?}");
    assert_eq!(told(|change| matches!(change, Change::Flapping { .. })), 1);
    assert!(world.watch.hosts()[0].is_flapping());
    world.run(3_700_000);
    assert_eq!(world.changes(0), [Change::Steady { silent: false }]);

    for _ in 0..3 {
        let stopped = world.senders[0].take();
        world.run(20_000);
        world.senders[0] = stopped;
        world.run(20_000);
    }
    world.senders[0] = None;
    world.changes(0);
    world.run(3_700_000);
    assert_eq!(world.changes(0), [Change::Steady { silent: true }], "a last outage is not swallowed");
}

#[test]
fn what_cannot_be_had_is_told_once_and_the_nearest_is_done() {
    let mut world = World::new(1, 10_000, policy());
    world.run(100_000);
    let changes = world.changes(0);
    let [Change::Unattainable(why), Change::Appeared] = changes[..] else { panic!("{changes:?}") };
    assert!(why.to_string().contains("let it beat at least every"), "{why}");
    world.run(1_000_000);
    world.senders[0] = None;
    world.run(100_000);
    assert!(matches!(world.changes(0)[..], [Change::Silent { .. }]));
}

/// Four beats in a row are lost every fifty, which at first is longer than the patience.
#[test]
fn a_line_that_loses_in_bursts_is_given_more_time() {
    let demand = Demand::false_alarms_per_month(1.0, 1, None);
    let mut world = World::new(2, 1_000, Policy { demand, damping: false, ..policy() });
    world.run(20_000);
    let patience = |world: &World, host: usize| {
        let host = &world.watch.hosts()[host];
        seconds(host.deadline().unwrap().nanos_since(host.since()))
    };
    let before = patience(&world, 0);
    assert!((3.5..4.5).contains(&before), "{before} s");
    let bursts = |world: &mut World, seconds: u64| {
        for second in 0..seconds {
            world.hosts_run(1_000);
            if second % 50 < 4 {
                world.queue.retain(|(_, packet)| packet[15] != 0);
            }
            world.round();
        }
    };
    bursts(&mut world, 2_000);
    let learnt = std::mem::take(&mut world.events).len();
    assert!(learnt > 2, "{learnt} changes");
    bursts(&mut world, 1_000);
    assert_eq!(world.alarms(), Vec::<&Event>::new());
    let (lossy, steady) = (patience(&world, 0), patience(&world, 1));
    assert!(lossy > 4.0 * before, "{before} s became {lossy} s");
    assert!((steady - before).abs() < 0.1, "{steady} s on a line that loses nothing");
    // What is known of bursts fades when there are none.
    world.run(12_000_000);
    assert!(patience(&world, 0) < lossy / 2.0, "{lossy} s became {} s", patience(&world, 0));
}

#[test]
fn another_interval_needs_no_new_run() {
    let mut world = World::new(1, 1_000, policy());
    world.run(10_000);
    let sealed = |sequence, interval_ms, now| {
        let stamp = wall(now);
        key(0).seal(&Beat { kind: Kind::Beat, interval_ms, host: 0, epoch: 5, sequence, stamp })
    };
    world.senders[0] = None;
    for n in 0..10 {
        world.arrive(world.now, &sealed(20 + n, 2_000, world.now));
        world.run(2_000);
    }
    assert_eq!(world.watch.hosts()[0].interval_ms(), 2_000);
    assert!(world.alarms().is_empty());
}

#[test]
fn two_hosts_with_one_number_are_refused() {
    let hosts = vec![Host::new(7, "a", key(1)), Host::new(7, "b", key(2))];
    assert_eq!(Watch::new(hosts, policy(), at(0)).unwrap_err(), Unwatchable::Twice(7));
}
