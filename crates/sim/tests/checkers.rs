//! The simulation is worth what its checkers are worth: every planted bug is found, a run is the same whenever it is
//! repeated, and what breaks a promise can be told in a short story.

use sim::campaign::Campaign;
use sim::model::Promise;
use sim::plan::{Fault, OfClient, Plan, What};
use sim::shrink::shrink;
use sim::story::Story;
use sim::trial;
use switchboard_call::flaw::Flaw;

/// Seeds within which a planted bug has to be found.
const SEEDS_MAX: u64 = 1_500;

fn campaign(first: u64, seeds: u64, flaw: Option<Flaw>) -> sim::campaign::Outcome {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Campaign { first, seeds, threads, flaw }.run(|_| true)
}

#[test]
fn every_planted_bug_is_found() {
    let missed: Vec<&str> = Flaw::ALL
        .iter()
        .filter(|flaw| campaign(1, SEEDS_MAX, Some(**flaw)).broken.is_none())
        .map(|flaw| flaw.name())
        .collect();
    assert!(missed.is_empty(), "not found within {SEEDS_MAX} seeds: {missed:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 20..40 {
        let plan = Plan::of(seed);
        let (first, second) =
            (trial::run(&plan, None, Story::told()), trial::run(&plan, None, Story::told()));
        // The id of a store comes from the kernel, and is the one thing that differs.
        let told = |story: &[String]| story.iter().map(|line| shape(line)).collect::<Vec<_>>();
        assert_eq!(told(&first.story), told(&second.story), "seed {seed}");
    }
}

/// A line without the store ids in it.
fn shape(line: &str) -> String {
    let is_store =
        |word: &str| word.len() >= 32 && word.bytes().take(32).all(|byte| byte.is_ascii_hexdigit());
    line.split(' ').filter(|word| !is_store(word)).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_failing_run_is_shrunk_to_a_short_story() {
    let flaw = Some(Flaw::NewIdAfterBrokenConnection);
    let (seed, broken) = campaign(1, SEEDS_MAX, flaw).broken.expect("this bug is found soon");
    assert_eq!(broken.promise, Promise::Once);
    let plan = Plan::of(seed);
    let whole = trial::run(&plan, flaw, Story::told());
    let shrunk = shrink(&plan, flaw).expect("a run that fails fails again");
    assert_eq!(shrunk.report.broken.map(|broken| broken.promise), Some(Promise::Once));
    assert!(shrunk.plan.faults.len() <= plan.faults.len());
    let (short, long) = (shrunk.report.story.len(), whole.story.len());
    assert!(short <= long && short < 200, "the story has {short} lines, the run had {long}");
}

#[test]
fn seeds_meet_every_kind_of_fault_and_hold() {
    let outcome = campaign(1, 300, None);
    assert_eq!(outcome.broken, None);
    let figures = outcome.figures;
    let every = [
        What::KillNode { node: 0, down_ms: 0 },
        What::CutPower { down_ms: 0 },
        What::CutPowerAmid { operations: 0, down_ms: 0 },
        What::Restore { down_ms: 0 },
        What::Nap { ms: 0 },
        What::OtherStore { ms: 0 },
        What::RulesPanic { node: 0, rules: 1 },
        What::OfClient { client: 0, what: OfClient::CopyJournal { from: 0, down_ms: 0 } },
        What::OfClient { client: 0, what: OfClient::RotJournal { down_ms: 0 } },
    ];
    for what in every {
        assert!(
            figures.counts.get(what.name()).is_some_and(|count| *count > 0),
            "never met: {}",
            what.name()
        );
    }
    assert!(figures.effects > 1_000 && figures.replays > 1_000, "{figures:?}");
}

#[test]
fn a_plan_of_nothing_but_calls_settles_at_once() {
    let mut plan = Plan::of(1);
    plan.faults = Vec::<Fault>::new();
    plan.weather = sim::plan::Weather::CALM;
    plan.rogue = None;
    for client in &mut plan.clients {
        (client.crash, client.cancels, client.deadlines, client.not_afters) = (0.0, 0.0, 0.0, 0.0);
    }
    let report = trial::run(&plan, None, Story::untold());
    assert_eq!(report.broken, None);
    assert_eq!(report.figures.replays, 0, "nothing is sent twice when nothing fails");
}
