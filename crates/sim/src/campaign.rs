//! Many seeds on all cores, until one breaks a promise, all have held, or the time is up.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use switchboard_call::flaw::Flaw;

use crate::model::Violation;
use crate::plan::Plan;
use crate::story::Story;
use crate::trial;
use crate::world::Figures;

/// Which seeds, and how.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// On how many threads.
    pub threads: usize,
    /// Planted in the product, for a campaign that must fail.
    pub flaw: Option<Flaw>,
}

/// What came of a campaign.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Seeds that were run.
    pub seeds: u64,
    /// The lowest seed that broke a promise, and how.
    pub broken: Option<(u64, Violation)>,
    /// All figures, added up.
    pub figures: Figures,
}

impl Campaign {
    /// Runs it. `goes_on` hears the number of finished seeds, from any thread, and says whether there is time left.
    #[must_use]
    pub fn run(&self, goes_on: impl Fn(u64) -> bool + Sync) -> Outcome {
        let next = AtomicU64::new(0);
        let enough = AtomicBool::new(false);
        let outcome = Mutex::new(Outcome::default());
        thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| {
                    while !enough.load(Ordering::SeqCst) {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= self.seeds {
                            return;
                        }
                        let seed = self.first + number;
                        let report = trial::run(&Plan::of(seed), self.flaw, Story::untold());
                        let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                        outcome.take_in(seed, report.broken, &report.figures);
                        let stops = outcome.broken.is_some() || !goes_on(outcome.seeds);
                        enough.fetch_or(stops, Ordering::SeqCst);
                    }
                });
            }
        });
        outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outcome {
    fn take_in(&mut self, seed: u64, broken: Option<Violation>, figures: &Figures) {
        self.seeds += 1;
        self.figures.add(figures);
        if let Some(violation) = broken
            && self.broken.as_ref().is_none_or(|(lowest, _)| seed < *lowest)
        {
            self.broken = Some((seed, violation));
        }
    }
}
