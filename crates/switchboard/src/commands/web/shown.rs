//! What `switchboard web` shows under TLS: the flags, which take the place of what is configured, and what is said about
//! certificates at the start and at a reload. Absent: reading them, which is the crate web's.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use switchboard_web::{CertificateFiles, Listener, Running, SelfSigned, Settings, TlsSettings};

use crate::config::web::tls::out_of_date;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;

/// What is shown where TLS is spoken.
#[derive(Clone, Debug, Args)]
pub struct Shown {
    /// A certificate with those that vouch for it, in PEM; once for each --key, and a client is shown the one for the name it asks for
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Vec<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Vec<PathBuf>,
    /// Without --cert: keeps a self-signed certificate in this folder [default: in memory, another one at each start]
    #[arg(long, value_name = "FOLDER", conflicts_with = "cert")]
    pub self_signed: Option<PathBuf>,
    /// Tells browsers under TLS to come back by HTTPS only, for this many seconds; 0 takes it back, from who comes again
    #[arg(long, value_name = "SECONDS")]
    pub hsts: Option<u32>,
}

impl Shown {
    /// Puts what the flags say in the place of what is configured: pairs or a folder of those configured for either.
    ///
    /// # Errors
    /// When the flags name no pairs, or what nobody would see.
    pub(super) fn apply(&self, settings: &mut Settings) -> Result<(), Failure> {
        let pairs = self.pairs()?;
        let names_some = self.self_signed.is_some() || !pairs.is_empty();
        let is_tls = |listener: &Listener| matches!(listener, Listener::Tls(_));
        if names_some && !settings.listeners.iter().any(is_tls) {
            let what = "a certificate is named, and nobody would see it: no address is for TLS";
            return Err(Failure::new(Exit::Usage, what).advise("add --listen-tls ADDRESS:PORT"));
        }
        let tls = &mut settings.tls;
        if names_some {
            tls.certificates = pairs;
            tls.self_signed = self.self_signed.clone().map_or(SelfSigned::InMemory, SelfSigned::Kept);
        }
        tls.hsts = self.hsts.map(|seconds| Duration::from_secs(seconds.into())).or(tls.hsts);
        Ok(())
    }

    fn pairs(&self) -> Result<Vec<CertificateFiles>, Failure> {
        let (certificates, keys) = (self.cert.len(), self.key.len());
        if certificates != keys {
            let what = format!("{certificates} certificates are named and {keys} private keys");
            return Err(
                Failure::new(Exit::Usage, what).advise("give --cert FILE --key FILE once for each pair")
            );
        }
        let pair = |(certificate, key): (&PathBuf, &PathBuf)| CertificateFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        Ok(self.cert.iter().zip(&self.key).map(pair).collect())
    }
}

/// What stands behind the addresses where TLS is spoken.
pub(super) fn about_keys(tls: &TlsSettings, running: &Running) -> String {
    let fingerprints: Vec<String> = running.fingerprints().iter().map(ToString::to_string).collect();
    if fingerprints.is_empty() {
        return String::new();
    }
    let kind = match (&tls.self_signed, tls.certificates.is_empty()) {
        (_, false) => "key",
        (SelfSigned::Kept(_), true) => "self-signed key",
        (SelfSigned::InMemory, true) => "self-signed key, kept in memory only,",
    };
    format!(", {kind} {}", fingerprints.join(" "))
}

/// Tells of certificates that browsers will not believe for their dates.
pub(super) fn warn(screen: &Screen, tls: &TlsSettings, running: &Running) {
    let now = crate::commands::config::now();
    for (identity, files) in running.identities().iter().zip(&tls.certificates) {
        if let Some(text) = out_of_date(identity, files, now) {
            screen.notice(&format!("warning: {text}"));
        }
    }
}
