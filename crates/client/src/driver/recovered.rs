//! Answers that nobody waits for: those of the process before this one, and those whose future was dropped. They are kept
//! until they are acknowledged. Absent: the calls of a volatile client, which nobody can ask for again.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_call::client::{CallKey, CallState, CallView, Machine, Settled, Unresolved};
use switchboard_call::id::CallId;

/// What a client knows about calls that nobody waits for.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Calls that have ended and were not acknowledged, by their ids.
    pub answered: Vec<Settled>,
    /// Calls of the process before this one that have not ended, in the order of their beginning.
    pub open: Vec<CallView>,
}

#[derive(Debug)]
pub(super) struct Unclaimed {
    is_durable: bool,
    answered: BTreeMap<CallId, Settled>,
    /// What was open when this process began.
    inherited: BTreeSet<CallKey>,
}

impl Unclaimed {
    pub(super) fn new(machine: &Machine, is_durable: bool) -> Self {
        let inherited = machine.calls().map(|call| call.key).collect();
        Self { is_durable, answered: BTreeMap::new(), inherited }
    }

    /// Whether the call is one of the process before this one: its end is told until it is acknowledged, also when
    /// somebody waits for it.
    pub(super) fn wants(&self, key: CallKey) -> bool {
        self.inherited.contains(&key)
    }

    pub(super) fn keep(&mut self, settled: Settled) {
        if self.is_durable {
            self.answered.insert(settled.id, settled);
        }
    }

    pub(super) fn find(&self, id: CallId) -> Option<Settled> {
        self.answered.get(&id).cloned()
    }

    pub(super) fn acknowledged(&mut self, id: CallId) {
        self.answered.remove(&id);
    }

    pub(super) fn report(&self, machine: &Machine) -> Recovered {
        Recovered {
            answered: self.answered.values().cloned().collect(),
            open: machine.calls().filter(|call| self.inherited.contains(&call.key)).collect(),
        }
    }
}

/// Why the machine can do nothing more about the open call with this id, if so.
pub(super) fn unresolved(machine: &Machine, id: CallId) -> Option<Unresolved> {
    let call = machine.calls().find(|call| call.id == Some(id))?;
    match call.state {
        CallState::Unresolved(why) => Some(why),
        CallState::Waiting | CallState::Open | CallState::Cancelling | CallState::Answered => None,
    }
}
