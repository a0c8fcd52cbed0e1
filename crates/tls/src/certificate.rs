//! The server's own certificate: made from a key, its names and its dates, and read back to see whether it still serves.
//! Absent: authorities, signing requests, and any judgement about a certificate that somebody else shows.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::DnsName;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::TlsError;
use crate::config::provider;
use crate::limits::{
    CERTIFICATE_BACKDATE_SECONDS, CERTIFICATE_LIFETIME_SECONDS, CERTIFICATE_NAMES_MAX,
    CERTIFICATE_RENEWAL_SECONDS,
};

/// One entry of the subject alternative names (RFC 5280 section 4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SubjectName {
    /// A host name in lower case, without a final dot.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl SubjectName {
    pub(crate) fn parse(text: &str) -> Result<Self, TlsError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let host = text.strip_suffix('.').unwrap_or(text).to_lowercase();
        match DnsName::try_from(host.as_str()) {
            Ok(_) => Ok(Self::Dns(host)),
            Err(_) => Err(TlsError::Name { name: text.chars().take(300).collect() }),
        }
    }
}

/// `names` and the names under which the machine reaches itself.
pub(crate) fn subject_names(names: &[String]) -> Result<BTreeSet<SubjectName>, TlsError> {
    if names.len() > CERTIFICATE_NAMES_MAX {
        return Err(TlsError::TooManyNames { count: names.len(), max: CERTIFICATE_NAMES_MAX });
    }
    let local = [
        SubjectName::Dns("localhost".to_owned()),
        SubjectName::Ip(Ipv4Addr::LOCALHOST.into()),
        SubjectName::Ip(Ipv6Addr::LOCALHOST.into()),
    ];
    names.iter().map(|name| SubjectName::parse(name)).chain(local.map(Ok)).collect()
}

/// The first and the last second in which a certificate counts, in UNIX seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
}

impl Validity {
    /// Of a certificate made at `now`.
    pub(crate) fn starting(now: i64) -> Self {
        let not_before = now.saturating_sub(CERTIFICATE_BACKDATE_SECONDS);
        Self { not_before, not_after: not_before.saturating_add(CERTIFICATE_LIFETIME_SECONDS) }
    }

    /// Of a laboratory certificate, which no test outlives: 1975 to 4095.
    pub(crate) fn unlimited() -> Self {
        Self { not_before: 157_766_400, not_after: 67_090_118_399 }
    }

    /// Whether a certificate with these dates should be replaced at `now`.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        now < self.not_before || self.not_after.saturating_sub(now) < CERTIFICATE_RENEWAL_SECONDS
    }
}

/// A self-signed server certificate for `names`.
pub(crate) fn issue(
    key: &KeyPair,
    names: &BTreeSet<SubjectName>,
    validity: Validity,
) -> Result<rcgen::Certificate, TlsError> {
    let mut certificate = CertificateParams::default();
    certificate.not_before = date(validity.not_before)?;
    certificate.not_after = date(validity.not_after)?;
    certificate.serial_number = Some(random_serial()?);
    certificate.subject_alt_names = names.iter().map(alternative_name).collect::<Result<_, _>>()?;
    certificate.distinguished_name = distinguished_name(key);
    certificate.is_ca = IsCa::ExplicitNoCa;
    certificate.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    certificate.self_signed(key).map_err(cannot_make_certificate)
}

/// What a certificate says about itself.
pub(crate) struct Statement {
    pub(crate) names: BTreeSet<SubjectName>,
    pub(crate) validity: Validity,
    pub(crate) self_issued: bool,
}

/// Reads a certificate in DER; the error says what is wrong with it.
pub(crate) fn read(der: &[u8]) -> Result<Statement, String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    let alternatives = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    let validity = certificate.validity();
    Ok(Statement {
        names: names.filter_map(subject_name).collect(),
        validity: Validity {
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        },
        self_issued: certificate.subject() == certificate.issuer(),
    })
}

/// The host names of a certificate in lower case, wildcards among them. None of one that cannot be read: it is then found
/// by no name.
pub(crate) fn host_names(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    names
        .filter_map(|name| {
            if let GeneralName::DNSName(host) = name { Some(host.to_ascii_lowercase()) } else { None }
        })
        .collect()
}

fn date(seconds: i64) -> Result<OffsetDateTime, TlsError> {
    // RFC 5280 section 4.1.2.5 ends with the year 9999, and its two-digit years begin with 1950.
    const REPRESENTABLE: std::ops::RangeInclusive<i64> = -631_152_000..=253_402_300_799;
    match OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(date) if REPRESENTABLE.contains(&seconds) => Ok(date),
        Ok(_) | Err(_) => Err(TlsError::Clock { now: seconds }),
    }
}

/// Random, because browsers refuse a second certificate with the issuer and the serial number of the first.
fn random_serial() -> Result<SerialNumber, TlsError> {
    let mut serial = [0; 16];
    provider().secure_random.fill(&mut serial).map_err(|_| TlsError::Library {
        action: "draw random bytes",
        source: rustls::Error::FailedToGetRandomBytes,
    })?;
    // Positive and of full length (RFC 5280 section 4.1.2.2).
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(SerialNumber::from(serial.to_vec()))
}

fn alternative_name(name: &SubjectName) -> Result<SanType, TlsError> {
    match name {
        SubjectName::Dns(host) => {
            host.as_str().try_into().map(SanType::DnsName).map_err(cannot_make_certificate)
        }
        SubjectName::Ip(address) => Ok(SanType::IpAddress(*address)),
    }
}

/// Names the key, so that certificates of different servers never look like one another's issuer.
fn distinguished_name(key: &KeyPair) -> DistinguishedName {
    let hash = Sha256::digest(key.subject_public_key_info());
    let start: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, format!("Switchboard server {start}"));
    name
}

fn cannot_make_certificate(source: rcgen::Error) -> TlsError {
    TlsError::Generate { what: "certificate", source }
}

fn subject_name(name: &GeneralName<'_>) -> Option<SubjectName> {
    if let GeneralName::DNSName(host) = name {
        return SubjectName::parse(host).ok();
    }
    if let GeneralName::IPAddress(octets) = name {
        let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
        return v4.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from)).ok().map(SubjectName::Ip);
    }
    None
}
