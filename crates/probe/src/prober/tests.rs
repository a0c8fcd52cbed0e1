//! The prober in virtual time: a schedule, a network that does what the test says, and a reflector with a clock of its own.

use super::*;
use crate::limits::{CATCH_UP_NS_MAX, LEADS_REMEMBERED_MAX};

const MS: u64 = 1_000_000;
/// The wall clock when moments begin.
const WALL: u64 = 1_700_000_000_000_000_000;

fn plan(count: u64, interval_ms: u64) -> Plan {
    let [interval, wait] = [interval_ms, 1_000].map(Duration::from_millis);
    Plan { count: Some(count), interval, wait, pace: Pace::Schedule }
}

fn at(ns: u64) -> Moment {
    Moment::from_nanos(ns)
}

fn wall(ns: u64) -> Timestamp {
    Timestamp::from_nanos(WALL + ns)
}

/// Everything that is to be done now; probes are sent at once and stamped by the kernel a microsecond later.
fn drain(prober: &mut Prober, now_ns: u64) -> (Vec<u64>, Vec<u64>, Option<u64>) {
    let (mut sent, mut lost) = (Vec::new(), Vec::new());
    loop {
        match prober.poll(at(now_ns), at(now_ns)) {
            Step::Send { sequence, due } => {
                prober.sent(sequence, at(now_ns), wall(now_ns), due);
                prober.kernel_sent(sequence, wall(now_ns + 1_000));
                sent.push(sequence);
            }
            Step::NoAnswer { sequence } => lost.push(sequence),
            Step::Wait(wait) => {
                let wake = wait.send.into_iter().chain(wait.give_up).min();
                return (sent, lost, wake.map(Moment::nanos));
            }
            Step::Done => return (sent, lost, None),
        }
    }
}

/// An answer that reached the reflector `up_ns` after the kernel sent the probe, stayed for 5 us, and was read 2 us after
/// the kernel had it.
fn answer(sequence: u32, sent_ns: u64, up_ns: u64, down_ns: u64, reflector_sequence: u32) -> Arrived {
    let reached = sent_ns + 1_000 + up_ns;
    let back = reached + 5_000 + down_ns;
    Arrived {
        sequence,
        at: at(back + 2_000),
        received: wall(back),
        kernel: true,
        echo: form::Echo::Text(wall(sent_ns)),
        reflected: Some(Reflected {
            previous: None,
            received: wall(reached),
            sent: wall(reached + 5_000),
            sequence: reflector_sequence,
            ttl: 64,
            counters: None,
        }),
    }
}

#[test]
fn probes_go_out_on_schedule_whatever_becomes_of_them() {
    let mut prober = Prober::new(plan(4, 100), at(0), 1);
    for n in 0..4 {
        let (sent, lost, wake) = drain(&mut prober, n * 100 * MS);
        assert_eq!((sent, lost), (vec![n], vec![]), "nothing was answered, and nothing waited for it");
        assert_eq!(wake, Some(if n < 3 { (n + 1) * 100 * MS } else { 1_000 * MS }));
    }
    for n in 0..4 {
        let (_, lost, wake) = drain(&mut prober, 1_000 * MS + n * 100 * MS);
        assert_eq!((lost, wake), (vec![n], (n < 3).then_some(1_100 * MS + n * 100 * MS)));
    }
    assert_eq!(
        prober.statistics().counts(),
        crate::statistics::Counts { sent: 4, no_answer: 4, ..Default::default() }
    );
}

#[test]
fn the_round_trip_is_that_of_the_kernel_without_the_residence() {
    let mut prober = Prober::new(plan(1, 100), at(0), 1);
    drain(&mut prober, 0);
    let Outcome::Answered(sample) = prober.answered(&answer(0, 0, 20_000, 30_000, 0)) else {
        panic!("not in time")
    };
    assert_eq!((sample.rtt_ns, sample.user_rtt_ns, sample.kernel), (50_000, 58_000, true));
    assert_eq!(sample.residence_ns, Some(5_000));
    let ways = sample.ways.unwrap();
    assert_eq!((ways.up_ns, ways.down_ns), (20_000, 30_000));
    assert_eq!(drain(&mut prober, MS).2, None, "done as soon as all is answered");
}

#[test]
fn without_kernel_stamps_or_with_a_clock_that_was_set_the_rising_clock_is_used() {
    let answers = [
        Arrived { kernel: false, ..answer(0, 0, 20_000, 30_000, 0) },
        // The sender's clock was set forward, then backward, by a second.
        Arrived { received: wall(1_000 * MS), ..answer(0, 0, 20_000, 30_000, 0) },
        Arrived { received: Timestamp::from_nanos(WALL - 1_000 * MS), ..answer(0, 0, 20_000, 30_000, 0) },
    ];
    for answer in answers {
        let mut prober = Prober::new(plan(1, 100), at(0), 1);
        drain(&mut prober, 0);
        let Outcome::Answered(sample) = prober.answered(&answer) else { panic!("not in time") };
        assert_eq!((sample.rtt_ns, sample.kernel), (53_000, false), "the residence is removed all the same");
    }
    // The reflector's clock was set while it had the packet: its residence is not believed.
    let mut stepped = answer(0, 0, 20_000, 30_000, 0);
    stepped.reflected.as_mut().unwrap().sent = wall(10_000 * MS);
    let mut prober = Prober::new(plan(1, 100), at(0), 1);
    drain(&mut prober, 0);
    let Outcome::Answered(sample) = prober.answered(&stepped) else { panic!("not in time") };
    assert_eq!((sample.rtt_ns, sample.residence_ns), (55_000, None));
}

#[test]
fn late_double_and_strange_answers_are_told_apart() {
    let mut prober = Prober::new(plan(3, 100), at(0), 1);
    for n in 0..3 {
        drain(&mut prober, n * 100 * MS);
    }
    assert!(matches!(prober.answered(&answer(1, 100 * MS, 1_000, 1_000, 0)), Outcome::Answered(_)));
    assert!(matches!(prober.answered(&answer(1, 100 * MS, 1_000, 9_000, 0)), Outcome::Duplicate(_)));
    assert_eq!(prober.answered(&answer(3, 0, 0, 0, 0)), Outcome::Unknown, "never sent");
    assert_eq!(prober.answered(&answer(u32::MAX, 0, 0, 0, 0)), Outcome::Unknown);
    let (_, lost, _) = drain(&mut prober, 1_000 * MS);
    assert_eq!(lost, [0]);
    let Outcome::Late(late) = prober.answered(&answer(0, 0, 1_050 * MS, 1_000, 1)) else {
        panic!("not late")
    };
    assert!(late.reordered, "probe 1 was answered before");
    let counts = prober.statistics().counts();
    assert_eq!((counts.answered, counts.no_answer, counts.late), (1, 1, 1));
    assert_eq!((counts.duplicates, counts.reordered), (1, 1));
}

#[test]
fn forged_and_damaged_answers_answer_nothing_and_take_nothing_from_the_true_ones() {
    let mut prober = Prober::new(plan(4, 100), at(0), 1);
    for n in 0..4 {
        drain(&mut prober, n * 100 * MS);
    }
    // Who does not see the probes guesses their numbers, but not the times that they carry.
    for n in 0..4 {
        let guessed =
            Arrived { echo: form::Echo::Text(wall(n * 100 * MS + 1)), ..answer(2, 0, 1_000, 1_000, 9) };
        assert_eq!(prober.answered(&guessed), Outcome::Corrupt { sequence: 2 });
    }
    assert_eq!(prober.damaged(3), Outcome::Corrupt { sequence: 3 }, "with a wrong HMAC");
    assert_eq!(prober.damaged(77), Outcome::Unknown);
    for (n, number) in [(0, 0), (2, 2), (3, 3)] {
        let answer = answer(n, u64::from(n) * 100 * MS, 1_000, 1_000, number + 5);
        assert!(matches!(prober.answered(&answer), Outcome::Answered(_)), "the true answer counts");
    }
    assert_eq!(prober.damaged(3), Outcome::Corrupt { sequence: 3 }, "a replay that was changed");
    drain(&mut prober, 2_000 * MS);
    let counts = prober.statistics().counts();
    assert_eq!((counts.answered, counts.no_answer, counts.corrupt), (3, 1, 6));
    // The reflector's numbers begin at five: it answered somebody before, and so it looks to this prober as if five were lost.
    assert_eq!(
        prober.statistics().loss_by_direction().map(|lost| lost.up),
        None,
        "what does not add up is not told"
    );
}

/// A reflector's clock that jumps, and the sender's: round trips and losses stay, and no one-way delay is made up.
#[test]
fn a_clock_that_steps_on_either_side_spoils_neither_round_trips_nor_counts() {
    const STEP_NS: u64 = 5_000_000_000;
    for (sender, reflector) in [(STEP_NS, 0), (0, STEP_NS), (STEP_NS, STEP_NS / 2)] {
        let mut prober = Prober::new(plan(20, 100), at(0), 1);
        for n in 0..20_u32 {
            let now = u64::from(n) * 100 * MS;
            let Step::Send { sequence, due } = prober.poll(at(now), at(now)) else {
                panic!("probe {n} is due")
            };
            let (mine, theirs) = if n < 10 { (0, 0) } else { (sender, reflector) };
            prober.sent(sequence, at(now), wall(now + mine), due);
            // Probe 10 is under way while the clocks are set.
            let after = if n == 10 { (sender, reflector) } else { (0, 0) };
            prober.kernel_sent(sequence, wall(now + 1_000 + mine));
            let mut arrived = answer(n, now, 300_000, 200_000, n);
            arrived.echo = form::Echo::Text(wall(now + mine));
            arrived.received = Timestamp::from_nanos(arrived.received.nanos() + mine + after.0);
            if let Some(reflected) = &mut arrived.reflected {
                reflected.received = Timestamp::from_nanos(reflected.received.nanos() + theirs);
                reflected.sent = Timestamp::from_nanos(reflected.sent.nanos() + theirs + after.1);
            }
            assert!(matches!(prober.answered(&arrived), Outcome::Answered(_)), "probe {n}");
        }
        let statistics = prober.statistics();
        let rtt = statistics.rtt().quantiles().unwrap();
        assert_eq!((rtt.min_ns, rtt.count), (500_000.0, 20));
        assert!(rtt.max_ns <= 510_000.0, "{rtt:?}");
        assert_eq!((statistics.counts().no_answer, statistics.counts().corrupt), (0, 0));
        assert_eq!(statistics.one_way(), None, "two clocks that did not run evenly cannot be compared");
    }
}

/// An answer in the queue of a busy process: its time is over, but nobody gave the probe up yet.
#[test]
fn an_answer_read_after_its_time_is_late_even_before_the_probe_is_given_up() {
    let mut prober = Prober::new(plan(1, 100), at(0), 1);
    drain(&mut prober, 0);
    assert!(matches!(prober.answered(&answer(0, 0, 1_500 * MS, 0, 0)), Outcome::Late(_)));
    let counts = prober.statistics().counts();
    assert_eq!((counts.no_answer, counts.late, counts.answered), (1, 1, 0));
    assert_eq!(drain(&mut prober, 2_000 * MS).1, Vec::<u64>::new(), "it is not given up a second time");
}

#[test]
fn no_probe_is_given_up_before_all_that_came_in_time_was_heard() {
    let mut prober = Prober::new(plan(2, 1_500), at(0), 1);
    drain(&mut prober, 0);
    let [give_up, send] = [1_000 * MS, 1_500 * MS].map(at);
    let wait = Step::Wait(Wait { send: Some(send), give_up: Some(give_up) });
    assert_eq!(prober.poll(at(999 * MS), at(999 * MS)), wait);
    // The driver looked at nothing but the clock: there may be an answer that came in time.
    assert_eq!(prober.poll(at(1_001 * MS), at(999 * MS)), wait);
    assert!(matches!(prober.poll(at(1_500 * MS), at(999 * MS)), Step::Send { sequence: 1, .. }), "in time");
    prober.sent(1, at(1_500 * MS), wall(1_500 * MS), send);
    assert_eq!(prober.under_way(), 2);
    assert!(matches!(prober.answered(&answer(0, 0, 900 * MS, MS, 0)), Outcome::Answered(_)));
    assert_eq!(drain(&mut prober, 2_500 * MS).1, [1]);
}

#[test]
fn a_process_that_slept_skips_what_is_past_and_catches_up_on_little() {
    let mut slept = Prober::new(plan(1_000, 100), at(0), 1);
    drain(&mut slept, 0);
    let (sent, _, wake) = drain(&mut slept, 10_050 * MS);
    assert_eq!((sent, wake), (vec![1], Some(10_100 * MS)), "one probe, not a hundred");
    assert_eq!(slept.statistics().counts().skipped, 99);

    let mut hiccup = Prober::new(plan(1_000, 1), at(0), 1);
    drain(&mut hiccup, 0);
    assert_eq!(drain(&mut hiccup, CATCH_UP_NS_MAX).0, (1..=10).collect::<Vec<u64>>());
    assert_eq!(hiccup.statistics().counts().skipped, 0);
}

#[test]
fn loss_is_told_by_direction_from_the_reflectors_count() {
    let mut prober = Prober::new(plan(10, 100), at(0), 1);
    // Probes 2 and 3 are lost on the way there; the reply to 5 on the way back; 7 arrives twice; 9 is lost nobody knows where.
    let replies = [(0, 0), (1, 1), (4, 2), (6, 4), (7, 5), (7, 6), (8, 7)];
    for n in 0..10_u32 {
        let sent_ns = u64::from(n) * 100 * MS;
        drain(&mut prober, sent_ns);
        for (sequence, counted) in replies.iter().filter(|(sequence, _)| *sequence == n) {
            prober.answered(&answer(*sequence, sent_ns, 1_000, 1_000, *counted));
        }
    }
    prober.answered(&answer(8, 800 * MS, 1_000, 2_000, 7));
    let told = prober.statistics().loss_by_direction().unwrap();
    assert_eq!((told.up, told.down, told.unknown), (2, 1, 1));
    assert_eq!((told.duplicated_up, told.duplicated_down), (1, 1));
}

#[test]
fn the_reflectors_lead_is_told_by_the_reply_after_and_only_when_it_can_be_believed() {
    let mut prober = Prober::new(plan(6, 100), at(0), 1);
    // Each tells of the one before, but 3 of what is not known, and 4 and 5 what cannot be.
    let tells: [Option<(u32, i64)>; 6] =
        [None, Some((0, 300)), Some((1, 500)), Some((9, 100)), Some((3, -1)), Some((4, 10_000))];
    for (n, tells) in (0..6_u32).zip(tells) {
        let sent_ns = u64::from(n) * 100 * MS;
        drain(&mut prober, sent_ns);
        let mut arrived = answer(n, sent_ns, 1_000, 1_000, n);
        let reflected = arrived.reflected.as_mut().unwrap();
        reflected.previous = tells.map(|(sequence, lead_ns)| {
            let written = answer(sequence, u64::from(sequence) * 100 * MS, 1_000, 1_000, sequence);
            let written = written.reflected.unwrap().sent.nanos();
            Left { sequence, at: Timestamp::from_nanos(written.checked_add_signed(lead_ns).unwrap()) }
        });
        prober.kernel_sent(u64::from(n), wall(sent_ns));
        prober.answered(&arrived);
    }
    let lead = prober.statistics().reflector_lead().quantiles().unwrap();
    assert_eq!((lead.count, lead.min_ns, lead.max_ns), (2, 300.0, 500.0));
    let rtt = prober.statistics().rtt().quantiles().unwrap();
    assert_eq!(prober.statistics().rtt_mean_without_lead_ns(), Some(rtt.mean_ns - 400.0));
}

#[test]
fn a_doubled_reply_is_remembered_once() {
    let mut prober = Prober::new(plan(2, 100), at(0), 1);
    drain(&mut prober, 0);
    for _copy in 0..2 {
        prober.answered(&answer(0, 0, 1_000, 1_000, 0));
    }
    drain(&mut prober, 100 * MS);
    let mut arrived = answer(1, 100 * MS, 1_000, 1_000, 1);
    let left = Left { sequence: 0, at: wall(1_000 + 1_000 + 5_000 + 300) };
    arrived.reflected.as_mut().unwrap().previous = Some(left);
    for _copy in 0..2 {
        prober.answered(&arrived);
    }
    let lead = prober.statistics().reflector_lead().quantiles().unwrap();
    assert_eq!((lead.count, lead.max_ns), (1, 300.0));
}

#[test]
fn what_is_told_of_a_reply_long_past_or_told_again_adds_nothing() {
    let mut prober = Prober::new(plan(300, 1), at(0), 1);
    for n in 0..300_u32 {
        let sent_ns = u64::from(n) * MS;
        drain(&mut prober, sent_ns);
        let mut arrived = answer(n, sent_ns, 1_000, 1_000, n);
        // At first of those that are no longer remembered, at the end of one and the same again and again.
        let of =
            if n < 250 { n.saturating_sub(u32::try_from(LEADS_REMEMBERED_MAX).unwrap() + 1) } else { 248 };
        let left = wall(u64::from(of) * MS + 1_000 + 1_000 + 5_000 + 300);
        arrived.reflected.as_mut().unwrap().previous = (n > 0).then_some(Left { sequence: of, at: left });
        prober.kernel_sent(u64::from(n), wall(sent_ns));
        prober.answered(&arrived);
    }
    let lead = prober.statistics().reflector_lead().quantiles().unwrap();
    // The very first, which was remembered when it was told, and the one of the end.
    assert_eq!((lead.count, lead.max_ns), (2, 300.0));
}

#[test]
fn copies_on_both_ways_are_told_apart() {
    let mut prober = Prober::new(plan(2, 100), at(0), 1);
    drain(&mut prober, 0);
    // The probe came twice, and so was answered twice; each of the two replies came twice.
    for counted in [0, 0, 1, 1] {
        prober.answered(&answer(0, 0, 1_000, 1_000, counted));
    }
    drain(&mut prober, 100 * MS);
    prober.answered(&answer(1, 100 * MS, 1_000, 1_000, 2));
    let told = prober.statistics().loss_by_direction().unwrap();
    assert_eq!((told.up, told.down, told.unknown), (0, 0, 0));
    assert_eq!((told.duplicated_up, told.duplicated_down), (1, 2));
}

#[test]
fn a_reflector_that_copies_numbers_says_nothing_about_directions() {
    let mut prober = Prober::new(plan(3, 100), at(0), 1);
    for n in 0..3_u32 {
        let sent_ns = u64::from(n) * 100 * MS;
        drain(&mut prober, sent_ns);
        if n != 1 {
            prober.answered(&answer(n, sent_ns, 1_000, 1_000, n));
        }
    }
    assert_eq!(prober.statistics().loss_by_direction(), None);
}

#[test]
fn memory_is_bounded_however_many_probes_wait() {
    let (interval, wait) = (Duration::from_micros(1), Duration::from_secs(60));
    let fast = Plan { count: None, interval, wait, pace: Pace::Schedule };
    let mut prober = Prober::new(fast, at(0), 1);
    let probes = u64::try_from(PROBES_REMEMBERED_MAX).unwrap() + 1_000;
    for n in 0..probes {
        drain(&mut prober, n * 1_000);
    }
    assert_eq!(prober.probes.len(), PROBES_REMEMBERED_MAX);
    let counts = prober.statistics().counts();
    assert_eq!((counts.sent, counts.no_answer), (probes, 1_000));
}

#[test]
fn numbers_that_travel_as_32_bits_are_made_whole_near_the_newest() {
    let mut prober = Prober::new(plan(u64::MAX, 100), at(0), 1);
    prober.sequence = (1 << 32) + 5;
    assert_eq!(prober.whole_sequence(4), Some((1 << 32) + 4));
    assert_eq!(prober.whole_sequence(u32::MAX), Some((1 << 32) - 1));
    prober.sequence = 3;
    assert_eq!((prober.whole_sequence(2), prober.whole_sequence(3)), (Some(2), None));
}

#[test]
fn a_flood_follows_the_answers_and_never_stops_without_them() {
    let flood = Plan { count: Some(1_000), pace: Pace::Flood, ..plan(0, 10) };
    let mut prober = Prober::new(flood, at(0), 1);
    let (sent, _, wake) = drain(&mut prober, 0);
    assert_eq!((sent.len(), wake), (64, Some(10 * MS)), "as many as may be under way, then one an interval");
    for n in 0..8 {
        assert!(matches!(prober.answered(&answer(n, 0, MS, MS, n)), Outcome::Answered(_)));
    }
    let (sent, _, _) = drain(&mut prober, 3 * MS);
    assert_eq!(sent, (64..72).collect::<Vec<u64>>(), "each answer makes room for one");
    let (sent, _, wake) = drain(&mut prober, 13 * MS);
    assert_eq!((sent, wake), (vec![72], Some(23 * MS)));
    assert_eq!(prober.under_way(), 65);
    let (sent, lost, _) = drain(&mut prober, 1_000 * MS);
    assert_eq!((lost.len(), sent.len()), (56, 55), "what is given up makes room too");
    assert_eq!((prober.under_way(), prober.statistics().counts().skipped), (64, 0));
}
