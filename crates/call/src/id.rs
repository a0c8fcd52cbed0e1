//! Names of things on the wire: sessions, slots, sequences, call ids, nonces, hashes, stores.
//! Each is a newtype that can only be made from a well-formed value. No clock and no random source:
//! who mints passes both in.

use std::fmt;
use std::str::FromStr;

use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};
use sha2::{Digest, Sha256};

/// A client's run of calls, minted by the client and registered nowhere.
///
/// A UUIDv7 (RFC 9562 §5.7) whose 48 time bits are a label taken from the server's `mint_time`, never
/// from the client's clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// Mints a session born at `mint_time_ms` (milliseconds since 1970, from the welcome) with 10 bytes
    /// of the kernel's random source.
    #[must_use]
    pub fn mint(mint_time_ms: u64, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&mint_time_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        bytes[6] = (bytes[6] & 0x0f) | 0x70;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// The session with these bytes, if they are a UUIDv7 of the RFC 9562 variant.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes[6] >> 4 == 7 && bytes[8] >> 6 == 0b10).then_some(Self(bytes))
    }

    /// The 16 bytes in network order; their order is the order of birth.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The label in the time bits, milliseconds since 1970.
    #[must_use]
    pub fn birth_ms(&self) -> u64 {
        let b = &self.0;
        u64::from_be_bytes([0, 0, b[0], b[1], b[2], b[3], b[4], b[5]])
    }

    /// The smallest possible key of a session born at `birth_ms`: everything below it is older.
    #[must_use]
    pub fn first_key_born_at(birth_ms: u64) -> [u8; 16] {
        let mut key = [0; 16];
        key[..6].copy_from_slice(&birth_ms.to_be_bytes()[2..]);
        key
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let well_placed = text.len() == 36
            && text.bytes().enumerate().all(|(at, b)| (b == b'-') == matches!(at, 8 | 13 | 18 | 23));
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let bytes = well_placed.then(|| hex_bytes::<16>(&digits)).flatten();
        bytes.and_then(Self::from_bytes).ok_or_else(|| IdError::session(text))
    }
}

/// A place for one call at a time within a session; n calls in flight use n slots, lowest free first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(pub u16);

/// The how-manieth call of its slot, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Sequence(u64);

impl Sequence {
    /// The first call of a slot.
    pub const FIRST: Self = Self(1);

    /// The sequence with this number, if it is at least 1 and fits the store's signed 64 bits.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        (number >= 1 && i64::try_from(number).is_ok()).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// The call after this one; none after 2^63 - 1 calls.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).and_then(Self::new)
    }

    /// The call before this one; none before the first.
    #[must_use]
    pub fn previous(self) -> Option<Self> {
        Self::new(self.0 - 1)
    }
}

/// The name of one call for ever: once sent, bound to its command.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId {
    /// The client's run of calls.
    pub session: SessionId,
    /// The place in that run.
    pub slot: Slot,
    /// The how-manieth call of that place.
    pub sequence: Sequence,
}

/// `SESSION/SLOT/SEQUENCE`, as every command line and log shows it.
impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.session, self.slot.0, self.sequence.0)
    }
}

impl FromStr for CallId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let broken = || IdError::call(text);
        let mut parts = text.splitn(3, '/');
        let session = parts.next().ok_or_else(broken)?.parse()?;
        let slot = parts.next().and_then(|part| part.parse().ok()).map(Slot).ok_or_else(broken)?;
        let number = parts.next().and_then(|part| part.parse().ok()).ok_or_else(broken)?;
        let sequence = Sequence::new(number).ok_or_else(broken)?;
        Ok(Self { session, slot, sequence })
    }
}

/// 16 bytes of the kernel's random source per call. Tells a copy of the same call from another call
/// that a copied journal put under the same id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(pub [u8; 16]);

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

impl CallId {
    /// The id under which this call goes on when another call holds its own: the first of a session that is named
    /// by the same birth and the first 10 bytes of SHA-256 over `"successor"`, this id (session, slot as u32,
    /// sequence as u64, big-endian) and the nonce. Who keeps the call's nonce finds the same one.
    #[must_use]
    pub fn successor(self, nonce: Nonce) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"successor");
        hash.update(self.session.0);
        hash.update(u32::from(self.slot.0).to_be_bytes());
        hash.update(self.sequence.0.to_be_bytes());
        hash.update(nonce.0);
        let whole: [u8; 32] = hash.finalize().into();
        let mut random = [0; 10];
        random.copy_from_slice(&whole[..10]);
        let session = SessionId::mint(self.session.birth_ms(), random);
        Self { session, slot: Slot(0), sequence: Sequence::FIRST }
    }
}

/// What call n+1 says about reply n: the first 8 bytes of SHA-256 over the call id (session, slot as
/// u32, sequence as u64, big-endian) and the answer's bytes. [`ReplyHash::NONE`] before the first call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ReplyHash(pub [u8; 8]);

impl ReplyHash {
    /// The hash that the first call of a slot carries.
    pub const NONE: Self = Self([0; 8]);

    /// The hash of the answer recorded for `id`.
    #[must_use]
    pub fn of(id: CallId, answer: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(id.session.0);
        hash.update(u32::from(id.slot.0).to_be_bytes());
        hash.update(id.sequence.0.to_be_bytes());
        hash.update(answer);
        let whole: [u8; 32] = hash.finalize().into();
        let mut first = [0; 8];
        first.copy_from_slice(&whole[..8]);
        Self(first)
    }
}

/// The random name made with a database. A session belongs to one store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(pub [u8; 16]);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for StoreId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        hex_bytes(text).map(Self).ok_or_else(|| IdError::store(text))
    }
}

/// The number that `restore` raises: the same store with a larger one has been put back from a backup.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Generation(pub u64);

/// A text that is not the id it should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text:?} is not a {what}; write it as {form}")]
pub struct IdError {
    what: &'static str,
    form: &'static str,
    text: String,
}

impl IdError {
    fn session(text: &str) -> Self {
        Self::new("session id", "the UUID that the call's report showed", text)
    }

    fn call(text: &str) -> Self {
        Self::new("call id", "SESSION/SLOT/SEQUENCE", text)
    }

    fn store(text: &str) -> Self {
        Self::new("store id", "32 hexadecimal digits", text)
    }

    fn new(what: &'static str, form: &'static str, text: &str) -> Self {
        Self { what, form, text: text.chars().take(80).collect() }
    }
}

fn hex_bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    if digits.len() != 2 * N || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

fn fixed_bytes<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], DecodeError> {
    let at = d.position();
    <[u8; N]>::try_from(d.bytes()?).map_err(|_| DecodeError::message("byte string of another length").at(at))
}

/// CBOR: a byte string of fixed length.
macro_rules! cbor_bytes {
    ($name:ident) => {
        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }
        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                fixed_bytes(d).map(Self)
            }
        }
    };
}

cbor_bytes!(Nonce);
cbor_bytes!(ReplyHash);
cbor_bytes!(StoreId);

impl<C> Encode<C> for SessionId {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for SessionId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        Self::from_bytes(fixed_bytes(d)?).ok_or_else(|| DecodeError::message("session is no UUIDv7").at(at))
    }
}

/// CBOR: `[session, slot, sequence]`.
impl<C> Encode<C> for CallId {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(3)?.bytes(&self.session.0)?.u16(self.slot.0)?.u64(self.sequence.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for CallId {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        if d.array()? != Some(3) {
            return Err(DecodeError::message("a call id has three parts").at(at));
        }
        let session = SessionId::decode(d, ctx)?;
        let slot = Slot(d.u16()?);
        let number = d.u64()?;
        let sequence =
            Sequence::new(number).ok_or_else(|| DecodeError::message("sequence out of range").at(at))?;
        Ok(Self { session, slot, sequence })
    }
}
