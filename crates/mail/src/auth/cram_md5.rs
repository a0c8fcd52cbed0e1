//! CRAM-MD5 (RFC 2195): the password keys a hash of the server's challenge.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;

use super::Secret;

pub(super) fn response(user: &str, password: &Secret, challenge: &[u8]) -> Secret {
    let mut mac =
        Hmac::<Md5>::new_from_slice(password.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(challenge);
    let digest = mac.finalize().into_bytes();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Secret::new(format!("{user} {hex}"))
}
