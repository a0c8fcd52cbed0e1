//! One plan on one thread: with its own log, its own planted flaw, and a net under it for panics.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use switchboard_call::flaw::{Flaw, plant};

use crate::logged::Errors;
use crate::model::{Promise, Violation};
use crate::plan::Plan;
use crate::story::Story;
use crate::world::{self, Figures, Report};

thread_local! {
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on a panic says nothing by itself: a run tells it, and where it was, as a broken promise.
pub fn silence_panics() {
    set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        PLACE.with_borrow_mut(|known| *known = place);
    }));
}

/// Runs a plan; with a flaw, that one is planted in the product for as long as the run takes.
#[must_use]
pub fn run(plan: &Plan, flaw: Option<Flaw>, story: Story) -> Report {
    let errors = Errors::default();
    let log = tracing::Dispatch::new(errors.clone());
    plant(flaw);
    let plan = plan.clone();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        tracing::dispatcher::with_default(&log, || world::run(plan, story, errors))
    }));
    plant(None);
    caught.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let place = PLACE.with_borrow(String::clone);
        let how = format!("a panic at {place}: {}", text.unwrap_or_default());
        Report {
            broken: Some(Violation::new(Promise::Works, how)),
            story: Vec::new(),
            figures: Figures::default(),
        }
    })
}
