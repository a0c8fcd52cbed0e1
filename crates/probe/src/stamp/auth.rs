//! HMAC-SHA-256 truncated to 128 bits over the fixed part of authenticated packets (RFC 8762 §4.4) and over TLVs (RFC 8972
//! §4.8). Absent: where keys come from, and encryption; RFC 8762 has none any more.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::packet::{AUTHENTICATED_BYTES, HMAC_OFFSET};

/// Octets of a truncated HMAC.
pub const HMAC_BYTES: usize = 16;
/// Octets of a key that `new` of the command line makes; others may have from [`KEY_BYTES_MIN`] on.
pub const KEY_BYTES: usize = 32;
/// A shorter key is refused.
pub const KEY_BYTES_MIN: usize = 16;
/// A longer key is refused; HMAC would hash it first.
pub const KEY_BYTES_MAX: usize = 64;

/// A key shared by both ends of a session. Its bytes are never shown.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// A key of [`KEY_BYTES_MIN`] to [`KEY_BYTES_MAX`] bytes; `None` for any other number.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&bytes.len()) {
            return None;
        }
        Hmac::new_from_slice(bytes).ok().map(Self)
    }

    /// Reads a key written as hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits: Vec<u8> =
            text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        Self::new(&pairs.iter().map(|[high, low]| high << 4 | low).collect::<Vec<u8>>())
    }

    /// Makes the HMAC of an authenticated packet whose other fields are written.
    pub fn sign(&self, packet: &mut [u8]) {
        let Some((covered, rest)) = packet.split_at_mut_checked(HMAC_OFFSET) else { return };
        if let Some(place) = rest.first_chunk_mut() {
            *place = self.digest(&[covered]);
        }
    }

    /// Whether the HMAC of an authenticated packet is that of its first octets, compared in constant time.
    #[must_use]
    pub fn verify(&self, packet: &[u8]) -> bool {
        let Some(fixed) = packet.get(..AUTHENTICATED_BYTES) else { return false };
        let (covered, hmac) = fixed.split_at(HMAC_OFFSET);
        self.digest(&[covered]).ct_eq(hmac).into()
    }

    /// The HMAC that a TLV of type 8 carries: over the packet's sequence and the TLVs before it.
    #[must_use]
    pub fn of_tlvs(&self, sequence: [u8; 4], tlvs: &[u8]) -> [u8; HMAC_BYTES] {
        self.digest(&[&sequence, tlvs])
    }

    /// Whether a TLV of type 8 carries the HMAC of what stands before it, compared in constant time.
    #[must_use]
    pub fn verify_tlvs(&self, sequence: [u8; 4], tlvs: &[u8], hmac: &[u8]) -> bool {
        self.of_tlvs(sequence, tlvs).ct_eq(hmac).into()
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; HMAC_BYTES] {
        let mut hmac = self.0.clone();
        for part in parts {
            hmac.update(part);
        }
        let full: [u8; 32] = hmac.finalize().into_bytes().into();
        *full.first_chunk().expect("32 octets hold 16")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// The keys of a reflector, one for each session id.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    by_session: BTreeMap<u16, Key>,
}

impl Keys {
    /// Gives a session its key, in the place of an older one.
    pub fn insert(&mut self, session: u16, key: Key) {
        self.by_session.insert(session, key);
    }

    /// The key of a session.
    #[must_use]
    pub fn of_session(&self, session: u16) -> Option<&Key> {
        self.by_session.get(&session)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_session.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_rfc_4231() {
        // Test case 1 has a key of 20 octets 0x0b.
        let key = Key::new(&[0x0b; 20]).unwrap();
        assert_eq!(
            key.digest(&[b"Hi ", b"There"]),
            [0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53, 0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b, 0xf1, 0x2b]
        );
    }

    #[test]
    fn any_changed_octet_is_noticed() {
        let key = Key::new(&[7; KEY_BYTES]).unwrap();
        let mut packet = [0x5a; AUTHENTICATED_BYTES + 8];
        key.sign(&mut packet);
        assert!(key.verify(&packet));
        assert!(!Key::new(&[8; KEY_BYTES]).unwrap().verify(&packet));
        for at in 0..AUTHENTICATED_BYTES {
            packet[at] ^= 1;
            assert!(!key.verify(&packet), "octet {at}");
            packet[at] ^= 1;
        }
        assert!(!key.verify(&packet[..AUTHENTICATED_BYTES - 1]));
    }

    #[test]
    fn keys_are_read_and_never_shown() {
        let hex = "00ff10a5".repeat(8);
        assert!(Key::from_hex(&hex).is_some());
        assert_eq!(format!("{:?}", Key::from_hex(&hex).unwrap()), "Key(..)");
        for wrong in
            ["", "0", &hex[1..], "zz", &hex[..30], &"00".repeat(65), "00ff10a5 00ff10a5 00ff10a5 00ff10a5"]
        {
            assert!(Key::from_hex(wrong).is_none(), "{wrong}");
        }
    }
}
