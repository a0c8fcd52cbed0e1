//! `switchboard serve`: the arguments of the server. Absent: its wiring, which is `serve.rs` of this crate.

use clap::Args;

use super::Invocation;
use crate::config::FlagSetting;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{logging, parent, serve};

/// What `serve` takes.
#[derive(Clone, Debug, Default, Args)]
#[command(
    after_help = "The server says \"ready\" on standard error when it takes connections. SIGTERM and SIGINT end it when the \
    calls in hand are done; SIGHUP reads the certificate again.\n\n\
    Examples:\n  switchboard serve\n  switchboard serve --tls 0.0.0.0:7447 --name bank.example.org\n  \
    switchboard serve --ready-file /run/switchboard.ready\n  ssh till@bank.example.org switchboard serve --stdio"
)]
pub struct Arguments {
    /// Carries calls over standard input and output: to the server that runs for the data folder, or, when none runs,
    /// to one that lives as long as this connection
    #[arg(long, conflicts_with_all = ["tls", "tcp", "unix", "ready_file"])]
    pub stdio: bool,
    /// Listens for tls:// clients at ADDRESS:PORT, instead of listen.tls; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub tls: Vec<String>,
    /// Listens for tcp:// clients, not encrypted, instead of listen.tcp
    #[arg(long, value_name = "ADDRESS")]
    pub tcp: Vec<String>,
    /// The path of the Unix socket, instead of listen.unix
    #[arg(long, value_name = "PATH")]
    pub unix: Option<String>,
    /// Permits --tcp off loopback, where anybody on the way reads and alters
    #[arg(long)]
    pub allow_plaintext: bool,
    /// Takes every tcp:// client on loopback for the operator
    #[arg(long)]
    pub trust_loopback: bool,
    /// Does without the guarantee that an answer survives a power cut
    #[arg(long)]
    pub unsafe_durability: bool,
    /// A further name or address for the certificate that the server makes itself
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// Writes the addresses as JSON to this file when the server takes connections, for scripts that wait for it
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<std::path::PathBuf>,
    /// Ends when the process that started it does
    #[arg(long, hide = true)]
    pub end_with_parent: bool,
}

impl Arguments {
    /// The settings that these flags are.
    #[must_use]
    pub fn settings(&self) -> Vec<FlagSetting> {
        let list = |key: &str, flag: &str, items: &[String]| {
            (!items.is_empty()).then(|| setting(key, flag, items.join(",")))
        };
        let switch = |key: &str, flag: &str, on: bool| on.then(|| setting(key, flag, "true".to_owned()));
        [
            list("listen.tls", "--tls", &self.tls),
            list("listen.tcp", "--tcp", &self.tcp),
            list("listen.names", "--name", &self.names),
            self.unix.clone().map(|path| setting("listen.unix", "--unix", path)),
            switch("listen.allow_plaintext", "--allow-plaintext", self.allow_plaintext),
            switch("store.unsafe_durability", "--unsafe-durability", self.unsafe_durability),
            switch("listen.trust_loopback", "--trust-loopback", self.trust_loopback),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn setting(key: &str, flag: &str, text: String) -> FlagSetting {
    FlagSetting { key: key.to_owned(), text, flag: flag.to_owned() }
}

/// Runs the server to its end.
///
/// # Errors
/// When it cannot start, or cannot go on.
pub fn run(on: &Invocation, arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.end_with_parent {
        parent::end_with_it();
    }
    logging::start(&on.config.log);
    on.block_on(async {
        if arguments.stdio {
            serve::over_stdio(on).await
        } else {
            serve::listen(on, arguments.ready_file.as_deref()).await
        }
    })?;
    Ok(Exit::Done)
}
