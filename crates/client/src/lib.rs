//! The client of a Switchboard server: calls that take effect once, however often they are sent and whatever breaks.
//!
//! ```text
//!   Client (cheap to clone) --bounded queue--> driver (one task) == tls, tcp, unix, stdio ==> server
//!     ^  answers                                 |  every decision: switchboard_call::client
//!     +------------------------------------------+--> journal file: calls before they are sent, answers before they are handed over
//! ```
//!
//! A *durable* client keeps its calls in a journal. After a crash [`Client::open`] on the same journal goes on with them, and
//! [`Client::recovered`] hands over every result that was not acknowledged. A *volatile* client has no journal: its calls
//! carry a time after which they must not be executed.
//!
//! ```no_run
//! # async fn example(command: switchboard_commands::bank::Command) -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::PathBuf;
//! use switchboard_client::{Client, JournalPlace, KnownServers, Nodes, Options, Plaintext, Trust};
//! use switchboard_commands::bank::Bank;
//!
//! let nodes = Nodes::new(vec!["tls://bank.example".parse()?, "tls://bank2.example".parse()?], Plaintext::LoopbackOnly)?;
//! let trust = Trust::FirstUse(KnownServers::at("known_servers"));
//! let client = Client::open(Options::durable(nodes, trust, JournalPlace::File(PathBuf::from("till.journal"))))?;
//! let answered = client.call::<Bank>(command).await?;
//! match &answered.result {
//!     Ok(reply) => println!("{reply:?}"),
//!     Err(refusal) => println!("refused: {refusal}"),
//! }
//! client.acknowledge(answered.id).await?;
//! client.close().await;
//! # Ok(()) }
//! ```
//!
//! The driver flushes the journal within its task, about a tenth of a millisecond a time on a fast disk: a program that must
//! not be held up by its disk gives the client a runtime with several threads.
//!
//! Absent: the rules of any service, the choice of a configuration, retries under a new call id (nobody may do that but the
//! application, and only when [`CallError::retry`] allows it).

mod address;
mod answered;
mod bank;
mod connect;
mod driver;
mod error;
mod handle;
mod journal_file;
mod journals;
pub mod limits;
mod options;
mod text;

pub use address::{
    Address, AddressError, CommandLine, HostPort, Nodes, Plaintext, TCP_PORT_DEFAULT, TLS_PORT_DEFAULT,
};
pub use answered::{Answered, AnsweredBy, ReadBy, answered_by};
pub use bank::BankClient;
pub use driver::Recovered;
pub use error::{CallError, ConnectError, JournalError, Retry};
pub use handle::{Client, Pending};
pub use journals::{ListedJournal, list as list_journals};
pub use options::{Credential, Event, EventSink, JournalPlace, LinkKind, Options};
pub use switchboard_call::answer::Outcome;
pub use switchboard_call::client::{
    Alarm, CallState, CallView, End, NeverSent, ReadFailure, Settled, StopReason, Unresolved,
};
pub use switchboard_call::id::CallId;
pub use switchboard_tls::{Fingerprint, KnownServers, Trust};
pub use text::TextClient;
