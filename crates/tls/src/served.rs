//! Which certificate a client is shown: of several, the one for the name it asks for (SNI, RFC 6066 section 3).
//!
//! *Promises* that all are replaced in one step, while handshakes run, and that a client that names nobody, or a host that no
//! certificate is for, is shown the first: it then says itself what is wrong, where an alert would say nothing. *Absent:* dates,
//! which the client judges.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::{Identity, certificate};

/// The identities of a server with several names, which can be replaced while it runs.
pub struct ServedIdentities {
    current: RwLock<Arc<ByName>>,
}

/// Keys by the names of their certificates, in lower case; a wildcard stands as it is written.
struct ByName {
    first: Arc<CertifiedKey>,
    names: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl ServedIdentities {
    /// Shows `identity`, or one of `others` to who asks for one of its names.
    #[must_use]
    pub fn new(identity: &Identity, others: &[Identity]) -> Arc<Self> {
        Arc::new(Self { current: RwLock::new(Arc::new(ByName::new(identity, others))) })
    }

    /// Shows these from the next full handshake on. Connections that stand are not touched, and a session resumed by
    /// ticket shows no certificate.
    pub fn replace(&self, identity: &Identity, others: &[Identity]) {
        let next = Arc::new(ByName::new(identity, others));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

impl ResolvesServerCert for ServedIdentities {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let can_sign =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(client_hello.signature_schemes()).is_some();
        let candidates = client_hello.server_name().map_or(&[][..], |name| current.named(name));
        let fitting = candidates.iter().find(can_sign).or(candidates.first());
        Some(Arc::clone(fitting.unwrap_or(&current.first)))
    }
}

/// Shows that there are some, never the keys.
impl fmt::Debug for ServedIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedIdentities").finish_non_exhaustive()
    }
}

impl ByName {
    fn new(identity: &Identity, others: &[Identity]) -> Self {
        let mut names: HashMap<String, Vec<Arc<CertifiedKey>>> = HashMap::new();
        for one in std::iter::once(identity).chain(others) {
            let key = one.certified_key();
            for name in key.end_entity_cert().map(|der| certificate::host_names(der)).unwrap_or_default() {
                names.entry(name).or_default().push(Arc::clone(&key));
            }
        }
        Self { first: identity.certified_key(), names }
    }

    /// The exact name before a wildcard, which stands for one label (RFC 9525 section 6.3).
    fn named(&self, name: &str) -> &[Arc<CertifiedKey>] {
        let name = name.to_ascii_lowercase();
        let wildcard = || name.split_once('.').and_then(|(_, rest)| self.names.get(&format!("*.{rest}")));
        self.names.get(&name).or_else(wildcard).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(names: &[&str]) -> Identity {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Identity::load_or_create(&folder.path().join("keys"), &names, 1_800_000_000).unwrap().0
    }

    #[test]
    fn a_name_finds_its_key_whatever_its_case() {
        let [one, two] = [identity(&["one.example.org"]), identity(&["two.example.org"])];
        let by_name = ByName::new(&one, std::slice::from_ref(&two));
        let found = by_name.named("Two.Example.Org");
        assert!(Arc::ptr_eq(&found[0], &two.certified_key()));
        assert!(by_name.named("three.example.org").is_empty());
        assert_eq!(by_name.named("localhost").len(), 2);
    }

    #[test]
    fn a_wildcard_stands_for_one_label_and_behind_an_exact_name() {
        let [one, two] = [identity(&["one.example.org"]), identity(&[])];
        let mut by_name = ByName::new(&one, &[]);
        by_name.names.insert("*.example.org".to_owned(), vec![two.certified_key()]);
        assert!(Arc::ptr_eq(&by_name.named("any.example.org")[0], &two.certified_key()));
        assert!(Arc::ptr_eq(&by_name.named("one.example.org")[0], &one.certified_key()));
        assert!(by_name.named("a.b.example.org").is_empty());
        assert!(by_name.named("example.org").is_empty());
    }
}
