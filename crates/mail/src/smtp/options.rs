//! What a dialogue is asked to do.

use crate::MailError;
use crate::address::Address;
use crate::auth::Login;
use crate::limits::RECIPIENTS_MAX;

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

/// Who sends, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    sender: Address,
    recipients: Vec<Address>,
}

/// What to do on one connection.
#[derive(Debug)]
pub struct Options {
    /// How it is protected.
    pub security: Security,
    /// Who logs in; without it nobody does.
    pub login: Option<Login>,
    /// Who sends, and to whom.
    pub envelope: Envelope,
    /// The length of the message in bytes, CRLF line ends, dots not stuffed (RFC 1870); told to a server that wants to know.
    pub message_bytes: u64,
    /// Fresh bytes from the kernel.
    pub nonce: [u8; 18],
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
