//! `sim`: runs seeds, tells the story of one, and shows that planted bugs are found.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use sim::campaign::{Campaign, Outcome};
use sim::plan::Plan;
use sim::shrink::{Shrunk, shrink};
use sim::story::Story;
use sim::trial;
use sim::world::Figures;
use switchboard_call::flaw::Flaw;

/// Runs clients, servers, disks and a network on one thread in virtual time, breaks them in every way it knows, and
/// checks that nothing happens twice or is lost.
#[derive(Debug, Parser)]
#[command(name = "sim", version, after_help = EXAMPLES)]
struct Arguments {
    /// How many seeds to run
    #[arg(long, value_name = "N", default_value_t = 1000)]
    seeds: u64,
    /// The first of them
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    first: u64,
    /// Stop after so many minutes, however many seeds were run
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<u64>,
    /// Run this seed only and tell its story; when it breaks a promise, the shortest one that does
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first", "minutes"])]
    seed: Option<u64>,
    /// Tell the whole story of --seed, not the shortest
    #[arg(long, requires = "seed")]
    whole: bool,
    /// Plant this bug in the product first: the run must fail
    #[arg(long, value_name = "NAME", value_parser = flaw)]
    flaw: Option<Flaw>,
    /// Plant every known bug, one after the other: each must be found within --seeds
    #[arg(long, conflicts_with_all = ["flaw", "seed"])]
    flaws: bool,
    /// Threads to run on; as many as there are cores unless told
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print figures as one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  sim --seeds 10000              run seeds 1 to 10000
  sim --seed 17                  tell what happens in seed 17
  sim --flaws --seeds 2000       show that every planted bug is found
  sim --seeds 100000 --minutes 30

Exit status: 0 every promise held (with --flaw and --flaws: every bug was found), 1 otherwise, 2 wrong arguments.";

fn flaw(name: &str) -> Result<Flaw, String> {
    Flaw::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Flaw::ALL.iter().map(|flaw| flaw.name()).collect();
        format!("there is no such bug; known are: {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    trial::silence_panics();
    let held = if let Some(seed) = arguments.seed {
        one(&arguments, seed)
    } else if arguments.flaws {
        all_flaws(&arguments)
    } else {
        many(&arguments)
    };
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Seeds until one breaks a promise.
fn many(arguments: &Arguments) -> bool {
    let started = now();
    let outcome = campaign(arguments, arguments.flaw);
    let seconds = started.elapsed().as_secs_f64();
    if arguments.json {
        say(&json(&outcome, seconds).to_string());
    } else {
        print_figures(&outcome.figures, outcome.seeds, seconds);
    }
    match (&outcome.broken, arguments.flaw) {
        (None, None) => {
            say_unless_json(arguments, "every promise held");
            true
        }
        (None, Some(flaw)) => {
            say_unless_json(arguments, &format!("NOT FOUND: {}", flaw.name()));
            false
        }
        (Some((seed, violation)), flaw) => {
            say_unless_json(arguments, &format!("\nseed {seed} broke a promise\n  {violation}"));
            if !arguments.json {
                tell_shortest(*seed, flaw);
            }
            flaw.is_some()
        }
    }
}

/// The story of one seed.
fn one(arguments: &Arguments, seed: u64) -> bool {
    let report = trial::run(&Plan::of(seed), arguments.flaw, Story::told());
    if arguments.whole || report.broken.is_none() {
        print_plan(&Plan::of(seed));
        report.story.iter().for_each(|line| say(line));
        print_figures(&report.figures, 1, 0.0);
    }
    match &report.broken {
        None => {
            say("every promise held");
            arguments.flaw.is_none()
        }
        Some(violation) => {
            say(&format!("seed {seed} broke a promise\n  {violation}"));
            if !arguments.whole {
                tell_shortest(seed, arguments.flaw);
            }
            arguments.flaw.is_some()
        }
    }
}

/// Every planted bug, and how many seeds it took to find it.
fn all_flaws(arguments: &Arguments) -> bool {
    let mut all_found = true;
    for flaw in Flaw::ALL {
        let outcome = campaign(arguments, Some(*flaw));
        match outcome.broken {
            Some((seed, violation)) => {
                let (name, promise) = (flaw.name(), violation.promise.name());
                say(&format!("found      {name:<44} {:>5} seeds (seed {seed}: {promise})", outcome.seeds));
            }
            None => {
                all_found = false;
                say(&format!("NOT FOUND  {:<44} {:>5} seeds", flaw.name(), outcome.seeds));
            }
        }
    }
    all_found
}

fn campaign(arguments: &Arguments, flaw: Option<Flaw>) -> Outcome {
    let threads = arguments.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from));
    let deadline = arguments.minutes.map(|minutes| now() + Duration::from_secs(60 * minutes));
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new(arguments.seeds)
    } else {
        ProgressBar::hidden()
    };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {elapsed} ({eta} left)");
    bar.set_style(style.expect("the template is right"));
    let (first, seeds, threads) = (arguments.first, arguments.seeds, threads.unwrap_or(1));
    let outcome = Campaign { first, seeds, threads, flaw }.run(|done| {
        bar.set_position(done);
        deadline.is_none_or(|deadline| now() < deadline)
    });
    bar.finish_and_clear();
    outcome
}

fn tell_shortest(seed: u64, flaw: Option<Flaw>) {
    let Some(Shrunk { plan, report, runs }) = shrink(&Plan::of(seed), flaw) else {
        return say(
            "it holds when it is run again: the run is not deterministic, which is a bug of the simulation",
        );
    };
    say(&format!("\nthe shortest story found in {runs} runs:"));
    print_plan(&plan);
    report.story.iter().for_each(|line| say(line));
    let planted = flaw.map_or_else(String::new, |flaw| format!(" --flaw {}", flaw.name()));
    say(&format!("\nto see it again: cargo run --release -p sim -- --seed {seed}{planted}"));
}

fn print_plan(plan: &Plan) {
    let rogue = if plan.rogue.is_some() { ", a rogue" } else { "" };
    let (nodes, clients, load_ms) = (plan.nodes, plan.clients.len(), plan.load_ms);
    say(&format!("seed {}: {nodes} node(s), {clients} client(s){rogue}, {load_ms} ms of load", plan.seed));
    plan.faults.iter().for_each(|fault| say(&format!("  {fault}")));
}

fn print_figures(figures: &Figures, seeds: u64, seconds: f64) {
    let hours = hours(figures);
    say(&format!("{seeds} seeds, {hours:.1} simulated hours, {} events, {seconds:.1} s", figures.events));
    let Figures { calls, effects, replays, .. } = figures;
    say(&format!("{calls} calls, {effects} took effect, {replays} answers were repeated"));
    for (name, count) in figures.counts.iter().filter(|(_, count)| **count > 0) {
        say(&format!("{count:>10}  {name}"));
    }
}

fn json(outcome: &Outcome, seconds: f64) -> serde_json::Value {
    let Figures { calls, effects, replays, events, counts, .. } = &outcome.figures;
    let broken = outcome.broken.as_ref().map(|(seed, violation)| {
        serde_json::json!({ "seed": seed, "promise": violation.promise.name(), "how": violation.how })
    });
    serde_json::json!({
        "held": outcome.broken.is_none(),
        "broken": broken,
        "seeds": outcome.seeds,
        "seconds": seconds,
        "simulated_hours": hours(&outcome.figures),
        "events": events,
        "calls": calls,
        "took_effect": effects,
        "answers_repeated": replays,
        "faults": counts,
    })
}

fn hours(figures: &Figures) -> f64 {
    Duration::from_micros(figures.simulated_us).as_secs_f64() / 3600.0
}

#[expect(clippy::disallowed_methods, reason = "how long the simulation takes a person to wait for")]
fn now() -> Instant {
    Instant::now()
}

fn say_unless_json(arguments: &Arguments, line: &str) {
    if !arguments.json {
        say(line);
    }
}

/// A reader that has gone away does not change how the run ends.
fn say(line: &str) {
    let _gone = writeln!(std::io::stdout().lock(), "{line}");
}
