//! Makes a failing plan small: takes things out for as long as the same promise is broken. What is left is what the
//! failure needs, and its story is short enough to be read.

use switchboard_call::flaw::Flaw;

use crate::plan::{ClientPlan, Plan, Weather};
use crate::story::Story;
use crate::trial;
use crate::world::Report;

/// Runs that shrinking takes at most.
const RUNS_MAX: u32 = 600;

/// A plan that breaks the same promise with less, and what happened in it.
#[derive(Debug)]
pub struct Shrunk {
    /// What is left of the plan.
    pub plan: Plan,
    /// Its run, told.
    pub report: Report,
    /// Runs that it took.
    pub runs: u32,
}

/// Shrinks a plan that breaks a promise; nothing when it does not.
#[must_use]
pub fn shrink(plan: &Plan, flaw: Option<Flaw>) -> Option<Shrunk> {
    let promise = trial::run(plan, flaw, Story::untold()).broken?.promise;
    let mut search = Search {
        best: plan.clone(),
        runs: 0,
        fails: |plan: &Plan| {
            trial::run(plan, flaw, Story::untold()).broken.is_some_and(|broken| broken.promise == promise)
        },
    };
    loop {
        let before = search.best.clone();
        search.fewer_faults();
        search.less_of_everything();
        if search.is_spent() || format!("{before:?}") == format!("{:?}", search.best) {
            break;
        }
    }
    let (plan, runs) = (search.best, search.runs);
    let report = trial::run(&plan, flaw, Story::told());
    Some(Shrunk { plan, report, runs })
}

struct Search<F> {
    best: Plan,
    runs: u32,
    fails: F,
}

impl<F: Fn(&Plan) -> bool> Search<F> {
    fn is_spent(&self) -> bool {
        self.runs >= RUNS_MAX
    }

    /// Keeps the candidate when it still fails.
    fn try_out(&mut self, candidate: Plan) -> bool {
        if self.is_spent() {
            return false;
        }
        self.runs += 1;
        let fails = (self.fails)(&candidate);
        if fails {
            self.best = candidate;
        }
        fails
    }

    /// Delta debugging (Zeller, Hildebrandt 2002) over the list of faults: halves first, then ever smaller pieces.
    fn fewer_faults(&mut self) {
        let mut piece = self.best.faults.len().div_ceil(2);
        while piece > 0 && !self.is_spent() {
            let mut at = 0;
            while at < self.best.faults.len() {
                let mut candidate = self.best.clone();
                let end = (at + piece).min(candidate.faults.len());
                candidate.faults.drain(at..end);
                if !self.try_out(candidate) {
                    at += piece;
                }
            }
            piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
        }
    }

    fn less_of_everything(&mut self) {
        self.with(|plan| plan.rogue = None);
        self.with(|plan| plan.weather = Weather::CALM);
        self.with(|plan| plan.weather.cut = 0.0);
        self.with(|plan| plan.weather.stuck = 0.0);
        self.with(|plan| plan.weather.lost = (0.0, 0.0));
        self.with(|plan| plan.weather.doubled = 0.0);
        self.with(|plan| plan.weather.splits = false);
        self.with(|plan| plan.slots_max = 64);
        for client in 0..self.best.clients.len() {
            self.less_of_client(client);
        }
        while self.best.load_ms > 1_000 && self.with(|plan| plan.load_ms /= 2) {}
        while self.best.rogue.is_some_and(|rogue| rogue.tries > 1)
            && self.with(|plan| {
                if let Some(rogue) = &mut plan.rogue {
                    rogue.tries /= 2;
                }
            })
        {}
    }

    fn less_of_client(&mut self, client: usize) {
        let mut change = |edit: fn(&mut ClientPlan)| self.with(|plan| edit(&mut plan.clients[client]));
        change(|client| client.calls = 0);
        while change(|client| client.calls /= 2) {}
        change(|client| client.crash = 0.0);
        change(|client| client.cancels = 0.0);
        change(|client| client.deadlines = 0.0);
        change(|client| client.not_afters = 0.0);
        change(|client| client.secrets = 0.0);
        change(|client| client.lossy = false);
        change(|client| client.open_max = 1);
        change(|client| client.acknowledge_ms_max = 0);
    }

    /// Tries the plan after an edit; an edit that changes nothing is no success.
    fn with(&mut self, edit: impl Fn(&mut Plan)) -> bool {
        let mut candidate = self.best.clone();
        edit(&mut candidate);
        format!("{candidate:?}") != format!("{:?}", self.best) && self.try_out(candidate)
    }
}
