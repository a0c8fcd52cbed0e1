//! Thousands of seeded schedules: frames lost, doubled, delayed, reordered; connections broken; the
//! client killed with its unsynced writes. In each, every call executes at most once, every outcome
//! reaches the application, and what may have been seen before is marked so.

use std::collections::{BTreeMap, BTreeSet};

use super::pair::{Dice, Faults, Pair, binding};
use super::*;

/// What the application has seen of one call.
#[derive(Default)]
struct Seen {
    ends: Vec<End>,
    never_sent: bool,
}

struct Run {
    pair: Pair,
    seed: u64,
    dice: Dice,
    seen: BTreeMap<String, Seen>,
    /// Calls of the process before a crash that perhaps were not durable.
    lost_with_crash: BTreeSet<String>,
    keys: BTreeMap<CallKey, String>,
    crashes: u32,
}

const CALLS: u64 = 12;

#[test]
fn streams_that_break() {
    for seed in 0..2_000 {
        run(seed, Config::volatile("test"));
    }
}

#[test]
fn lossy_links() {
    for seed in 0..1_000 {
        run(seed, Config { link: LinkKind::Lossy, ..Config::volatile("test") });
    }
}

#[test]
fn durable_clients_that_are_killed() {
    let mut crashes = 0;
    for seed in 0..2_000 {
        let config = Config::durable("test", binding());
        let link = if seed % 3 == 0 { LinkKind::Lossy } else { LinkKind::Stream };
        crashes += run(seed, Config { link, ..config });
    }
    assert!(crashes > 2_000, "only {crashes} crashes");
}

fn run(seed: u64, config: Config) -> u32 {
    let mut dice = Dice::new(seed ^ 0xfeed);
    let mut pair = Pair::new(config, seed);
    pair.faults = Faults {
        lose: dice.below(60),
        double: dice.below(30),
        delay_ms_max: dice.below(80),
        break_connection: dice.below(20),
        refuse_connection: dice.below(50),
        overload: dice.below(20),
    };
    let (seen, keys) = (BTreeMap::new(), BTreeMap::new());
    let mut run = Run { pair, seed, dice, seen, lost_with_crash: BTreeSet::new(), keys, crashes: 0 };
    run.with_faults();
    run.without_faults();
    run.check();
    run.crashes
}

impl Run {
    fn with_faults(&mut self) {
        self.pair.client.handle_timer(0);
        let mut begun = 0;
        while begun < CALLS || self.dice.happens(80) {
            let steps = self.dice.below(30);
            for _ in 0..steps {
                self.pair.step(u64::MAX);
                self.listen();
            }
            if begun < CALLS {
                self.begin(begun);
                begun += 1;
            }
            if self.pair.config.journal.is_some() && self.dice.happens(12) {
                self.crash();
            }
            if self.dice.happens(5) {
                self.pair.break_connection();
            }
        }
    }

    fn begin(&mut self, n: u64) {
        let label = match self.dice.below(10) {
            0 => format!("refused {n}"),
            1 => format!("forbidden {n}"),
            _ => format!("call {n}"),
        };
        let deadline_ms = self.dice.happens(15).then(|| self.pair.now_ms + self.dice.below(200));
        let secret = self.dice.happens(15);
        let key = self.pair.begin_with(NewCall { deadline_ms, secret, ..command(&label) });
        self.keys.insert(key, label.clone());
        self.seen.insert(label, Seen::default());
        if self.dice.happens(10) {
            self.pair.client.cancel(self.pair.now_ms, key);
        }
    }

    fn crash(&mut self) {
        self.pair.carry_out();
        self.listen();
        self.crashes += 1;
        self.lost_with_crash.extend(self.keys.values().cloned());
        self.keys.clear();
        self.pair.crash();
        self.listen();
    }

    /// The application takes what it is handed, and acknowledges most of it.
    fn listen(&mut self) {
        let client = &self.pair.client;
        let calls = client.calls.values().filter(|call| call.exchange.is_awaiting()).count();
        let reads = client.reads.values().filter(|read| read.exchange.is_awaiting()).count();
        let queries = client.queries.values().filter(|query| query.exchange.is_awaiting()).count();
        assert_eq!(
            client.awaiting,
            calls + reads + queries,
            "seed {}: the count of open questions",
            self.seed
        );
        for output in std::mem::take(&mut self.pair.said) {
            match output {
                Output::Answer(settled) => {
                    let seen = self.seen.get_mut(&settled.label).expect("a call that was begun");
                    let (seed, label) = (self.seed, &settled.label);
                    let before = !seen.ends.is_empty();
                    assert!(settled.maybe_seen || !before, "seed {seed}: {label} handed over twice unmarked");
                    assert!(
                        seen.ends.iter().all(|end| *end == settled.end),
                        "seed {seed}: {label} ended twice, differently"
                    );
                    seen.ends.push(settled.end);
                    if self.dice.happens(80) {
                        self.pair.client.acknowledge(settled.id);
                    }
                }
                Output::NeverSent { key, .. } => {
                    let label = self.keys.get(&key).expect("a call of this process");
                    self.seen.get_mut(label).expect("a call that was begun").never_sent = true;
                }
                Output::Unresolved { why: Unresolved::NoAnswer, .. } => {}
                Output::Begun { .. } | Output::Welcomed { .. } | Output::Goodbye { .. } => {}
                other => panic!("seed {}: unexpected {other:?}", self.seed),
            }
        }
    }

    fn without_faults(&mut self) {
        self.pair.faults = Faults::default();
        let seed = self.seed;
        let limit_ms = self.pair.now_ms + 600_000;
        self.pair.client.handle_timer(self.pair.now_ms);
        self.pair.carry_out();
        self.listen();
        while self.pair.client.calls().next().is_some() {
            let open: Vec<CallView> = self.pair.client.calls().collect();
            assert!(self.pair.step(limit_ms), "seed {seed}: never settles: {open:?}");
            self.listen();
        }
    }

    fn check(&self) {
        let seed = self.seed;
        for (label, seen) in &self.seen {
            let executions = self.pair.server.executions(label);
            assert!(executions <= 1, "seed {seed}: {label} executed {executions} times");
            match seen.ends.first() {
                Some(End::Done(_) | End::Refused(_)) => {
                    assert_eq!(executions, 1, "seed {seed}: {label} is reported as executed");
                }
                Some(End::Cancelled | End::TooLate | End::TurnedAway(_)) => {
                    assert_eq!(executions, 0, "seed {seed}: {label} is reported as never executed");
                }
                Some(End::Expired) => panic!("seed {seed}: {label} ended as expired"),
                None => {
                    assert_eq!(executions, 0, "seed {seed}: the outcome of {label} was lost");
                    let excused = seen.never_sent || self.lost_with_crash.contains(label);
                    assert!(excused, "seed {seed}: nothing was said about {label}");
                }
            }
        }
    }
}
