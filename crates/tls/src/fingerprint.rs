//! The fingerprint of a server: the hash of its public key, by which a client pins it. It stays when the certificate is
//! renewed with the same key. Absent: the fingerprint of a whole certificate, which would change at every renewal.
//!
//! Written `sha256:` and 64 lower-case hexadecimal digits, because that is what the tools at hand print:
//! `openssl x509 -in server.crt -noout -pubkey | openssl pkey -pubin -outform der | sha256sum`.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use sha2::{Digest, Sha256};

use crate::TlsError;

const PREFIX: &str = "sha256:";

/// SHA-256 of a certificate's SubjectPublicKeyInfo in DER: the pin of RFC 7469 section 2.4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of the key in `certificate`. Errors when the bytes are not an X.509 certificate.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, rustls::Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        Ok(Self(Sha256::digest(parsed.subject_public_key_info()).into()))
    }

    /// The 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = TlsError;

    /// Reads the written form; digits may be upper-case. Errors with [`TlsError::Fingerprint`].
    fn from_str(text: &str) -> Result<Self, TlsError> {
        let malformed = || TlsError::Fingerprint { text: text.chars().take(100).collect() };
        let digits = text.strip_prefix(PREFIX).ok_or_else(malformed)?.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return Err(malformed());
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let high = hex_digit(pair[0]).ok_or_else(malformed)?;
            let low = hex_digit(pair[1]).ok_or_else(malformed)?;
            *byte = high << 4 | low;
        }
        Ok(Self(hash))
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_form_is_read_back() {
        let fingerprint = Fingerprint(std::array::from_fn(|i| u8::try_from(i * 8).unwrap()));
        let text = fingerprint.to_string();
        assert_eq!(text, "sha256:0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8");
        assert_eq!(text.parse::<Fingerprint>().unwrap(), fingerprint);
        let shouted = format!("sha256:{}", text[7..].to_uppercase());
        assert_eq!(shouted.parse::<Fingerprint>().unwrap(), fingerprint);
    }

    #[test]
    fn anything_else_is_refused() {
        let digits = "00".repeat(32);
        let wide = "é".repeat(32);
        for text in [
            String::new(),
            digits.clone(),
            format!("sha1:{digits}"),
            format!("sha256:{digits}0"),
            format!("sha256:{}", &digits[1..]),
            format!("sha256:{}+1", &digits[2..]),
            format!("sha256:{wide}"),
        ] {
            let error = text.parse::<Fingerprint>().unwrap_err();
            assert!(error.to_string().contains("64 hexadecimal digits"), "{text}: {error}");
        }
    }
}
