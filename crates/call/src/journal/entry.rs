//! One journal entry and its bytes. Every entry says one thing that happened; the order in the file is
//! the order in which it happened. Absent: the bytes of a command that carries a secret.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError};

use super::Binding;
use crate::id::{CallId, Generation, Nonce, ReplyHash, SessionId, StoreId};

/// Marks a journal of version 1.
pub(super) const MAGIC: [u8; 8] = *b"SBJOURN1";

/// Bytes before the header's CBOR.
pub(super) const HEADER_HEAD_BYTES: usize = 16;

/// Bytes before an entry's CBOR.
pub(super) const ENTRY_HEAD_BYTES: usize = 16;

/// The one version of the file so far.
pub(super) const JOURNAL_VERSION: u16 = 1;

/// What happened. CBOR: `[kind, ...]`.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Entry<'a> {
    /// `[0]` a process took the journal into use: a clean mark before it no longer holds.
    Opened,
    /// `[1, session, store, generation]` a session was minted, or met a new generation.
    Session { id: SessionId, store: StoreId, generation: Generation },
    /// `[2, id, nonce, previous, service, version, not_after, body / null, label, replaces / null]`
    Begun(BegunRef<'a>),
    /// `[3, id]` the call is to end unexecuted.
    CancelWanted { id: CallId },
    /// `[4, id, answer, hash / null]` the call has ended; with a hash, its slot may go on.
    Answered { id: CallId, answer: &'a [u8], hash: Option<ReplyHash> },
    /// `[5, id]` the application has taken the answer over.
    Acknowledged { id: CallId },
    /// `[6, id, hash]` the last settled call of its slot, carried over from a rewritten file.
    Settled { id: CallId, hash: ReplyHash },
    /// `[7, id]` a person took the call off the list of open ones: its outcome was not learnt here.
    Abandoned { id: CallId },
    /// `[8]` clean shutdown.
    Closed,
    /// `[9, session]` takes no new calls.
    Stopped { session: SessionId },
    /// `[10, session]` belonged to a store that was replaced while nothing was open.
    Forgotten { session: SessionId },
}

/// A call as it is journalled before it is sent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct BegunRef<'a> {
    pub(crate) id: CallId,
    pub(crate) nonce: Nonce,
    pub(crate) previous: ReplyHash,
    pub(crate) service: &'a str,
    pub(crate) version: u16,
    pub(crate) not_after_us: Option<u64>,
    /// Absent for a command that carries a secret.
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) label: &'a str,
    /// The id of the same call that a copied journal spoilt.
    pub(crate) replaces: Option<CallId>,
}

/// A call that had no answer when the journal ended.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenedCall {
    /// Its name for ever.
    pub id: CallId,
    /// Its nonce.
    pub nonce: Nonce,
    /// Hash of the slot's previous reply.
    pub previous: ReplyHash,
    /// The service that knows the command.
    pub service: String,
    /// Version of the body's encoding.
    pub version: u16,
    /// Server time after which it must not be executed, microseconds since 1970.
    pub not_after_us: Option<u64>,
    /// The command as first sent; absent when it carried a secret: then the call is cancelled.
    pub body: Option<Vec<u8>>,
    /// What the application called it.
    pub label: String,
    /// The application wanted it cancelled.
    pub cancel_wanted: bool,
}

/// The body may name people and sums: only its length is printed.
impl std::fmt::Debug for OpenedCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedCall")
            .field("id", &self.id)
            .field("service", &self.service)
            .field("body_bytes", &self.body.as_ref().map(Vec::len))
            .field("label", &self.label)
            .field("cancel_wanted", &self.cancel_wanted)
            .finish_non_exhaustive()
    }
}

/// A call whose answer nobody has acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnsweredCall {
    /// Its name for ever.
    pub id: CallId,
    /// The service that knows the command.
    pub service: String,
    /// Version of the encoding.
    pub version: u16,
    /// What the application called it.
    pub label: String,
    /// The bytes of an [`Answer`](crate::answer::Answer).
    pub answer: Vec<u8>,
}

impl Entry<'_> {
    /// Appends the entry's bytes; everything before file offset `synced` is durable.
    pub(super) fn write(&self, synced: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; ENTRY_HEAD_BYTES]);
        self.write_cbor(&mut Encoder::new(&mut *out)).expect("encoding into a Vec cannot fail");
        let length = out.len() - start - ENTRY_HEAD_BYTES;
        let length = u32::try_from(length).expect("bodies are bounded far below 4 GiB");
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        out[start + 4..start + 12].copy_from_slice(&synced.to_be_bytes());
        let sum = checksum(&out[start..start + 12], &out[start + ENTRY_HEAD_BYTES..]);
        out[start + 12..start + 16].copy_from_slice(&sum.to_be_bytes());
    }

    fn write_cbor(&self, e: &mut Encoder<&mut Vec<u8>>) -> Result<(), EncodeError<std::convert::Infallible>> {
        match self {
            Self::Opened => e.array(1)?.u8(0)?.ok(),
            Self::Session { id, store, generation } => {
                e.array(4)?.u8(1)?.encode(id)?.encode(store)?.u64(generation.0)?.ok()
            }
            Self::Begun(call) => call.write_cbor(e),
            Self::CancelWanted { id } => e.array(2)?.u8(3)?.encode(id)?.ok(),
            Self::Answered { id, answer, hash } => {
                e.array(4)?.u8(4)?.encode(id)?.bytes(answer)?.encode(hash)?.ok()
            }
            Self::Acknowledged { id } => e.array(2)?.u8(5)?.encode(id)?.ok(),
            Self::Settled { id, hash } => e.array(3)?.u8(6)?.encode(id)?.encode(hash)?.ok(),
            Self::Abandoned { id } => e.array(2)?.u8(7)?.encode(id)?.ok(),
            Self::Closed => e.array(1)?.u8(8)?.ok(),
            Self::Stopped { session } => e.array(2)?.u8(9)?.encode(session)?.ok(),
            Self::Forgotten { session } => e.array(2)?.u8(10)?.encode(session)?.ok(),
        }
    }
}

impl<'a> Entry<'a> {
    /// Reads an entry's CBOR.
    pub(super) fn read(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(payload);
        let parts = d.array()?;
        let kind = d.u8()?;
        let entry = Self::read_kind(kind, &mut d)?;
        let expected = [1, 4, 10, 2, 4, 2, 3, 2, 1, 2, 2].get(usize::from(kind)).copied();
        if parts != expected || d.position() != payload.len() {
            return Err(DecodeError::message("entry of another length"));
        }
        Ok(entry)
    }

    fn read_kind(kind: u8, d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        Ok(match kind {
            0 => Self::Opened,
            1 => Self::Session { id: d.decode()?, store: d.decode()?, generation: Generation(d.u64()?) },
            2 => Self::Begun(BegunRef::read(d)?),
            3 => Self::CancelWanted { id: d.decode()? },
            4 => Self::Answered { id: d.decode()?, answer: d.bytes()?, hash: d.decode()? },
            5 => Self::Acknowledged { id: d.decode()? },
            6 => Self::Settled { id: d.decode()?, hash: d.decode()? },
            7 => Self::Abandoned { id: d.decode()? },
            8 => Self::Closed,
            9 => Self::Stopped { session: d.decode()? },
            10 => Self::Forgotten { session: d.decode()? },
            _ => return Err(DecodeError::message("unknown kind of entry")),
        })
    }
}

impl<'a> BegunRef<'a> {
    fn write_cbor(&self, e: &mut Encoder<&mut Vec<u8>>) -> Result<(), EncodeError<std::convert::Infallible>> {
        e.array(10)?.u8(2)?.encode(self.id)?.encode(self.nonce)?.encode(self.previous)?;
        e.str(self.service)?.u16(self.version)?.encode(self.not_after_us)?;
        match self.body {
            Some(body) => e.bytes(body)?,
            None => e.null()?,
        };
        e.str(self.label)?.encode(self.replaces)?.ok()
    }

    fn read(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (id, nonce, previous) = (d.decode()?, d.decode()?, d.decode()?);
        let (service, version, not_after_us) = (d.str()?, d.u16()?, d.decode()?);
        let body = if d.datatype()? == minicbor::data::Type::Null {
            d.null()?;
            None
        } else {
            Some(d.bytes()?)
        };
        let (label, replaces) = (d.str()?, d.decode()?);
        Ok(Self { id, nonce, previous, service, version, not_after_us, body, label, replaces })
    }

    /// The call, no longer borrowed from the journal.
    pub(super) fn to_opened(self) -> OpenedCall {
        OpenedCall {
            id: self.id,
            nonce: self.nonce,
            previous: self.previous,
            service: self.service.to_owned(),
            version: self.version,
            not_after_us: self.not_after_us,
            body: self.body.map(<[u8]>::to_vec),
            label: self.label.to_owned(),
            cancel_wanted: false,
        }
    }
}

/// Appends the header of a new file.
pub(super) fn write_header(binding: &Binding, out: &mut Vec<u8>) {
    let parts = (JOURNAL_VERSION, &binding.machine, &binding.principal);
    let cbor = minicbor::to_vec(parts).expect("encoding into a Vec cannot fail");
    let length = u32::try_from(cbor.len()).expect("a binding is bounded");
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&length.to_be_bytes());
    let sum = checksum(&out[start..], &cbor);
    out.extend_from_slice(&sum.to_be_bytes());
    out.extend_from_slice(&cbor);
}

pub(super) fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}
