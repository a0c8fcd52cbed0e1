//! Answers as the application gets them: the bytes of a reply or refusal turned into the types of its service.
//! Absent: waiting for them.

use std::sync::Arc;

use minicbor::Decode;
use switchboard_call::answer::Answer;
use switchboard_call::client::{End, Settled};
use switchboard_call::id::CallId;
use switchboard_commands::Commands;

use crate::error::CallError;

/// A call that was executed, or refused by the rules of its service: decided for ever either way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answered<R, F> {
    /// The call's name for ever.
    pub id: CallId,
    /// The reply, or the rules' refusal.
    pub result: Result<R, F>,
    /// The process before this one may have handed it over already.
    pub maybe_seen: bool,
}

/// The answered call of a service.
pub type AnsweredBy<C> = Answered<<C as Commands>::Reply, <C as Commands>::Refusal>;

/// What a read says, or why the rules refuse to say it.
pub type ReadBy<C> = Result<<C as Commands>::Reply, <C as Commands>::Refusal>;

/// Turns the end of a call into the types of service `C`, such as one that a restarted client hands over. A service other
/// than the call's reads nothing: compare [`Settled::service`] first.
///
/// # Errors
/// When the call ended without being executed, or the bytes are not of this service and version.
pub fn answered_by<C: Commands>(settled: Settled) -> Result<AnsweredBy<C>, CallError> {
    let Settled { id, maybe_seen, .. } = settled;
    let result = match settled.end {
        End::Done(reply) => Ok(read(&reply, Some(id))?),
        End::Refused(refusal) => Err(read(&refusal, Some(id))?),
        End::Cancelled => return Err(CallError::Cancelled { id }),
        End::TooLate => return Err(CallError::TooLate { id }),
        End::Expired => return Err(CallError::Expired { id }),
        End::TurnedAway(door) => return Err(CallError::TurnedAway { id: Some(id), door }),
    };
    Ok(Answered { id, result, maybe_seen })
}

/// Turns the answer to a read into the types of service `C`.
pub(crate) fn read_by<C: Commands>(answer: Answer) -> Result<ReadBy<C>, CallError> {
    match End::of(answer) {
        Some(End::Done(reply)) => read(&reply, None).map(Ok),
        Some(End::Refused(refusal)) => read(&refusal, None).map(Err),
        Some(End::TurnedAway(door)) => Err(CallError::TurnedAway { id: None, door }),
        Some(End::Cancelled | End::TooLate | End::Expired) | None => {
            let source = minicbor::decode::Error::message("not an answer to a read");
            Err(CallError::Unreadable { id: None, source: Arc::new(source) })
        }
    }
}

fn read<T: for<'b> Decode<'b, ()>>(bytes: &[u8], id: Option<CallId>) -> Result<T, CallError> {
    minicbor::decode(bytes).map_err(|source| CallError::Unreadable { id, source: Arc::new(source) })
}
