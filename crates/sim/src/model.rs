//! The model beside the system: what must be true, told from what goes in and out of the machines and from the rows
//! that are committed. It knows the rules only as promises; it shares no code with what it checks.
//!
//! ```text
//!   requests and answers at a node --> [calls]   one execution and one answer per call id, to its owner only
//!   rows of the ledger             --> [ledger]  each wish at most once, sums zero, balances from entries
//!   answers at a client            --> [wishes]  what was told is what happened, and stays so
//! ```

mod calls;
mod ledger;
mod wishes;

use std::fmt;

use switchboard_call::id::CallId;

pub use calls::Calls;
pub use ledger::{AccountRow, Ledger, TransferRow};
pub use wishes::Wishes;

/// Which promise was broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Promise {
    /// A call id is executed at most once, and a wish takes effect at most once.
    Once,
    /// What a client was told is what happened.
    Truth,
    /// All answers to one call id are the same bytes.
    SameAnswer,
    /// What was refused, cancelled, too late or turned away never takes effect.
    NeverMeansNever,
    /// No effect has an id that nobody sent.
    SomebodySentIt,
    /// A call follows the answered one before it in its slot.
    NoGap,
    /// An answer goes to the principal of the session only.
    OwnersOnly,
    /// A false alarm, or none where one was due.
    Alarms,
    /// Money neither comes from nowhere nor goes there; balances are what their entries add up to.
    Ledger,
    /// What was committed and answered is there after every crash.
    Durable,
    /// Nothing is executed after the time that its client set.
    InTime,
    /// After a crash new calls go to a new session.
    NewSession,
    /// The horizon rises slowly and nothing below it is claimed.
    Horizon,
    /// When the faults stop, everything settles and everybody hears how.
    Settles,
    /// Nothing is handed over twice as if for the first time.
    MarkedWhenSeen,
    /// No ERROR line in a log.
    QuietLog,
    /// A machine, the store or the disk did not do what it must always be able to do.
    Works,
}

impl Promise {
    /// Its name, stable.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Truth => "truth",
            Self::SameAnswer => "same-answer",
            Self::NeverMeansNever => "never-means-never",
            Self::SomebodySentIt => "somebody-sent-it",
            Self::NoGap => "no-gap",
            Self::OwnersOnly => "owners-only",
            Self::Alarms => "alarms",
            Self::Ledger => "ledger",
            Self::Durable => "durable",
            Self::InTime => "in-time",
            Self::NewSession => "new-session",
            Self::Horizon => "horizon",
            Self::Settles => "settles",
            Self::MarkedWhenSeen => "marked-when-seen",
            Self::QuietLog => "quiet-log",
            Self::Works => "works",
        }
    }
}

/// A broken promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// How, for a person.
    pub how: String,
}

impl Violation {
    /// A broken promise.
    #[must_use]
    pub fn new(promise: Promise, how: impl Into<String>) -> Self {
        Self { promise, how: how.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise.name(), self.how)
    }
}

/// What a check says.
pub type Verdict = Result<(), Violation>;

/// What the model knows of one store.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Call ids, as the nodes see them.
    pub calls: Calls,
    /// Rows, as committed.
    pub ledger: Ledger,
}

/// Everything the model knows.
#[derive(Debug, Default)]
pub struct Model {
    /// Of the store, and of the other one that may stand in its place.
    facts: [Facts; 2],
    /// Wishes, as the applications see them.
    pub wishes: Wishes,
}

impl Model {
    /// What is known of this store.
    #[must_use]
    pub fn facts(&self, store: usize) -> &Facts {
        &self.facts[store]
    }

    /// The same, to be added to.
    pub fn facts_mut(&mut self, store: usize) -> &mut Facts {
        &mut self.facts[store]
    }

    /// The store was put back to what it was then; its slots stand at these calls. Returns those that it lost.
    pub fn put_back(&mut self, store: usize, kept: &Facts, rows: &[(CallId, Vec<u8>)]) -> Vec<CallId> {
        let facts = &mut self.facts[store];
        let mut lost = facts.calls.lost_since(&kept.calls);
        lost.retain(|id| !facts.calls.is_kept(*id, rows));
        facts.calls.put_back(&kept.calls, rows);
        facts.ledger = kept.ledger.clone();
        self.wishes.store_lost(&lost);
        lost
    }

    /// What clients were told is true, now that the rows of the store can be looked at.
    ///
    /// # Errors
    /// When it is not.
    pub fn prove(&mut self) -> Verdict {
        let calls = &self.facts[0].calls;
        let elsewhere = &self.facts[1].calls;
        self.wishes.prove(|id| calls.was_asked(id) || !elsewhere.was_asked(id))
    }

    /// Takes in the rows that were committed since the last look.
    ///
    /// # Errors
    /// When a promise is broken.
    pub fn committed(&mut self, store: usize, transfers: &[TransferRow], accounts: &[AccountRow]) -> Verdict {
        let Facts { calls, ledger } = &mut self.facts[store];
        for rows in transfers.chunk_by(|before, row| before.call == row.call) {
            calls.took_effect(rows[0].call)?;
            self.wishes.took_effect(rows[0].intent, rows[0].call)?;
            ledger.append_call(rows)?;
        }
        for row in accounts {
            if let Some((intent, call)) = row.opened_by.filter(|_| !ledger.knows(row.id)) {
                calls.took_effect(call)?;
                self.wishes.took_effect(intent, call)?;
            }
        }
        ledger.compare(accounts)?;
        calls.nothing_is_due()
    }

    /// The whole ledger, read again after a crash: nothing that was there may be gone.
    ///
    /// # Errors
    /// When a promise is broken.
    pub fn survived(&mut self, store: usize, transfers: &[TransferRow], accounts: &[AccountRow]) -> Verdict {
        let known = self.facts[store].ledger.transfers();
        let (old, new) = transfers.split_at(known.min(transfers.len()));
        self.facts[store].ledger.is_prefix(old)?;
        self.committed(store, new, accounts)
    }
}
