//! Wishes by the model: how often each took effect, and what its client was told about it.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_call::client::{End, Settled};
use switchboard_call::id::CallId;

use super::{Promise, Verdict, Violation};
use crate::intent::{self, Intent};

/// One wish.
#[derive(Clone, Debug, Default)]
struct Wish {
    /// Ids under which it was sent.
    sent: BTreeSet<CallId>,
    /// The id under which it took effect.
    effect: Option<CallId>,
    /// Its effect was lost with the store, at least once.
    lost: bool,
    /// Its client was told that it never will.
    never: Option<String>,
    /// It ended in the client before it was ever sent.
    unsent: bool,
    /// Who wished it, unless it came from nobody's application.
    client: Option<usize>,
    /// Its client lost its memory, or can never learn.
    excused: bool,
    /// How often each client handed an answer over as new.
    handed_over: BTreeMap<usize, u32>,
    /// Ids under which the application was told an answer.
    told: BTreeSet<CallId>,
}

/// All wishes.
#[derive(Debug, Default)]
pub struct Wishes {
    all: BTreeMap<Intent, Wish>,
    next: Intent,
    /// Said to be done while nobody could look at the store.
    unproven: Vec<(usize, Intent, CallId)>,
}

impl Wishes {
    /// A new wish of this client's application, or of nobody's.
    pub fn wish(&mut self, client: Option<usize>) -> Intent {
        self.next += 1;
        self.all.insert(self.next, Wish { client, ..Wish::default() });
        self.next
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.next
    }

    /// How many took effect.
    #[must_use]
    pub fn effects(&self) -> u64 {
        let happened = self.all.values().filter(|wish| wish.effect.is_some()).count();
        u64::try_from(happened).expect("a count fits")
    }

    /// The wish goes out under this id.
    pub fn sent(&mut self, intent: Intent, id: CallId) {
        self.all.entry(intent).or_default().sent.insert(id);
    }

    /// It ended before it was sent.
    ///
    /// # Errors
    /// When it took effect all the same.
    pub fn never_sent(&mut self, intent: Intent) -> Verdict {
        let wish = self.all.entry(intent).or_default();
        wish.unsent = true;
        never(wish, intent, "was never sent")
    }

    /// A client's application is told how it ended.
    ///
    /// # Errors
    /// When that is not what happened.
    pub fn told(&mut self, client: usize, settled: &Settled) -> Verdict {
        let Some(intent) = intent::marked(&settled.label) else {
            return Err(Violation::new(Promise::Works, format!("an answer to nobody's wish: {settled:?}")));
        };
        let Some(wish) = self.all.get_mut(&intent) else {
            let how = format!("client {client} was told about w{intent}, which nobody wished");
            return Err(Violation::new(Promise::SomebodySentIt, how));
        };
        wish.told.insert(settled.id);
        if !settled.maybe_seen {
            *wish.handed_over.entry(client).or_default() += 1;
        }
        match &settled.end {
            End::Done(_) => {
                self.unproven.push((client, intent, settled.id));
                Ok(())
            }
            End::Refused(_) | End::Cancelled | End::TooLate | End::Expired | End::TurnedAway(_) => {
                never(wish, intent, &format!("ended {:?}", settled.end))
            }
        }
    }

    /// The rows of the store are known now: what was said to be done is there, if it was `asked` for there.
    ///
    /// # Errors
    /// When it is not.
    pub fn prove(&mut self, asked: impl Fn(CallId) -> bool) -> Verdict {
        for (client, intent, id) in std::mem::take(&mut self.unproven) {
            let wish = &self.all[&intent];
            if wish.effect != Some(id) && !wish.lost && asked(id) {
                let how = format!("client {client} was told that w{intent} is done ({id}); it is not");
                return Err(Violation::new(Promise::Truth, how));
            }
        }
        Ok(())
    }

    /// A row of the ledger says that it took effect.
    pub(super) fn took_effect(&mut self, intent: Intent, id: CallId) -> Verdict {
        let Some(wish) = self.all.get_mut(&intent).filter(|wish| wish.sent.contains(&id)) else {
            let how = format!("w{intent} took effect under {id}, under which nobody sent it");
            return Err(Violation::new(Promise::SomebodySentIt, how));
        };
        if let Some(before) = wish.effect.replace(id) {
            let how = format!("w{intent} took effect under {before} and again under {id}");
            return Err(Violation::new(Promise::Once, how));
        }
        match &wish.never {
            Some(told) => {
                let how = format!("w{intent} {told}, and took effect under {id}");
                Err(Violation::new(Promise::NeverMeansNever, how))
            }
            None => Ok(()),
        }
    }

    /// The store lost these calls.
    pub(super) fn store_lost(&mut self, lost: &[CallId]) {
        for wish in self.all.values_mut() {
            if wish.effect.is_some_and(|id| lost.contains(&id)) {
                (wish.effect, wish.lost) = (None, true);
            }
            // What a lost refusal said is lost with it.
            if wish.sent.iter().any(|id| lost.contains(id)) {
                (wish.never, wish.lost) = (None, true);
            }
        }
    }

    /// A client lost its memory: what was open then may never be answered, what was handed over may be again.
    pub fn forgot(&mut self, client: usize) {
        for wish in self.all.values_mut() {
            wish.handed_over.remove(&client);
            wish.excused |= wish.client == Some(client);
        }
    }

    /// A journal from earlier is in use: a call that was turned away, or never sent, may be sent after all.
    pub fn may_return(&mut self) {
        for wish in self.all.values_mut() {
            wish.never = None;
        }
    }

    /// The outcome of this call can never be learnt.
    pub fn doubted(&mut self, id: CallId) {
        for wish in self.all.values_mut().filter(|wish| wish.sent.contains(&id)) {
            wish.excused = true;
        }
    }

    /// Whether this client's application was told how one of these calls ended.
    #[must_use]
    pub fn was_told_of(&self, client: usize, calls: &[CallId]) -> bool {
        let mut of_client = self.all.values().filter(|wish| wish.client == Some(client));
        of_client.any(|wish| wish.told.iter().any(|id| calls.contains(id)))
    }

    /// Whether any was handed over twice as new.
    ///
    /// # Errors
    /// When one was.
    pub fn each_handed_over_once(&self) -> Verdict {
        match self.all.iter().find(|(_, wish)| wish.handed_over.values().any(|times| *times > 1)) {
            Some((intent, wish)) => {
                let how = format!(
                    "the answer to w{intent} was handed over as new too often: {:?}",
                    wish.handed_over
                );
                Err(Violation::new(Promise::MarkedWhenSeen, how))
            }
            None => Ok(()),
        }
    }

    /// Every wish of this client that was sent was answered.
    ///
    /// # Errors
    /// When one was not.
    pub fn all_answered(&self, client: usize) -> Verdict {
        let waits = |wish: &&Wish| {
            wish.client == Some(client)
                && !wish.sent.is_empty()
                && wish.told.is_empty()
                && !wish.unsent
                && !wish.excused
        };
        match self.all.iter().find(|(_, wish)| waits(wish)) {
            Some((intent, wish)) => {
                let how =
                    format!("client {client} sent w{intent} as {:?} and never heard how it ended", wish.sent);
                Err(Violation::new(Promise::Settles, how))
            }
            None => Ok(()),
        }
    }
}

fn never(wish: &mut Wish, intent: Intent, told: &str) -> Verdict {
    wish.never = Some(told.to_owned());
    match wish.effect {
        Some(id) => {
            let how = format!("w{intent} {told}, although it took effect under {id}");
            Err(Violation::new(Promise::Truth, how))
        }
        None => Ok(()),
    }
}
