//! The part of section `[web]` that is about TLS: where it is spoken and what is shown there. Certificates stand in tables
//! `[[web.certificate]]`, each with its key. Absent: keys themselves; a setting only names the files that hold them.

use std::path::PathBuf;
use std::time::Duration;

use switchboard_tls::{Identity, TlsError};
use switchboard_web::{CertificateFiles, Listener, SelfSigned, TlsSettings};

use crate::config::value::{Kind, Origin, Setting, Table, Value, Values};
use crate::config::{Config, ConfigError};

/// The settings of this part.
pub(in crate::config) const SETTINGS: &[Setting] = &[
    Setting {
        key: "web.listen_tls",
        kind: Kind::List,
        default: "",
        meaning: "addresses for HTTPS; certificates stand in tables [[web.certificate]] with cert and key",
    },
    Setting {
        key: "web.self_signed",
        kind: Kind::Text,
        default: "",
        meaning: "without certificates: the folder that keeps a self-signed one; none keeps it in memory",
    },
    Setting {
        key: "web.hsts",
        kind: Kind::Number,
        default: "0",
        meaning: "seconds for which browsers are to come back by HTTPS only; unset says nothing, 0 takes it back",
    },
];

/// The settings of a table `[[web.certificate]]`.
pub(super) const CERTIFICATE_SETTINGS: &[Setting] = &[
    Setting {
        key: "web.certificate.cert",
        kind: Kind::Text,
        default: "",
        meaning: "file with a certificate and those that vouch for it, in PEM; shown to who asks for one of its names",
    },
    Setting {
        key: "web.certificate.key",
        kind: Kind::Text,
        default: "",
        meaning: "file with the private key of the certificate, in PEM",
    },
];

/// Longest time that Strict-Transport-Security can be configured to last, ten years.
const HSTS_SECONDS_MAX: u64 = 10 * 366 * 24 * 60 * 60;

/// What is shown under TLS.
pub(super) fn settings(values: &Values) -> Result<TlsSettings, ConfigError> {
    let certificates: Vec<CertificateFiles> =
        values.tables("web.certificate").map(|table| certificate(values, table)).collect::<Result<_, _>>()?;
    let folder = values.path("web.self_signed");
    if folder.is_some() && !certificates.is_empty() {
        return Err(ConfigError::Together(
            "web.self_signed and [[web.certificate]] cannot both be set; a self-signed certificate is for who has no other"
                .to_owned(),
        ));
    }
    let seconds = values.number("web.hsts", 0..=HSTS_SECONDS_MAX)?;
    Ok(TlsSettings {
        certificates,
        self_signed: folder.map_or(SelfSigned::InMemory, SelfSigned::Kept),
        hsts: values.is_set("web.hsts").then(|| Duration::from_secs(seconds)),
    })
}

fn certificate(values: &Values, table: &Table) -> Result<CertificateFiles, ConfigError> {
    let path = |key: &'static str, wanted: &str| {
        let entry = table.entries.iter().find(|(found, _, _)| *found == key);
        let origin = entry.map_or(&table.origin, |(_, _, origin)| origin);
        match entry {
            Some((_, Value::Text(path), _)) if !path.is_empty() => Ok(values.absolute(path)),
            Some(_) | None => Err(ConfigError::value(key, origin, wanted.to_owned())),
        }
    };
    Ok(CertificateFiles {
        certificate: path("web.certificate.cert", "the path of a certificate in PEM")?,
        key: path("web.certificate.key", "the path of the certificate's private key in PEM")?,
    })
}

/// Reads what would be shown under TLS, as this user, and makes nothing. What keeps nobody from serving, but browsers from
/// coming, is returned: a certificate out of its dates at `now` (UNIX seconds), or one that nobody will see.
///
/// # Errors
/// When a certificate or a key cannot be read, is damaged, or both are no pair.
pub fn check(config: &Config, now: i64) -> Result<Vec<String>, ConfigError> {
    let settings = &config.web.settings;
    let failed = |key, origin: &Origin, source: TlsError| ConfigError::Certificate {
        key,
        place: origin.to_string(),
        source: Box::new(source),
    };
    let mut warnings = Vec::new();
    for (files, table) in settings.tls.certificates.iter().zip(config.values.tables("web.certificate")) {
        let identity = Identity::from_files(&files.certificate, &files.key)
            .map_err(|error| failed("web.certificate", &table.origin, error))?;
        warnings.extend(out_of_date(&identity, files, now));
    }
    if let Some(files) = kept(&settings.tls) {
        Identity::from_files(&files.certificate, &files.key)
            .map_err(|error| failed("web.self_signed", config.values.origin("web.self_signed"), error))?;
    }
    let shows_some =
        !settings.tls.certificates.is_empty() || settings.tls.self_signed != SelfSigned::InMemory;
    if shows_some && !settings.listeners.iter().any(|listener| matches!(listener, Listener::Tls(_))) {
        warnings.push(
            "certificates are configured, and nobody will see them: web.listen_tls is not set".to_owned(),
        );
    }
    Ok(warnings)
}

/// What is to be said about a certificate whose dates `now`, in UNIX seconds, is not between.
#[must_use]
pub fn out_of_date(identity: &Identity, files: &CertificateFiles, now: i64) -> Option<String> {
    let (what, when) = match now {
        _ if now > identity.not_after() => ("expired on", identity.not_after()),
        _ if now < identity.not_before() => ("is not valid before", identity.not_before()),
        _ => return None,
    };
    let when = jiff::Timestamp::from_second(when).map(|when| when.to_string()).unwrap_or_default();
    let file = crate::screen::harmless(&files.certificate.display().to_string());
    Some(format!("the certificate {file} {what} {when}: browsers refuse it; replace it and send SIGHUP"))
}

/// The files of a self-signed certificate that was made already.
fn kept(settings: &TlsSettings) -> Option<CertificateFiles> {
    let SelfSigned::Kept(folder) = &settings.self_signed else { return None };
    let [certificate, key] = ["server.crt", "server.key"].map(|name: &str| -> PathBuf { folder.join(name) });
    key.exists().then_some(CertificateFiles { certificate, key })
}
