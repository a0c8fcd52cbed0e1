//! The key that a host shares with its monitor: HMAC-SHA-256 over a datagram, cut to 128 bits (RFC 2104 §5). Absent: where
//! keys come from. The 32 octets are kept rather than the hash states made of them, which are seven times as large.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::packet::{Beat, HMAC_OFFSET, PACKET_BYTES};

/// Octets of a key.
pub const KEY_BYTES: usize = 32;
/// Octets of an HMAC in a datagram.
pub const HMAC_BYTES: usize = PACKET_BYTES - HMAC_OFFSET;

/// A host's key. Its octets are never shown.
#[derive(Clone)]
pub struct Key([u8; KEY_BYTES]);

impl Key {
    /// The key of these octets.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads a key written as 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; KEY_BYTES];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != KEY_BYTES || !rest.is_empty() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
            *byte = u8::try_from(high? << 4 | low?).ok()?;
        }
        Some(Self(bytes))
    }

    /// The datagram of a beat, signed.
    #[must_use]
    pub fn seal(&self, beat: &Beat) -> [u8; PACKET_BYTES] {
        let mut packet = beat.write();
        let hmac = self.digest(&packet[..HMAC_OFFSET]);
        packet[HMAC_OFFSET..].copy_from_slice(&hmac);
        packet
    }

    /// Whether a datagram carries this key's HMAC, compared in constant time.
    #[must_use]
    pub fn verify(&self, datagram: &[u8]) -> bool {
        let Some((covered, hmac)) = datagram.split_at_checked(HMAC_OFFSET) else { return false };
        self.digest(covered).ct_eq(hmac).into()
    }

    fn digest(&self, covered: &[u8]) -> [u8; HMAC_BYTES] {
        let mut hmac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        hmac.update(covered);
        let full: [u8; 32] = hmac.finalize().into_bytes().into();
        *full.first_chunk().expect("32 octets hold 16")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_rfc_4231() {
        // Test case 2: a short key is one filled up with zeros.
        let mut key = [0; KEY_BYTES];
        key[..4].copy_from_slice(b"Jefe");
        let expected: [u8; 16] =
            [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7];
        assert_eq!(Key::new(key).digest(b"what do ya want for nothing?"), expected);
    }

    #[test]
    fn keys_are_read_and_never_shown() {
        let hex = "00fF10a5".repeat(8);
        assert_eq!(format!("{:?}", Key::from_hex(&hex).unwrap()), "Key(..)");
        for wrong in ["", &hex[1..], &hex[2..], &format!("{hex}00"), &"+1".repeat(32), &"é0".repeat(32)] {
            assert!(Key::from_hex(wrong).is_none(), "{wrong}");
        }
    }
}
