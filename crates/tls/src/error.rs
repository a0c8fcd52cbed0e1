//! What can go wrong with keys, certificates, trust and handshakes, each told with its cause and what to do next. No text
//! here contains key material. Absent: errors of a connection after its handshake.

use std::io;
use std::path::PathBuf;

use rustls::{AlertDescription, CertificateError, InvalidMessage};
use thiserror::Error;

use crate::{Fingerprint, ServerAddress};

/// Why there is no identity, no configuration or no connection.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}; check that it exists, that this user may use it and that the disk has room", path.display())]
    File {
        /// What was tried, fitting after "cannot".
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is larger than anything of its kind.
    #[error("{} is larger than {bytes_max} bytes, which no file of its kind is; check that the path is the right one", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// The bound, in bytes.
        bytes_max: u64,
    },
    /// Others may read the private key.
    #[error(
        "the private key {0} can be read by other users of this machine (mode {mode:04o}), who could then pose as this server; \
         run `chmod 600 {0}`, and if somebody may have copied it, replace the key",
        path.display()
    )]
    KeyReadableByOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others may write to the keys folder.
    #[error(
        "other users of this machine may put files into the folder {0} (mode {mode:04o}), a key of their own included; \
         run `chmod 700 {0}` and check what is in it",
        path.display()
    )]
    FolderWritableByOthers {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key is gone, its certificate is still there.
    #[error(
        "the private key {} is missing although its certificate {} is there; a new key would make every client that pinned the \
         old one refuse this server: restore the key from a backup, or remove the certificate to start with a new identity",
        key.display(), certificate.display()
    )]
    KeyMissing {
        /// Where the key should be.
        key: PathBuf,
        /// The certificate that is there.
        certificate: PathBuf,
    },
    /// A file named by the configuration does not exist.
    #[error("there is no file {}, in which a {what} should be; correct the path or put the file there", path.display())]
    FileMissing {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file does not hold what it should.
    #[error("{} does not hold a usable {what}: {why}; restore the file from a backup or replace it", path.display())]
    Unusable {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Key and certificate are not a pair.
    #[error(
        "the certificate {} was not made for the private key {}; put the pair that belongs together in place",
        certificate.display(), key.display()
    )]
    NotAPair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The keys folder holds a certificate that an authority issued.
    #[error(
        "{} was issued by an authority, and the keys folder is only for the certificate this server makes itself, which would \
         overwrite it; move it and its key elsewhere and name both in the configuration",
        path.display()
    )]
    IssuedByAuthority {
        /// The certificate.
        path: PathBuf,
    },
    /// A name cannot stand in a certificate or be connected to.
    #[error(
        "{name:?} is neither a host name nor an IP address; write it like bank.example.org, 192.0.2.7 or 2001:db8::7"
    )]
    Name {
        /// The name, cut to 300 characters.
        name: String,
    },
    /// An address is not a host and a port.
    #[error(
        "{text:?} is not a server address; write it like bank.example.org:7447, 192.0.2.7:7447 or [2001:db8::7]:7447"
    )]
    Address {
        /// The address, cut to 300 characters.
        text: String,
    },
    /// Too many names for one certificate.
    #[error("{count} names are too many for one certificate, {max} is the limit; shorten the list of names")]
    TooManyNames {
        /// How many were asked for.
        count: usize,
        /// How many are possible.
        max: usize,
    },
    /// The time cannot stand in a certificate.
    #[error(
        "the clock of this machine shows {now} seconds since 1970, for which no certificate can be made; set the clock"
    )]
    Clock {
        /// The time told, in UNIX seconds.
        now: i64,
    },
    /// A text is not a fingerprint.
    #[error(
        "{text:?} is not a fingerprint; it is written sha256: and 64 hexadecimal digits, as the server prints it at its start"
    )]
    Fingerprint {
        /// The text, cut to 100 characters.
        text: String,
    },
    /// Key or certificate could not be made.
    #[error("cannot make a {what}; this is a fault of the cryptographic library or of this build, report it")]
    Generate {
        /// What could not be made.
        what: &'static str,
        /// The library's answer.
        source: rcgen::Error,
    },
    /// The cryptographic library failed.
    #[error(
        "the cryptographic library cannot {action}; this is a fault of the library or of this build, report it"
    )]
    Library {
        /// What was tried.
        action: &'static str,
        /// The library's answer.
        source: rustls::Error,
    },
    /// The machine has no certificate authorities.
    #[error(
        "this machine has no certificate authorities that could vouch for the server{why}; install them (package \
         ca-certificates), or trust the server by its fingerprint or by a file of authorities"
    )]
    NoSystemRoots {
        /// What the search met, empty or beginning with a space.
        why: String,
    },
    /// A line of the file of known servers cannot be read.
    #[error(
        "line {line} of {} is not `host:port fingerprint`; nothing is trusted while a line is damaged: correct it, or remove it \
         and compare the fingerprint at the next connection to that server",
        path.display()
    )]
    KnownServersDamaged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// The server is not the one this client trusts.
    #[error(transparent)]
    Refused(Box<TrustRefusal>),
    /// The certificate of the server was not accepted.
    #[error("the certificate of {peer} is not accepted; {advice}")]
    Certificate {
        /// The server.
        peer: String,
        /// What to do.
        advice: &'static str,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The other side does not speak TLS.
    #[error(
        "{peer} does not speak TLS on this connection: what it sent is no TLS record; check the port, and that both sides say \
         tls:// (or both do not)"
    )]
    NotTls {
        /// The other side.
        peer: String,
    },
    /// The two sides share no application protocol.
    #[error(
        "{peer} speaks TLS but no application protocol that this side speaks (ALPN); check the port and that both sides run \
         fitting versions"
    )]
    WrongProtocol {
        /// The other side.
        peer: String,
    },
    /// The other side ended the handshake.
    #[error(
        "{peer} ended the TLS handshake with the alert {alert:?}; its own message says why, most often that it does not trust \
         the certificate shown to it"
    )]
    PeerRefused {
        /// The other side.
        peer: String,
        /// The alert (RFC 8446 section 6.2).
        alert: AlertDescription,
    },
    /// The handshake failed in another way.
    #[error(
        "the TLS handshake with {peer} failed; check that both sides are up to date and that nothing on the way alters the bytes"
    )]
    Handshake {
        /// The other side.
        peer: String,
        /// What went wrong.
        source: rustls::Error,
    },
    /// The connection broke during the handshake.
    #[error(
        "the connection to {peer} broke during the TLS handshake; try again, and check that the other side still runs"
    )]
    Broken {
        /// The other side.
        peer: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Why a server that was found is not believed. Nothing was sent to it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrustRefusal {
    /// The server has another key than the pinned one.
    #[error(
        "WRONG SERVER: {server} showed the key {presented}, but this client is told to accept only {pinned}. Nothing was sent. \
         Somebody may stand between you and the server, or the pin is out of date: ask the operator which fingerprint the \
         server prints at its start, and change the pin only if it is {presented}"
    )]
    WrongPin {
        /// Which server was asked.
        server: ServerAddress,
        /// The pin.
        pinned: Fingerprint,
        /// What the server showed.
        presented: Fingerprint,
    },
    /// The server has another key than at the first connection.
    #[error(
        "THE IDENTITY OF THE SERVER HAS CHANGED: {server} was known as {known} and now shows {presented}. Nothing was sent. \
         Somebody may stand between you and the server, or it was set up anew: ask the operator which fingerprint the server \
         prints at its start, and only if it is {presented} remove the line of {server} from {} and connect again",
        path.display()
    )]
    IdentityChanged {
        /// Which server was asked.
        server: ServerAddress,
        /// The recorded fingerprint.
        known: Fingerprint,
        /// What the server showed.
        presented: Fingerprint,
        /// The file of known servers.
        path: PathBuf,
    },
}

impl TlsError {
    /// What a failed handshake with `peer` means. `error` is what rustls, or an adapter of it that wraps its errors in
    /// [`io::Error`] (rustls' own `Stream`, tokio-rustls), returned.
    pub fn from_handshake(peer: &str, error: io::Error) -> Self {
        match error.downcast::<rustls::Error>() {
            Ok(error) => Self::from_rustls(peer.to_owned(), error),
            Err(source) => Self::Broken { peer: peer.to_owned(), source },
        }
    }

    /// Whether the same attempt may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }

    fn from_rustls(peer: String, error: rustls::Error) -> Self {
        if let rustls::Error::InvalidCertificate(reason) = &error {
            if let Some(refusal) = trust_refusal(reason) {
                return refusal.into();
            }
            return Self::Certificate { peer, advice: advice(reason), source: error };
        }
        if let rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge,
        ) = error
        {
            return Self::NotTls { peer };
        }
        if matches!(
            error,
            rustls::Error::NoApplicationProtocol
                | rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        ) {
            return Self::WrongProtocol { peer };
        }
        if let rustls::Error::AlertReceived(alert) = error {
            return Self::PeerRefused { peer, alert };
        }
        Self::Handshake { peer, source: error }
    }
}

impl From<TrustRefusal> for TlsError {
    fn from(refusal: TrustRefusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

fn trust_refusal(reason: &CertificateError) -> Option<TrustRefusal> {
    if let CertificateError::Other(other) = reason { other.0.downcast_ref().cloned() } else { None }
}

fn advice(reason: &CertificateError) -> &'static str {
    use CertificateError as E;
    if matches!(reason, E::UnknownIssuer | E::BadSignature) {
        "no authority this client trusts issued it: trust the server by its fingerprint, or name the file of its authority"
    } else if matches!(reason, E::Expired | E::ExpiredContext { .. }) {
        "it has expired: the operator has to renew it (and check that the clock of this machine is right)"
    } else if matches!(reason, E::NotValidYet | E::NotValidYetContext { .. }) {
        "it is not valid yet: check the clocks of this machine and of the server"
    } else if matches!(reason, E::NotValidForName | E::NotValidForNameContext { .. }) {
        "it is for other names: connect by one of these, or have the operator add this name"
    } else {
        "ask the operator of the server for a sound one"
    }
}
