//! The client's sessions and their slots: one call at a time per slot, lowest free slot first; a session
//! of seven days drains; a session from before a crash is only settled. Absent: the calls themselves.

use std::collections::{BTreeMap, BTreeSet};

use crate::flaw::{Flaw, planted};
use crate::id::{CallId, Generation, ReplyHash, Sequence, SessionId, Slot, StoreId};
use crate::limits::{HELLO_SESSIONS_MAX, SESSION_AGE_MS_MAX, SESSIONS_KEPT_MAX};

/// What a session is still good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Duty {
    /// New calls may use it.
    TakesCalls,
    /// Its open calls are settled; nothing new.
    Settles,
}

/// The last settled call of a slot and the hash of its answer.
pub(super) type LastSettled = (Sequence, ReplyHash);

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) store: StoreId,
    pub(super) generation: Generation,
    duty: Duty,
    last: BTreeMap<Slot, LastSettled>,
    /// Settled slots, ready for their next call.
    free: BTreeSet<Slot>,
    /// Every slot from here on has never been used.
    unused: u16,
    open: usize,
}

/// All sessions of this client.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    all: BTreeMap<SessionId, Session>,
    current: Option<SessionId>,
}

/// A call id and what its first copy says about the call before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) id: CallId,
    pub(super) previous: ReplyHash,
}

impl Sessions {
    /// Adds a new session and makes it the one for new calls.
    pub(super) fn open(&mut self, id: SessionId, store: StoreId, generation: Generation) {
        self.retire_current();
        self.all.insert(id, Session::new(store, generation, Duty::TakesCalls));
        self.current = Some(id);
        self.drop_oldest_idle();
    }

    /// Adds the session of a successor, whose one call is open.
    pub(super) fn adopt(&mut self, id: SessionId, store: StoreId, generation: Generation) {
        let session = Session { unused: 1, open: 1, ..Session::new(store, generation, Duty::Settles) };
        self.all.insert(id, session);
    }

    /// Puts back a session from the journal; with `duty` [`Duty::TakesCalls`] the newest one goes on.
    pub(super) fn restore(
        &mut self,
        id: SessionId,
        (store, generation, duty): (StoreId, Generation, Duty),
        last: BTreeMap<Slot, LastSettled>,
        open: &BTreeSet<Slot>,
    ) {
        let mut session = Session::new(store, generation, duty);
        let used = last.keys().chain(open).map(|slot| slot.0).max();
        session.unused = used.map_or(0, |slot| slot.saturating_add(1));
        session.free = last.keys().filter(|slot| !open.contains(slot)).copied().collect();
        session.last = last;
        session.open = open.len();
        self.all.insert(id, session);
        if duty == Duty::TakesCalls && self.current.is_none_or(|current| current < id) {
            self.retire_current();
            self.current = Some(id);
        }
    }

    /// The lowest free slot of the current session, taken for a new call; `None` when a new session is
    /// wanted or every slot below `slots_max` is busy (see [`Self::wants_session`]).
    pub(super) fn take(&mut self, slots_max: u16) -> Option<Place> {
        let id = self.current?;
        let session = self.all.get_mut(&id)?;
        let place = session.take(id, slots_max)?;
        session.open += 1;
        Some(place)
    }

    /// Whether there is no session for new calls; first drains one that is too old at `mint_time_ms`.
    pub(super) fn wants_session(&mut self, mint_time_ms: u64, store: StoreId) -> bool {
        let fit = |id: &SessionId| {
            let young = mint_time_ms.saturating_sub(id.birth_ms()) < SESSION_AGE_MS_MAX;
            young && self.all.get(id).is_some_and(|session| session.store == store)
        };
        if self.current.as_ref().is_some_and(fit) {
            return false;
        }
        self.retire_current();
        true
    }

    /// The call has ended with a recorded answer of this hash: its slot is free for the next.
    pub(super) fn settle(&mut self, id: CallId, hash: ReplyHash) {
        if let Some(session) = self.all.get_mut(&id.session) {
            session.last.insert(id.slot, (id.sequence, hash));
            session.free.insert(id.slot);
            session.open = session.open.saturating_sub(1);
        }
    }

    /// The call has ended without a recorded answer: its slot is never used again, and the session
    /// takes no new calls.
    pub(super) fn settle_unrecorded(&mut self, id: CallId) {
        if let Some(session) = self.all.get_mut(&id.session) {
            session.open = session.open.saturating_sub(1);
        }
        self.stop(id.session);
    }

    /// The session takes no new calls any more.
    pub(super) fn stop(&mut self, id: SessionId) {
        if let Some(session) = self.all.get_mut(&id) {
            session.duty = Duty::Settles;
        }
        if self.current == Some(id) {
            self.current = None;
        }
    }

    /// Forgets every session: they belong to a store that is gone and have nothing open.
    pub(super) fn forget(&mut self) {
        self.all.clear();
        self.current = None;
    }

    /// The store of the newest session.
    pub(super) fn store(&self) -> Option<StoreId> {
        let newest = self.all.last_key_value().filter(|_| !planted(Flaw::StoreNotCompared));
        newest.map(|(_, session)| session.store)
    }

    pub(super) fn find(&self, id: SessionId) -> Option<&Session> {
        self.all.get(&id)
    }

    /// What a hello names: sessions of `store`, newest first.
    pub(super) fn named(&self, store: StoreId) -> Vec<SessionId> {
        let of_store = self.all.iter().rev().filter(|(_, session)| session.store == store);
        of_store.map(|(id, _)| *id).take(HELLO_SESSIONS_MAX).collect()
    }

    /// Notes the generation that the store has now, and returns the last settled call of every slot of
    /// the sessions that knew another one, lower or higher: what the store must still know.
    pub(super) fn note_generation(
        &mut self,
        store: StoreId,
        generation: Generation,
    ) -> Vec<(CallId, ReplyHash)> {
        let mut to_verify = Vec::new();
        for (&session, state) in &mut self.all {
            if state.store == store && state.generation != generation {
                state.generation = generation;
                let settled = state.last.iter();
                to_verify.extend(
                    settled.map(|(&slot, &(sequence, hash))| (CallId { session, slot, sequence }, hash)),
                );
            }
        }
        to_verify
    }

    /// Every session with what a rewritten journal must carry of it, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.all.iter().map(|(id, session)| (*id, session))
    }

    fn retire_current(&mut self) {
        if let Some(id) = self.current.take() {
            self.stop(id);
        }
    }

    fn drop_oldest_idle(&mut self) {
        let current = self.current;
        let idle = |id: &SessionId, session: &Session| session.open == 0 && Some(*id) != current;
        let mut surplus = self.all.iter().filter(|(id, session)| idle(id, session)).count();
        self.all.retain(|id, session| {
            let drop = surplus > SESSIONS_KEPT_MAX && idle(id, session);
            surplus -= usize::from(drop);
            !drop
        });
    }
}

impl Session {
    fn new(store: StoreId, generation: Generation, duty: Duty) -> Self {
        let (last, free) = (BTreeMap::new(), BTreeSet::new());
        Self { store, generation, duty, last, free, unused: 0, open: 0 }
    }

    /// The last settled call of each slot.
    pub(super) fn last_settled(&self) -> impl Iterator<Item = (Slot, LastSettled)> {
        self.last.iter().map(|(slot, last)| (*slot, *last))
    }

    /// Whether new calls may use it.
    pub(super) fn takes_calls(&self) -> bool {
        self.duty == Duty::TakesCalls
    }

    fn take(&mut self, session: SessionId, slots_max: u16) -> Option<Place> {
        if let Some(&slot) = self.free.first().filter(|slot| slot.0 < slots_max) {
            self.free.remove(&slot);
            let (sequence, previous) = *self.last.get(&slot).expect("a free slot has a settled call");
            let sequence = sequence.next()?;
            return Some(Place { id: CallId { session, slot, sequence }, previous });
        }
        if self.unused >= slots_max {
            return None;
        }
        let slot = Slot(self.unused);
        self.unused += 1;
        let id = CallId { session, slot, sequence: Sequence::FIRST };
        Some(Place { id, previous: ReplyHash::NONE })
    }
}
