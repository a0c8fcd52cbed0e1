//! What a server can say about one call, and what each answer means to the client. The bytes of a
//! recorded answer are made once and never again: a replay sends them as they are.

use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};

use crate::limits::TEXT_BYTES_MAX;

/// The answer to a call, a cancel or a read. CBOR: `[code, detail...]`; codes below 10 are recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Executed; the service's encoded reply. Code 0.
    Done(Vec<u8>),
    /// Decided against by the service's rules, for ever; the service's encoded refusal. Code 1.
    Refused(Vec<u8>),
    /// Cancelled before it was executed: never executed. Code 2.
    Cancelled,
    /// Reached the server after its `not_after`: never executed. Code 3.
    TooLate,
    /// The session is older than the horizon: never executed, never will be. Code 10.
    Expired,
    /// Another call holds this id: the journal was copied. This one is not executed. Code 11.
    CopiedJournal,
    /// The same call id and nonce with other bytes. Code 12.
    CallIdReused,
    /// The slot has moved on: never again, perhaps already. Code 13.
    Superseded,
    /// So old that its row was deleted: never again, perhaps already. Code 14.
    Forgotten,
    /// The store does not know what it acknowledged, or the client is wrong. Code 15.
    Gap,
    /// The session belongs to another principal. Code 16.
    NotYours,
    /// The client's sessions belong to another store. Code 17.
    WrongStore,
    /// Turned away before the transaction; nothing recorded. Codes 30..=39.
    Door(Door),
    /// Not executed now; the same bytes may be sent again. Codes 50..=59.
    Transient(Transient),
}

/// Why a call was turned away at the door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Door {
    /// The rule that turned it away.
    pub cause: DoorCause,
    /// What is wrong and what to do, for a person; at most [`TEXT_BYTES_MAX`] bytes.
    pub explanation: String,
}

/// The rules of the door.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DoorCause {
    /// The bytes are not a command of this service in this version, an unknown command included. Code 30.
    Malformed,
    /// No such service, or it does not understand this version of its encoding. Code 31.
    UnknownCommand,
    /// This principal may not do that. Code 32.
    NotPermitted,
    /// Slot or body over a limit told in the welcome. Code 33.
    OverLimit,
}

/// A reason that will pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transient {
    /// What stands in the way.
    pub cause: TransientCause,
    /// When to send the same bytes again, in milliseconds from now.
    pub retry_after_ms: u32,
}

/// What stands in the way for now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransientCause {
    /// A queue is full. Code 50.
    Overloaded,
    /// The store cannot be written: busy, full, failing. Code 51.
    StoreUnavailable,
    /// The original is being executed. Code 52.
    InProgress,
    /// The rule failed; operators have been told. Code 53.
    Fault,
    /// The server is going away; another node or a later attempt will do. Code 54.
    ShuttingDown,
    /// This principal opens sessions too fast. Code 55.
    SessionsTooFast,
}

/// What an answer settles (the table "answer, outcome, what the client may do" of docs/exactly-once.md).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settles {
    /// The call has ended; the slot may go on.
    Ended,
    /// Not executed under this id and never will be; the session is spoilt, go on under the id's successor.
    Elsewhere,
    /// Never again, perhaps already: ask for the outcome.
    AskOutcome,
    /// The session must stop; a person must look.
    StopSession,
    /// No outcome: send the same bytes under the same id again, or cancel.
    TryAgain,
    /// No outcome, and the same bytes will be turned away again: cancel.
    CancelIt,
}

impl Answer {
    /// Whether the answer is kept in the slot's row and replayed byte-equal.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.code() < 10
    }

    /// The number that stands for the answer on the wire.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Done(_) => 0,
            Self::Refused(_) => 1,
            Self::Cancelled => 2,
            Self::TooLate => 3,
            Self::Expired => 10,
            Self::CopiedJournal => 11,
            Self::CallIdReused => 12,
            Self::Superseded => 13,
            Self::Forgotten => 14,
            Self::Gap => 15,
            Self::NotYours => 16,
            Self::WrongStore => 17,
            Self::Door(door) => door.cause.code(),
            Self::Transient(transient) => transient.cause.code(),
        }
    }

    /// What the client may conclude.
    #[must_use]
    pub fn settles(&self) -> Settles {
        match self {
            Self::Done(_) | Self::Refused(_) | Self::Cancelled | Self::TooLate | Self::Expired => {
                Settles::Ended
            }
            Self::CopiedJournal => Settles::Elsewhere,
            Self::CallIdReused | Self::Superseded | Self::Forgotten => Settles::AskOutcome,
            Self::Gap | Self::NotYours | Self::WrongStore => Settles::StopSession,
            Self::Door(_) => Settles::CancelIt,
            Self::Transient(_) => Settles::TryAgain,
        }
    }

    /// The bytes that are recorded, sent and hashed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("encoding into a Vec cannot fail")
    }

    /// The answer with these bytes.
    ///
    /// # Errors
    /// When they are not exactly one answer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes);
        let answer = Self::decode(&mut d, &mut ())?;
        if d.position() != bytes.len() {
            return Err(DecodeError::message("bytes after the answer").at(d.position()));
        }
        Ok(answer)
    }

    /// A door refusal, its explanation cut to what the wire allows.
    #[must_use]
    pub fn door(cause: DoorCause, explanation: impl Into<String>) -> Self {
        let mut explanation = explanation.into();
        explanation.truncate(explanation.floor_char_boundary(TEXT_BYTES_MAX));
        Self::Door(Door { cause, explanation })
    }

    /// A transient refusal.
    #[must_use]
    pub fn transient(cause: TransientCause, retry_after_ms: u32) -> Self {
        Self::Transient(Transient { cause, retry_after_ms })
    }
}

impl DoorCause {
    fn code(self) -> u8 {
        match self {
            Self::Malformed => 30,
            Self::UnknownCommand => 31,
            Self::NotPermitted => 32,
            Self::OverLimit => 33,
        }
    }
}

impl TransientCause {
    fn code(self) -> u8 {
        match self {
            Self::Overloaded => 50,
            Self::StoreUnavailable => 51,
            Self::InProgress => 52,
            Self::Fault => 53,
            Self::ShuttingDown => 54,
            Self::SessionsTooFast => 55,
        }
    }
}

impl<C> Encode<C> for Answer {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        let code = self.code();
        match self {
            Self::Done(body) | Self::Refused(body) => e.array(2)?.u8(code)?.bytes(body)?.ok(),
            Self::Door(door) => e.array(2)?.u8(code)?.str(&door.explanation)?.ok(),
            Self::Transient(transient) => e.array(2)?.u8(code)?.u32(transient.retry_after_ms)?.ok(),
            Self::Cancelled
            | Self::TooLate
            | Self::Expired
            | Self::CopiedJournal
            | Self::CallIdReused
            | Self::Superseded
            | Self::Forgotten
            | Self::Gap
            | Self::NotYours
            | Self::WrongStore => e.array(1)?.u8(code)?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for Answer {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        let parts = d.array()?;
        let code = d.u8()?;
        let expected = if matches!(code, 2..=29) { 1 } else { 2 };
        if parts != Some(expected) {
            return Err(DecodeError::message("answer with a wrong number of parts").at(at));
        }
        Ok(match code {
            0 => Self::Done(d.bytes()?.to_vec()),
            1 => Self::Refused(d.bytes()?.to_vec()),
            2 => Self::Cancelled,
            3 => Self::TooLate,
            10 => Self::Expired,
            11 => Self::CopiedJournal,
            12 => Self::CallIdReused,
            13 => Self::Superseded,
            14 => Self::Forgotten,
            15 => Self::Gap,
            16 => Self::NotYours,
            17 => Self::WrongStore,
            30 => door(d, DoorCause::Malformed)?,
            31 => door(d, DoorCause::UnknownCommand)?,
            32 => door(d, DoorCause::NotPermitted)?,
            33 => door(d, DoorCause::OverLimit)?,
            50 => transient(d, TransientCause::Overloaded)?,
            51 => transient(d, TransientCause::StoreUnavailable)?,
            52 => transient(d, TransientCause::InProgress)?,
            53 => transient(d, TransientCause::Fault)?,
            54 => transient(d, TransientCause::ShuttingDown)?,
            55 => transient(d, TransientCause::SessionsTooFast)?,
            _ => return Err(DecodeError::message("unknown answer code").at(at)),
        })
    }
}

fn door(d: &mut Decoder<'_>, cause: DoorCause) -> Result<Answer, DecodeError> {
    d.str().map(|explanation| Answer::door(cause, explanation))
}

fn transient(d: &mut Decoder<'_>, cause: TransientCause) -> Result<Answer, DecodeError> {
    d.u32().map(|retry_after_ms| Answer::transient(cause, retry_after_ms))
}

/// What is known about a call id: the answer to an outcome query. CBOR like [`Answer`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It ended; the recorded answer's bytes (`Done`, `Refused` or `TooLate`). Code 0.
    Done(Vec<u8>),
    /// It was cancelled. Code 1.
    Cancelled,
    /// Not claimed so far. A copy under way may still be executed. Code 2.
    NotYet,
    /// The slot has moved on. Code 3.
    Superseded,
    /// Never executed, never will be. Code 4.
    Expired,
    /// Its row was deleted with age. Code 5.
    Forgotten,
    /// The session belongs to another principal. Code 6.
    NotYours,
    /// The store cannot answer now. Code 7.
    Unavailable {
        /// When to ask again, in milliseconds from now.
        retry_after_ms: u32,
    },
    /// Another call holds this id: the one asked about, by its nonce, is not executed under it. Code 8.
    CopiedJournal,
}

impl<C> Encode<C> for Outcome {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        match self {
            Self::Done(answer) => e.array(2)?.u8(0)?.bytes(answer)?.ok(),
            Self::Cancelled => e.array(1)?.u8(1)?.ok(),
            Self::NotYet => e.array(1)?.u8(2)?.ok(),
            Self::Superseded => e.array(1)?.u8(3)?.ok(),
            Self::Expired => e.array(1)?.u8(4)?.ok(),
            Self::Forgotten => e.array(1)?.u8(5)?.ok(),
            Self::NotYours => e.array(1)?.u8(6)?.ok(),
            Self::Unavailable { retry_after_ms } => e.array(2)?.u8(7)?.u32(*retry_after_ms)?.ok(),
            Self::CopiedJournal => e.array(1)?.u8(8)?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for Outcome {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        let parts = d.array()?;
        let code = d.u8()?;
        if parts != Some(if matches!(code, 0 | 7) { 2 } else { 1 }) {
            return Err(DecodeError::message("outcome with a wrong number of parts").at(at));
        }
        Ok(match code {
            0 => Self::Done(d.bytes()?.to_vec()),
            1 => Self::Cancelled,
            2 => Self::NotYet,
            3 => Self::Superseded,
            4 => Self::Expired,
            5 => Self::Forgotten,
            6 => Self::NotYours,
            7 => Self::Unavailable { retry_after_ms: d.u32()? },
            8 => Self::CopiedJournal,
            _ => return Err(DecodeError::message("unknown outcome code").at(at)),
        })
    }
}
