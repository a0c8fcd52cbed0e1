//! Many movements of money in one command: a payroll, the bills of a month. A list that exists has at least one movement and
//! at most `TRANSFERS_MAX`, also when hostile bytes were read into it.
//!
//! Absent: what a movement may be; the rules refuse what cannot be booked, and say which it is.

use std::ops::Deref;

use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};
use serde::{Serialize, Serializer};

use super::{AccountId, Memo};
use crate::InputError;
use crate::limits::TRANSFERS_MAX;
use crate::money::Amount;

/// The shortest movement: an array of three numbers below 24. Bounds the memory that a length on the wire can ask for.
const MOVEMENT_BYTES_MIN: usize = 4;

/// One movement between two members' accounts. Its currency is that of the command.
#[derive(Clone, PartialEq, Eq, Debug, minicbor::Encode, minicbor::Decode, Serialize)]
pub struct Movement {
    /// The account to take from.
    #[n(0)]
    pub from: AccountId,
    /// The account to give to.
    #[n(1)]
    pub to: AccountId,
    /// How much, in minor units. Signed so that a rule can say why it refuses it.
    #[n(2)]
    #[serde(rename = "minor_units", serialize_with = "minor_units")]
    pub amount: Amount,
    /// Shown in both statements.
    #[n(3)]
    pub memo: Option<Memo>,
}

/// 1 to `TRANSFERS_MAX` movements, in the order in which they are to be booked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Movements(Vec<Movement>);

impl Movements {
    /// The list of these movements.
    ///
    /// # Errors
    /// When there are none or too many.
    pub fn new(movements: Vec<Movement>) -> Result<Self, InputError> {
        match movements.len() {
            0 => Err(InputError::MovementsNone),
            1..=MOVEMENTS_MAX => Ok(Self(movements)),
            many => Err(InputError::MovementsMany(many)),
        }
    }
}

const MOVEMENTS_MAX: usize = TRANSFERS_MAX as usize;

impl Deref for Movements {
    type Target = [Movement];

    fn deref(&self) -> &[Movement] {
        &self.0
    }
}

/// CBOR: an array of the movements.
impl<C> Encode<C> for Movements {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
        self.0.encode(e, ctx)
    }
}

impl<'b, C> Decode<'b, C> for Movements {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        let refused = |error: InputError| DecodeError::message(error).at(at);
        let declared = d.probe().array()?.unwrap_or(0);
        let declared = usize::try_from(declared).unwrap_or(usize::MAX);
        if declared > MOVEMENTS_MAX {
            return Err(refused(InputError::MovementsMany(declared)));
        }
        let room = (d.input().len() - at) / MOVEMENT_BYTES_MIN;
        let mut movements = Vec::with_capacity(declared.min(room));
        for movement in d.array_iter_with(ctx)? {
            if movements.len() == MOVEMENTS_MAX {
                return Err(refused(InputError::MovementsMany(MOVEMENTS_MAX + 1)));
            }
            movements.push(movement?);
        }
        Self::new(movements).map_err(refused)
    }
}

fn minor_units<S: Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(amount.minor())
}
