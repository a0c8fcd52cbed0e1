//! The rules of a claim (server rules 1 to 5, 9): what the row must be, and what it means when it is not. The record
//! is one conditional write that names everything the claim relied on.
//!
//! Absent: the effect, the reply, the commit. A claim is part of its caller's transaction.

use switchboard_call::answer::Answer;
use switchboard_call::flaw::{Flaw, planted};
use switchboard_call::id::{CallId, ReplyHash};
use switchboard_call::limits::COLLECT_LAG_MS;
use switchboard_store::{BoundTo, Claimed, SlotRow, StoreError, Tx};

use crate::digest::{Digests, Likeness};
use crate::limits::CLAIM_ROUNDS_MAX;
use crate::principal::Principal;

/// Who claims what, relying on what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimant<'a> {
    pub(crate) id: CallId,
    pub(crate) principal: Principal,
    pub(crate) purpose: Purpose<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose<'a> {
    /// To execute the call.
    Execute { previous: ReplyHash, digests: &'a Digests },
    /// To end it unexecuted. Only an operator may leave `previous` out.
    Cancel { previous: Option<ReplyHash>, nonce_tag: Option<i64> },
}

/// What became of a claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Claim {
    /// It may be executed; its answer must be recorded in this transaction.
    New(Claimed),
    /// The call has ended before: the recorded bytes.
    Recorded(Vec<u8>),
    /// Neither.
    Verdict(Answer),
}

/// Claims the call, or says why not.
pub(crate) fn claim(tx: &mut Tx<'_>, horizon_ms: u64, claimant: &Claimant<'_>) -> Result<Claim, StoreError> {
    let birth_ms = claimant.id.session.birth_ms();
    for _round in 0..CLAIM_ROUNDS_MAX {
        if (birth_ms >= horizon_ms || planted(Flaw::ClaimBelowHorizon))
            && let Some(claim) = take(tx, claimant)?
        {
            return Ok(claim);
        }
        let row = tx.owned_slot_row(claimant.id.session, claimant.id.slot)?;
        if row.as_ref().is_some_and(|row| a_flaw_accepts(claimant, row)) {
            return Ok(Claim::New(tx.claim_unchecked(claimant.id, claimant.principal.bound_to())?));
        }
        if let Some(claim) = judge(claimant, row, horizon_ms) {
            return Ok(claim);
        }
    }
    Err(StoreError::Impossible(format!("slot row of {} matches and does not match", claimant.id)))
}

fn take(tx: &mut Tx<'_>, claimant: &Claimant<'_>) -> Result<Option<Claim>, StoreError> {
    let CallId { session, slot, sequence } = claimant.id;
    let first = sequence.previous().is_none()
        || (planted(Flaw::GapAccepted) && tx.slot_row(session, slot)?.is_none());
    let claimed = match claimant.purpose {
        Purpose::Execute { .. } | Purpose::Cancel { .. } if first => return take_first(tx, claimant),
        Purpose::Cancel { previous, .. } if claimant.principal.is_operator() => {
            tx.claim_next_as_operator(claimant.id, previous)?
        }
        Purpose::Execute { previous, .. } | Purpose::Cancel { previous: Some(previous), .. } => {
            tx.claim_next(claimant.id, claimant.principal.number(), previous)?
        }
        Purpose::Cancel { previous: None, .. } => {
            let what = format!("cancel of {} without a hash passed the door", claimant.id);
            return Err(StoreError::Impossible(what));
        }
    };
    Ok(claimed.map(Claim::New))
}

/// The first call of a slot. Its session belongs to one principal from its first row on; a cancel by an
/// operator leaves an unbound session unbound, so that its owner still finds it his.
fn take_first(tx: &mut Tx<'_>, claimant: &Claimant<'_>) -> Result<Option<Claim>, StoreError> {
    let ours = claimant.principal.bound_to();
    let owner = tx.session_bound_to(claimant.id.session)?.unwrap_or(BoundTo::Nobody);
    let cancels = matches!(claimant.purpose, Purpose::Cancel { .. });
    let bound_to = match owner {
        BoundTo::Nobody if cancels && claimant.principal.is_operator() => BoundTo::Nobody,
        BoundTo::Nobody => ours,
        owner if planted(Flaw::PrincipalNotCompared) => owner,
        owner if owner == ours || (cancels && claimant.principal.is_operator()) => owner,
        BoundTo::Principal(_) => return Ok(Some(Claim::Verdict(Answer::NotYours))),
    };
    Ok(tx.claim_first(claimant.id, bound_to)?.map(Claim::New))
}

/// What the row means for a claim that matched nothing. `None`: the claim should have matched; again.
fn judge(claimant: &Claimant<'_>, row: Option<SlotRow>, horizon_ms: u64) -> Option<Claim> {
    let birth_ms = claimant.id.session.birth_ms();
    let number = i64::try_from(claimant.id.sequence.number()).ok()?;
    let Some(row) = row else {
        return if birth_ms < horizon_ms.saturating_sub(COLLECT_LAG_MS) {
            Some(Claim::Verdict(Answer::Forgotten))
        } else if number > 1 {
            Some(Claim::Verdict(Answer::Gap))
        } else {
            (birth_ms < horizon_ms).then_some(Claim::Verdict(Answer::Expired))
        };
    };
    if !may_touch(claimant, row.bound_to) {
        return Some(Claim::Verdict(Answer::NotYours));
    }
    if row.sequence == number {
        return Some(judge_same(claimant, row));
    }
    if row.sequence > number {
        return Some(Claim::Verdict(Answer::Superseded));
    }
    if row.sequence < number - 1 || previous_differs(claimant, &row) {
        return Some(Claim::Verdict(Answer::Gap));
    }
    (birth_ms < horizon_ms).then_some(Claim::Verdict(Answer::Expired))
}

/// The planted bugs that execute what has ended.
fn a_flaw_accepts(claimant: &Claimant<'_>, row: &SlotRow) -> bool {
    let ended = i64::try_from(claimant.id.sequence.number()) == Ok(row.sequence);
    let accepts = match claimant.purpose {
        Purpose::Execute { .. } => planted(Flaw::CancelledAcceptsOriginal) && row.digest.is_none(),
        Purpose::Cancel { .. } => planted(Flaw::CancelOverwrites),
    };
    ended && accepts
}

/// The row stands at this very sequence.
fn judge_same(claimant: &Claimant<'_>, row: SlotRow) -> Claim {
    let Some(recorded) = &row.digest else { return Claim::Recorded(row.answer) };
    let likeness = match claimant.purpose {
        Purpose::Execute { digests, .. } => digests.compare(recorded),
        Purpose::Cancel { nonce_tag: Some(tag), .. } if tag != recorded.nonce_tag => Likeness::OtherNonce,
        Purpose::Cancel { .. } => Likeness::Same,
    };
    match likeness {
        Likeness::Same => Claim::Recorded(row.answer),
        Likeness::OtherNonce => Claim::Verdict(Answer::CopiedJournal),
        Likeness::OtherBytes => Claim::Verdict(Answer::CallIdReused),
        Likeness::KeyUnknown => {
            tracing::warn!(call = %claimant.id, "replayed by its nonce alone: the digest key of its record is missing");
            Claim::Recorded(row.answer)
        }
    }
}

fn previous_differs(claimant: &Claimant<'_>, row: &SlotRow) -> bool {
    match claimant.purpose {
        Purpose::Execute { previous, .. } | Purpose::Cancel { previous: Some(previous), .. } => {
            previous != row.reply_hash
        }
        Purpose::Cancel { previous: None, .. } => false,
    }
}

fn may_touch(claimant: &Claimant<'_>, owner: BoundTo) -> bool {
    let cancels = matches!(claimant.purpose, Purpose::Cancel { .. });
    planted(Flaw::PrincipalNotCompared)
        || owner == BoundTo::Nobody
        || owner == claimant.principal.bound_to()
        || (cancels && claimant.principal.is_operator())
}
