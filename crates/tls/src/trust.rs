//! Whom a client believes, and the check of a server by its key alone.
//!
//! Under a pin the key is the whole identity (RFC 7858 section 4.2 uses pins so): names and dates of the certificate, and
//! who signed it, add nothing that the one who holds the key could not write into it himself, so they are not judged, and
//! an expired certificate is no reason to refuse. That the server holds the key is proven by its signature over the
//! handshake, which is always verified. Absent: authorities and names, which rustls' own verifier judges.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};

use crate::config::provider;
use crate::{Fingerprint, KnownServers, ServerAddress, ShownCertificate, TrustRefusal};

/// How a client decides whether it talks to the right server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// An authority that this machine trusts vouches for the name of the server.
    SystemRoots,
    /// An authority of this PEM file vouches for it; the file may be the server's own self-signed certificate.
    CaFile(PathBuf),
    /// The server holds exactly this key.
    Pin(Fingerprint),
    /// The server holds the key it held at the first connection, which is believed.
    FirstUse(KnownServers),
}

/// Which key the server must hold.
#[derive(Debug)]
pub(crate) enum Expectation {
    Pinned(Fingerprint),
    Known { fingerprint: Fingerprint, file: KnownServers },
    FirstUse { file: KnownServers },
}

/// Accepts the server that holds the expected key.
#[derive(Debug)]
pub(crate) struct KeyVerifier {
    server: ServerAddress,
    expectation: Expectation,
    /// The key that a first use met and whose possession was proven; later handshakes have to meet it again.
    proven: OnceLock<Fingerprint>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl KeyVerifier {
    pub(crate) fn new(server: ServerAddress, expectation: Expectation) -> Self {
        let algorithms = provider().signature_verification_algorithms;
        Self { server, expectation, proven: OnceLock::new(), algorithms }
    }

    pub(crate) fn first_seen(&self) -> Option<Fingerprint> {
        self.proven.get().copied()
    }

    fn check(&self, presented: Fingerprint) -> Result<(), rustls::Error> {
        let refusal = match (&self.expectation, self.proven.get()) {
            (Expectation::Pinned(pinned), _) if *pinned != presented => {
                TrustRefusal::WrongPin { server: self.server.clone(), pinned: *pinned, presented }
            }
            (Expectation::Known { fingerprint: known, file }, _)
            | (Expectation::FirstUse { file }, Some(known))
                if *known != presented =>
            {
                file.changed(&self.server, *known, presented)
            }
            (Expectation::Pinned(_) | Expectation::Known { .. } | Expectation::FirstUse { .. }, _) => {
                return Ok(());
            }
        };
        Err(CertificateError::Other(OtherError(Arc::new(refusal))).into())
    }

    /// Called with the certificate whose key has just signed the handshake.
    fn prove(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        match self.expectation {
            Expectation::Pinned(_) | Expectation::Known { .. } => Ok(()),
            Expectation::FirstUse { .. } => {
                let presented = Fingerprint::of_certificate(certificate)?;
                self.proven.get_or_init(|| presented);
                // Another handshake may have been first, with another key.
                self.check(presented)
            }
        }
    }
}

impl ServerCertVerifier for KeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(Fingerprint::of_certificate(end_entity)?)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)?;
        self.prove(cert)?;
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)?;
        self.prove(cert)?;
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Leaves the judgement to another verifier, and keeps the certificate that was refused, so that a person can be told of it.
#[derive(Debug)]
pub(crate) struct Witness {
    judge: Arc<dyn ServerCertVerifier>,
    refused: Mutex<Option<CertificateDer<'static>>>,
}

impl Witness {
    pub(crate) fn of(judge: Arc<dyn ServerCertVerifier>) -> Self {
        Self { judge, refused: Mutex::new(None) }
    }

    /// What was refused last.
    pub(crate) fn refused(&self) -> Option<ShownCertificate> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().and_then(ShownCertificate::read)
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged =
            self.judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if judged.is_err() {
            let refused = Some(end_entity.clone().into_owned());
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        }
        judged
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[test]
    fn of_two_first_handshakes_at_once_the_second_key_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = KnownServers::at(home.path().join("known_servers"));
        let server = ServerAddress::new("localhost", 7447).unwrap();
        let verifier = KeyVerifier::new(server, Expectation::FirstUse { file });
        let [one, two] = [(); 2].map(|()| Identity::laboratory().unwrap());
        for identity in [&one, &two] {
            verifier.check(identity.fingerprint()).unwrap();
        }
        verifier.prove(&one.certified_key().cert[0]).unwrap();
        assert!(verifier.prove(&two.certified_key().cert[0]).is_err());
        assert_eq!(verifier.first_seen(), Some(one.fingerprint()));
    }
}
