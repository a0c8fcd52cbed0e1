//! What became of a message: per recipient what is known, and how surely.

use std::fmt;

use super::options::Envelope;
use crate::address::Address;
use crate::auth::AuthError;
use crate::reply::{ReplyError, Said};

/// What is known about one message when its part of a dialogue is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Every recipient of the envelope, in its order.
    pub recipients: Vec<RecipientFate>,
    /// What ended the dialogue before its time, and where.
    pub trouble: Option<(Phase, Cause)>,
}

/// What became of the message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientFate {
    /// Who.
    pub address: Address,
    /// What.
    pub fate: Fate,
}

/// What is known about one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The server has taken responsibility for the message.
    Accepted(Said),
    /// The server said no; it has not taken the message.
    Refused {
        /// To what it said no.
        phase: Phase,
        /// Its words.
        said: Said,
    },
    /// The message did not reach the server whole: sending it again makes no second copy.
    NotSent {
        /// How far it came.
        phase: Phase,
        /// Why no further.
        cause: Cause,
    },
    /// The whole message left and the server's answer is not known. It may have been delivered, it may not.
    InDoubt {
        /// Why the answer is not known.
        cause: Cause,
    },
}

/// Where a dialogue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The connection is being made.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The server's first words.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA.
    Data,
    /// The message is being sent.
    Body,
    /// The final dot is out.
    Final,
    /// QUIT.
    Quit,
}

/// Why a dialogue did not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The server closed the connection, or it broke.
    #[error("the connection was closed")]
    Lost,
    /// There is no connection at all.
    #[error("cannot connect to {0}; check --server, and that the server runs")]
    Unreachable(String),
    /// The network says more about why.
    #[error("the connection broke: {0}")]
    Network(String),
    /// Nothing came for so long.
    #[error("nothing came for {} seconds", waited_ms / 1000)]
    TimedOut {
        /// For how long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// The server said no.
    #[error("the server said no: {0}")]
    Said(Said),
    /// What came is no reply.
    #[error("the server does not keep to SMTP: {0}")]
    Malformed(#[from] ReplyError),
    /// A reply that has no meaning here.
    #[error("the server does not keep to SMTP: {0} is no answer to what it was told")]
    Unexpected(Said),
    /// A reply to what had not been said.
    #[error("the server does not keep to SMTP: it answered before it was asked")]
    TooEarly,
    /// The server offers no STARTTLS, or somebody took the offer out.
    #[error(
        "the server does not offer STARTTLS, or somebody on the way removed the offer, and nothing was told to it; \
         use --tls implicit if the server has it, and ask its operator"
    )]
    NoStartTls,
    /// Something was put between STARTTLS and TLS.
    #[error(
        "more came with the answer to STARTTLS than the answer: somebody on the way may be forging what the server says"
    )]
    Injected,
    /// The handshake failed, or the server is not the right one.
    #[error("no secure connection: {0}")]
    Untrusted(String),
    /// The message is larger than the server takes.
    #[error(
        "the message has {bytes} bytes and the server takes {bytes_max}; leave attachments out or split them"
    )]
    TooLarge {
        /// Its length.
        bytes: u64,
        /// What the server said that it takes.
        bytes_max: u64,
    },
    /// The message needs what the server does not offer.
    #[error("the server does not offer {extension}, and {why}")]
    Unsupported {
        /// The extension.
        extension: &'static str,
        /// What needs it, and what to do.
        why: &'static str,
    },
    /// The login cannot go on.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The message could not be read to its end.
    #[error("the message could not be sent whole: {0}")]
    Message(String),
    /// No more than that was wanted.
    #[error("it was to stop there")]
    Stopped,
    /// Nobody went on with the dialogue.
    #[error("it was not finished")]
    Unfinished,
}

impl Report {
    /// Of a message that did not come to be sent.
    #[must_use]
    pub fn not_sent(envelope: &Envelope, phase: Phase, cause: &Cause) -> Self {
        let recipients = envelope.recipients().iter().map(|address| RecipientFate {
            address: address.clone(),
            fate: Fate::NotSent { phase, cause: cause.clone() },
        });
        Self { recipients: recipients.collect(), trouble: Some((phase, cause.clone())) }
    }

    /// Whether the server has taken the message for every recipient.
    #[must_use]
    pub fn all_accepted(&self) -> bool {
        self.recipients.iter().all(|recipient| matches!(recipient.fate, Fate::Accepted(_)))
    }
}

impl Fate {
    /// The one word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Refused { .. } => "refused",
            Self::NotSent { .. } => "not_sent",
            Self::InDoubt { .. } => "in_doubt",
        }
    }

    /// Where it was decided.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Accepted(_) | Self::InDoubt { .. } => Phase::Final,
            Self::Refused { phase, .. } | Self::NotSent { phase, .. } => *phase,
        }
    }

    /// The server's words, where it spoke.
    #[must_use]
    pub fn said(&self) -> Option<&Said> {
        match self {
            Self::Accepted(said) | Self::Refused { said, .. } => Some(said),
            Self::NotSent { cause, .. } | Self::InDoubt { cause } => cause.said(),
        }
    }
}

impl Cause {
    fn said(&self) -> Option<&Said> {
        match self {
            Self::Said(said) | Self::Unexpected(said) => Some(said),
            Self::Lost
            | Self::Network(_)
            | Self::Unreachable(_)
            | Self::TimedOut { .. }
            | Self::Malformed(_)
            | Self::TooEarly
            | Self::NoStartTls
            | Self::Injected
            | Self::Untrusted(_)
            | Self::TooLarge { .. }
            | Self::Unsupported { .. }
            | Self::Auth(_)
            | Self::Message(_)
            | Self::Stopped
            | Self::Unfinished => None,
        }
    }

    /// One word for the kind of it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lost | Self::Network(_) => "lost",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut { .. } => "timed_out",
            Self::Said(_) => "said",
            Self::Malformed(_) => "malformed",
            Self::Unexpected(_) => "unexpected",
            Self::TooEarly => "too_early",
            Self::NoStartTls => "no_starttls",
            Self::Injected => "injected",
            Self::Untrusted(_) => "untrusted",
            Self::TooLarge { .. } => "too_large",
            Self::Unsupported { .. } => "unsupported",
            Self::Auth(_) => "auth",
            Self::Message(_) => "message",
            Self::Stopped => "stopped",
            Self::Unfinished => "unfinished",
        }
    }
}

impl Phase {
    /// All, in the order of a dialogue.
    pub const ALL: [Self; 12] = [
        Self::Connect,
        Self::Tls,
        Self::Greeting,
        Self::Hello,
        Self::StartTls,
        Self::Auth,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Body,
        Self::Final,
        Self::Quit,
    ];

    /// The one word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Greeting => "greeting",
            Self::Hello => "hello",
            Self::StartTls => "starttls",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Body => "body",
            Self::Final => "final",
            Self::Quit => "quit",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
