//! CRC-32 (IEEE, as in zlib) over the columns of a row that never change: numbers as 8 bytes big-endian,
//! texts and byte strings behind their length. Absent: protection against who can compute one.

use crc32fast::Hasher;
use switchboard_call::id::CallId;

/// A checksum under way.
#[derive(Default)]
pub(super) struct Checksum(Hasher);

impl Checksum {
    pub(super) fn number(mut self, number: i64) -> Self {
        self.0.update(&number.to_be_bytes());
        self
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        let length = u64::try_from(bytes.len()).expect("a length fits 64 bits");
        self.0.update(&length.to_be_bytes());
        self.0.update(bytes);
        self
    }

    pub(super) fn call(self, call: CallId) -> Self {
        self.bytes(call.session.as_bytes()).number(call.slot.0.into()).number(sequence_number(call))
    }

    pub(super) fn finish(self) -> i64 {
        self.0.finalize().into()
    }
}

/// The sequence as the store's signed number.
pub(super) fn sequence_number(call: CallId) -> i64 {
    i64::try_from(call.sequence.number()).expect("a sequence is made to fit 63 bits")
}
