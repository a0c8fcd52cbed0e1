//! What a certificate says that the other side showed, for a person to read. Absent: any judgement of it.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::Fingerprint;
use crate::limits::CERTIFICATE_NAMES_MAX;

/// The facts of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCertificate {
    /// Whose it is, in the words of the certificate.
    pub subject: String,
    /// Who made it.
    pub issuer: String,
    /// The host names and addresses for which it counts, at most [`CERTIFICATE_NAMES_MAX`] of them.
    pub names: Vec<String>,
    /// The first second in which it counts, in UNIX seconds.
    pub not_before: i64,
    /// The last one.
    pub not_after: i64,
    /// Of its key.
    pub fingerprint: Fingerprint,
}

impl ShownCertificate {
    /// Reads it; `None` when it is no X.509 certificate.
    #[must_use]
    pub fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let fingerprint = Fingerprint::of_certificate(certificate).ok()?;
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let alternatives = parsed.subject_alternative_name().ok().flatten();
        let names = alternatives
            .map(|names| names.value.general_names.iter().filter_map(name).take(CERTIFICATE_NAMES_MAX));
        Some(Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            names: names.map(Iterator::collect).unwrap_or_default(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            fingerprint,
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(host) = name {
        return Some((*host).to_owned());
    }
    let GeneralName::IPAddress(bytes) = name else { return None };
    let of_four = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
    let of_sixteen = || <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from);
    of_four.or_else(|_| of_sixteen()).ok().map(|address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[test]
    fn a_certificate_is_read_back() {
        let home = tempfile::tempdir().unwrap();
        let names = ["mail.example.org".to_owned()];
        let (identity, _) =
            Identity::load_or_create(&home.path().join("keys"), &names, 1_800_000_000).unwrap();
        let shown = ShownCertificate::read(&identity.certified_key().cert[0]).unwrap();
        assert!(
            ["mail.example.org", "localhost", "127.0.0.1", "::1"]
                .iter()
                .all(|name| shown.names.iter().any(|one| one == name))
        );
        assert_eq!((shown.fingerprint, shown.not_after), (identity.fingerprint(), identity.not_after()));
        assert!(shown.not_before < shown.not_after);
        assert_eq!(ShownCertificate::read(&b"no certificate".as_slice().into()), None);
    }
}
