//! What became of a call (server rule 10), read over a snapshot of the committed rows.

use switchboard_call::answer::Outcome;
use switchboard_call::frame::OutcomeQuery;
use switchboard_call::limits::COLLECT_LAG_MS;
use switchboard_store::{BoundTo, Snapshot, StoreError};

use crate::digest::nonce_tag;
use crate::principal::Principal;

/// What `principal` may know of the call.
pub(crate) fn outcome(
    snapshot: &Snapshot<'_>,
    principal: Principal,
    OutcomeQuery { id, nonce }: OutcomeQuery,
) -> Result<Outcome, StoreError> {
    let horizon_ms = snapshot.horizon_ms()?;
    let birth_ms = id.session.birth_ms();
    let number = i64::try_from(id.sequence.number()).expect("a sequence is made to fit 63 bits");
    let unclaimed = || {
        if birth_ms < horizon_ms { Outcome::Expired } else { Outcome::NotYet }
    };
    let Some(row) = snapshot.owned_slot_row(id.session, id.slot)? else {
        let forgotten = birth_ms < horizon_ms.saturating_sub(COLLECT_LAG_MS);
        return Ok(if forgotten { Outcome::Forgotten } else { unclaimed() });
    };
    let may_ask =
        row.bound_to == BoundTo::Nobody || row.bound_to == principal.bound_to() || principal.is_operator();
    Ok(if !may_ask {
        Outcome::NotYours
    } else if row.sequence > number {
        Outcome::Superseded
    } else if row.sequence < number {
        unclaimed()
    } else {
        match (row.digest, nonce.map(nonce_tag)) {
            (None, _) => Outcome::Cancelled,
            (Some(recorded), Some(asked)) if recorded.nonce_tag != asked => Outcome::CopiedJournal,
            (Some(_), _) => Outcome::Done(row.answer),
        }
    })
}
