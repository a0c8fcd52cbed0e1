//! SCRAM (RFC 5802, RFC 7677): both sides show that they know the password, and neither shows it. The server's signature is checked
//! before anything counts as done. Absent: extensions that a server may demand (none is defined), authorization as somebody else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{AuthError, Secret};
use crate::limits::{SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN};

/// The hash of the mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

/// What is said about the TLS connection underneath (the gs2 header).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Binding {
    /// The exchange is bound to it.
    Exporter(Vec<u8>),
    /// The client could, the server did not offer it.
    NotOffered,
    /// The client cannot.
    Unsupported,
}

/// The client's side after its first message.
pub(super) struct Scram {
    hash: Hash,
    binding: Binding,
    password: Secret,
    nonce: String,
    first_bare: String,
    stage: Stage,
}

enum Stage {
    First,
    Final { server_signature: Vec<u8> },
    Proven,
}

impl Scram {
    /// The client's first message and what follows it.
    pub(super) fn begin(
        hash: Hash,
        binding: Binding,
        user: &str,
        password: &Secret,
        nonce: [u8; 18],
    ) -> Result<(Self, Secret), AuthError> {
        // Base64 has no comma, so it is a nonce as it stands (RFC 5802 section 7, printable).
        let nonce = STANDARD.encode(nonce);
        let user = stringprep::saslprep(user).map_err(|_| AuthError::Unfit("user name"))?;
        let password = stringprep::saslprep(password.expose()).map_err(|_| AuthError::Unfit("password"))?;
        let first_bare = format!("n={},r={nonce}", saslname(&user));
        let first = Secret::new(format!("{}{first_bare}", binding.header()));
        let password = Secret::new(password.into_owned());
        Ok((Self { hash, binding, password, nonce, first_bare, stage: Stage::First }, first))
    }

    /// The answer to the server's first or final message.
    pub(super) fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthError> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| AuthError::Challenge("it is not text"))?;
        match &self.stage {
            Stage::First => self.prove(challenge),
            Stage::Final { server_signature } => {
                check_server(challenge, server_signature)?;
                self.stage = Stage::Proven;
                Ok(Secret::new(String::new()))
            }
            Stage::Proven => Err(AuthError::Challenge("it asks for more than the mechanism has")),
        }
    }

    pub(super) fn finish(&self) -> Result<(), AuthError> {
        match self.stage {
            Stage::Proven => Ok(()),
            Stage::First | Stage::Final { .. } => Err(AuthError::ServerUnproven),
        }
    }

    fn prove(&mut self, challenge: &str) -> Result<Secret, AuthError> {
        let server = ServerFirst::parse(challenge, &self.nonce)?;
        let final_bare = format!("c={},r={}", STANDARD.encode(self.binding.input()), server.nonce);
        let signed = format!("{},{challenge},{final_bare}", self.first_bare);
        let salted = self.hash.hi(self.password.expose().as_bytes(), &server.salt, server.iterations);
        let client_key = Zeroizing::new(self.hash.hmac(&salted, b"Client Key"));
        let signature = self.hash.hmac(&self.hash.digest(&client_key), signed.as_bytes());
        let proof: Vec<u8> =
            client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        let server_key = self.hash.hmac(&salted, b"Server Key");
        self.stage = Stage::Final { server_signature: self.hash.hmac(&server_key, signed.as_bytes()) };
        Ok(Secret::new(format!("{final_bare},p={}", STANDARD.encode(proof))))
    }
}

fn check_server(message: &str, expected: &[u8]) -> Result<(), AuthError> {
    let signature = message.split(',').next().and_then(|first| first.strip_prefix("v="));
    let presented = signature.and_then(|text| STANDARD.decode(text).ok()).ok_or(AuthError::ServerUnproven)?;
    if bool::from(presented.ct_eq(expected)) { Ok(()) } else { Err(AuthError::ServerUnproven) }
}

/// What the server says first.
struct ServerFirst {
    nonce: String,
    salt: Vec<u8>,
    iterations: u32,
}

impl ServerFirst {
    fn parse(text: &str, client_nonce: &str) -> Result<Self, AuthError> {
        let mut fields = text.split(',');
        let mut field = |name| fields.next().and_then(|field| field.strip_prefix(name));
        let nonce = field("r=").ok_or(AuthError::Challenge("it has no nonce, or demands an extension"))?;
        let salt = field("s=").ok_or(AuthError::Challenge("it has no salt"))?;
        let iterations = field("i=").ok_or(AuthError::Challenge("it has no iteration count"))?;
        if nonce.len() <= client_nonce.len() || !nonce.starts_with(client_nonce) {
            return Err(AuthError::Challenge("its nonce does not continue ours"));
        }
        let salt = STANDARD.decode(salt).map_err(|_| AuthError::Challenge("its salt is not base64"))?;
        let iterations =
            iterations.parse().map_err(|_| AuthError::Challenge("its iteration count is no number"))?;
        if iterations < SCRAM_ITERATIONS_MIN {
            return Err(AuthError::Challenge("it asks for too few iterations to be safe"));
        }
        if iterations > SCRAM_ITERATIONS_MAX {
            return Err(AuthError::Challenge("it asks for too many iterations"));
        }
        Ok(Self { nonce: nonce.to_owned(), salt, iterations })
    }
}

impl Binding {
    fn header(&self) -> &'static str {
        match self {
            Self::Exporter(_) => "p=tls-exporter,,",
            Self::NotOffered => "y,,",
            Self::Unsupported => "n,,",
        }
    }

    fn input(&self) -> Vec<u8> {
        let mut input = self.header().as_bytes().to_vec();
        if let Self::Exporter(exporter) = self {
            input.extend_from_slice(exporter);
        }
        input
    }
}

impl Hash {
    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => keyed::<Hmac<Sha1>>(key).chain_update(message).finalize().into_bytes().to_vec(),
            Self::Sha256 => keyed::<Hmac<Sha256>>(key).chain_update(message).finalize().into_bytes().to_vec(),
        }
    }

    fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(message).to_vec(),
            Self::Sha256 => Sha256::digest(message).to_vec(),
        }
    }

    /// PBKDF2 of one block (RFC 5802 section 2.2, Hi).
    fn hi(self, password: &[u8], salt: &[u8], iterations: u32) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Sha1 => hi::<Hmac<Sha1>>(password, salt, iterations),
            Self::Sha256 => hi::<Hmac<Sha256>>(password, salt, iterations),
        }
    }
}

fn hi<M: hmac::Mac + hmac::KeyInit + Clone>(
    password: &[u8],
    salt: &[u8],
    iterations: u32,
) -> Zeroizing<Vec<u8>> {
    let mac = keyed::<M>(password);
    let mut last = mac.clone().chain_update(salt).chain_update([0, 0, 0, 1]).finalize().into_bytes();
    let mut sum = Zeroizing::new(last.to_vec());
    for _ in 1..iterations {
        last = mac.clone().chain_update(&last).finalize().into_bytes();
        for (sum, byte) in sum.iter_mut().zip(&last) {
            *sum ^= byte;
        }
    }
    sum
}

fn keyed<M: hmac::KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// A name in which `=` and `,` are written by their numbers (RFC 5802 section 5.1).
pub(super) fn saslname(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs one exchange with the nonce of the example put in place of ours.
    fn example(hash: Hash, user: &str, nonce: &str, server_first: &str) -> (Scram, String) {
        let password = Secret::new("pencil".to_owned());
        let (mut scram, _) = Scram::begin(hash, Binding::Unsupported, user, &password, [0; 18]).unwrap();
        scram.nonce = nonce.to_owned();
        scram.first_bare = format!("n={user},r={nonce}");
        let answer = scram.respond(server_first.as_bytes()).unwrap().expose().to_owned();
        (scram, answer)
    }

    #[test]
    fn the_example_of_rfc_5802() {
        let (mut scram, answer) = example(
            Hash::Sha1,
            "user",
            "fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        );
        assert_eq!(
            answer,
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
        );
        assert_eq!(scram.finish(), Err(AuthError::ServerUnproven));
        assert!(scram.respond(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=").is_ok());
        assert_eq!(scram.finish(), Ok(()));
    }

    #[test]
    fn the_example_of_rfc_7677() {
        let (mut scram, answer) = example(
            Hash::Sha256,
            "user",
            "rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        );
        assert_eq!(
            answer,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(scram.respond(b"v=AAAA").unwrap_err(), AuthError::ServerUnproven);
        assert!(scram.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").is_ok());
    }

    #[test]
    fn a_server_that_weakens_the_exchange_is_refused() {
        let ours = STANDARD.encode([0; 18]);
        for message in [
            "r=other,s=QSXC,i=4096".to_owned(),
            format!("r={ours},s=QSXC,i=4096"),
            format!("r={ours}x,s=QSXC,i=1"),
            format!("r={ours}x,s=QSXC,i=4000000000"),
            format!("r={ours}x,s=QSXC,i=99999999999"),
            format!("r={ours}x,s=*,i=4096"),
            format!("m=x,r={ours}x,s=QSXC,i=4096"),
            String::new(),
        ] {
            let password = Secret::new("pencil".to_owned());
            let (mut scram, _) =
                Scram::begin(Hash::Sha256, Binding::Unsupported, "user", &password, [0; 18]).unwrap();
            assert!(matches!(scram.respond(message.as_bytes()), Err(AuthError::Challenge(_))), "{message}");
        }
    }

    #[test]
    fn what_is_bound_is_part_of_the_proof() {
        let password = Secret::new("pencil".to_owned());
        let binding = Binding::Exporter(vec![7; 32]);
        let (mut scram, first) = Scram::begin(Hash::Sha256, binding, "a=b,c", &password, [0; 18]).unwrap();
        assert!(first.expose().starts_with("p=tls-exporter,,n=a=3Db=2Cc,r="));
        let server = format!("r={}x,s=QSXC,i=4096", STANDARD.encode([0; 18]));
        let answer = scram.respond(server.as_bytes()).unwrap();
        let bound = STANDARD.encode([b"p=tls-exporter,,".as_slice(), &[7; 32]].concat());
        assert!(answer.expose().starts_with(&format!("c={bound},r=")), "{}", answer.expose());
    }
}
