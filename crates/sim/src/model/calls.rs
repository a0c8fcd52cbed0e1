//! Call ids by the model: what was asked under each, by whom, and what was answered.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_call::answer::{Answer, Outcome};
use switchboard_call::frame::{OutcomeReply, Reference, Reply, ServerFrame};
use switchboard_call::id::{CallId, Nonce, ReplyHash, SessionId, Slot};
use switchboard_call::limits::COLLECT_LAG_MS;
use switchboard_call::server::Request;
use switchboard_engine::Principal;

use super::{Promise, Verdict, Violation};
use crate::network::LinkId;

/// A command under a call id, as one connection asked for it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Asked {
    nonce: Nonce,
    previous: ReplyHash,
    version: u16,
    body: Vec<u8>,
    not_after_us: Option<u64>,
}

/// An answer that is fixed for ever.
#[derive(Clone, Debug)]
struct Recorded {
    answer: Vec<u8>,
    /// The command, once somebody who asked for it was answered.
    command: Option<Asked>,
}

/// Call ids, as the nodes of one store see them.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    asked: BTreeMap<(LinkId, CallId), Asked>,
    recorded: BTreeMap<CallId, Recorded>,
    /// The last recorded call of each slot.
    slots: BTreeMap<(SessionId, Slot), CallId>,
    owners: BTreeMap<SessionId, Principal>,
    effects: BTreeSet<CallId>,
    /// Said to be done, and to be found in the ledger at the next look.
    due: BTreeSet<CallId>,
    horizon_ms: u64,
    /// Answers that repeated a recorded one.
    replays: u64,
}

impl Calls {
    /// A node is asked this on a connection.
    pub fn asked(&mut self, link: LinkId, request: &Request) {
        if let Request::Call(call) = request {
            let asked = Asked {
                nonce: call.nonce,
                previous: call.previous,
                version: call.version,
                body: call.body.clone(),
                not_after_us: call.not_after_us,
            };
            self.asked.insert((link, call.id), asked);
        }
    }

    /// A node whose clock showed this time answers on a connection of this principal.
    ///
    /// # Errors
    /// When a promise is broken.
    pub fn answered(
        &mut self,
        link: LinkId,
        principal: Principal,
        frame: &ServerFrame,
        clock_us: u64,
    ) -> Verdict {
        match frame {
            ServerFrame::Reply(Reply { reference: Reference::Call(id), attempt, answer, replayed }) => {
                let asked = (*attempt > 0).then(|| self.asked.get(&(link, *id)).cloned()).flatten();
                let meaning = Answer::from_bytes(answer)
                    .map_err(|error| broken(Promise::Works, format!("the answer to {id}: {error}")))?;
                let not_after_us = asked.as_ref().and_then(|asked| asked.not_after_us);
                let executed = matches!(meaning, Answer::Done(_) | Answer::Refused(_)) && !replayed;
                if executed && not_after_us.is_some_and(|last_us| clock_us > last_us) {
                    let how = format!("{id} was executed at {clock_us}, not to be after {not_after_us:?}");
                    return Err(broken(Promise::InTime, how));
                }
                if meaning.is_recorded() && meaning != Answer::Expired {
                    self.repeats(*id, principal, asked, answer)
                } else {
                    self.says_no(*id, principal, asked, &meaning)
                }
            }
            ServerFrame::Outcome(OutcomeReply { id, outcome }) => self.outcome(*id, principal, outcome),
            ServerFrame::Reply(_)
            | ServerFrame::Welcome(_)
            | ServerFrame::Ping(_)
            | ServerFrame::Pong(_)
            | ServerFrame::Goodbye(_) => Ok(()),
        }
    }

    /// The horizon was read; it was `rise_ms_max` higher than at the last look at most.
    ///
    /// # Errors
    /// When it fell, or rose faster.
    pub fn horizon(&mut self, horizon_ms: u64, rise_ms_max: u64) -> Verdict {
        let before_ms = std::mem::replace(&mut self.horizon_ms, horizon_ms);
        if before_ms != 0 && (horizon_ms < before_ms || horizon_ms > before_ms + rise_ms_max) {
            let how = format!("from {before_ms} to {horizon_ms} when it may rise by {rise_ms_max}");
            return Err(broken(Promise::Horizon, how));
        }
        Ok(())
    }

    /// Answers that repeated a recorded one.
    #[must_use]
    pub fn replays(&self) -> u64 {
        self.replays
    }

    /// The last recorded call of each slot and the hash of its answer: what a forger builds on.
    #[must_use]
    pub fn slots(&self) -> Vec<(CallId, ReplyHash, Option<Principal>)> {
        let last = |id: &CallId| {
            let recorded = self.recorded.get(id)?;
            Some((*id, ReplyHash::of(*id, &recorded.answer), self.owners.get(&id.session).copied()))
        };
        self.slots.values().filter_map(last).collect()
    }

    /// Whether a node of this store was ever asked for the call.
    #[must_use]
    pub fn was_asked(&self, id: CallId) -> bool {
        self.asked.keys().any(|(_, asked)| *asked == id)
    }

    /// Whether the call has ended for ever.
    #[must_use]
    pub fn is_recorded(&self, id: CallId) -> bool {
        self.recorded.contains_key(&id)
    }

    /// Whom the session belongs to, once it has a row.
    #[must_use]
    pub fn owner(&self, session: SessionId) -> Option<Principal> {
        self.owners.get(&session).copied()
    }

    pub(super) fn took_effect(&mut self, id: CallId) -> Verdict {
        if !self.effects.insert(id) {
            return Err(broken(Promise::Once, format!("{id} was executed twice")));
        }
        if id.session.birth_ms() < self.horizon_ms {
            let how = format!("{id}, born at {}, was executed below the horizon", id.session.birth_ms());
            return Err(broken(Promise::Horizon, how));
        }
        let recorded = self.recorded.get(&id).map(|recorded| Answer::from_bytes(&recorded.answer));
        match recorded {
            None | Some(Ok(Answer::Done(_))) => Ok(()),
            Some(said) => {
                let how = format!("{id} took effect after it was answered {said:?}");
                Err(broken(Promise::NeverMeansNever, how))
            }
        }
    }

    /// All rows are known: whatever was said to be done has its effect.
    pub(super) fn nothing_is_due(&mut self) -> Verdict {
        match std::mem::take(&mut self.due).into_iter().find(|id| !self.effects.contains(id)) {
            Some(id) => {
                Err(broken(Promise::Durable, format!("{id} was said to be done, and is not in the ledger")))
            }
            None => Ok(()),
        }
    }

    /// What was recorded since these facts were kept.
    pub(super) fn lost_since(&self, kept: &Self) -> Vec<CallId> {
        let is_lost = |id: &&CallId| !kept.recorded.contains_key(*id);
        let effects = self.effects.difference(&kept.effects);
        self.recorded
            .keys()
            .filter(is_lost)
            .chain(effects)
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Whether one of the rows holds the very answer that was given to the call.
    pub(super) fn is_kept(&self, id: CallId, rows: &[(CallId, Vec<u8>)]) -> bool {
        let recorded = self.recorded.get(&id);
        recorded
            .is_some_and(|recorded| rows.iter().any(|(row, answer)| *row == id && *answer == recorded.answer))
    }

    /// The facts of the store are these again; what was asked stays asked. `rows` are the calls at which its slots stand
    /// and their answers: one of them may have been answered only after the facts were kept.
    pub(super) fn put_back(&mut self, kept: &Self, rows: &[(CallId, Vec<u8>)]) {
        let (asked, replays) = (std::mem::take(&mut self.asked), self.replays);
        let late: Vec<(CallId, Recorded)> = rows
            .iter()
            .filter(|(id, _)| !kept.recorded.contains_key(id) && self.is_kept(*id, rows))
            .filter_map(|(id, _)| Some((*id, self.recorded.get(id)?.clone())))
            .collect();
        *self = Self { asked, replays, ..kept.clone() };
        for (id, recorded) in late {
            self.slots.insert((id.session, id.slot), id);
            self.recorded.insert(id, recorded);
        }
    }

    /// A recorded answer goes out: the first of its id, or a copy.
    fn repeats(&mut self, id: CallId, principal: Principal, asked: Option<Asked>, answer: &[u8]) -> Verdict {
        let by_operator = asked.is_none() && principal.is_operator();
        let cancelled = answer == Answer::Cancelled.to_bytes();
        match self.owners.get(&id.session) {
            Some(owner) if *owner != principal && !by_operator => {
                let how = format!("{principal} was given the answer to {id} of {owner}");
                return Err(broken(Promise::OwnersOnly, how));
            }
            Some(_) => {}
            // An operator's cancel leaves a session to its owner, whoever that will be.
            None if cancelled || by_operator => {}
            None => {
                self.owners.insert(id.session, principal);
            }
        }
        if !self.recorded.contains_key(&id) {
            self.first_of_its_slot(id, asked.as_ref())?;
            let done = matches!(Answer::from_bytes(answer), Ok(Answer::Done(_)));
            if done {
                self.due.insert(id);
            } else if self.effects.contains(&id) {
                let how = format!("{id} took effect, and is said not to have been done");
                return Err(broken(Promise::Truth, how));
            }
            let recorded = Recorded { answer: answer.to_vec(), command: asked };
            self.recorded.insert(id, recorded);
            self.slots.insert((id.session, id.slot), id);
            return Ok(());
        }
        self.replays += 1;
        let recorded = self.recorded.get_mut(&id).expect("it was there a moment ago");
        if recorded.answer != answer {
            return Err(broken(Promise::SameAnswer, format!("{id} was answered with different bytes")));
        }
        match (&recorded.command, asked) {
            (Some(command), Some(asked)) if !cancelled && !is_same(command, &asked) => {
                let how = format!("another command under {id} was given its answer");
                Err(broken(Promise::Truth, how))
            }
            (None, Some(asked)) if !cancelled => {
                recorded.command = Some(asked);
                Ok(())
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    fn first_of_its_slot(&self, id: CallId, asked: Option<&Asked>) -> Verdict {
        let last = self.slots.get(&(id.session, id.slot));
        let hash = last.and_then(|last| self.recorded.get(last).map(|row| ReplyHash::of(*last, &row.answer)));
        let follows = last.map(|last| last.sequence) == id.sequence.previous();
        let relies = asked.is_none_or(|asked| asked.previous == hash.unwrap_or(ReplyHash::NONE));
        if follows && relies {
            return Ok(());
        }
        let how = format!("{id} was executed after {last:?}, of whose answer it knew nothing");
        Err(broken(Promise::NoGap, how))
    }

    /// An answer that is no record: it must not contradict one.
    fn says_no(&self, id: CallId, principal: Principal, asked: Option<Asked>, answer: &Answer) -> Verdict {
        let recorded = self.recorded.get(&id);
        let birth_ms = id.session.birth_ms();
        let false_alarm =
            |how: &str| Err(broken(Promise::Alarms, format!("{id} was answered {answer:?}: {how}")));
        match answer {
            Answer::Expired if recorded.is_some() || self.effects.contains(&id) => {
                Err(broken(Promise::Truth, format!("{id} was executed, and is said never to be")))
            }
            Answer::Expired if birth_ms >= self.horizon_ms => false_alarm("it is above the horizon"),
            Answer::Forgotten if birth_ms >= self.horizon_ms.saturating_sub(COLLECT_LAG_MS) => {
                false_alarm("its rows must still be there")
            }
            Answer::CopiedJournal | Answer::CallIdReused => {
                let command = recorded.and_then(|recorded| recorded.command.as_ref());
                match (command, asked) {
                    (Some(command), Some(asked)) if is_same(command, &asked) => {
                        false_alarm("it is the same call")
                    }
                    _ => Ok(()),
                }
            }
            Answer::NotYours if self.owners.get(&id.session) == Some(&principal) => {
                false_alarm("it belongs to who asked")
            }
            Answer::Gap
                if birth_ms >= self.horizon_ms
                    && asked.is_some()
                    && self.first_of_its_slot(id, asked.as_ref()).is_ok() =>
            {
                false_alarm("the answer before it is known")
            }
            Answer::Done(_)
            | Answer::Refused(_)
            | Answer::Cancelled
            | Answer::TooLate
            | Answer::Expired
            | Answer::Superseded
            | Answer::Forgotten
            | Answer::Gap
            | Answer::NotYours
            | Answer::WrongStore
            | Answer::Transient(_)
            | Answer::Door(_) => Ok(()),
        }
    }

    fn outcome(&self, id: CallId, principal: Principal, outcome: &Outcome) -> Verdict {
        let Some(recorded) = self.recorded.get(&id) else { return Ok(()) };
        let owner = self.owners.get(&id.session);
        let is_last = self.slots.get(&(id.session, id.slot)) == Some(&id);
        let lie = || {
            Err(broken(
                Promise::Truth,
                format!("{id} is recorded, and its outcome is said to be {outcome:?}"),
            ))
        };
        match outcome {
            Outcome::Done(_) | Outcome::Cancelled
                if owner.is_some_and(|owner| *owner != principal) && !principal.is_operator() =>
            {
                Err(broken(Promise::OwnersOnly, format!("{principal} was told the outcome of {id}")))
            }
            Outcome::Done(answer) if *answer != recorded.answer => {
                Err(broken(Promise::SameAnswer, format!("the outcome of {id} has different bytes")))
            }
            Outcome::Cancelled if recorded.answer != Answer::Cancelled.to_bytes() => lie(),
            Outcome::NotYet | Outcome::Expired if is_last => lie(),
            Outcome::Forgotten if id.session.birth_ms() >= self.horizon_ms.saturating_sub(COLLECT_LAG_MS) => {
                lie()
            }
            Outcome::NotYours if owner == Some(&principal) => lie(),
            Outcome::Done(_)
            | Outcome::Cancelled
            | Outcome::NotYet
            | Outcome::Expired
            | Outcome::Superseded
            | Outcome::Forgotten
            | Outcome::NotYours
            | Outcome::CopiedJournal
            | Outcome::Unavailable { .. } => Ok(()),
        }
    }
}

/// What the digest covers: nonce, version and body.
fn is_same(one: &Asked, other: &Asked) -> bool {
    (one.nonce, one.version, &one.body) == (other.nonce, other.version, &other.body)
}

fn broken(promise: Promise, how: String) -> Violation {
    Violation::new(promise, how)
}
