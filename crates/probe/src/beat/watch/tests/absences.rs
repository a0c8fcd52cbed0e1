//! The monitor's own pauses. No host may be called silent for them, and one that is silent has to be found afterwards.

use super::*;

/// The monitor is away for 30 s while all hosts beat; what the kernel kept of that time is `kept` of the queue.
fn away(hosts: u64, kept: impl Fn(usize) -> usize) -> World {
    let mut world = World::new(hosts, 1_000, policy());
    world.run(20_000);
    world.hosts_run(30_000);
    let held = world.queue.len();
    world.lose_from(kept(held));
    world.round();
    world.run(60_000);
    world
}

#[test]
fn thirty_seconds_of_sleep_are_nobodys_silence() {
    // Asleep: nothing is kept. Stopped: the queue is. Stopped with a short queue: its beginning is.
    let kept: [fn(usize) -> usize; 4] = [|_| 0, |held| held, |held| held / 3, |_| 1];
    for (case, kept) in kept.into_iter().enumerate() {
        let world = away(20, kept);
        assert_eq!(world.alarms(), Vec::<&Event>::new(), "case {case}");
        assert_eq!(world.watch.counts().absences, 1);
        assert!((29.0..31.0).contains(&seconds(world.watch.counts().absent_ns)));
        assert_eq!(world.watch.standing(Status::Alive), 20);
    }
}

#[test]
fn every_length_and_place_of_an_absence_is_forgiven() {
    for hosts in [1, 3] {
        for absence_ms in (1_000..40_000).step_by(1_330) {
            let mut world = World::new(hosts, 1_000, policy());
            world.run(10_000 + absence_ms / 7 / 50 * 50);
            world.hosts_run(absence_ms);
            world.lose_from(0);
            world.round();
            world.run(20_000);
            assert_eq!(world.alarms(), Vec::<&Event>::new(), "{absence_ms} ms");
        }
    }
}

#[test]
fn a_host_that_dies_while_the_monitor_sleeps_is_found_soon_after() {
    for dies_ms in [0, 3_000, 15_000, 29_000] {
        let mut world = World::new(2, 1_000, policy());
        world.run(20_000);
        world.hosts_run(dies_ms);
        world.senders[0] = None;
        world.hosts_run(30_000 - dies_ms);
        let back = world.now;
        world.round();
        world.run(20_000);
        let alarms = world.alarms();
        assert_eq!(alarms.len(), 1);
        let after = seconds(alarms[0].at.nanos() - back);
        assert!(alarms[0].host == Some(0) && after <= 6.5, "{dies_ms}: {after} s");
    }
}

#[test]
fn pauses_and_hosts_that_were_never_heard_are_forgiven_as_well() {
    let mut world = World::new(2, 1_000, policy());
    world.senders[1] = None;
    world.run(40_000);
    world.farewell(0, Farewell::Pause { seconds: 20 });
    world.run(5_000);
    world.hosts_run(30_000);
    world.round();
    world.run(5_000);
    assert_eq!(world.alarms(), Vec::<&Event>::new(), "30 s of 60 and 20 s were not listened to");
    world.run(30_000);
    assert_eq!(world.alarms().len(), 2);
}

#[test]
fn a_queue_is_emptied_before_anybody_is_called_silent() {
    // Overloaded: rounds come in time, but each takes only what came ten seconds ago.
    let mut world = World::new(5, 1_000, policy());
    world.run(20_000);
    world.hosts_run(0);
    for _ in 0..1_000 {
        world.hosts_run(50);
        world.watch.awake(at(world.now));
        let behind = world.now - (10 * SECOND).min(world.now - START - 20 * SECOND);
        let mut last = None;
        while world.queue.front().is_some_and(|(came, _)| *came <= behind) {
            let (came, packet) = world.queue.pop_front().unwrap();
            world.arrive(came, &packet);
            last = Some(came);
        }
        if let Some(last) = last {
            world.watch.listened(at(last));
        }
        world.drain();
    }
    assert_eq!(world.alarms(), Vec::<&Event>::new());
    assert_eq!(world.watch.counts().absences, 0);
}

#[test]
fn datagrams_that_the_kernel_dropped_are_nobodys_loss() {
    let mut world = World::new(3, 1_000, policy());
    world.run(20_000);
    for _ in 0..600 {
        world.hosts_run(50);
        world.lose_from(0);
        world.watch.awake(at(world.now));
        world.watch.overflowed(at(world.now), 3);
        world.watch.listened(at(world.now));
        world.drain();
    }
    assert_eq!(world.alarms(), Vec::<&Event>::new());
    let told: Vec<_> = world.events.iter().filter(|event| event.host.is_none()).collect();
    assert_eq!(told.len(), 1, "once a minute: {told:?}");
    assert_eq!(world.watch.counts().absences, 600);
    world.run(20_000);
    assert_eq!(world.alarms(), Vec::<&Event>::new());
    assert_eq!(world.watch.hosts()[0].measured().lost, 0);
    world.senders[0] = None;
    world.run(10_000);
    assert_eq!(world.alarms().len(), 1);
}
