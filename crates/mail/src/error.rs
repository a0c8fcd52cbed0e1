//! What can be wrong before a server is asked anything: with addresses, with what a message is made of, with how to reach the server.
//! Absent: what became of a message once the dialogue began; that is the [`Report`](crate::smtp::Report).

use std::io;
use std::path::PathBuf;

/// What cannot be sent, and why.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It is no address that mail can be sent to.
    #[error(
        "{text:?} is not a mail address: {why}; write it as name@example.org or \"Full Name <name@example.org>\""
    )]
    Address {
        /// What was given, shortened.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A header field cannot have this value.
    #[error("the {field} cannot be sent: {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong, and what to do.
        why: &'static str,
    },
    /// A message has neither sender nor recipient, or too much of something.
    #[error("{what} {bound}; {advice}")]
    Bound {
        /// What there is too much of.
        what: &'static str,
        /// The bound in words.
        bound: String,
        /// What to do.
        advice: &'static str,
    },
    /// A file to be sent cannot be used.
    #[error("cannot {action} {}; check the path and that this user may read the file", path.display())]
    File {
        /// What was tried, fitting after "cannot".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A path that leads to no ordinary file: its length is not known before it is read.
    #[error("{} is not an ordinary file; save it to a file first and send that", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A file became shorter or longer while it was sent.
    #[error(
        "{} changed while it was sent ({announced} bytes were announced); send it again when nothing writes to it",
        path.display()
    )]
    FileChanged {
        /// The file.
        path: PathBuf,
        /// Its length when the message was composed, in bytes.
        announced: u64,
    },
    /// A message that is to be sent as it is cannot be.
    #[error("{} cannot be sent as it is: {why}", path.display())]
    Written {
        /// The file.
        path: PathBuf,
        /// What is wrong, where, and what to do.
        why: String,
    },
    /// The key that is to sign messages cannot.
    #[error("messages cannot be signed: {0}")]
    Signing(&'static str),
    /// What was signed is not what was read when it was sent.
    #[error(
        "a file of the message changed after the message was signed; send it again when nothing writes to it"
    )]
    ChangedSinceSigned,
    /// The kernel gives no random numbers.
    #[error("the kernel gives no random numbers; without them no message can be given an id")]
    NoRandomness(#[source] getrandom::Error),
    /// The trust in the server cannot be set up.
    #[error(transparent)]
    Trust(#[from] switchboard_tls::TlsError),
}
