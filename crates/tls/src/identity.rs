//! Who a server is: a private key and the certificate chain that names it, made on the first start and kept in a folder,
//! given by the operator, or made for one run of a laboratory.
//!
//! A renewed certificate keeps the key, and with it the fingerprint that clients pinned. Absent: a way to read the private
//! key back out of an [`Identity`].

use std::collections::BTreeSet;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::sign::CertifiedKey;

use crate::certificate::{self, Statement, SubjectName, Validity};
use crate::config::provider;
use crate::durable_file::{self, PERMISSION_BITS};
use crate::limits::{CERTIFICATE_FILE_BYTES_MAX, KEY_FILE_BYTES_MAX};
use crate::{Fingerprint, TlsError};

const KEY_FILE: &str = "server.key";
const CERTIFICATE_FILE: &str = "server.crt";

/// A private key with its certificate chain, ready to serve.
#[derive(Clone)]
pub struct Identity {
    certified_key: Arc<CertifiedKey>,
    fingerprint: Fingerprint,
    validity: Validity,
}

/// What [`Identity::load_or_create`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityOrigin {
    /// Nothing: key and certificate are new.
    Created,
    /// Both, and both serve.
    Loaded,
    /// The key; the certificate is new.
    Renewed,
}

impl Identity {
    /// The identity kept in `folder` (`server.key`, `server.crt`), made when there is none; its certificate is made anew
    /// when less than 30 days are left of it or when its names are not `names` and the local ones (localhost, 127.0.0.1,
    /// ::1). `now` in UNIX seconds. Threads and processes that come at the same time wait for each other and get the same.
    ///
    /// Errors when the folder or the files cannot be used, when others may read the key or write to the folder, when key
    /// and certificate are damaged or no pair, and when a name is none.
    pub fn load_or_create(
        folder: &Path,
        names: &[String],
        now: i64,
    ) -> Result<(Self, IdentityOrigin), TlsError> {
        let names = certificate::subject_names(names)?;
        durable_file::ensure_private_folder(folder)?;
        let _lock = durable_file::lock_folder(folder)?;
        let files = KeyFiles { key: folder.join(KEY_FILE), certificate: folder.join(CERTIFICATE_FILE) };
        let (key_pem, origin) = match files.read_key(KeyReaders::Owner)? {
            None => (files.create_key()?, IdentityOrigin::Created),
            Some(key_pem) if files.certificate_serves(&names, now)? => (key_pem, IdentityOrigin::Loaded),
            Some(key_pem) => {
                files.check_pair(&key_pem)?;
                (key_pem, IdentityOrigin::Renewed)
            }
        };
        if origin != IdentityOrigin::Loaded {
            files.renew_certificate(&key_pem, &names, now)?;
        }
        Ok((files.identity(&key_pem)?, origin))
    }

    /// The operator's own certificate chain (server first) and private key, both PEM, of any kind rustls knows. The key
    /// may be readable by a group only when root owns it, as is usual for keys that several servers share. Dates are not
    /// judged: see [`Identity::not_before`] and [`Identity::not_after`].
    pub fn from_files(certificate_chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = KeyFiles { key: key.into(), certificate: certificate_chain.into() };
        let key_pem = files
            .read_key(KeyReaders::OwnerAndGroupOfRoot)?
            .ok_or_else(|| TlsError::FileMissing { what: "private key", path: key.into() })?;
        files.identity(&key_pem)
    }

    /// An identity for the local names that lives in memory only, for tests and for proxies that end TLS to disturb what
    /// is inside. Its dates never matter.
    pub fn laboratory() -> Result<Self, TlsError> {
        Self::unkept(&[], Validity::unlimited())
    }

    /// An identity that lives in memory only, with a certificate like those of [`Identity::load_or_create`], for `names` and
    /// the local ones, valid from `now` (UNIX seconds) on. Errors when a name is none.
    pub fn in_memory(names: &[String], now: i64) -> Result<Self, TlsError> {
        Self::unkept(names, Validity::starting(now))
    }

    fn unkept(names: &[String], validity: Validity) -> Result<Self, TlsError> {
        let key = generate_key()?;
        let certificate = certificate::issue(&key, &certificate::subject_names(names)?, validity)?;
        let key_der = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|why| library("read back the key just made", rustls::Error::General(why.to_owned())))?;
        let certified_key = CertifiedKey::from_der(vec![certificate.der().clone()], key_der, &provider())
            .map_err(|source| library("use the key just made", source))?;
        Ok(Self {
            certified_key: Arc::new(certified_key),
            fingerprint: Fingerprint::of_certificate(certificate.der())
                .map_err(|source| library("read back the certificate just made", source))?,
            validity,
        })
    }

    /// The fingerprint of the key, which the server prints and clients pin.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The first second in which the certificate counts, in UNIX seconds.
    pub fn not_before(&self) -> i64 {
        self.validity.not_before
    }

    /// The last second in which the certificate counts, in UNIX seconds.
    pub fn not_after(&self) -> i64 {
        self.validity.not_after
    }

    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified_key)
    }
}

/// Shows which key it is, never the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// Who may read a key file.
#[derive(Clone, Copy)]
enum KeyReaders {
    Owner,
    OwnerAndGroupOfRoot,
}

struct KeyFiles {
    key: PathBuf,
    certificate: PathBuf,
}

impl KeyFiles {
    fn read_key(&self, readers: KeyReaders) -> Result<Option<Vec<u8>>, TlsError> {
        let Some((pem, metadata)) = durable_file::read(&self.key, KEY_FILE_BYTES_MAX)? else {
            return Ok(None);
        };
        match excess_permissions(readers, &metadata) {
            0 => Ok(Some(pem)),
            _ => Err(TlsError::KeyReadableByOthers {
                path: self.key.clone(),
                mode: metadata.mode() & PERMISSION_BITS,
            }),
        }
    }

    fn create_key(&self) -> Result<Vec<u8>, TlsError> {
        if self.certificate.exists() {
            return Err(TlsError::KeyMissing {
                key: self.key.clone(),
                certificate: self.certificate.clone(),
            });
        }
        let pem = generate_key()?.serialize_pem().into_bytes();
        durable_file::replace(&self.key, &pem, 0o600)?;
        Ok(pem)
    }

    /// Whether there is a certificate that can stay. None at all is what a crash between key and certificate leaves.
    fn certificate_serves(&self, names: &BTreeSet<SubjectName>, now: i64) -> Result<bool, TlsError> {
        let Some(chain) = self.read_chain()? else { return Ok(false) };
        let statement = self.statement(&chain)?;
        if !statement.self_issued {
            return Err(TlsError::IssuedByAuthority { path: self.certificate.clone() });
        }
        Ok(statement.names == *names && !statement.validity.is_due(now))
    }

    /// Refuses to write over a certificate that belongs to another key.
    fn check_pair(&self, key_pem: &[u8]) -> Result<(), TlsError> {
        match self.read_chain()? {
            Some(chain) => self.certify(key_pem, chain).map(drop),
            None => Ok(()),
        }
    }

    fn renew_certificate(
        &self,
        key_pem: &[u8],
        names: &BTreeSet<SubjectName>,
        now: i64,
    ) -> Result<(), TlsError> {
        let unusable = |why: &str| unusable("private key", &self.key, why);
        let text = str::from_utf8(key_pem).map_err(|_| unusable("it is not text"))?;
        let key = KeyPair::from_pkcs8_pem_and_sign_algo(text, &PKCS_ECDSA_P256_SHA256)
            .map_err(|_| unusable("it is not an ECDSA P-256 key in PKCS#8 PEM"))?;
        let certificate = certificate::issue(&key, names, Validity::starting(now))?;
        durable_file::replace(&self.certificate, certificate.pem().as_bytes(), 0o644)
    }

    fn identity(&self, key_pem: &[u8]) -> Result<Identity, TlsError> {
        let chain = self
            .read_chain()?
            .ok_or_else(|| TlsError::FileMissing { what: "certificate", path: self.certificate.clone() })?;
        let validity = self.statement(&chain)?.validity;
        let fingerprint = Fingerprint::of_certificate(&chain[0])
            .map_err(|error| unusable("certificate", &self.certificate, error.to_string()))?;
        let certified_key = Arc::new(self.certify(key_pem, chain)?);
        Ok(Identity { certified_key, fingerprint, validity })
    }

    fn certify(&self, key_pem: &[u8], chain: Vec<CertificateDer<'static>>) -> Result<CertifiedKey, TlsError> {
        let key = PrivateKeyDer::from_pem_slice(key_pem)
            .map_err(|error| unusable("private key", &self.key, pem_fault(&error)))?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &rustls::Error) -> TlsError {
        if let rustls::Error::InconsistentKeys(_) = error {
            TlsError::NotAPair { certificate: self.certificate.clone(), key: self.key.clone() }
        } else if let rustls::Error::InvalidCertificate(reason) = error {
            unusable("certificate", &self.certificate, reason.to_string())
        } else {
            unusable("private key", &self.key, "it is of a kind that TLS cannot use, or damaged")
        }
    }

    fn read_chain(&self) -> Result<Option<Vec<CertificateDer<'static>>>, TlsError> {
        let contents = durable_file::read(&self.certificate, CERTIFICATE_FILE_BYTES_MAX)?;
        contents.map(|(pem, _)| certificates_in(&pem, &self.certificate)).transpose()
    }

    fn statement(&self, chain: &[CertificateDer<'_>]) -> Result<Statement, TlsError> {
        certificate::read(&chain[0]).map_err(|why| unusable("certificate", &self.certificate, why))
    }
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates_in(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable("certificate", path, pem_fault(&error)))?;
    match chain.is_empty() {
        true => Err(unusable("certificate", path, pem_fault(&pem::Error::NoItemsFound))),
        false => Ok(chain),
    }
}

fn excess_permissions(readers: KeyReaders, metadata: &Metadata) -> u32 {
    let allowed = match readers {
        KeyReaders::OwnerAndGroupOfRoot if metadata.uid() == 0 => 0o740,
        KeyReaders::OwnerAndGroupOfRoot | KeyReaders::Owner => 0o700,
    };
    metadata.mode() & 0o777 & !allowed
}

/// In our own words: those of the library quote the line, which may hold a part of the key.
fn pem_fault(error: &pem::Error) -> &'static str {
    if matches!(error, pem::Error::NoItemsFound) {
        "it has no `-----BEGIN` section of that kind"
    } else if matches!(error, pem::Error::MissingSectionEnd { .. }) {
        "its end is cut off (the `-----END` line is missing)"
    } else {
        "its PEM text is damaged"
    }
}

fn generate_key() -> Result<KeyPair, TlsError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        .map_err(|source| TlsError::Generate { what: "private key", source })
}

fn unusable(what: &'static str, path: &Path, why: impl Into<String>) -> TlsError {
    TlsError::Unusable { what, path: path.into(), why: why.into() }
}

fn library(action: &'static str, source: rustls::Error) -> TlsError {
    TlsError::Library { action, source }
}

#[cfg(test)]
mod tests;
