//! A command as a client of a server: which server it speaks to, whom it believes, what it comes with; and what the person is
//! told when no answer comes. Money moves through a *durable* client, whose journal is in the data folder; questions are
//! asked by a *volatile* one. Absent: retries under a new call id.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use switchboard_client::{
    Address, Client, Credential, Event, EventSink, JournalPlace, KnownServers, Nodes, Options, Plaintext,
    ReadBy, Trust,
};
use switchboard_commands::Commands;

use crate::commands::Invocation;
use crate::config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::harmless;
use crate::serve::{self, Embedded};

/// For whom the journals of the command line are kept.
const PRINCIPAL: &str = "command line";
/// Bytes of an operator key file.
const OPERATOR_KEY_BYTES: usize = 32;

/// A client for the length of one command.
pub(crate) struct Caller {
    client: Client,
    embedded: Option<Embedded>,
}

impl Caller {
    /// For questions: nothing is kept.
    pub(crate) async fn volatile(on: &Invocation) -> Result<Self, Failure> {
        Self::open(on, JournalPlace::Volatile).await
    }

    /// For commands: each is in a journal of the data folder before it is sent. Calls that earlier commands left open in
    /// that journal are sent again meanwhile, and announced.
    pub(crate) async fn durable(on: &Invocation) -> Result<Self, Failure> {
        let folder = journals(on);
        announce_open_calls(on, &folder);
        Self::open(on, JournalPlace::Folder(folder)).await
    }

    /// Goes on with this journal. Does not wait for a server: a call can be cancelled before it is sent again.
    pub(crate) async fn of_journal(on: &Invocation, journal: &Path) -> Result<Self, Failure> {
        Self::start(on, JournalPlace::File(journal.to_owned())).await
    }

    async fn open(on: &Invocation, journal: JournalPlace) -> Result<Self, Failure> {
        let caller = Self::start(on, journal).await?;
        match caller.reached().await {
            Ok(()) => Ok(caller),
            Err(failure) => {
                caller.close().await?;
                Err(failure)
            }
        }
    }

    /// Waits until a server has greeted.
    pub(crate) async fn reached(&self) -> Result<(), Failure> {
        Ok(self.client.connected().await?)
    }

    async fn start(on: &Invocation, journal: JournalPlace) -> Result<Self, Failure> {
        let embedded = if on.global.embedded { Some(Embedded::start(on)?) } else { None };
        let nodes = nodes(on, embedded.as_ref()).await?;
        let wait = Duration::from_millis(on.config.client.wait_ms);
        let not_after = (journal == JournalPlace::Volatile).then_some(wait);
        let options = Options {
            credential: credential(on)?,
            journal,
            principal: PRINCIPAL.to_owned(),
            link: on.config.client.link,
            deadline: Some(wait),
            not_after,
            agent: concat!("switchboard/", env!("CARGO_PKG_VERSION")).to_owned(),
            on_event: event_sink(on),
            ..Options::volatile(nodes, trust(on)?, wait)
        };
        Ok(Self { client: Client::open(options)?, embedded })
    }

    /// The client itself.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Asks a question.
    pub(crate) async fn read<C: Commands>(&self, question: C::Command) -> Result<ReadBy<C>, Failure> {
        Ok(self.client.read::<C>(question).await?)
    }

    /// Ends the client, and the server inside this process, in order.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        self.client.close().await;
        match self.embedded {
            Some(embedded) => embedded.close().await,
            None => Ok(()),
        }
    }
}

/// Where the command line keeps its journals.
pub(crate) fn journals(on: &Invocation) -> PathBuf {
    on.data.join("client")
}

fn announce_open_calls(on: &Invocation, folder: &Path) {
    // A folder that cannot be read is told by the client, which needs it.
    let Ok(journals) = switchboard_client::list_journals(folder) else { return };
    let open: usize = journals.iter().map(|journal| journal.open.len()).sum();
    let answered: usize = journals.iter().map(|journal| journal.answered.len()).sum();
    if open + answered > 0 {
        let (open, answered) = (counted(open, "call"), counted(answered, "answer"));
        on.screen.notice(&format!(
            "earlier commands left {open} open and {answered} unseen; `switchboard call retry` settles and shows them"
        ));
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The servers to speak to: the one inside this process, those that are configured, or the one of the data folder.
async fn nodes(on: &Invocation, embedded: Option<&Embedded>) -> Result<Nodes, Failure> {
    let configured = &on.config.client.nodes;
    let addresses = match embedded {
        Some(embedded) => vec![Address::Unix(embedded.socket.clone())],
        None if !configured.is_empty() => {
            let parsed = configured.iter().map(|node| node.parse::<Address>());
            parsed.collect::<Result<_, _>>().map_err(|error| Failure::from_error(Exit::Usage, error))?
        }
        None => vec![Address::Unix(local_socket(on).await?)],
    };
    let plaintext = match on.config.listen.plaintext {
        switchboard_server::Plaintext::LoopbackOnly => Plaintext::LoopbackOnly,
        switchboard_server::Plaintext::Anywhere => Plaintext::Anywhere,
    };
    Nodes::new(addresses, plaintext).map_err(|error| Failure::from_error(Exit::Usage, error))
}

async fn local_socket(on: &Invocation) -> Result<PathBuf, Failure> {
    match (on.config.listen.unix(), serve::running_server(on).await) {
        (Some(socket), Some(_)) => Ok(socket.to_owned()),
        (_, _) => Err(Failure::new(Exit::Unavailable, format!("no server runs for {}", on.data.display()))
            .advise("start one with `switchboard serve`, or add --embedded")),
    }
}

fn trust(on: &Invocation) -> Result<Trust, Failure> {
    Ok(match &on.config.client.trust {
        config::client::Trust::FirstUse => Trust::FirstUse(KnownServers::at(on.data.join("known_servers"))),
        config::client::Trust::System => Trust::SystemRoots,
        config::client::Trust::CaFile(path) => Trust::CaFile(path.clone()),
        config::client::Trust::Pin(text) => Trust::Pin(text.parse()?),
    })
}

/// The operator key goes only where it was told to go: a server that is merely met must not learn it.
fn credential(on: &Invocation) -> Result<Option<Credential>, Failure> {
    let Some(path) = &on.config.client.operator_key else { return Ok(None) };
    let wrong = |what: String| {
        Failure::new(Exit::Configuration, what)
            .advise("client.operator_key names a copy of keys/operator.key of the server's data folder")
    };
    let bytes = std::fs::read(path)
        .map_err(|error| wrong(format!("cannot read the operator key {}", path.display())).because(error))?;
    if bytes.len() != OPERATOR_KEY_BYTES {
        return Err(wrong(format!("{} is no operator key: it has not 32 bytes", path.display())));
    }
    Ok(Some(Credential::new(&bytes)))
}

/// Alarms and servers met for the first time are told always, the rest with --verbose.
fn event_sink(on: &Invocation) -> EventSink {
    let screen = on.screen.clone();
    Arc::new(move |event: Event| {
        let met = matches!(event, Event::MetServer { .. } | Event::JournalCut { .. });
        if event.is_alarm() || met || screen.is_verbose() {
            let causes = std::iter::successors(std::error::Error::source(&event), |&cause| cause.source());
            let causes: String = causes.map(|cause| format!(": {cause}")).collect();
            screen.notice(&harmless(&format!("{event}{causes}")));
        }
    })
}
