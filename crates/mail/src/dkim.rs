//! DKIM signatures (RFC 6376; Ed25519 by RFC 8463; the algorithms of RFC 8301): relaxed canonicalization of header and body, the whole body,
//! no expiry.
//!
//! The hash of the body stands in the header, before the body: files are read twice, once to be hashed and once to be sent. What is sent is
//! hashed again; a message whose body is no longer the signed one is not completed. So nothing is spooled, and no wrong signature
//! leaves.
//!
//! *Promises* that fields which a reader sees (From, To, Subject and so on) are signed once more than they are there, so that nobody can add
//! another. *Absent:* verifying; making keys; the record in the DNS; the key in any error text.

mod canonical;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

use crate::MailError;
use crate::mime::Message;
pub(crate) use canonical::BodyHash;
use canonical::{field_names, relaxed_field};

/// Fields that nobody may add to a signed message.
const SEALED: [&str; 14] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
];
/// Characters of a line of the signature.
const LINE_CHARACTERS: usize = 72;

/// Who signs, and with which key.
pub struct Signer {
    domain: String,
    selector: String,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl Signer {
    /// For `domain`, with the private key of `selector` in PEM: RSA of 2048 to 8192 bits (PKCS#1 or PKCS#8), or Ed25519 (PKCS#8).
    ///
    /// # Errors
    /// When domain or selector are no domain names, or the key cannot be used.
    pub fn new(domain: &str, selector: &str, pem: &[u8]) -> Result<Self, MailError> {
        let name = |text: &str, wrong| match idna::domain_to_ascii_strict(text) {
            Ok(ascii) if !ascii.is_empty() => Ok(ascii),
            Ok(_) | Err(_) => Err(MailError::Signing(wrong)),
        };
        let domain = name(domain, "the domain that signs is no domain name")?;
        let selector =
            name(selector, "the selector is no domain name; it is the part before ._domainkey in the DNS")?;
        Ok(Self { domain, selector, key: Key::read(pem)? })
    }

    /// What the record SELECTOR._domainkey.DOMAIN in the DNS has to say.
    #[must_use]
    pub fn record(&self) -> String {
        match &self.key {
            Key::Rsa(key) => {
                format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(public_key_info(key.public_key().as_ref())))
            }
            Key::Ed25519(key) => format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(key.public_key())),
        }
    }
}

impl Key {
    fn read(pem: &[u8]) -> Result<Self, MailError> {
        const NO_KEY: &str =
            "the key file holds no private key in PEM; make one with: openssl genpkey -algorithm ed25519";
        const UNFIT: &str = "the key is neither RSA of 2048 to 8192 bits nor Ed25519";
        let unfit = |_| MailError::Signing(UNFIT);
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| MailError::Signing(NO_KEY))?;
        if let PrivateKeyDer::Pkcs1(der) = &key {
            let key = RsaKeyPair::from_der(der.secret_pkcs1_der()).map_err(unfit)?;
            return Ok(Self::Rsa(Box::new(key)));
        }
        let PrivateKeyDer::Pkcs8(der) = &key else { return Err(MailError::Signing(UNFIT)) };
        let der = der.secret_pkcs8_der();
        match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            Ok(key) => Ok(Self::Ed25519(Box::new(key))),
            Err(_) => Ok(Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(der).map_err(unfit)?))),
        }
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "rsa-sha256",
            Self::Ed25519(_) => "ed25519-sha256",
        }
    }

    fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, MailError> {
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed, &mut signature)
                    .map_err(|_| MailError::Signing("the key does not sign; make another"))?;
                Ok(signature)
            }
            // RFC 8463 section 3: of the hash, not of what is hashed.
            Self::Ed25519(key) => Ok(key.sign(&Sha256::digest(signed)).as_ref().to_vec()),
        }
    }
}

/// An RSA key as the DNS has it (RFC 6376 section 3.6.1): SubjectPublicKeyInfo around the RSAPublicKey.
fn public_key_info(key: &[u8]) -> Vec<u8> {
    // rsaEncryption with the parameter NULL (RFC 8017 appendix A.1).
    const ALGORITHM: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let bits = element(0x03, &[&[0], key].concat());
    element(0x30, &[ALGORITHM.as_slice(), &bits].concat())
}

/// An element of DER: tag, length, content.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().position(|&byte| byte != 0).unwrap_or(length.len() - 1)..];
    let mut out = vec![tag];
    if content.len() >= 0x80 {
        out.push(0x80 | u8::try_from(length.len()).expect("a length has at most eight bytes"));
    }
    out.extend_from_slice(length);
    out.extend_from_slice(content);
    out
}

impl Message {
    /// Puts a signature before the header. `time` is in seconds since 1970. Reads every file of the message once.
    ///
    /// # Errors
    /// When a file cannot be read, or the key does not sign.
    pub fn sign(&mut self, signer: &Signer, time: u64) -> Result<(), MailError> {
        let body_hash = self.body_hash()?;
        let header = self.header();
        let names = signed_names(header);
        let field = signature_field(signer, time, &body_hash, &names);
        let mut signed = Vec::new();
        for name in &names {
            signed.extend(std::iter::once(name.as_str()));
        }
        let mut canonical = canonical::chosen(header, &signed);
        // The signature's own field comes last, without its line end (section 3.7).
        canonical.extend_from_slice(relaxed_field(field.as_bytes()).trim_ascii_end());
        let signature = STANDARD.encode(signer.key.sign(&canonical)?);
        let mut whole = field;
        for line in signature.as_bytes().chunks(LINE_CHARACTERS) {
            whole.push_str("\r\n\t");
            whole.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        }
        whole.push_str("\r\n");
        self.sealed(whole.as_bytes(), body_hash);
        Ok(())
    }
}

/// The names of `h=`: each field of the header that is to be sealed, and each name once more (section 5.4).
fn signed_names(header: &[u8]) -> Vec<String> {
    let there = field_names(header);
    let mut names = Vec::new();
    for sealed in SEALED {
        let times = there.iter().filter(|name| *name == sealed).count();
        names.extend(std::iter::repeat_n(sealed.to_owned(), times + 1));
    }
    names
}

/// The field up to `b=`, whose value is not there yet.
fn signature_field(signer: &Signer, time: u64, body_hash: &[u8; 32], names: &[String]) -> String {
    let mut field = format!(
        "DKIM-Signature: v=1; a={}; c=relaxed/relaxed;\r\n\td={};\r\n\ts={}; t={time};\r\n\tbh={};\r\n\th=",
        signer.key.algorithm(),
        signer.domain,
        signer.selector,
        STANDARD.encode(body_hash),
    );
    let mut width = 0;
    for (at, name) in names.iter().enumerate() {
        let colon = if at + 1 == names.len() { ";" } else { ":" };
        if width + name.len() > LINE_CHARACTERS {
            field.push_str("\r\n\t");
            width = 0;
        }
        field.push_str(name);
        field.push_str(colon);
        width += name.len() + 1;
    }
    field.push_str("\r\n\tb=");
    field
}

/// What was signed, against what is sent.
#[derive(Debug)]
pub(crate) struct Seal {
    /// How many bytes come before the body.
    header_left: usize,
    expected: [u8; 32],
    hash: BodyHash,
}

impl Seal {
    pub(crate) fn new(header_bytes: usize, expected: [u8; 32]) -> Self {
        Self { header_left: header_bytes, expected, hash: BodyHash::default() }
    }

    /// These bytes of the message are sent next.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        let skipped = bytes.len().min(self.header_left);
        self.header_left -= skipped;
        self.hash.update(&bytes[skipped..]);
    }

    /// Whether the body that was read is the one that was signed.
    pub(crate) fn holds(&self) -> bool {
        self.hash.clone().finish() == self.expected
    }
}

#[cfg(test)]
mod tests;
