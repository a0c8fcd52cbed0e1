//! What a server with TLS shows: certificates from files or one made here, and the configuration that all its connections
//! share.
//!
//! *Promises* that certificates are replaced all together or not at all, while handshakes run. *Absent:* what is done with
//! a name that no certificate is for; see [`ServedIdentities`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use switchboard_tls::{Identity, ServedIdentities, TlsError};

use crate::event_loop::{HTTP1, HTTP2};
use crate::settings::{CertificateFiles, SelfSigned, Site, TlsSettings};

/// The identities of a server.
#[derive(Debug)]
pub(crate) struct Identities {
    settings: TlsSettings,
    served: Arc<ServedIdentities>,
    config: Arc<ServerConfig>,
    /// Those that are shown now; the first is for everybody.
    shown: Mutex<Shown>,
}

/// Identities that were read.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    first: Identity,
    others: Vec<Identity>,
}

impl Identities {
    /// Reads them, or makes one.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub(crate) fn load(settings: &TlsSettings, sites: &[Site]) -> Result<Self, TlsError> {
        let shown = read(settings, sites)?.map_or_else(|| in_memory(sites), Ok)?;
        let served = ServedIdentities::new(&shown.first, &shown.others);
        let config = switchboard_tls::server_config(&served, &[HTTP2, HTTP1])?;
        Ok(Self { settings: settings.clone(), served, config, shown: Mutex::new(shown) })
    }

    /// Reads them again. One that is in memory only stays.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub(crate) fn read_again(&self, sites: &[Site]) -> Result<Shown, TlsError> {
        let fresh = read(&self.settings, sites)?;
        Ok(fresh.unwrap_or_else(|| self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    /// Shows these from the next full handshake on.
    pub(crate) fn show(&self, shown: &Shown) {
        self.served.replace(&shown.first, &shown.others);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown.clone();
    }

    /// For every listener.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Those that are shown, in the order of the settings.
    pub(crate) fn shown(&self) -> Vec<Identity> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&shown.first).chain(&shown.others).cloned().collect()
    }
}

/// None when it is in memory only.
fn read(settings: &TlsSettings, sites: &[Site]) -> Result<Option<Shown>, TlsError> {
    if let [first, others @ ..] = settings.certificates.as_slice() {
        let others = others.iter().map(from_files).collect::<Result<_, _>>()?;
        return Ok(Some(Shown { first: from_files(first)?, others }));
    }
    let SelfSigned::Kept(folder) = &settings.self_signed else { return Ok(None) };
    let (first, _) = Identity::load_or_create(folder, &names(sites), now())?;
    Ok(Some(Shown { first, others: Vec::new() }))
}

fn from_files(files: &CertificateFiles) -> Result<Identity, TlsError> {
    Identity::from_files(&files.certificate, &files.key)
}

fn in_memory(sites: &[Site]) -> Result<Shown, TlsError> {
    Ok(Shown { first: Identity::in_memory(&names(sites), now())?, others: Vec::new() })
}

/// The hosts of all sites; an IPv6 address stands in a certificate without its brackets.
fn names(sites: &[Site]) -> Vec<String> {
    let hosts = sites.iter().flat_map(|site| &site.hosts);
    hosts.map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned()).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the dates of a certificate that is made at the start of the program"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
