//! What a session is asked to do, and what is submitted in it.

use std::path::PathBuf;

use super::dsn::Notices;
use super::report::Phase;
use crate::MailError;
use crate::address::Address;
use crate::auth::Login;
use crate::limits::{CHUNK_BYTES_MAX, RECIPIENTS_MAX, UNANSWERED_MESSAGES_MAX};
use crate::mime::{Content, Message};

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    Off,
    /// By STARTTLS (RFC 3207); a server that does not offer it is left before anything is told to it.
    StartTls,
    /// From the first byte (RFC 8314).
    Implicit,
}

/// What to do on one connection.
#[derive(Debug)]
pub struct Options {
    /// How it is protected.
    pub security: Security,
    /// Who logs in; without it nobody does.
    pub login: Option<Login>,
    /// Fresh bytes from the kernel.
    pub nonce: [u8; 18],
    /// How many messages may have left whole without an answer: as many are in doubt when the connection breaks. With one, the next message
    /// begins when the one before is answered. At most [`UNANSWERED_MESSAGES_MAX`].
    pub unanswered_max: usize,
    /// How many bytes of a message make a chunk of BDAT; at most [`CHUNK_BYTES_MAX`].
    pub chunk_bytes_max: usize,
    /// Extensions that are not used even where the server offers them.
    pub avoided: Vec<Avoidable>,
    /// After which phase to say goodbye, nothing being sent; [`Phase::Connect`] to [`Phase::Rcpt`], [`Phase::Tls`] only where there is TLS.
    pub stop_after: Option<Phase>,
    /// What this side shows to a server that asks who it is in the handshake.
    pub certificate: Option<ClientCertificate>,
}

/// A certificate of this side, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The PEM file with the certificate, and those between it and its authority.
    pub chain: PathBuf,
    /// The PEM file with the key, which nobody else may read.
    pub key: PathBuf,
}

/// An extension that a message can be sent without, at the cost of round trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Avoidable {
    /// Commands before the answers to those before them (RFC 2920).
    Pipelining,
    /// BDAT instead of DATA (RFC 3030).
    Chunking,
}

/// Who sends, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    sender: Address,
    recipients: Vec<Address>,
}

/// One message as the dialogue has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Who sends, and to whom.
    pub envelope: Envelope,
    /// The length of the message in bytes, CRLF line ends, dots not stuffed (RFC 1870); told to a server that wants to know.
    pub message_bytes: u64,
    /// What of a server the message needs.
    pub content: Content,
    /// Which notices are wanted of what becomes of it.
    pub notices: Notices,
}

impl Options {
    /// Without a login, using all that the server offers.
    #[must_use]
    pub fn new(security: Security, nonce: [u8; 18]) -> Self {
        let unanswered_max = UNANSWERED_MESSAGES_MAX;
        Self {
            security,
            login: None,
            nonce,
            unanswered_max,
            chunk_bytes_max: CHUNK_BYTES_MAX,
            avoided: Vec::new(),
            stop_after: None,
            certificate: None,
        }
    }
}

impl Submission {
    /// `message` under `envelope`, no notices wanted.
    #[must_use]
    pub fn new(envelope: Envelope, message: &Message) -> Self {
        Self {
            envelope,
            message_bytes: message.bytes(),
            content: message.content(),
            notices: Notices::default(),
        }
    }

    /// Whether it can only go to a server with SMTPUTF8.
    pub(super) fn is_internationalized(&self) -> bool {
        let everybody = std::iter::once(self.envelope.sender()).chain(self.envelope.recipients());
        self.content == Content::Internationalized || everybody.into_iter().any(|one| !one.is_ascii())
    }
}

impl Envelope {
    /// Every recipient is named once, in the order of first appearance.
    ///
    /// # Errors
    /// When there is no recipient, or more than [`RECIPIENTS_MAX`].
    pub fn new(sender: Address, recipients: Vec<Address>) -> Result<Self, MailError> {
        let mut seen = std::collections::BTreeSet::new();
        let recipients: Vec<_> =
            recipients.into_iter().filter(|address| seen.insert(address.clone())).collect();
        match recipients.len() {
            0 => Err(MailError::Bound {
                what: "the message has",
                bound: "no recipient".to_owned(),
                advice: "name one with --to, --cc or --bcc",
            }),
            1..=RECIPIENTS_MAX => Ok(Self { sender, recipients }),
            _ => Err(MailError::Bound {
                what: "the message has",
                bound: format!("more than {RECIPIENTS_MAX} recipients"),
                advice: "send it in several parts",
            }),
        }
    }

    /// Who sends.
    #[must_use]
    pub fn sender(&self) -> &Address {
        &self.sender
    }

    /// To whom; never empty.
    #[must_use]
    pub fn recipients(&self) -> &[Address] {
        &self.recipients
    }
}
