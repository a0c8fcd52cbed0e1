//! Telling a copy of a call from another call under its id.
//!
//! The digest is BLAKE3 keyed with the server's key file, over nonce, service, version and body as first
//! sent. The nonce itself is not stored, only a tag made from it: with the database and the key file in
//! hand, a body (a PIN) still cannot be guessed.

use switchboard_call::flaw::{Flaw, planted};
use switchboard_call::frame::Call;
use switchboard_call::id::Nonce;
use switchboard_store::Digest;

/// The server's digest keys: new records use the current one, old records name theirs.
#[derive(Clone)]
pub struct DigestKeys {
    current: Key,
    older: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: i64,
    secret: [u8; 32],
}

/// A call's digest under every known key.
#[derive(Clone, Debug)]
pub(crate) struct Digests {
    pub(crate) current: Digest,
    older: Vec<Digest>,
}

/// How a call compares with a recorded one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Likeness {
    /// The same call.
    Same,
    /// Another call: another nonce.
    OtherNonce,
    /// The same nonce with other bytes.
    OtherBytes,
    /// The same nonce; the key of the record is not known here, so its bytes cannot be compared.
    KeyUnknown,
}

impl DigestKeys {
    /// `current` for new records; `older` ones only compare.
    #[must_use]
    pub fn new(current: [u8; 32], older: &[[u8; 32]]) -> Self {
        Self { current: Key::new(current), older: older.iter().copied().map(Key::new).collect() }
    }

    pub(crate) fn digests(&self, call: &Call) -> Digests {
        let nonce_tag = nonce_tag(call.nonce);
        Digests {
            current: self.current.digest(nonce_tag, call),
            older: self.older.iter().map(|key| key.digest(nonce_tag, call)).collect(),
        }
    }
}

/// Keys are secrets: not printed.
impl std::fmt::Debug for DigestKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DigestKeys").field("older", &self.older.len()).finish_non_exhaustive()
    }
}

impl Key {
    fn new(secret: [u8; 32]) -> Self {
        let id = blake3::derive_key("switchboard 2026 digest key id", &secret);
        Self { id: leading_i64(&id), secret }
    }

    fn digest(&self, nonce_tag: i64, call: &Call) -> Digest {
        let mut hash = blake3::Hasher::new_keyed(&self.secret);
        hash.update(&call.nonce.0);
        hash.update(&[u8::try_from(call.service.len()).unwrap_or(u8::MAX)]);
        hash.update(call.service.as_bytes());
        hash.update(&call.version.to_be_bytes());
        hash.update(&call.body);
        let mut mac = [0; 16];
        mac.copy_from_slice(&hash.finalize().as_bytes()[..16]);
        Digest { nonce_tag, key_id: self.id, mac }
    }
}

impl Digests {
    pub(crate) fn compare(&self, recorded: &Digest) -> Likeness {
        if self.current.nonce_tag != recorded.nonce_tag {
            return Likeness::OtherNonce;
        }
        let mut ours = std::iter::once(&self.current).chain(&self.older);
        match ours.find(|digest| digest.key_id == recorded.key_id) {
            None => Likeness::KeyUnknown,
            Some(digest) if digest.mac == recorded.mac || planted(Flaw::DigestNotCompared) => Likeness::Same,
            Some(_) => Likeness::OtherBytes,
        }
    }
}

/// What a slot row keeps of a nonce.
pub(crate) fn nonce_tag(nonce: Nonce) -> i64 {
    if planted(Flaw::NonceNotCompared) {
        return 0;
    }
    leading_i64(blake3::hash(&nonce.0).as_bytes())
}

fn leading_i64(bytes: &[u8; 32]) -> i64 {
    i64::from_be_bytes(*bytes.first_chunk().expect("32 bytes begin with 8"))
}
