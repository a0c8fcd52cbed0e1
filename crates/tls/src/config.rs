//! The rustls configurations of both sides: TLS 1.3 and 1.2 with the aws-lc-rs algorithms, whatever the process-wide default
//! of rustls is. Absent: sockets; a driver opens the connection and runs the handshake.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, CommonState, RootCertStore, ServerConfig};

use crate::identity::certificates_in;
use crate::known_servers::ServerAddress;
use crate::limits::CERTIFICATE_FILE_BYTES_MAX;
use crate::trust::{Expectation, KeyVerifier, Witness};
use crate::{Fingerprint, Identity, KnownServers, ShownCertificate, TlsError, Trust, durable_file};

/// The name of the call protocol in ALPN (RFC 7301).
pub const CALL_PROTOCOL: &[u8] = b"switchboard/1";

/// The identity that a server shows, which can be replaced while it runs: new handshakes show the new one, connections
/// that stand are not touched.
pub struct ServedIdentity {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ServedIdentity {
    /// Shows `identity`.
    pub fn new(identity: &Identity) -> Arc<Self> {
        Arc::new(Self { current: RwLock::new(identity.certified_key()) })
    }

    /// Shows `identity` from the next full handshake on. A session resumed by ticket shows no certificate.
    pub fn replace(&self, identity: &Identity) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = identity.certified_key();
    }
}

impl ResolvesServerCert for ServedIdentity {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Shows that there is one, never the key.
impl fmt::Debug for ServedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedIdentity").finish_non_exhaustive()
    }
}

/// The configuration of a server that shows `identity` ([`ServedIdentity`], or [`crate::ServedIdentities`]) and speaks the
/// application protocols `alpn`, best first. Sessions are resumed by tickets, for which the server keeps no memory per client.
pub fn server_config<I: ResolvesServerCert + 'static>(
    identity: &Arc<I>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(no_versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::<I>::clone(identity));
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    // One is enough: who resumes is given the next, and each costs an encryption and bytes in every new connection.
    config.send_tls13_tickets = 1;
    config.ticketer = aws_lc_rs::Ticketer::new()
        .map_err(|source| TlsError::Library { action: "make the key of session tickets", source })?;
    Ok(Arc::new(config))
}

/// What a client needs for its connections to one server. Kept and used for every connection to that server, it resumes
/// sessions, and holds a server met for the first time to the key it showed first.
#[derive(Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    server: ServerAddress,
    first_use: Option<(Arc<KeyVerifier>, KnownServers)>,
    witness: Arc<Witness>,
}

impl ClientTls {
    /// The configuration to connect with.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// The name to connect to.
    pub fn server_name(&self) -> ServerName<'static> {
        self.server.server_name()
    }

    /// The same, with `identity` for a server that asks for it.
    #[must_use]
    pub fn showing(mut self, identity: &Identity) -> Self {
        let mut config = (*self.config).clone();
        config.client_auth_cert_resolver =
            Arc::new(SingleCertAndKey::from((*identity.certified_key()).clone()));
        self.config = Arc::new(config);
        self
    }

    /// The fingerprint of a server that was unknown until now, once a handshake has proven that it holds the key. `None`
    /// under every other trust, and for a server that was known.
    pub fn first_seen(&self) -> Option<Fingerprint> {
        self.first_use.as_ref().and_then(|(verifier, _)| verifier.first_seen())
    }

    /// The certificate that the last handshake was refused for. Whether the server holds its key was not asked: anybody can show it.
    pub fn refused(&self) -> Option<ShownCertificate> {
        self.witness.refused()
    }

    /// To be called when a handshake is complete and before anything secret is sent: records a server met for the first
    /// time, flushed to disk (it blocks), and returns its fingerprint when it is newly recorded, so that the user is told.
    ///
    /// Errors when the file cannot be written, and with [`crate::TrustRefusal::IdentityChanged`] when another process
    /// has meanwhile met the same server with another key.
    pub fn remember(&self) -> Result<Option<Fingerprint>, TlsError> {
        let Some((verifier, file)) = &self.first_use else { return Ok(None) };
        let Some(fingerprint) = verifier.first_seen() else { return Ok(None) };
        Ok(file.remember(&self.server, fingerprint)?.then_some(fingerprint))
    }
}

/// The configuration of a client that connects to `server`, believes it as `trust` says, and speaks the application
/// protocols `alpn`, best first. Errors when the roots, the file of authorities or the file of known servers cannot be used.
pub fn client_config(trust: &Trust, server: &ServerAddress, alpn: &[&[u8]]) -> Result<ClientTls, TlsError> {
    let mut first_use = None;
    let judge: Arc<dyn ServerCertVerifier> = match trust {
        Trust::SystemRoots => authorities(system_roots()?)?,
        Trust::CaFile(path) => authorities(roots_in(path)?)?,
        Trust::Pin(pinned) => {
            let expectation = Expectation::Pinned(*pinned);
            Arc::new(KeyVerifier::new(server.clone(), expectation))
        }
        Trust::FirstUse(file) => {
            let expectation = match file.lookup(server)? {
                Some(fingerprint) => Expectation::Known { fingerprint, file: file.clone() },
                None => Expectation::FirstUse { file: file.clone() },
            };
            let verifier = Arc::new(KeyVerifier::new(server.clone(), expectation));
            first_use = Some((Arc::clone(&verifier), file.clone()));
            verifier
        }
    };
    let witness = Arc::new(Witness::of(judge));
    let mut config = trusting(Arc::<Witness>::clone(&witness))?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(ClientTls { config: Arc::new(config), server: server.clone(), first_use, witness })
}

/// Checks, after the handshake, that both sides agreed on the application protocol `wanted`: rustls lets a peer pass that
/// does not know ALPN at all. Errors with [`TlsError::WrongProtocol`].
pub fn check_protocol(connection: &CommonState, wanted: &[u8], peer: &str) -> Result<(), TlsError> {
    match connection.alpn_protocol() {
        Some(agreed) if agreed == wanted => Ok(()),
        Some(_) | None => Err(TlsError::WrongProtocol { peer: peer.to_owned() }),
    }
}

/// The algorithms every configuration of this crate uses.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

fn authorities(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().map_err(|error| {
        TlsError::Library { action: "use the authorities", source: rustls::Error::General(error.to_string()) }
    })
}

fn trusting(verifier: Arc<Witness>) -> Result<ClientConfig, TlsError> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(no_versions)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A root that rustls cannot read vouches for nobody; the others still do.
    roots.add_parsable_certificates(found.certs);
    match roots.is_empty() {
        true => {
            let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
            Err(TlsError::NoSystemRoots { why })
        }
        false => Ok(roots),
    }
}

fn roots_in(path: &Path) -> Result<RootCertStore, TlsError> {
    let (pem, _) = durable_file::read(path, CERTIFICATE_FILE_BYTES_MAX)?
        .ok_or_else(|| TlsError::FileMissing { what: "certificate", path: path.into() })?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates_in(&pem, path)? {
        roots.add(certificate).map_err(|error| TlsError::Unusable {
            what: "certificate",
            path: path.into(),
            why: error.to_string(),
        })?;
    }
    Ok(roots)
}

fn no_versions(source: rustls::Error) -> TlsError {
    TlsError::Library { action: "speak TLS 1.2 and 1.3", source }
}
