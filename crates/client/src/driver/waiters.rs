//! Who waits for what: the application's futures by the names that the machine gives to calls, reads and queries. A future
//! that was dropped is nobody. Absent: any decision about a call.

use std::collections::BTreeMap;
use std::sync::Arc;

use switchboard_call::answer::{Answer, Outcome};
use switchboard_call::client::{
    BeginError, CallKey, NeverSent, ReadFailure, ReadKey, Settled, StopReason, Unresolved,
};
use switchboard_call::id::CallId;
use tokio::sync::oneshot;

use crate::error::{CallError, ConnectError};

/// Takes how a call ended.
pub(crate) type AnswerSender = oneshot::Sender<Result<Settled, CallError>>;

/// Takes what a read says.
pub(crate) type ReadSender = oneshot::Sender<Result<Answer, CallError>>;

/// Takes what is known of a call id.
pub(crate) type OutcomeSender = oneshot::Sender<Result<Outcome, CallError>>;

/// All futures that wait.
#[derive(Default)]
pub(super) struct Waiters {
    calls: BTreeMap<CallKey, Caller>,
    reads: BTreeMap<ReadKey, ReadSender>,
    outcomes: BTreeMap<CallId, Vec<OutcomeSender>>,
}

#[derive(Default)]
struct Caller {
    begun: Option<oneshot::Sender<CallId>>,
    answers: Vec<AnswerSender>,
    /// Its end is of no interest any more, because there is no server to send it to.
    given_up: Option<Arc<ConnectError>>,
}

impl Waiters {
    pub(super) fn call(
        &mut self,
        key: CallKey,
        begun: Option<oneshot::Sender<CallId>>,
        answer: AnswerSender,
    ) {
        let caller = self.calls.entry(key).or_default();
        caller.begun = begun.or(caller.begun.take());
        caller.answers.push(answer);
    }

    pub(super) fn read(&mut self, key: ReadKey, answer: ReadSender) {
        self.reads.insert(key, answer);
    }

    pub(super) fn outcome(&mut self, id: CallId, answer: OutcomeSender) {
        self.outcomes.entry(id).or_default().push(answer);
    }

    pub(super) fn begun(&mut self, key: CallKey, id: CallId) {
        if let Some(begun) = self.calls.get_mut(&key).and_then(|caller| caller.begun.take()) {
            hand(begun, id);
        }
    }

    /// Hands an answer over; returns it when nobody takes it.
    pub(super) fn answered(&mut self, settled: Settled) -> Option<Settled> {
        let mut taken = false;
        for answer in self.calls.remove(&settled.key).map(|caller| caller.answers).unwrap_or_default() {
            taken |= answer.send(Ok(settled.clone())).is_ok();
        }
        (!taken).then_some(settled)
    }

    pub(super) fn never_sent(
        &mut self,
        key: CallKey,
        reason: NeverSent,
        connection: Option<Arc<ConnectError>>,
    ) {
        self.fail(key, |caller| match &caller.given_up {
            Some(error) => CallError::NoServer(Arc::clone(error)),
            None => CallError::NotSent { reason: reason.clone(), connection: connection.clone() },
        });
    }

    pub(super) fn unresolved(&mut self, key: CallKey, id: CallId, why: &Unresolved) {
        self.fail(key, |_| CallError::Unresolved { id, why: why.clone() });
    }

    fn fail(&mut self, key: CallKey, error: impl Fn(&Caller) -> CallError) {
        if let Some(mut caller) = self.calls.remove(&key) {
            for answer in std::mem::take(&mut caller.answers) {
                hand(answer, Err(error(&caller)));
            }
        }
    }

    pub(super) fn read_answered(&mut self, key: ReadKey, answer: Answer) {
        if let Some(reader) = self.reads.remove(&key) {
            hand(reader, Ok(answer));
        }
    }

    pub(super) fn read_failed(
        &mut self,
        key: ReadKey,
        reason: ReadFailure,
        connection: Option<Arc<ConnectError>>,
    ) {
        if let Some(reader) = self.reads.remove(&key) {
            hand(reader, Err(CallError::NotAnswered { reason, connection }));
        }
    }

    pub(super) fn outcome_known(&mut self, id: CallId, outcome: &Outcome) {
        for asker in self.outcomes.remove(&id).unwrap_or_default() {
            hand(asker, Ok(outcome.clone()));
        }
    }

    /// The machine does nothing more: queries are not answered any more.
    pub(super) fn stopped(&mut self, reason: StopReason) {
        for asker in std::mem::take(&mut self.outcomes).into_values().flatten() {
            hand(asker, Err(CallError::NotTaken(BeginError::Stopped(reason))));
        }
    }

    /// No node can be used: every question fails now. Returns the calls that are to end, those without an id.
    pub(super) fn give_up(
        &mut self,
        error: &Arc<ConnectError>,
        has_id: impl Fn(CallKey) -> bool,
    ) -> Vec<CallKey> {
        for reader in std::mem::take(&mut self.reads).into_values() {
            hand(reader, Err(CallError::NoServer(Arc::clone(error))));
        }
        for asker in std::mem::take(&mut self.outcomes).into_values().flatten() {
            hand(asker, Err(CallError::NoServer(Arc::clone(error))));
        }
        let unsent = self.calls.iter_mut().filter(|(key, _)| !has_id(**key));
        unsent
            .map(|(key, caller)| {
                caller.given_up = Some(Arc::clone(error));
                *key
            })
            .collect()
    }
}

/// Hands a value to a future, which may have been dropped: then nobody wants it.
pub(super) fn hand<T>(to: oneshot::Sender<T>, value: T) {
    let _nobody_wants_it = to.send(value);
}
