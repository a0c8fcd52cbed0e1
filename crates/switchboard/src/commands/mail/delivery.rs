//! Flags of `switchboard mail send` about how messages travel: notices of delivery, signatures, extensions that are avoided. Absent: what a
//! message says, and where it goes.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use switchboard_mail::dkim::Signer;
use switchboard_mail::limits::UNANSWERED_MESSAGES_MAX;
use switchboard_mail::smtp::dsn::{EnvelopeId, Event, Notices, Notify, Returned};
use switchboard_mail::smtp::{Avoidable, Options};
use zeroize::Zeroizing;

use super::secret;
use crate::exit::Exit;
use crate::failure::Failure;

/// What is read of a key file; the largest RSA key in PEM has 7 KiB.
const KEY_BYTES_MAX: u64 = 64 << 10;

/// How messages travel.
#[derive(Clone, Debug, Args)]
pub(super) struct Delivery {
    /// Asks for a notice when the message was delivered, cannot be, or is late; or never for one
    #[arg(long, value_enum, value_name = "EVENT", value_delimiter = ',', help_heading = "Delivery")]
    notify: Vec<Wanted>,
    /// How much of the message a notice of failure brings back
    #[arg(long = "return", value_enum, value_name = "PART", help_heading = "Delivery")]
    returned: Option<Part>,
    /// The name by which notices speak of the message
    #[arg(long, value_name = "TEXT", help_heading = "Delivery")]
    envelope_id: Option<EnvelopeId>,
    /// Does without an extension of the server, such as one that does not work
    #[arg(long, value_enum, value_name = "EXTENSION", value_delimiter = ',', help_heading = "Delivery")]
    without: Vec<Extension>,
    /// How many messages may be under way unanswered; as many are in doubt when the connection breaks
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = unanswered, help_heading = "Delivery")]
    unanswered: usize,
    /// Signs messages (DKIM) with the private key in this PEM file, RSA or Ed25519, which only its owner may read
    #[arg(long, value_name = "FILE", requires = "dkim_selector", help_heading = "Delivery")]
    dkim_key: Option<PathBuf>,
    /// The name of the key in the DNS: SELECTOR._domainkey.DOMAIN
    #[arg(long, value_name = "SELECTOR", requires = "dkim_key", help_heading = "Delivery")]
    dkim_selector: Option<String>,
    /// Whose key it is [default: the domain of the sender]
    #[arg(long, value_name = "DOMAIN", requires = "dkim_key", help_heading = "Delivery")]
    dkim_domain: Option<String>,
}

/// What to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// Nothing, not even a failure; alone
    Never,
    /// That it was delivered
    Success,
    /// That it cannot be delivered
    Failure,
    /// That it is late
    Delay,
}

/// What a notice brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The whole message
    Full,
    /// Its header
    Header,
}

/// What can be avoided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Extension {
    /// Waits for each answer before the next command
    Pipelining,
    /// DATA instead of BDAT
    Chunking,
}

impl Delivery {
    /// Which notices are wanted.
    ///
    /// # Errors
    /// When never is wanted beside something else.
    pub(super) fn notices(&self) -> Result<Notices, Failure> {
        let events = self.notify.iter().filter_map(|wanted| match wanted {
            Wanted::Never => None,
            Wanted::Success => Some(Event::Success),
            Wanted::Failure => Some(Event::Failure),
            Wanted::Delay => Some(Event::Delay),
        });
        let events: std::collections::BTreeSet<_> = events.collect();
        let never = self.notify.contains(&Wanted::Never);
        if never && !events.is_empty() {
            return Err(Failure::new(Exit::Usage, "--notify never stands alone")
                .advise("leave it out, or leave the others out"));
        }
        let notify = match (never, events.is_empty()) {
            (true, _) => Some(Notify::Never),
            (false, false) => Some(Notify::On(events)),
            (false, true) => None,
        };
        let returned = self.returned.map(|part| match part {
            Part::Full => Returned::Full,
            Part::Header => Returned::Header,
        });
        Ok(Notices { notify, returned, id: self.envelope_id.clone() })
    }

    /// Tells a session what is wished.
    pub(super) fn shape(&self, options: &mut Options) {
        options.unanswered_max = self.unanswered;
        options.avoided = self
            .without
            .iter()
            .map(|extension| match extension {
                Extension::Pipelining => Avoidable::Pipelining,
                Extension::Chunking => Avoidable::Chunking,
            })
            .collect();
    }

    /// Who signs the messages of a sender at `domain`.
    ///
    /// # Errors
    /// When the key cannot be read or used.
    pub(super) fn signer(&self, domain: &str) -> Result<Option<Signer>, Failure> {
        let (Some(path), Some(selector)) = (&self.dkim_key, &self.dkim_selector) else { return Ok(None) };
        let domain = self.dkim_domain.as_deref().unwrap_or(domain);
        Ok(Some(Signer::new(domain, selector, &key_in(path)?)?))
    }
}

fn key_in(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut pem = Zeroizing::new(Vec::new());
    let file = secret::open_private(path, "key file")?;
    file.take(KEY_BYTES_MAX).read_to_end(&mut pem).map_err(|error| {
        Failure::new(Exit::InputOutput, format!("cannot read the key file {}", path.display())).because(error)
    })?;
    Ok(pem)
}

fn unanswered(text: &str) -> Result<usize, String> {
    let bound = 1..=UNANSWERED_MESSAGES_MAX;
    text.parse().ok().filter(|count| bound.contains(count)).ok_or(format!("1 to {UNANSWERED_MESSAGES_MAX}"))
}
